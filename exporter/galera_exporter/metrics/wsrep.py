"""The plain numbers of the wsrep status: variable, metric, conversion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from galera_exporter.mariadb.status import counter, flag, ident, number


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One status variable and the metric made of it; ``read`` gives None where the text says nothing."""

    name: str
    source: str
    kind: Literal["gauge", "counter"]
    help: str
    read: Callable[[str], float | None]
    optional: bool = False
    """Only behind --collect.queue-stats."""


def _nanoseconds(text: str) -> float | None:
    value = counter(text)
    return None if value is None else value / 1e9


def _gauge(source: str, text: str, read: Callable[[str], float | None] = number) -> StatusRow:
    return StatusRow(source, source, "gauge", text, read)


def _counter(source: str, text: str) -> StatusRow:
    return StatusRow(f"{source}_total", source, "counter", text, counter)


def _mean(source: str, text: str) -> StatusRow:
    return StatusRow(source, source, "gauge", f"{text} Mean since the last FLUSH STATUS.", number)


def _queue(side: str, stat: str, words: str) -> StatusRow:
    name = f"wsrep_local_{side}_queue_{stat}"
    return StatusRow(
        name, name, "gauge", f"{words} length of the {side} queue since the last FLUSH STATUS.", number, optional=True
    )


STATUS: Final = (
    _gauge(
        "wsrep_cluster_size",
        "Members of this node's component, joiners and arbitrators (garbd) among them; 0 when disconnected.",
    ),
    _gauge("wsrep_cluster_conf_id", "Id of the view; -1 undefined. May repeat after a bootstrap.", ident),
    _gauge("wsrep_cluster_weight", "Sum of the votes of the last primary view."),
    _gauge("wsrep_connected", "1 if the node is connected to the group.", flag),
    _gauge("wsrep_ready", "1 if the node accepts queries.", flag),
    _gauge(
        "wsrep_local_state",
        "0 undefined, 1 joiner, 2 donor or desynced, 3 joined, 4 synced, 5 inconsistent.",
    ),
    _gauge("wsrep_local_index", "Index of this node in the view; -1 undefined.", ident),
    _gauge(
        "wsrep_last_committed",
        "seqno of the last committed transaction: an axis that all nodes share, so a gauge; use deriv().",
        ident,
    ),
    _gauge("wsrep_local_cached_downto", "Lowest seqno in the write-set cache (gcache); -1 when empty.", ident),
    _counter("wsrep_replicated", "Write sets sent by this node."),
    StatusRow(
        "wsrep_replicated_bytes_total",
        "wsrep_replicated_bytes",
        "counter",
        "Bytes of write sets sent by this node.",
        counter,
    ),
    _counter("wsrep_repl_keys", "Keys in the write sets sent."),
    _counter("wsrep_repl_keys_bytes", "Bytes of keys in the write sets sent."),
    _counter("wsrep_repl_data_bytes", "Bytes of data in the write sets sent."),
    _counter("wsrep_repl_other_bytes", "Bytes of other content in the write sets sent."),
    _counter("wsrep_received", "Write sets and other actions received from the group."),
    _counter("wsrep_received_bytes", "Bytes received from the group."),
    _counter("wsrep_local_commits", "Transactions committed by clients of this node."),
    _counter("wsrep_local_cert_failures", "Local transactions that failed certification."),
    _counter("wsrep_local_bf_aborts", "Local transactions aborted by replicated ones (brute force)."),
    _counter("wsrep_local_replays", "Local transactions replayed after a brute-force abort."),
    _counter("wsrep_causal_reads", "Reads that waited for causality (wsrep_sync_wait)."),
    _counter("wsrep_apply_waits", "Waits of appliers for their turn. FLUSH STATUS resets it."),
    _gauge("wsrep_local_recv_queue", "Write sets waiting to be applied."),
    _gauge("wsrep_local_send_queue", "Write sets waiting to be sent."),
    StatusRow(
        "wsrep_flow_control_paused_seconds_total",
        "wsrep_flow_control_paused_ns",
        "counter",
        "Time that replication was paused by flow control: the only flow-control clock that FLUSH STATUS leaves alone.",
        _nanoseconds,
    ),
    _counter("wsrep_flow_control_sent", "Pauses that this node asked for. FLUSH STATUS resets it."),
    _counter("wsrep_flow_control_recv", "Pauses that any node asked for. FLUSH STATUS resets it."),
    _gauge("wsrep_flow_control_active", "1 while replication is paused.", flag),
    _gauge("wsrep_flow_control_requested", "1 while this node is the one that asks for a pause.", flag),
    _mean("wsrep_cert_deps_distance", "Distance of seqnos that could be applied in parallel."),
    _mean("wsrep_cert_interval", "Transactions received while one replicates."),
    _mean("wsrep_apply_window", "Distance between the highest and lowest seqno applied at once."),
    _mean("wsrep_apply_oooe", "Share of transactions whose applying began out of order."),
    _mean("wsrep_apply_oool", "Share of transactions where a later one overtook while applying."),
    _mean("wsrep_commit_window", "Distance between the highest and lowest seqno committed at once."),
    _gauge("wsrep_cert_index_size", "Entries in the certification index."),
    _gauge("wsrep_open_transactions", "Transactions open inside the provider."),
    _gauge("wsrep_open_connections", "Connections open inside the provider."),
    _gauge(
        "wsrep_desync_count", "Reasons for which this node is desynced at the moment (backup, wsrep_desync, donor)."
    ),
    _gauge("wsrep_thread_count", "wsrep threads: appliers, rollbackers and others."),
    _gauge("wsrep_applier_thread_count", "Applier threads."),
    _gauge("wsrep_rollbacker_thread_count", "Rollbacker threads."),
    *(
        _queue(side, stat, words)
        for side in ("recv", "send")
        for stat, words in (("avg", "Mean"), ("min", "Least"), ("max", "Largest"))
    ),
)

COVERED: Final = frozenset(
    {
        *(row.source for row in STATUS),
        # Read by other metrics, or the same fact in a form that FLUSH STATUS resets.
        "wsrep_flow_control_paused",
        "wsrep_gmcast_segment",
        "wsrep_protocol_version",
        "wsrep_protocol_application",
        "wsrep_protocol_replicator",
        "wsrep_protocol_gcs",
        # Out-of-order commits cannot happen: commit order is total, and the server reports 0.
        "wsrep_commit_oooe",
        "wsrep_commit_oool",
    }
)
"""Status variables that need no ``wsrep_raw``."""
