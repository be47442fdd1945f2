// The dashboards' types on the wire, from Grafana's own: what is checked is JSON, which has texts where the types have enums.
import type {
  AnnotationQuery,
  Dashboard as GrafanaDashboard,
  DataSourceRef,
  Panel as GrafanaPanel,
  RowPanel as GrafanaRow,
} from "@grafana/schema";
import type { Options as BarGaugeOptions } from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type { Options as StatOptions } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type {
  FieldConfig as TimelineField,
  Options as TimelineOptions,
} from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type {
  FieldConfig as TableField,
  Options as TableOptions,
} from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type { Options as TextOptions } from "@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen";
import type {
  FieldConfig as SeriesField,
  Options as SeriesOptions,
} from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

/** A type as JSON has it: an enum of texts is its texts, an enum of numbers is a number. */
type Wire<T> = T extends string
  ? `${T}`
  : T extends number
    ? number
    : T extends boolean | null | undefined
      ? T
      : T extends (infer Each)[]
        ? Wire<Each>[]
        : T extends object
          ? { [Key in keyof T]: Wire<T[Key]> }
          : T;

/** A query of Grafana's Prometheus data source: packages/grafana-prometheus/src/dataquery.ts. */
interface Query {
  refId: string;
  datasource: Wire<DataSourceRef>;
  expr: string;
  legendFormat: string;
  format: "time_series" | "table";
  instant: boolean;
  range: boolean;
}

/** One of our panels: its options and its fields by its kind, its queries those of Prometheus. */
type Of<Kind extends string, Options, Field> = Omit<Wire<GrafanaPanel>, "fieldConfig" | "options" | "targets" | "type"> & {
  type: Kind;
  description: string;
  options: Wire<Options>;
  targets?: Query[];
  fieldConfig?: {
    defaults: Omit<Wire<NonNullable<GrafanaPanel["fieldConfig"]>["defaults"]>, "custom"> & { custom?: Partial<Wire<Field>> };
    overrides: Wire<NonNullable<GrafanaPanel["fieldConfig"]>["overrides"]>;
  };
};

export type Panel =
  | Of<"stat", StatOptions, never>
  | Of<"bargauge", BarGaugeOptions, never>
  | Of<"table", Partial<TableOptions>, TableField>
  | Of<"timeseries", Partial<SeriesOptions>, SeriesField>
  | Of<"state-timeline", Partial<TimelineOptions>, TimelineField>
  | Of<"text", Partial<TextOptions>, never>;

export type Row = Omit<Wire<GrafanaRow>, "panels"> & { panels: Panel[] };

/** What the Prometheus data source reads besides: packages/grafana-prometheus/src/annotations.ts. */
export type Marks = Wire<Omit<AnnotationQuery, "target">> & {
  expr: string;
  step: string;
  titleFormat: string;
  textFormat: string;
  tagKeys: string;
  useValueForTime: boolean;
};

export type Dashboard = Omit<Wire<GrafanaDashboard>, "annotations" | "panels"> & {
  annotations: { list: Marks[] };
  panels: (Panel | Row)[];
};
