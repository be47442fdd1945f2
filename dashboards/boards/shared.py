"""Panels that are on more than one dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from boards.codes import KEYS, STANDINGS, VERDICTS
from boards.frame import ALERT_LIST, RUNBOOK
from boards.limits import limit, tones
from boards.looks import steps
from boards.panels import Column, Link, Placed, Query, rows_of, states, tile
from boards.promql import BY_CLUSTER, BY_POD, ONE, PODS, alerts, standing, verdict
from galera_exporter.web.tones import Look

SEVERITIES: Final = {
    "critical": Look("bad", "critical"),
    "warning": Look("fair", "warning"),
    "info": Look("mute", "info"),
}
PAUSE: Final = steps("good", **tones("GaleraFlowControlPaused"))
WINDOW: Final = steps("fair", good=limit("GaleraIstWindowShort", "warning"))
QUEUE: Final = steps("good", **tones("GaleraRecvQueueHigh"))
SHARE: Final = steps("bad", fair=0.001, good=1)
"""Of nodes: all is good, some is fair, none is bad."""


def verdict_tile(width: int, links: Sequence[Link] = ()) -> Placed:
    """Return the one word."""
    return tile(
        "Verdict",
        "Healthy: all expected nodes serve and no alert fires. Degraded: it serves, and someone should look. "
        "Down: no node serves, or one serves without a history. Split brain: two sides take writes. "
        "Unknown: no sidecar answers.",
        Query(verdict(ONE), ""),
        width=width,
        words=VERDICTS,
        absent="Unknown",
        links=links,
    )


def alerts_table(width: int, height: int, where: str = ONE) -> Placed:
    """Return the alerts that fire, the worst first."""
    same = f"on (alertname, severity, {BY_POD})"
    return rows_of(
        "Firing alerts",
        "What fires now, how long its condition has held, and a link to what to do. Empty: nothing fires.",
        Column("Severity", label="severity", words=SEVERITIES, width=80),
        Column("Alert", label="alertname", links=(RUNBOOK, ALERT_LIST)),
        Column("Node", label="pod", width=120),
        Column("For", f"(time() - ALERTS_FOR_STATE{{{where}}}) and {same} {alerts(where)}", unit="s", width=90),
        by=("severity", "alertname", "pod"),
        width=width,
        height=height,
        absent="No alert fires",
    )


def standings(width: int, height: int, pods: str = PODS) -> Placed:
    """Return the state of each node over time."""
    return states(
        "State of each node",
        "One bar a node. Down: MariaDB gives no answer, and no transfer or start is under way. "
        "No sidecar: nothing is known.",
        Query(standing(pods)),
        words=STANDINGS,
        width=width,
        height=height,
    )


def key_column(expr: str) -> Column:
    """Return what is to be said of a node's key in etcd."""
    return Column("Key in etcd", expr, words=KEYS, width=130)


def by_cluster(expr: str) -> str:
    """Return the greatest of a cluster."""
    return f"max by ({BY_CLUSTER}) ({expr})"
