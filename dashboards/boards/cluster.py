"""Galera / Cluster: the verdict on one cluster, what fires, and each node in a row."""

from __future__ import annotations

from typing import Final

from boards.codes import REGISTRY, STANDINGS, WINDOWS
from boards.frame import Board, Row, one_cluster, pod_variable, to_board
from boards.limits import limit, tones, window
from boards.looks import steps
from boards.panels import NOTHING, Column, Placed, Query, lines, rows_of, tile
from boards.promql import (
    BY_CLUSTER,
    BY_POD,
    ONE,
    PODS,
    age,
    as_pod,
    behind,
    during_transfer,
    ist_window,
    key,
    margin,
    per_pod,
    rate,
    share,
    standing,
)
from boards.shared import PAUSE, QUEUE, SHARE, WINDOW, alerts_table, key_column, standings, verdict_tile
from galera_exporter.web.tones import Look

_ASKS: Final = {0: Look("mute", NOTHING), 1: Look("fair", "asks")}
COMPONENT: Final = {
    "Primary": Look("good", "Primary"),
    "non-Primary": Look("bad", "non-Primary"),
    "Disconnected": Look("bad", "Disconnected"),
    "unknown": Look("mute", "unknown"),
}
ANSWER: Final = {
    "ok": Look("good", "answers"),
    **{
        reason: Look("bad", reason.replace("_", " "))
        for reason in ("refused", "auth", "timeout", "too_many_connections", "busy", "not_galera", "other")
    },
}


def glance() -> list[Placed]:
    """Return the row that is read in five seconds."""
    return [
        verdict_tile(4, links=[to_board("galera-recovery")]),
        tile(
            "Nodes that serve",
            "Nodes that take reads and writes, of those that there should be.",
            Query(
                share(f"galera_cluster:nodes_serving:sum{{{ONE}}}", f"galera_cluster:expected_size:max{{{ONE}}}"),
                "{{part}} of {{whole}}",
            ),
            alert="GaleraClusterDegraded",
            width=3,
            unit="percentunit",
            steps=SHARE,
            name=True,
        ),
        tile(
            "Primary component",
            "Members of the Primary component, of the nodes that there should be. garbd counts as a member.",
            Query(
                share(f"galera_cluster:size:max{{{ONE}}}", f"galera_cluster:expected_size:max{{{ONE}}}"),
                "{{part}} of {{whole}}",
            ),
            alert="GaleraClusterNoPrimary",
            width=3,
            unit="percentunit",
            steps=SHARE,
            name=True,
        ),
        tile(
            "Votes to lose",
            "Votes that may go at once so that the rest is still a majority. 0 where three or more nodes are expected: "
            "the next loss is an outage.",
            Query(margin(ONE), "{{part}}"),
            alert="GaleraClusterNoFailureMargin",
            width=3,
            steps=steps("bad", good=1, mute=2),
            name=True,
        ),
        tile(
            "Paused",
            "Share of the last five minutes for which flow control held all writes.",
            Query(f"max by ({BY_CLUSTER}) (galera_node:flow_control_paused:ratio_rate5m{{{ONE}}})", ""),
            alert="GaleraFlowControlPaused",
            width=3,
            unit="percentunit",
            steps=PAUSE,
            decimals=0,
        ),
        tile(
            "IST window",
            "How long a node may be away and still come back without a full copy, at the rate of the last ten minutes. "
            "Idle: nothing is written. Growing: the cache is young, and has dropped nothing yet.",
            Query(ist_window(ONE, BY_CLUSTER), ""),
            alert="GaleraIstWindowShort",
            width=4,
            unit="s",
            steps=WINDOW,
            words=WINDOWS,
        ),
        tile(
            "Registry",
            "Whether any sidecar reads etcd. A cluster that runs is served without it; none can be begun.",
            Query(f"max by ({BY_CLUSTER}) (galera_registry_up{{{ONE}}})", ""),
            alert="GaleraRegistryUnavailable",
            width=4,
            words=REGISTRY,
            links=[to_board("galera-registry")],
        ),
    ]


