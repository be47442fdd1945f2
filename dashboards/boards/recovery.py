"""Galera / Recovery: for the day on which nothing runs: who has the newest data, who waits for what, what moves."""

from __future__ import annotations

from typing import Final

from boards.codes import PHASE_WORDS, STANDINGS
from boards.frame import Board, Row, one_cluster, pod_variable, to_board
from boards.limits import window
from boards.looks import steps
from boards.panels import Column, Link, Placed, Query, lines, rows_of, states, tile, words_of
from boards.promql import (
    BY_CLUSTER,
    BY_NODE,
    BY_POD,
    ONE,
    PODS,
    behind,
    during_transfer,
    named,
    per_pod,
    phase,
    share,
    standing,
)
from boards.shared import SHARE, alerts_table, standings, verdict_tile
from galera_exporter.bootstrap.words import WORDS
from galera_exporter.web.tones import Look

_REASONS: Final = {
    str(reason): Look("mute" if words.passes else "fair", words.title) for reason, words in WORDS.items()
}
_SAFE: Final = {0: Look("mute", "no"), 1: Look("mute", "says yes")}
_POSITION: Final = per_pod("galera_bootstrap_position_seqno", ONE)
_COMMANDS: Final = """\
```sh
kubectl -n $namespace exec statefulset/$galera_cluster -c exporter -- galeractl explain
kubectl -n $namespace exec statefulset/$galera_cluster -c exporter -- galeractl status
kubectl -n $namespace exec statefulset/$galera_cluster -c exporter -- galeractl etcd-health
```

`explain` says who waits for what, and the one command that resolves it. Nothing here needs to be forced while a node
that is missing can still be brought back: it may have the newest data.
"""


def _glance() -> list[Placed]:
    memory = window("GaleraDownNodeNeedsSst", "warning", "memory")
    return [
        verdict_tile(4, links=[to_board("galera-cluster")]),
        tile(
            "Sidecars that answer",
            f"Sidecars that speak for their node, of all that spoke within {memory}. One that is missing may have the "
            "newest data.",
            Query(
                share(
                    f"galera_cluster:nodes:count{{{ONE}}}",
                    f"max_over_time(galera_cluster:nodes:count{{{ONE}}}[{memory}])",
                ),
                "{{part}} of {{whole}}",
            ),
            width=4,
            unit="percentunit",
            steps=SHARE,
            name=True,
        ),
        tile(
            "Foremost node",
            "The node whose data go furthest, of those that answer. Of several, the first.",
            Query(
                named(
                    f"topk by ({BY_CLUSTER}) (1, {_POSITION} >= 0)",
                    f"galera_cluster:nodes:count{{{ONE}}} * 0 - 1",
                    "pod",
                    "Unknown",
                )
            ),
            width=4,
            unit="locale",
            steps=steps("mute", good=0),
            name=True,
        ),
        tile(
            "Its position",
            "seqno of the foremost data, of the nodes that answer.",
            Query(f"max by ({BY_CLUSTER}) ({_POSITION} >= 0)", ""),
            width=4,
            unit="locale",
            absent="Unknown",
        ),
        tile(
            "Lost at least",
            f"Write sets that were seen committed within {memory} and that no node that answers has: so many would be "
            "lost at least if the cluster began now. What a node committed after it was last scraped is not in it: 0 "
            "is no leave to force anything while a node is missing.",
            Query(
                f"clamp_min(max by ({BY_CLUSTER}) (max_over_time(wsrep_last_committed{{{ONE}}}[{memory}])) "
                f"- on ({BY_CLUSTER}) max by ({BY_CLUSTER}) ({_POSITION}), 0)\n"
                f"unless on ({BY_CLUSTER}) galera_cluster:nodes_primary:sum{{{ONE}}} > 0\n"
                f"or (galera_cluster:nodes_primary:sum{{{ONE}}} > 0) * 0",
                "",
            ),
            alert="GaleraClusterNeedsBootstrap",
            width=4,
            unit="locale",
            steps=steps("mute", bad=1),
            absent="Unknown",
        ),
        tile(
            "Epoch",
            "Epoch of the data: one more with each election.",
            Query(f"max by ({BY_CLUSTER}) (galera_bootstrap_epoch{{{ONE}}})", ""),
            width=4,
        ),
    ]


