"""THE TABLE: every metric this program publishes.

``wsrep_*`` is what MariaDB itself reports, under its own variable name, in
base units and with ``_total`` on counters. ``galera_*`` is what this exporter
adds or derives. A row here is the only place that knows a metric's type,
labels, unit and help; docs/metrics.md is made from it.
"""

from __future__ import annotations

from typing import Final

from galera_exporter.bootstrap.reading import Action, NodePhase
from galera_exporter.bootstrap.state import Reason
from galera_exporter.errors import DatabaseReason, KubernetesReason, RegistryReason
from galera_exporter.metrics.metric import Kind, Metric, counter, gauge, info
from galera_exporter.metrics.wsrep import STATUS
from galera_exporter.model import ClusterStatus, EvsState, NodeState

EXPORTER: Final = (
    gauge("galera_up", "1 if SQL answered this scrape in time and wsrep is on."),
    gauge(
        "galera_up_reason",
        "Why galera_up is what it is: 1 on exactly one reason.",
        "reason",
        enum=tuple(DatabaseReason),
    ),
    gauge("galera_exporter_collector_success", "1 if the collector's last run succeeded.", "collector"),
    gauge("galera_exporter_collector_duration_seconds", "Duration of the collector's last run.", "collector"),
    gauge(
        "galera_exporter_unknown_variables",
        "Numeric wsrep_ status variables that this version has no metric for; --collect.raw-variables exports them.",
        source="SHOW GLOBAL STATUS",
    ),
    info("galera_exporter_build_info", "Version of this exporter.", "version", "pythonversion"),
    gauge(
        "galera_exporter_web_config_last_reload_successful",
        "1 if the web config file was read without fault at its last change.",
    ),
    gauge("wsrep_raw", "Numeric status variable without a metric of its own, as it is.", "variable"),
)

WSREP_ENUMS: Final = (
    gauge(
        "wsrep_cluster_status",
        "Status of the component this node is in: 1 on exactly one.",
        "status",
        source="wsrep_cluster_status",
        enum=tuple(ClusterStatus),
    ),
    gauge(
        "wsrep_local_state_comment",
        "State of this node: 1 on exactly one.",
        "state",
        source="wsrep_local_state_comment",
        enum=tuple(NodeState),
    ),
    gauge(
        "wsrep_evs_state",
        "State of the group-communication protocol: 1 on exactly one.",
        "state",
        source="wsrep_evs_state",
        enum=tuple(EvsState),
    ),
)

WSREP_OTHER: Final = (
    gauge(
        "wsrep_evs_repl_latency_seconds",
        "Latency of group communication since the last report period; absent while there are no samples.",
        "stat",
        source="wsrep_evs_repl_latency",
    ),
    gauge(
        "wsrep_evs_repl_latency_samples",
        "Samples behind wsrep_evs_repl_latency_seconds.",
        source="wsrep_evs_repl_latency",
    ),
    gauge("wsrep_evs_delayed_nodes", "Nodes that this node holds for delayed.", source="wsrep_evs_delayed"),
    gauge("wsrep_evs_evicted_nodes", "Nodes evicted from the group.", source="wsrep_evs_evict_list"),
    info(
        "wsrep_provider_info",
        "The Galera library in use.",
        "provider_name",
        "provider_version",
        "protocol_version",
        "capabilities_hash",
        source="wsrep_provider_name, _version, wsrep_protocol_version, wsrep_provider_capabilities",
    ),
)

DERIVED: Final = (
    info(
        "galera_state_info",
        "State UUIDs of the cluster and of this node's data.",
        "cluster_state_uuid",
        "local_state_uuid",
        source="wsrep_cluster_state_uuid, wsrep_local_state_uuid",
    ),
    gauge(
        "galera_state_uuid_match",
        "1 if both state UUIDs are equal and not all zero.",
        source="wsrep_cluster_state_uuid, wsrep_local_state_uuid",
    ),
    gauge(
        "galera_state_uuid_undefined",
        "1 if the component is Primary with the all-zero state UUID: a cluster that has lost its history.",
        source="wsrep_cluster_state_uuid",
    ),
    info(
        "galera_node_info",
        "Names and version of this node. cluster_name changes with each bootstrap through etcd.",
        "node_name",
        "node_address",
        "cluster_name",
        "version",
        "sst_method",
        "segment",
        source="SHOW GLOBAL VARIABLES",
    ),
    gauge(
        "galera_expected_cluster_size",
        "How many nodes the cluster should have: --expected-size, or else the largest size this process has seen.",
    ),
    gauge(
        "galera_view_fingerprint",
        "CRC-32 of the sorted member UUIDs: nodes that see different views differ.",
        source="mysql.wsrep_cluster_members",
    ),
    info(
        "galera_cluster_member_info",
        "A member of this node's view.",
        "member_uuid",
        "member_name",
        "member_address",
        source="mysql.wsrep_cluster_members",
    ),
    gauge(
        "galera_flow_control_limit",
        "Receive-queue length at which this node asks the cluster to pause.",
        source="wsrep_provider_options gcs.fc_limit, gcs.fc_single_primary; wsrep_cluster_size",
    ),
    gauge(
        "galera_flow_control_resume_limit",
        "Receive-queue length at which this node lets the cluster go on.",
        source="wsrep_provider_options gcs.fc_factor",
    ),
    gauge(
        "galera_ist_window_transactions",
        "Transactions in this node's gcache: a joiner that is further behind needs a full state transfer (SST).",
        source="wsrep_last_committed, wsrep_local_cached_downto",
    ),
)

