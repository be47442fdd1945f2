"""Galera / Registry: what stands in etcd, against what the nodes see, and etcd itself."""

from __future__ import annotations

from typing import Final

from boards.codes import REGISTRY, UP_DOWN, YES_NO
from boards.frame import Board, Row, one_cluster, pod_variable, to_board
from boards.limits import limit, tones, window
from boards.looks import steps
from boards.panels import Column, Placed, Query, bars, lines, rows_of, states, tile
from boards.promql import BY_CLUSTER, BY_NODE, BY_POD, ETCD, ONE, PODS, age, as_pod, key, named, per_pod, rate, share
from boards.shared import SHARE, alerts_table, by_cluster, key_column
from galera_exporter.model import NodeState
from galera_exporter.web.tones import COLOURS, STATES, Look

_NODES: Final = f'{ONE}, node=~"$pod"'
_STATES: Final = {str(state): STATES[state] for state in NodeState}
_LEASE: Final = {0: Look("good", "has one"), 1: Look("bad", "none: never expires")}
_VIEW: Final = {0: Look("fair", "no"), 1: Look("good", "yes")}


def _glance() -> list[Placed]:
    return [
        tile(
            "Registry",
            "Whether any sidecar reads etcd. While none does, keys prove nothing.",
            Query(by_cluster(f"galera_registry_up{{{ONE}}}"), ""),
            alert="GaleraRegistryUnavailable",
            width=4,
            words=REGISTRY,
        ),
        tile(
            "Registered",
            "Nodes with a live key, of those that there should be.",
            Query(
                share(
                    f"max by ({BY_CLUSTER}) (galera_registry_nodes{{{ONE}}})",
                    f"galera_cluster:expected_size:max{{{ONE}}}",
                ),
                "{{part}} of {{whole}}",
            ),
            width=3,
            unit="percentunit",
            steps=SHARE,
            name=True,
        ),
        tile(
            "In the view",
            "Members of the Primary component, of the nodes that there should be.",
            Query(
                share(f"galera_cluster:size:max{{{ONE}}}", f"galera_cluster:expected_size:max{{{ONE}}}"),
                "{{part}} of {{whole}}",
            ),
            width=3,
            unit="percentunit",
            steps=SHARE,
            name=True,
        ),
        tile(
            "In the view, without a key",
            "Members of the view that have no live key, as the node that sees most says.",
            Query(by_cluster(f"galera_registry_missing_nodes{{{ONE}}}"), ""),
            alert="GaleraRegistryNodeMissing",
            width=4,
            steps=steps("good", fair=1),
        ),
        tile(
            "With a key, in no view",
            "Live keys of nodes that the view does not have (orphans).",
            Query(by_cluster(f"galera_registry_orphan_nodes{{{ONE}}}"), ""),
            alert="GaleraRegistryOrphanNodes",
            width=4,
            steps=steps("good", fair=1),
        ),
        tile(
            "Members of etcd",
            "Members of etcd that can be scraped, of those that Prometheus knows.",
            Query(
                share(f"sum by ({BY_CLUSTER}) (up{{{ETCD}}})", f"count by ({BY_CLUSTER}) (up{{{ETCD}}})"),
                "{{part}} of {{whole}}",
            ),
            alert="GaleraEtcdInsufficientMembers",
            width=3,
            unit="percentunit",
            steps=steps("bad", fair=0.501, good=1),
            name=True,
        ),
        tile(
            "Leader of etcd",
            "Whether any member of etcd knows a leader. Without one nothing is written, and nothing expires.",
            Query(by_cluster(f"etcd_server_has_leader{{{ETCD}}}"), ""),
            alert="GaleraEtcdNoLeader",
            width=3,
            words=YES_NO,
            absent="Unknown",
        ),
    ]


