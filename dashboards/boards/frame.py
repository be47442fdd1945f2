"""What all five dashboards have: identity, variables, annotations, links, and the grid."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    DashboardCursorSync,
    DashboardLinkType,
    GridPos,
    Panel,
    VariableHide,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from boards.panels import SOURCE, Link, Placed
from boards.promql import BY_CLUSTER, BY_POD, alerts
from galera_exporter.web.tones import COLOURS

COLUMNS: Final = 24
RUNBOOKS: Final = "alerts/runbooks"
"""Where the runbooks are, as in the rules: a value of the chart, and an option of ``python -m boards``, replaces it."""
TITLES: Final = {
    "galera-clusters": "Galera / Clusters",
    "galera-cluster": "Galera / Cluster",
    "galera-node": "Galera / Node",
    "galera-registry": "Galera / Registry",
    "galera-recovery": "Galera / Recovery",
}
_OF_INTERVALS: Final = frozenset({"auto", "auto_count", "auto_min"})
"""What the SDK writes for every variable, and only one that chooses an interval has."""
_LABEL_VALUES: Final = 1
"""The kind of query, as the editor of Grafana's Prometheus data source numbers them."""
_RANGE: Final = "${__url_time_range}&var-datasource=${datasource}"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a common title; ``folded``: shown, and asked for, only when it is opened."""

    title: str
    panels: Sequence[Placed]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard."""

    uid: str
    about: str
    where: str
    """The matchers that choose what it is about."""
    variables: Sequence[Builder[VariableModel]]
    rows: Sequence[Row]
    view_changes: bool = True
    """Whether the marks of view changes are on when it is opened."""

    def document(self) -> dict[str, Any]:
        """Return the dashboard as Grafana's JSON, keys sorted."""
        builder = (
            build.Dashboard(TITLES[self.uid])
            .uid(self.uid)
            .description(self.about)
            .tags(["galera", "mariadb"])
            .readonly()
            .timezone("browser")
            .time("now-1h", "now")
            .refresh("30s")
            .tooltip(DashboardCursorSync.CROSSHAIR)
            .variables([_datasource(), *self.variables, _runbooks()])
            .annotations(list(_annotations(self.where, view_changes=self.view_changes)))
            .links(list(_links(self.uid)))
        )
        found: dict[str, Any] = json.loads(json.dumps(builder.build(), cls=JSONEncoder))
        found["panels"] = _placed(self.rows)
        for variable in found["templating"]["list"]:
            for name in _OF_INTERVALS & variable.keys():
                del variable[name]
        return found


def query_variable(name: str, label: str, query: str, *, multi: bool = False) -> build.QueryVariable:
    """Return a variable that lists what Prometheus has in the time range."""
    found = (
        build.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"qryType": _LABEL_VALUES, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.NATURAL_ASC)
        .multi(multi)
        .include_all(multi)
    )
    if multi:
        found.all_value(".*").current(VariableOption(selected=True, text="All", value="$__all"))
    return found


def one_cluster() -> list[Builder[VariableModel]]:
    """Return the variables that choose one cluster."""
    return [
        query_variable("namespace", "Namespace", "label_values(galera_up, namespace)"),
        query_variable("galera_cluster", "Cluster", 'label_values(galera_up{namespace="$namespace"}, galera_cluster)'),
    ]


def pod_variable(*, multi: bool) -> Builder[VariableModel]:
    """Return the variable that chooses nodes of the cluster."""
    chosen = 'galera_up{namespace="$namespace", galera_cluster="$galera_cluster"}'
    return query_variable("pod", "Node", f"label_values({chosen}, pod)", multi=multi)


def to_board(uid: str, **columns: str) -> Link:
    """Return a link to another dashboard: each variable is that column of the table's row, or what it is now."""
    values = {name: f"${name}" for name in ("namespace", "galera_cluster")}
    values |= {name: f"${{__data.fields.{column}}}" for name, column in columns.items()}
    variables = "&".join(f"var-{name}={value}" for name, value in values.items())
    return Link(TITLES[uid], f"/d/{uid}?{variables}&{_RANGE}")


RUNBOOK: Final = Link("Runbook", "${runbooks}/${__data.fields.Alert}.md")
ALERT_LIST: Final = Link("All alerts of this name", "/alerting/list?search=${__data.fields.Alert}")