CONFIGURATION: Final = (
    gauge("galera_config_wsrep_on", "1 if replication is on.", source="wsrep_on"),
    gauge("galera_config_desync", "1 if the node was desynced by hand.", source="wsrep_desync"),
    gauge("galera_config_read_only", "1 if the server refuses writes.", source="read_only"),
    gauge("galera_config_sync_wait", "Bitmask of the statements that wait for causality.", source="wsrep_sync_wait"),
    gauge(
        "galera_config_sst_donor_rejects_queries",
        "1 if a donor refuses queries.",
        source="wsrep_sst_donor_rejects_queries",
    ),
    gauge("galera_config_applier_threads", "Applier threads asked for.", source="wsrep_slave_threads"),
    gauge("galera_config_max_writeset_size_bytes", "Largest write set accepted.", source="wsrep_max_ws_size"),
    gauge("galera_config_node_weight", "Votes of this node.", source="pc.weight"),
    gauge("galera_config_pc_ignore_sb", "1 if split brain is ignored.", source="pc.ignore_sb"),
    gauge("galera_config_pc_ignore_quorum", "1 if the loss of quorum is ignored.", source="pc.ignore_quorum"),
    gauge("galera_config_pc_bootstrap", "1 if the component was told to become Primary.", source="pc.bootstrap"),
    gauge("galera_config_gcache_size_bytes", "Size of the write-set cache.", source="gcache.size"),
    gauge("galera_config_gcache_page_size_bytes", "Size of an overflow page of the cache.", source="gcache.page_size"),
    gauge("galera_config_gcache_recover", "1 if the cache is recovered at a start.", source="gcache.recover"),
    gauge(
        "galera_config_evs_suspect_timeout_seconds",
        "Silence after which a node is suspected.",
        source="evs.suspect_timeout",
    ),
    gauge(
        "galera_config_evs_inactive_timeout_seconds",
        "Silence after which a node is out of the group.",
        source="evs.inactive_timeout",
    ),
    gauge(
        "galera_config_innodb_flush_log_at_trx_commit",
        "1 if each commit is flushed to disk.",
        source="innodb_flush_log_at_trx_commit",
    ),
    gauge("galera_config_sync_binlog", "Binary-log groups between two flushes; 0 never.", source="sync_binlog"),
)
"""Read from the variables and from wsrep_provider_options (or wsrep_provider_*), every minute."""

DATADIR: Final = (
    gauge(
        "galera_grastate_seqno",
        "seqno of the stopped server; -1 while it runs or after a crash.",
        source="grastate.dat",
    ),
    gauge(
        "galera_grastate_safe_to_bootstrap",
        "The safe_to_bootstrap flag. It alone proves nothing: an empty or broken file says 1 too.",
        source="grastate.dat",
    ),
    gauge("galera_sst_in_progress", "1 while this node receives a full state transfer.", source="SST marker files"),
    gauge(
        "galera_sst_start_timestamp_seconds",
        "When the running state transfer began, seconds since the epoch.",
        source="modification time of the SST marker",
    ),
    gauge("galera_sst_received_bytes", "Bytes received by the running state transfer.", source="files of the transfer"),
    gauge("galera_gcache_page_files", "Overflow pages of the write-set cache.", source="gcache.page.*"),
    gauge("galera_gcache_page_bytes", "Bytes in overflow pages of the write-set cache.", source="gcache.page.*"),
    gauge("galera_gra_log_files", "Write sets that failed to apply, kept for study.", source="GRA_*.log"),
    gauge("galera_gvwstate_present", "1 if a saved view is there.", source="gvwstate.dat"),
)