def _table() -> Placed:
    return rows_of(
        "Keys",
        "One row for each node that etcd knows or knew: what it wrote last, and whether it still writes.",
        Column("Node", label="pod", links=(to_board("galera-node", pod="Node"),)),
        key_column(key()),
        Column("Age", as_pod(age(_NODES)), unit="s", decimals=1, width=100),
        Column(
            "Time to live",
            as_pod(f"max by ({BY_NODE}) (galera_etcd_key_ttl_seconds{{{_NODES}}})"),
            unit="s",
            width=110,
        ),
        Column(
            "State written",
            as_pod(
                f"max by ({BY_NODE}, state) (galera_registry_node_state{{{_NODES}}} "
                f"and on ({BY_POD}) galera_registry_up{{{ONE}}} == 1) == 1",
                "state",
            ),
            label="state",
            words=_STATES,
            width=170,
        ),
        Column(
            "Seqno written",
            as_pod(f"max by ({BY_NODE}) (galera_registry_node_seqno{{{_NODES}}})"),
            unit="locale",
            width=130,
        ),
        Column(
            "In the view",
            as_pod(
                f"max by ({BY_NODE}) (galera_registry_node_in_view{{{_NODES}}} "
                f'and on ({BY_POD}) wsrep_cluster_status{{status="Primary", {ONE}}} == 1)'
            ),
            words=_VIEW,
            width=110,
        ),
        Column(
            "Lease",
            as_pod(f"max by ({BY_NODE}) (galera_registry_keys_without_lease{{{_NODES}}})"),
            words=_LEASE,
            width=150,
        ),
        Column(
            "Expired in this time",
            as_pod(f"max by ({BY_NODE}) (increase(galera_registry_key_expirations_total{{{_NODES}}}[$__range]))"),
            steps=steps("good", fair=0.5),
            decimals=0,
            width=160,
        ),
        height=7,
    )


def _keys() -> Row:
    stale = limit("GaleraEtcdKeyStale", "warning")
    return Row(
        "Keys and heartbeats",
        [
            lines(
                "Age of each key",
                "A saw: each heartbeat brings it back to 0. A line that climbs past the time to live: the key expired, "
                "and nobody renews it.",
                Query(as_pod(age(_NODES))),
                Query(f"max by ({BY_CLUSTER}) (galera_etcd_key_ttl_seconds{{{ONE}}})", "time to live"),
                Query(f"{stale:g} * max by ({BY_CLUSTER}) (galera_etcd_key_ttl_seconds{{{ONE}}})", "stale from"),
                alert="GaleraEtcdKeyStale",
                width=10,
                unit="s",
                limits=["time to live", "stale from"],
            ),
            bars(
                "Age of its time to live",
                "Age of each node's key against its time to live: at 100 % it expires.",
                Query(
                    as_pod(
                        f"{age(_NODES)} / on ({BY_NODE}) max by ({BY_NODE}) (galera_etcd_key_ttl_seconds{{{_NODES}}})"
                    )
                ),
                width=5,
                unit="percentunit",
                steps=steps("good", **tones("GaleraEtcdKeyStale"), bad=1),
                maximum=1,
                decimals=0,
                absent="No key",
            ),
            lines(
                "Registered, in the view, serving",
                "Three views of one cluster. Lines that part for longer than a restart: one of them is wrong.",
                Query(by_cluster(f"galera_registry_nodes{{{ONE}}}"), "registered"),
                Query(f"galera_cluster:size:max{{{ONE}}}", "in the Primary component"),
                Query(f"galera_cluster:nodes_serving:sum{{{ONE}}}", "serving"),
                Query(f"galera_cluster:expected_size:max{{{ONE}}}", "expected"),
                width=9,
                unit="none",
                stepped=True,
                limits=["expected"],
            ),
            lines(
                "Heartbeat latency",
                "How long a heartbeat takes, all its requests together: nine in ten are faster.",
                Query(
                    f"histogram_quantile(0.9, sum by ({BY_POD}, le) "
                    f"(rate(galera_heartbeat_duration_seconds_bucket{{{PODS}}}[$__rate_interval])))"
                ),
                width=8,
                unit="s",
            ),
            lines(
                "Heartbeats",
                "Writes of each node's own key. A node that stops writing loses its key.",
                Query(rate("galera_heartbeat_writes_total")),
                width=8,
                unit="wps",
            ),
            lines(
                "Failed heartbeats",
                "Heartbeats that failed, by reason, all nodes together.",
                Query(
                    f"sum by ({BY_CLUSTER}) (rate(galera_heartbeat_failures_total{{{PODS}}}[$__rate_interval]))", "all"
                ),
                Query(
                    f"sum by (reason) (rate(galera_heartbeat_failures_total{{{PODS}}}[$__rate_interval])) > 0",
                    "{{reason}}",
                ),
                width=8,
                unit="cps",
                colours={"all": COLOURS["mute"]},
            ),
            lines(
                "Keys that vanished",
                "How often a key expired or was replaced, as the sidecar that saw most has counted since it began. "
                "A key that is away for seconds is seen here alone.",
                Query(as_pod(f"max by ({BY_NODE}) (galera_registry_key_expirations_total{{{_NODES}}})")),
                width=8,
                unit="none",
                stepped=True,
            ),
            lines(
                "Reading the registry",
                "How long each sidecar's last read of etcd took.",
                Query(per_pod("galera_registry_request_duration_seconds")),
                width=8,
                unit="s",
            ),
            lines(
                "Revision",
                "Revision of etcd as each sidecar reads it. One that goes back: etcd was wiped or restored.",
                Query(per_pod("galera_registry_revision")),
                width=8,
                unit="locale",
                minimum=None,
            ),
        ],
    )


