"""Galera / Clusters: one row for each cluster, the worst first."""

from __future__ import annotations

from typing import Final

from boards.codes import DEGRADED, DOWN, HEALTHY, REGISTRY, SPLIT_BRAIN, UNKNOWN, VERDICTS, WINDOWS
from boards.frame import Board, Row, query_variable, to_board
from boards.limits import limit
from boards.looks import steps
from boards.panels import Column, Placed, Query, lines, rows_of, states, tile
from boards.promql import BY_CLUSTER, MANY, alerts, ist_window, verdict
from boards.shared import PAUSE, WINDOW
from galera_exporter.web.tones import Look

_CLUSTER: Final = "{{namespace}}/{{galera_cluster}}"
_NODES: Final = limit("GaleraClusterNoFailureMargin", "critical", "nodes")
"""With fewer, a cluster never has a vote to lose."""


def _count(title: str, about: str, *codes: int, good: bool = False, bad: bool = False) -> Placed:
    wanted = " or ".join(f"({verdict(MANY)}) == {code}" for code in codes)
    shade = () if good else steps("good", bad=1) if bad else steps("good", fair=1)
    return tile(title, about, Query(f"count({wanted}) or vector(0)", ""), width=4, steps=shade, absent="0")


def _firing(severity: str, **shade: float) -> Placed:
    return tile(
        f"Firing: {severity}",
        f"Alerts of severity {severity} that fire in these clusters.",
        Query(f"count({alerts(MANY, severity)}) or vector(0)", ""),
        width=4,
        steps=steps("good", **shade),
        absent="0",
    )


def _table() -> Placed:
    bad_count = steps("good", bad=1)
    return rows_of(
        "Clusters",
        "One row a cluster. The name leads to its dashboard.",
        Column("Namespace", label="namespace", width=150),
        Column(
            "Cluster",
            label="galera_cluster",
            links=(to_board("galera-cluster", namespace="Namespace", galera_cluster="Cluster"),),
        ),
        Column("Verdict", verdict(MANY), words=VERDICTS, filled=True, width=120),
        Column("Primary", f"galera_cluster:nodes_primary:sum{{{MANY}}}", steps=steps("bad", good=1), width=80),
        Column("Serving", f"galera_cluster:nodes_serving:sum{{{MANY}}}", steps=steps("bad", good=1), width=80),
        Column("Expected", f"galera_cluster:expected_size:max{{{MANY}}}", width=85),
        Column("Synced", f"galera_cluster:nodes_synced:sum{{{MANY}}}", width=80),
        Column(
            "Votes to lose",
            f"galera_cluster:votes_losable:max{{{MANY}}} and on ({BY_CLUSTER}) "
            f"galera_cluster:expected_size:max{{{MANY}}} >= {_NODES:g} "
            f"or galera_cluster:votes_losable:max{{{MANY}}} * 0 - 1",
            steps=steps("bad", good=1),
            words={-1: Look("mute", "none")},
            width=110,
        ),
        Column(
            "Paused",
            f"galera_node:flow_control_paused:ratio_rate5m{{{MANY}}}",
            unit="percentunit",
            steps=PAUSE,
            width=90,
            decimals=0,
        ),
        Column(
            "IST window",
            ist_window(MANY, BY_CLUSTER),
            unit="s",
            steps=WINDOW,
            words=WINDOWS,
            width=120,
        ),
        Column("Registry", f"galera_registry_up{{{MANY}}}", words=REGISTRY, width=110),
        Column(
            "Critical",
            f"count by ({BY_CLUSTER}) ({alerts(MANY, 'critical')}) or galera_cluster:nodes:count{{{MANY}}} * 0",
            steps=bad_count,
            width=80,
        ),
        Column(
            "Warnings",
            f"count by ({BY_CLUSTER}) ({alerts(MANY, 'warning')}) or galera_cluster:nodes:count{{{MANY}}} * 0",
            steps=steps("good", fair=1),
            width=85,
        ),
        by=("namespace", "galera_cluster"),
        height=9,
        sort="Verdict",
        descending=True,
    )


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="galera-clusters",
        about="All Galera clusters at a glance: which is fine, and which is not.",
        where=MANY,
        variables=[
            query_variable("namespace", "Namespace", "label_values(galera_up, namespace)", multi=True),
            query_variable(
                "galera_cluster",
                "Cluster",
                'label_values(galera_up{namespace=~"$namespace"}, galera_cluster)',
                multi=True,
            ),
        ],
        view_changes=False,
        rows=[
            Row(
                "",
                [
                    _count(
                        "Healthy", "Clusters where all expected nodes serve and no alert fires.", HEALTHY, good=True
                    ),
                    _count("Degraded", "Clusters that serve, and someone should look.", DEGRADED),
                    _count("Down", "Clusters where no node serves, or two sides do.", DOWN, SPLIT_BRAIN, bad=True),
                    _count("Unknown", "Clusters of which no sidecar answers, and some did.", UNKNOWN),
                    _firing("critical", bad=1),
                    _firing("warning", fair=1),
                ],
            ),
            Row("", [_table()]),
            Row(
                "Over time",
                [
                    states(
                        "Verdict",
                        "The verdict on each cluster over time.",
                        Query(verdict(MANY), _CLUSTER),
                        words=VERDICTS,
                        width=24,
                        height=7,
                    ),
                    lines(
                        "Nodes that serve",
                        "Nodes that take reads and writes, by cluster.",
                        Query(f"galera_cluster:nodes_serving:sum{{{MANY}}}", _CLUSTER),
                        width=8,
                        unit="none",
                        stepped=True,
                    ),
                    lines(
                        "Write sets",
                        "Transactions that clients commit, all nodes of a cluster together.",
                        Query(
                            f"sum by ({BY_CLUSTER}) (rate(wsrep_replicated_total{{{MANY}}}[$__rate_interval]))",
                            _CLUSTER,
                        ),
                        width=8,
                        unit="wps",
                    ),
                    lines(
                        "Paused by flow control",
                        "Share of the time for which replication stood still, mean of 5 minutes.",
                        Query(
                            f"max by ({BY_CLUSTER}) (galera_node:flow_control_paused:ratio_rate5m{{{MANY}}})", _CLUSTER
                        ),
                        alert="GaleraFlowControlPaused",
                        width=8,
                        unit="percentunit",
                        steps=PAUSE,
                    ),
                ],
            ),
        ],
    )
