// What Grafana itself makes of values, tables and variables: its package @grafana/data, run outside of a browser.
// node grafana.cjs ORDER, with JSON on standard input and on standard output.
"use strict";

// The package is made for browsers, and looks for these when it is loaded. Node has some of them, to be read only.
const browser = {
  window: globalThis,
  navigator: { language: "en-US", languages: ["en-US"] },
  localStorage: { getItem: () => null, setItem: () => undefined },
  location: { origin: "", search: "" },
};
for (const [name, value] of Object.entries(browser)) Object.defineProperty(globalThis, name, { value, configurable: true });

const data = require("@grafana/data");
const { firstValueFrom } = require("rxjs");

const kinds = new Map(Object.values(data.standardTransformers).map((each) => [each.id, each]));
data.standardTransformersRegistry.setInit(() =>
  [...kinds.values()].map((each) => ({ id: each.id, name: each.name, transformation: each, editor: () => null })),
);
const theme = data.createTheme();

/** Texts of numbers, each [value, unit, decimals]. */
const units = (cases) =>
  cases.map(([value, unit, decimals]) => {
    const config = { unit, decimals: decimals ?? undefined };
    return data.formattedValueToString(
      data.getDisplayProcessor({ field: { type: data.FieldType.number, config }, theme })(value),
    );
  });

/** Text and colour of values, each {config, value}. */
const shown = (cases) =>
  cases.map(({ config, value }) => {
    const type = typeof value === "string" ? data.FieldType.string : data.FieldType.number;
    const made = data.getDisplayProcessor({ field: { type, config }, theme })(value);
    return [data.formattedValueToString(made), made.color ?? ""];
  });

/** Tables after their transformations, each {frames: [{refId, columns}], steps}: columns by their shown names. */
const tables = (cases) =>
  Promise.all(
    cases.map(async ({ frames, steps }) => {
      const given = frames.map(({ refId, columns }) => {
        const fields = Object.entries(columns).map(([name, values]) => ({
          name,
          type:
            name === "Time"
              ? data.FieldType.time
              : name.startsWith("Value")
                ? data.FieldType.number
                : data.FieldType.string,
          values,
          config: {},
        }));
        return { refId, fields, length: fields[0]?.values.length ?? 0 };
      });
      const out = await firstValueFrom(data.transformDataFrame(steps, given));
      if (out.length > 1) throw new Error(`${out.length} tables are left`);
      return out.length === 0
        ? []
        : out[0].fields.map((field) => [data.getFieldDisplayName(field, out[0], out), field.values]);
    }),
  );

const orders = { units, shown, tables };

const read = () =>
  new Promise((done) => {
    let text = "";
    process.stdin.on("data", (part) => (text += part));
    process.stdin.on("end", () => done(JSON.parse(text)));
  });

read()
  .then((given) => orders[process.argv[2]](given))
  .then((made) => process.stdout.write(JSON.stringify(made)));