def nodes() -> Placed:
    """Return the matrix: one row a node."""
    return rows_of(
        "Nodes",
        "One row a node. The name leads to its dashboard. A node that is down shows what it last wrote to etcd.",
        Column("Node", label="pod", links=(to_board("galera-node", pod="Node"),)),
        Column("State", standing(PODS), words=STANDINGS, filled=True, width=170),
        Column("SQL", f"galera_up_reason{{{PODS}}} == 1", label="reason", words=ANSWER, width=150),
        Column("Component", f"wsrep_cluster_status{{{PODS}}} == 1", label="status", words=COMPONENT, width=115),
        Column("Behind", behind(), unit="locale", width=100),
        Column(
            "Queue of limit",
            f"{per_pod('wsrep_local_recv_queue')} / {per_pod('galera_flow_control_limit')}",
            unit="percentunit",
            steps=QUEUE,
            width=115,
            decimals=0,
        ),
        Column("Pause", f"wsrep_flow_control_requested{{{PODS}}}", words=_ASKS, width=80),
        Column(
            "IST window",
            ist_window(PODS, BY_POD),
            unit="s",
            steps=WINDOW,
            words=WINDOWS,
            width=120,
        ),
        key_column(key()),
        Column("Key age", as_pod(age(f'{ONE}, node=~"$pod"')), unit="s", decimals=1, width=90),
        height=7,
    )


def _flow_control() -> Row:
    paused = f'{{pod=~"$pod", {ONE}}}'
    return Row(
        "Flow control: who makes the others wait",
        [
            lines(
                "Time paused",
                "Share of the time for which replication stood still, as each node counts it; mean of five minutes.",
                Query(f"galera_node:flow_control_paused:ratio_rate5m{paused}"),
                alert="GaleraFlowControlPaused",
                width=8,
                unit="percentunit",
                steps=PAUSE,
            ),
            lines(
                "Pauses asked for",
                "Pauses that each node asked for: the one that rises is the one that is too slow.",
                Query(rate("wsrep_flow_control_sent_total")),
                width=8,
                unit="cps",
            ),
            lines(
                "Receive queue",
                "Write sets that wait to be applied, and the length at which a node asks for a pause.",
                Query(per_pod("wsrep_local_recv_queue")),
                Query(f"min by ({BY_CLUSTER}) (galera_flow_control_limit{{{ONE}}})", "limit"),
                alert="GaleraRecvQueueHigh",
                width=8,
                unit="none",
                limits=["limit"],
            ),
        ],
    )


def _traffic() -> Row:
    return Row(
        "Traffic",
        [
            lines(
                "Write sets sent",
                "Transactions that clients commit on each node.",
                Query(rate("wsrep_replicated_total")),
                width=8,
                unit="wps",
                stacked=True,
            ),
            lines(
                "Bytes sent",
                "Size of the write sets that each node sends.",
                Query(rate("wsrep_replicated_bytes_total")),
                width=8,
                unit="binBps",
                stacked=True,
            ),
            lines(
                "Write sets received",
                "Write sets and other actions that each node receives from the group, its own among them.",
                Query(rate("wsrep_received_total")),
                width=8,
                unit="wps",
            ),
        ],
    )


