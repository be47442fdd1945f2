"""Galera / Node: one node in depth, its options, and its sidecar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from boards.cluster import ANSWER, COMPONENT
from boards.codes import KEYS, ON_OFF, STANDINGS, WINDOWS, YES_NO
from boards.frame import Board, Row, one_cluster, pod_variable
from boards.limits import limit
from boards.panels import Column, Placed, Query, lines, rows_of, states, tile
from boards.promql import BY_POD, ONE, POD, behind, during_transfer, ist_window, key, per_pod, rate, standing
from boards.shared import PAUSE, QUEUE, WINDOW, alerts_table, standings
from galera_exporter.web.tones import Look

_BYTES: Final = "max_writeset_size_bytes|gcache_size_bytes|gcache_page_size_bytes"
_SECONDS: Final = "evs_suspect_timeout_seconds|evs_inactive_timeout_seconds"
_SWITCHES: Final = (
    "wsrep_on|desync|read_only|sst_donor_rejects_queries|pc_ignore_sb|pc_ignore_quorum|pc_bootstrap|gcache_recover"
)
_SILENT: Final = "MariaDB gives no answer"
_NUMBERS: Final = "sync_wait|applier_threads|node_weight|innodb_flush_log_at_trx_commit|sync_binlog"


def _glance() -> list[Placed]:
    return [
        tile(
            "State",
            "What the node is at the moment. Down: MariaDB gives no answer, and no transfer or start is under way.",
            Query(standing(POD)),
            alert="GaleraNodeDown",
            width=4,
            words=STANDINGS,
            absent="Unknown",
        ),
        tile(
            "Behind",
            "Write sets that this node has still to commit, against the foremost.",
            Query(behind()),
            width=4,
            unit="locale",
        ),
        tile(
            "Queue of limit",
            "Receive queue against the length at which the node asks the cluster to pause.",
            Query(f"{per_pod('wsrep_local_recv_queue', POD)} / {per_pod('galera_flow_control_limit', POD)}"),
            alert="GaleraRecvQueueHigh",
            width=4,
            unit="percentunit",
            steps=QUEUE,
            decimals=0,
        ),
        tile(
            "Paused",
            "Share of the last five minutes for which flow control held this node's writes.",
            Query(f"galera_node:flow_control_paused:ratio_rate5m{{{POD}}}"),
            alert="GaleraFlowControlPaused",
            width=4,
            unit="percentunit",
            steps=PAUSE,
            decimals=0,
        ),
        tile(
            "IST window",
            "How long another node may be away and still catch up from this one's cache.",
            Query(ist_window(POD, BY_POD)),
            alert="GaleraIstWindowShort",
            width=4,
            unit="s",
            steps=WINDOW,
            words=WINDOWS,
        ),
        tile(
            "Key in etcd",
            "Whether the node's key in etcd changes as it should.",
            Query(key()),
            alert="GaleraEtcdKeyStale",
            width=4,
            words=KEYS,
            absent="None",
        ),
    ]


def _who() -> Placed:
    return rows_of(
        "Who it is",
        "Names and versions of the server, the Galera library and the sidecar.",
        Column("Name", label="node_name", width=150),
        Column("Address", label="node_address", width=150),
        Column("Server", f"galera_node_info{{{POD}}}", label="version"),
        Column("Transfer by", label="sst_method", width=110),
        Column("Segment", label="segment", width=80),
        by=("node_name", "node_address", "sst_method", "segment"),
        width=14,
        height=4,
        absent=_SILENT,
    )


def _answers() -> Placed:
    return rows_of(
        "Answers",
        "What MariaDB answers to the sidecar, and the component that it is in.",
        Column("Node", label="pod", width=130),
        Column("SQL", f"galera_up_reason{{{POD}}} == 1", label="reason", words=ANSWER),
        Column("Component", f"wsrep_cluster_status{{{POD}}} == 1", label="status", words=COMPONENT),
        width=10,
        height=4,
    )


def _replication() -> Row:
    return Row(
        "Replication",
        [
            lines(
                "Write sets",
                "What this node's clients commit, and what comes from the group.",
                Query(rate("wsrep_local_commits_total", POD), "committed here"),
                Query(rate("wsrep_replicated_total", POD), "sent"),
                Query(rate("wsrep_received_total", POD), "received"),
                width=8,
                unit="wps",
            ),
            lines(
                "Bytes",
                "Size of what this node sends to the group, and receives.",
                Query(rate("wsrep_replicated_bytes_total", POD), "sent"),
                Query(rate("wsrep_received_bytes_total", POD), "received"),
                width=8,
                unit="binBps",
            ),
            lines(
                "What is in the write sets",
                "Bytes of keys, of data and of the rest in the write sets that this node sends.",
                Query(rate("wsrep_repl_keys_bytes_total", POD), "keys"),
                Query(rate("wsrep_repl_data_bytes_total", POD), "data"),
                Query(rate("wsrep_repl_other_bytes_total", POD), "other"),
                width=8,
                unit="binBps",
                stacked=True,
            ),
            lines(
                "Queues",
                "Write sets that wait to be applied and to be sent, and the lengths at which the node asks for a "
                "pause, and lets the cluster go on.",
                Query(per_pod("wsrep_local_recv_queue", POD), "receive"),
                Query(per_pod("wsrep_local_send_queue", POD), "send"),
                Query(per_pod("galera_flow_control_limit", POD), "pause from"),
                Query(per_pod("galera_flow_control_resume_limit", POD), "go on from"),
                alert="GaleraRecvQueueHigh",
                width=8,
                unit="none",
                limits=["pause from", "go on from"],
            ),
            lines(
                "Flow control",
                "Pauses that this node asked for, and those that any node asked for.",
                Query(rate("wsrep_flow_control_sent_total", POD), "asked for here"),
                Query(rate("wsrep_flow_control_recv_total", POD), "asked for by any"),
                width=8,
                unit="cps",
            ),
            lines(
                "Time paused",
                "Share of the time for which replication stood still, mean of five minutes.",
                Query(f"galera_node:flow_control_paused:ratio_rate5m{{{POD}}}"),
                alert="GaleraFlowControlPaused",
                width=8,
                unit="percentunit",
                steps=PAUSE,
            ),
        ],
    )


def _applying() -> Row:
    return Row(
        "Conflicts and applying",
        [
            lines(
                "Conflicts",
                "Transactions that failed certification, were aborted for a certified one, or replayed after that.",
                Query(rate("wsrep_local_cert_failures_total", POD), "failed certification"),
                Query(rate("wsrep_local_bf_aborts_total", POD), "aborted"),
                Query(rate("wsrep_local_replays_total", POD), "replayed"),
                alert="GaleraCertificationFailures",
                width=8,
                unit="cps",
            ),
            lines(
                "Parallel applying",
                "Distances of write sets that can be applied, are applied and are committed at once; "
                "means since the last FLUSH STATUS.",
                Query(per_pod("wsrep_cert_deps_distance", POD), "could be applied"),
                Query(per_pod("wsrep_apply_window", POD), "applied"),
                Query(per_pod("wsrep_commit_window", POD), "committed"),
                width=8,
                unit="none",
            ),
            lines(
                "Order of applying",
                "Share of write sets that began, or ended, out of order; means since the last FLUSH STATUS.",
                Query(per_pod("wsrep_apply_oooe", POD), "began out of order"),
                Query(per_pod("wsrep_apply_oool", POD), "overtaken"),
                width=8,
                unit="percentunit",
            ),
            lines(
                "Waits",
                "Reads that waited for causality (wsrep_sync_wait), and appliers that waited for their turn.",
                Query(rate("wsrep_causal_reads_total", POD), "causal reads"),
                Query(rate("wsrep_apply_waits_total", POD), "appliers"),
                width=8,
                unit="cps",
            ),
            lines(
                "Threads",
                "Threads of wsrep in the server.",
                Query(per_pod("wsrep_thread_count", POD), "all"),
                Query(per_pod("wsrep_applier_thread_count", POD), "appliers"),
                Query(per_pod("wsrep_rollbacker_thread_count", POD), "rollbackers"),
                width=8,
                unit="none",
                stepped=True,
            ),
            lines(
                "Inside the provider",
                "Transactions and connections that the Galera library has open, and the entries of its certification "
                "index.",
                Query(per_pod("wsrep_open_transactions", POD), "transactions"),
                Query(per_pod("wsrep_open_connections", POD), "connections"),
                Query(per_pod("wsrep_cert_index_size", POD), "certification index"),
                width=8,
                unit="locale",
            ),
        ],
    )


def _group() -> Row:
    return Row(
        "The group",
        [
            lines(
                "Group latency",
                "Time that a message takes to reach all nodes. Absent while the node sends nothing.",
                *(
                    Query(per_pod("wsrep_evs_repl_latency_seconds", f'stat="{stat}", {POD}'), stat)
                    for stat in ("min", "avg", "max")
                ),
                Query(
                    f"{limit('GaleraReplicationLatencyHigh', 'warning'):g} * "
                    f"{per_pod('galera_config_evs_suspect_timeout_seconds', POD)}",
                    "limit",
                ),
                alert="GaleraReplicationLatencyHigh",
                width=8,
                unit="s",
                limits=["limit"],
            ),
            lines(
                "Its view",
                "Members and votes of the component that the node is in.",
                Query(per_pod("wsrep_cluster_size", POD), "members"),
                Query(per_pod("wsrep_cluster_weight", POD), "votes"),
                width=8,
                unit="none",
                stepped=True,
            ),
            lines(
                "Nodes in trouble",
                "Nodes that this one holds for delayed, or has put out of the group.",
                Query(per_pod("wsrep_evs_delayed_nodes", POD), "delayed"),
                Query(per_pod("wsrep_evs_evicted_nodes", POD), "evicted"),
                width=8,
                unit="none",
                stepped=True,
            ),
        ],
    )


def _disk() -> Row:
    return Row(
        "Cache and data directory",
        [
            lines(
                "Write-set cache",
                "Write sets in the gcache, from which another node can catch up.",
                Query(per_pod("galera_ist_window_transactions", POD)),
                width=6,
                unit="locale",
            ),
            lines(
                "Cache on disk",
                "Size of the gcache as configured, and of its overflow pages.",
                Query(per_pod("galera_config_gcache_size_bytes", POD), "gcache"),
                Query(per_pod("galera_gcache_page_bytes", POD), "overflow pages"),
                width=6,
                unit="bytes",
            ),
            lines(
                "Full copy (SST)",
                "Bytes that the running transfer has brought so far.",
                Query(during_transfer("galera_sst_received_bytes", POD)),
                absent="No transfer",
                alert="GaleraSstStuck",
                width=6,
                unit="bytes",
            ),
            lines(
                "Failed write sets",
                "GRA_*.log files: write sets that could not be applied, kept for study.",
                Query(per_pod("galera_gra_log_files", POD), "files"),
                width=6,
                unit="none",
                stepped=True,
            ),
        ],
    )


def _options() -> Row:
    def options(title: str, about: str, names: str, unit: str, words: Mapping[int, Look] | None = None) -> Placed:
        found = f'{{__name__=~"galera_config_({names})", {POD}}}'
        return rows_of(
            title,
            about,
            Column("Option", label="option"),
            Column(
                "Value",
                f'label_replace({found}, "option", "$1", "__name__", "galera_config_(.+)")',
                unit=unit,
                words=words or {},
                width=130,
            ),
            by=("option",),
            width=6,
            height=9,
            absent=_SILENT,
        )

    return Row(
        "Options",
        [
            options("Switches", "Options that are on or off. They are read once a minute.", _SWITCHES, "none", ON_OFF),
            options("Numbers", "Options that are numbers. They are read once a minute.", _NUMBERS, "none"),
            options("Sizes", "Options that are sizes. They are read once a minute.", _BYTES, "bytes"),
            options("Times", "Options that are times. They are read once a minute.", _SECONDS, "s"),
        ],
    )


def _sidecar() -> Row:
    return Row(
        "The sidecar",
        [
            states(
                "Collectors",
                "Whether each part of the sidecar got what it asks for.",
                Query(f"max by (collector) (galera_exporter_collector_success{{{POD}}})", "{{collector}}"),
                words=YES_NO,
                width=8,
            ),
            lines(
                "Time of each collector",
                "How long each part of the sidecar took at its last run.",
                Query(f"max by (collector) (galera_exporter_collector_duration_seconds{{{POD}}})", "{{collector}}"),
                width=8,
                unit="s",
            ),
            lines(
                "Scrapes",
                "How long Prometheus takes to read this sidecar.",
                Query(f'max by ({BY_POD}) (scrape_duration_seconds{{{POD}, component!~"etcd|observer"}})', "scrape"),
                width=8,
                unit="s",
            ),
            lines(
                "CPU",
                "Cores that the sidecar uses.",
                Query(rate("process_cpu_seconds_total", POD, ', component!~"etcd|observer"'), "cores"),
                width=8,
                unit="none",
            ),
            lines(
                "Memory",
                "Resident memory of the sidecar.",
                Query(per_pod("process_resident_memory_bytes", f'{POD}, component!~"etcd|observer"'), "resident"),
                width=8,
                unit="bytes",
            ),
            lines(
                "Unknown variables",
                "Status variables of the server that this version of the sidecar has no metric for.",
                Query(per_pod("galera_exporter_unknown_variables", POD), "variables"),
                width=8,
                unit="none",
                stepped=True,
            ),
        ],
    )


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="galera-node",
        about="One node of a Galera cluster: what it does, how it is set up, and how its sidecar is.",
        where=POD,
        variables=[*one_cluster(), pod_variable(multi=False)],
        rows=[
            Row("", _glance()),
            Row("", [_answers(), _who()]),
            Row("", [standings(14, 6, POD), alerts_table(10, 6, f'{ONE}, pod=~"|$pod"')]),
            _replication(),
            _applying(),
            _group(),
            _disk(),
            _options(),
            _sidecar(),
        ],
    )