class _Marks(AnnotationQuery):
    """A query for marks, with what Grafana's Prometheus data source reads besides: see its annotations.ts."""

    def __init__(self, name: str, colour: str, expr: str, texts: tuple[str, str], *, enable: bool) -> None:
        super().__init__(name=name, datasource=SOURCE, enable=enable, icon_color=colour, expr=expr)
        self.built_in = None
        self._texts = texts

    def to_json(self) -> dict[str, object]:
        title, text = self._texts
        return {
            **super().to_json(),
            "step": "15s",
            "titleFormat": title,
            "textFormat": text,
            "tagKeys": "pod,severity",
            "useValueForTime": False,
        }


T = TypeVar("T")


class _Built(Builder[T]):
    """What the SDK's builders cannot make, for its methods that take a builder."""

    def __init__(self, found: T) -> None:
        self._found = found

    def build(self) -> T:
        return self._found


def _annotations(where: str, *, view_changes: bool) -> Iterable[Builder[AnnotationQuery]]:
    yield _Built(
        _Marks(
            "View changes",
            COLOURS["mute"],
            f"max by ({BY_CLUSTER}) (changes(wsrep_cluster_conf_id{{{where}}}[$__rate_interval])) > 0",
            ("View change", "A node came or went in {{namespace}}/{{galera_cluster}}."),
            enable=view_changes,
        )
    )
    yield _Built(
        _Marks(
            "Bootstrap elections",
            COLOURS["fair"],
            f"max by ({BY_POD}) (increase(galera_bootstrap_decisions_total"
            f'{{decision="elect", {where}}}[$__rate_interval])) > 0',
            ("Election", "{{pod}} elected itself to begin {{namespace}}/{{galera_cluster}}."),
            enable=True,
        )
    )
    yield _Built(
        _Marks(
            "Firing alerts",
            COLOURS["bad"],
            f"max by (alertname, severity, {BY_POD}) ({alerts(where)})",
            ("{{alertname}}", "{{severity}} {{namespace}}/{{galera_cluster}} {{pod}}"),
            enable=True,
        )
    )


def _links(own: str) -> Iterable[build.DashboardLink]:
    for uid, title in TITLES.items():
        if uid != own:
            yield (
                build.DashboardLink(title.removeprefix("Galera / "))
                .type(DashboardLinkType.LINK)
                .icon("dashboard")
                .tooltip(f"{title}, on the same cluster and time")
                .url(f"/d/{uid}")
                .include_vars(True)  # noqa: FBT003
                .keep_time(True)  # noqa: FBT003
            )
    yield (
        build.DashboardLink("Alerts")
        .type(DashboardLinkType.LINK)
        .icon("bolt")
        .tooltip("All rules of the bundle, with state and runbook")
        .url("/alerting/list?search=Galera")
    )
    yield (
        build.DashboardLink("Runbooks")
        .type(DashboardLinkType.LINK)
        .icon("doc")
        .tooltip("What each alert means and what to do")
        .url("${runbooks}")
    )


def _datasource() -> Builder[VariableModel]:
    return build.DatasourceVariable("datasource").label("Data source").type("prometheus")


def _runbooks() -> Builder[VariableModel]:
    """Return where the runbooks are, as a variable that nobody sees."""
    found = build.ConstantVariable("runbooks").label("Runbooks").value(RUNBOOKS).build()
    found.hide = VariableHide.HIDE_VARIABLE
    return _Built(found)


def _plain(panel: Panel) -> dict[str, Any]:
    """Return a panel as JSON, without what the SDK writes for each table and Grafana 13 does not know any more."""
    found: dict[str, Any] = json.loads(json.dumps(panel, cls=JSONEncoder))
    found.get("options", {}).pop("footer", None)
    return found


def _placed(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Put the panels of each row side by side from the left, and on a new line where there is no room."""
    found: list[dict[str, Any]] = []
    top, number = 0, 1
    for row in rows:
        inside: list[dict[str, Any]] = []
        head = {"id": number, "type": "row", "title": row.title, "collapsed": row.folded, "panels": []}
        number += 1
        if row.title:
            found.append({**head, "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": top}})
            top += 1
        left, height = 0, 0
        for placed in row.panels:
            if left + placed.width > COLUMNS:
                top, left, height = top + height, 0, 0
            panel = placed.panel.build()
            panel.id_val = number
            panel.grid_pos = GridPos(h=placed.height, w=placed.width, x=left, y=top)
            inside.append(_plain(panel))
            number += 1
            left += placed.width
            height = max(height, placed.height)
        if row.folded:
            found[-1]["panels"] = inside
        else:
            found.extend(inside)
            top += height
    return found