def _table() -> Placed:
    what = Link("What to do", "${runbooks}/GaleraClusterNeedsBootstrap.md")
    memory = window("GaleraDownNodeNeedsSst", "warning", "memory")
    return rows_of(
        "Nodes",
        "How far each node's data go, where it stands in the bootstrap protocol, and what it waits for. "
        "safe_to_bootstrap alone proves nothing: an empty or broken file says yes too.",
        Column("Node", label="pod", links=(to_board("galera-node", pod="Node"),), width=170),
        Column("State", standing(PODS), words=STANDINGS, filled=True, width=150),
        Column("Protocol", phase(PODS), words=PHASE_WORDS, width=200),
        Column(
            "Waits",
            f"galera_bootstrap_waiting{{{PODS}}} == 1",
            label="reason",
            words=_REASONS,
            links=(what,),
        ),
        Column("Position", f"galera_bootstrap_position_seqno{{{PODS}}} >= 0", unit="locale", width=110),
        Column("Behind", behind(position="galera_bootstrap_position_seqno"), unit="locale", width=100),
        Column(
            "Last heard of at",
            f"max by ({BY_POD}) (max_over_time(wsrep_last_committed{{{PODS}}}[{memory}]))",
            unit="locale",
            width=130,
        ),
        Column("Epoch", f"galera_bootstrap_epoch{{{PODS}}}", width=70),
        Column("safe_to_bootstrap", f"galera_grastate_safe_to_bootstrap{{{PODS}}}", words=_SAFE, width=140),
        height=7,
    )


def _waits() -> Placed:
    return rows_of(
        "Waited for",
        "Nodes that others wait for, or that are in their way, and how many wait.",
        Column("Node", label="node"),
        Column(
            "Waiting",
            f"count by ({BY_NODE}) (galera_bootstrap_waiting_for{{{ONE}}} == 1)",
            steps=steps("good", fair=1),
            width=80,
        ),
        by=("node",),
        width=4,
        height=8,
        absent="Nobody is waited for",
    )


def _progress() -> Row:
    return Row(
        "What moves",
        [
            states(
                "Where each node stands in the protocol",
                "One bar a node. In the gate: the database is stopped and waits for a decision.",
                Query(phase(PODS)),
                words=PHASE_WORDS,
                width=12,
            ),
            lines(
                "Position of each node",
                "seqno of each node's data: of the running server, or what the stopped one was recovered to.",
                Query(f"{per_pod('galera_bootstrap_position_seqno')} >= 0"),
                width=12,
                unit="locale",
                minimum=None,
            ),
            lines(
                "Bytes received by a full copy (SST)",
                "What the running transfer has brought so far. A line that is flat for long does not move.",
                Query(during_transfer("galera_sst_received_bytes")),
                absent="No transfer",
                width=8,
                unit="bytes",
            ),
            lines(
                "Time in a full copy (SST)",
                "How long the running transfer has taken.",
                Query(f"time() - ({during_transfer('galera_sst_start_timestamp_seconds')})"),
                absent="No transfer",
                alert="GaleraSstStuck",
                width=8,
                unit="s",
            ),
            lines(
                "Decisions",
                "What the sidecars have decided for their nodes since they began, all nodes together.",
                Query(f"sum by (decision) (galera_bootstrap_decisions_total{{{PODS}}}) > 0", "{{decision}}"),
                width=8,
                unit="none",
                stepped=True,
            ),
        ],
    )


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="galera-recovery",
        about="A Galera cluster that is down or comes back: who has the newest data, who waits for what, what moves.",
        where=ONE,
        variables=[*one_cluster(), pod_variable(multi=True)],
        rows=[
            Row("", _glance()),
            Row("", [_table()]),
            Row(
                "",
                [
                    _waits(),
                    words_of(
                        "Run first",
                        "Commands to paste; the cluster's names are in them.",
                        _COMMANDS,
                        width=10,
                        height=8,
                    ),
                    alerts_table(10, 8),
                ],
            ),
            Row("", [standings(24, 6)]),
            _progress(),
        ],
    )