def _etcd() -> Row:
    member = f"{BY_CLUSTER}, pod"
    changes = window("GaleraEtcdHighNumberOfLeaderChanges", "warning", "window")
    return Row(
        "etcd",
        [
            states(
                "Members",
                "Whether Prometheus can scrape each member of etcd.",
                Query(f"max by ({member}) (up{{{ETCD}}})"),
                words=UP_DOWN,
                width=8,
            ),
            lines(
                "Leader changes",
                f"Changes of leader within {changes}, and the number from which the alert fires.",
                Query(
                    f"max by ({BY_CLUSTER}) (increase(etcd_server_leader_changes_seen_total{{{ETCD}}}[{changes}]))",
                    "changes",
                ),
                alert="GaleraEtcdHighNumberOfLeaderChanges",
                width=8,
                unit="none",
                decimals=0,
                steps=steps("good", **tones("GaleraEtcdHighNumberOfLeaderChanges")),
            ),
            lines(
                "Slowest fsync",
                "What one in a hundred fsyncs of the log takes at least. Below 128 ms it is a rough figure.",
                Query("galera_etcd:wal_fsync_duration_seconds:p99_rate5m{" + ONE + "}"),
                alert="GaleraEtcdHighFsyncDurations",
                width=8,
                unit="s",
                steps=steps("good", **tones("GaleraEtcdHighFsyncDurations")),
            ),
            lines(
                "Database of quota",
                "Size of the database against its quota: at 100 % etcd takes no more writes.",
                Query(
                    f"max by ({member}) (etcd_mvcc_db_total_size_in_bytes{{{ETCD}}})\n"
                    f"/ on ({member}) max by ({member}) (etcd_server_quota_backend_bytes{{{ETCD}}})"
                ),
                alert="GaleraEtcdDatabaseQuotaLowSpace",
                width=8,
                unit="percentunit",
                steps=steps("good", **tones("GaleraEtcdDatabaseQuotaLowSpace")),
            ),
            lines(
                "Failed sends between members",
                "Messages that members could not send to each other, by receiver. There from the first failure on.",
                Query(
                    f"sum by ({BY_CLUSTER}, To) "
                    f"(rate(etcd_network_peer_sent_failures_total{{{ETCD}}}[$__rate_interval]))",
                    "to {{To}}",
                ),
                alert="GaleraEtcdMembersDown",
                absent="None failed",
                width=8,
                unit="cps",
                steps=steps("good", **tones("GaleraEtcdMembersDown", "failures")),
            ),
            lines(
                "Proposals",
                "Writes that wait for a majority, and writes that failed.",
                Query(f"sum by ({BY_CLUSTER}) (etcd_server_proposals_pending{{{ETCD}}})", "pending"),
                Query(
                    f"sum by ({BY_CLUSTER}) (rate(etcd_server_proposals_failed_total{{{ETCD}}}[$__rate_interval]))",
                    "failed",
                ),
                width=8,
                unit="none",
                colours={"failed": COLOURS["bad"]},
            ),
        ],
    )