REGISTRY: Final = (
    gauge("galera_registry_up", "1 if the last linearizable read of the registry succeeded within its budget."),
    gauge(
        "galera_registry_last_success_timestamp_seconds", "When the registry was last read, seconds since the epoch."
    ),
    gauge("galera_registry_request_duration_seconds", "Duration of the last read of the registry."),
    gauge("galera_registry_revision", "Revision of etcd; one that goes back means that etcd was wiped or restored."),
    gauge("galera_registry_nodes", "Nodes with a live key."),
    gauge("galera_registry_foreign_keys", "Keys below our prefix that this version cannot read."),
    gauge(
        "galera_etcd_key_age_seconds",
        "Seconds since this sidecar saw the node's key change (its own monotonic clock). "
        "Goes on rising after the key has expired, for one hour.",
        "node",
    ),
    gauge("galera_etcd_key_ttl_seconds", "TTL that the node asks for.", "node"),
    gauge("galera_etcd_key_present", "1 if the node's key exists.", "node"),
    gauge(
        "galera_registry_node_state",
        "State that the node wrote last: 1 on exactly one.",
        "node",
        "state",
        enum=tuple(NodeState),
    ),
    gauge("galera_registry_node_seqno", "Last committed seqno that the node wrote.", "node"),
    gauge("galera_registry_node_in_view", "1 if the node is in this node's Galera view.", "node"),
    gauge("galera_registry_orphan_nodes", "Live keys of nodes that this node's Galera view does not have."),
    gauge("galera_registry_missing_nodes", "Members of this node's Galera view without a live key."),
    gauge("galera_registry_self_registered", "1 if this node's own key exists and is its own."),
    gauge("galera_registry_keys_without_lease", "1 if the node's key has no lease and so never expires.", "node"),
    counter(
        "galera_registry_key_expirations_total",
        "How often this sidecar saw the node's key vanish or be replaced.",
        "node",
    ),
    counter("galera_heartbeat_writes_total", "Writes of this node's own key."),
    counter(
        "galera_heartbeat_failures_total",
        "Heartbeats that failed.",
        "reason",
        enum=tuple(RegistryReason),
    ),
    gauge(
        "galera_split_brain_suspected",
        "1 if nodes that are Primary have named different components for more than 15 s: Galera itself does not tell. "
        "While etcd cannot be read, the last finding stands.",
        source="state UUID, conf id and size that nodes write",
    ),
    Metric("galera_heartbeat_duration_seconds", Kind.HISTOGRAM, "Duration of a heartbeat, all its requests together."),
    gauge(
        "galera_heartbeat_last_success_timestamp_seconds", "When the last heartbeat succeeded, seconds since the epoch."
    ),
)

BOOTSTRAP: Final = (
    gauge(
        "galera_bootstrap_phase",
        "Where this node stands in the bootstrap protocol: 1 on exactly one.",
        "phase",
        enum=tuple(NodePhase),
    ),
    gauge("galera_bootstrap_epoch", "Epoch that this node's data are of: one for each election; 0 not known."),
    gauge(
        "galera_bootstrap_waiting",
        "Why this node waits: 1 on at most one reason. docs/operations.md has a section for each.",
        "reason",
        enum=tuple(Reason),
    ),
    gauge("galera_bootstrap_waiting_for", "1 for each node that the wait is for, or that is in its way.", "node"),
    counter(
        "galera_bootstrap_decisions_total",
        "Decisions that this process carried out for its node.",
        "decision",
        enum=tuple(Action),
    ),
    gauge(
        "galera_bootstrap_position_seqno",
        "seqno of this node's data: of the running server, or what the stopped one was recovered to; -1 undefined.",
    ),
)

OBSERVER: Final = (
    gauge(
        "galera_observer_up",
        "1 if the observer has read the pods within the last 10 s, and may change what is to be changed.",
        source="Kubernetes API",
    ),
    gauge("galera_observer_registry_up", "1 if the observer has read the registry within the last 5 s."),
    gauge(
        "galera_observer_primary",
        "1 on the pod that has the label of the write Service, galera.role=primary; 0 on the others.",
        "pod",
        source="Kubernetes API",
    ),
    counter("galera_observer_primary_changes_total", "How often this process gave a pod the label."),
    gauge("galera_kube_pod_ready", "1 if Kubernetes calls the pod Ready.", "pod", source="Kubernetes API"),
    gauge("galera_kube_replicas", "Pods that the StatefulSet asks for.", source="Kubernetes API"),
    gauge("galera_kube_registered_pods", "Pods of the StatefulSet whose node has a live key in etcd."),
    counter(
        "galera_kube_request_failures_total",
        "Requests to the Kubernetes API that failed. A conflict is no trouble: the object had changed, or was there.",
        "reason",
        enum=tuple(KubernetesReason),
    ),
)

CATALOG: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        *EXPORTER,
        *(Metric(row.name, Kind(row.kind), row.help, (), row.source) for row in STATUS),
        *WSREP_ENUMS,
        *WSREP_OTHER,
        *DERIVED,
        *CONFIGURATION,
        *DATADIR,
        *REGISTRY,
        *BOOTSTRAP,
        *OBSERVER,
    )
}
"""By name, in the order of the page."""