def _conflicts() -> Row:
    return Row(
        "Conflicts and applying",
        [
            lines(
                "Certification failures",
                "Share of each node's transactions that lost against one of another node on the same rows.",
                Query(f"{rate('wsrep_local_cert_failures_total')}\n/ ({rate('wsrep_replicated_total')} > 0)"),
                alert="GaleraCertificationFailures",
                width=8,
                unit="percentunit",
                steps=steps("good", **tones("GaleraCertificationFailures")),
            ),
            lines(
                "Brute-force aborts",
                "Running transactions that were rolled back for one that is certified already.",
                Query(rate("wsrep_local_bf_aborts_total")),
                width=8,
                unit="cps",
            ),
            lines(
                "Speed of each node",
                "Write sets that each node commits, its own and those of the others. A line below the others: the node "
                "falls behind, or is the one that holds them up.",
                Query(f"max by ({BY_POD}) (deriv(wsrep_last_committed{{{PODS}}}[$__rate_interval]))"),
                width=8,
                unit="wps",
            ),
            lines(
                "Parallel applying",
                "Distance of write sets that can be applied at once; mean since the last FLUSH STATUS. "
                "More applier threads than this bring nothing.",
                Query(per_pod("wsrep_cert_deps_distance")),
                width=8,
                unit="none",
            ),
            lines(
                "Applier threads",
                "Threads that apply write sets.",
                Query(per_pod("wsrep_applier_thread_count")),
                width=8,
                unit="none",
                stepped=True,
            ),
            lines(
                "Send queue",
                "Write sets that wait to be sent. Above 0 for long: the network is too slow.",
                Query(per_pod("wsrep_local_send_queue")),
                width=8,
                unit="none",
            ),
        ],
    )


def _group() -> Row:
    return Row(
        "The group",
        [
            lines(
                "Group latency",
                "Mean time that a message takes to reach all nodes, and the part of evs.suspect_timeout that the alert "
                "allows. Absent where a node sent nothing.",
                Query(per_pod("wsrep_evs_repl_latency_seconds", f'stat="avg", {PODS}')),
                Query(
                    f"{limit('GaleraReplicationLatencyHigh', 'warning'):g} * min by ({BY_CLUSTER}) "
                    f"(galera_config_evs_suspect_timeout_seconds{{{ONE}}})",
                    "limit",
                ),
                alert="GaleraReplicationLatencyHigh",
                width=8,
                unit="s",
                limits=["limit"],
            ),
            lines(
                "Size as each node counts it",
                "Members of each node's component. Lines that part: the nodes see different components.",
                Query(per_pod("wsrep_cluster_size")),
                alert="GaleraSplitBrain",
                width=8,
                unit="none",
                stepped=True,
            ),
            lines(
                "View changes",
                "How often nodes came and went within "
                f"{_flapping()}. The dashed line is where GaleraClusterMembershipFlapping fires.",
                Query(f"max by ({BY_POD}) (changes(wsrep_cluster_conf_id{{{PODS}}}[{_flapping()}]))"),
                Query(
                    f"{limit('GaleraClusterMembershipFlapping', 'warning', 'per_node'):g} * "
                    f"galera_cluster:expected_size:max{{{ONE}}} + "
                    f"{limit('GaleraClusterMembershipFlapping', 'warning', 'spare'):g}",
                    "limit",
                ),
                alert="GaleraClusterMembershipFlapping",
                width=8,
                unit="none",
                limits=["limit"],
                stepped=True,
            ),
        ],
    )


def _flapping() -> str:
    return window("GaleraClusterMembershipFlapping", "warning", "window")


def _transfers() -> Row:
    return Row(
        "State transfer",
        [
            lines(
                "Bytes received by a full copy (SST)",
                "What the running transfer has brought so far. A line that is flat for long does not move.",
                Query(during_transfer("galera_sst_received_bytes")),
                absent="No transfer",
                alert="GaleraSstStuck",
                width=8,
                unit="bytes",
            ),
            lines(
                "Write-set cache",
                "Write sets in each node's gcache: one that is further behind needs a full copy.",
                Query(per_pod("galera_ist_window_transactions")),
                width=8,
                unit="locale",
            ),
            lines(
                "IST window over time",
                "The same as time, at the present rate of writes. Absent while idle.",
                Query(f"galera_node:ist_window_seconds{{{PODS}}}"),
                width=8,
                unit="s",
                steps=WINDOW,
            ),
        ],
    )


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="galera-cluster",
        about="One Galera cluster: the verdict, what fires, and which node it is.",
        where=ONE,
        variables=[*one_cluster(), pod_variable(multi=True)],
        rows=[
            Row("", glance()),
            Row("", [nodes()]),
            Row("", [standings(14, 8), alerts_table(10, 8)]),
            _flow_control(),
            _traffic(),
            _conflicts(),
            _group(),
            _transfers(),
        ],
    )