def _kubernetes() -> Row:
    needs = "Needs the observer. "
    failures = "galera_kube_request_failures_total"
    return Row(
        "Kubernetes (with the observer)",
        [
            tile(
                "Observer",
                f"{needs}Whether the observer reaches the API of Kubernetes.",
                Query(by_cluster(f"galera_observer_up{{{ONE}}}"), ""),
                alert="GaleraObserverDown",
                width=6,
                words=YES_NO,
                absent="None",
            ),
            tile(
                "Write pod",
                f"{needs}The pod that carries the label of the write Service.",
                Query(
                    named(
                        f"max by ({BY_POD}) (galera_observer_primary{{{ONE}}}) == 1",
                        f"max by ({BY_CLUSTER}) (galera_observer_up{{{ONE}}}) * 0",
                        "pod",
                        "None",
                    )
                ),
                alert="GaleraNoWriteEndpoint",
                width=6,
                steps=steps("bad", good=1),
                name=True,
            ),
            tile(
                "Observer reads etcd",
                f"{needs}Whether the observer reads the registry. It chooses the write pod by it.",
                Query(by_cluster(f"galera_observer_registry_up{{{ONE}}}"), ""),
                width=6,
                words=YES_NO,
                absent="None",
            ),
            tile(
                "Pods Ready",
                f"{needs}Pods that Kubernetes calls Ready, of those that the StatefulSet asks for.",
                Query(
                    share(
                        f"sum by ({BY_CLUSTER}) (galera_kube_pod_ready{{{ONE}}})",
                        f"max by ({BY_CLUSTER}) (galera_kube_replicas{{{ONE}}})",
                    ),
                    "{{part}} of {{whole}}",
                ),
                width=6,
                unit="percentunit",
                steps=SHARE,
                name=True,
            ),
            lines(
                "Changes of the write pod",
                f"{needs}How often the label moved.",
                Query(
                    f"max by ({BY_CLUSTER}) "
                    f"(increase(galera_observer_primary_changes_total{{{ONE}}}[$__rate_interval]))",
                    "changes",
                ),
                width=8,
                unit="none",
            ),
            lines(
                "Three views",
                f"{needs}What Kubernetes takes for Ready, what is registered, and what is in the Primary component.",
                Query(f"sum by ({BY_CLUSTER}) (galera_kube_pod_ready{{{ONE}}})", "Ready"),
                Query(f"max by ({BY_CLUSTER}) (galera_kube_registered_pods{{{ONE}}})", "registered"),
                Query(f"galera_cluster:size:max{{{ONE}}}", "in the Primary component"),
                Query(f"max by ({BY_CLUSTER}) (galera_kube_replicas{{{ONE}}})", "replicas"),
                width=8,
                unit="none",
                stepped=True,
                limits=["replicas"],
            ),
            lines(
                "Failed requests",
                f"{needs}Requests to the API of Kubernetes that failed, by reason.",
                Query(f"sum by (reason) (rate({failures}{{{ONE}}}[$__rate_interval])) > 0", "{{reason}}"),
                width=8,
                unit="cps",
                absent="None failed",
            ),
        ],
        folded=True,
    )


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="galera-registry",
        about="The registry in etcd of one Galera cluster: who is registered, who is not, and whether etcd is well.",
        where=ONE,
        variables=[*one_cluster(), pod_variable(multi=True)],
        rows=[
            Row("", _glance()),
            Row("", [_table()]),
            _keys(),
            _etcd(),
            Row("", [alerts_table(24, 6)]),
            _kubernetes(),
        ],
    )
