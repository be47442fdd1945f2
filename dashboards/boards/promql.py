"""Expressions that several panels share, as text of PromQL.

Nodes are joined on pod and clusters on namespace and galera_cluster, as in the alerts. Where a value is one of a few,
a code stands for it, and ``codes`` has the word and the colour of each. ``max by`` over a union of series, each a code
times 0 or 1, gives the highest code that holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from boards.codes import (
    DEGRADED,
    DISCONNECTED,
    DOWN,
    FRESH,
    GONE,
    GROWING,
    HEALTHY,
    IDLE,
    IN_THE_BOOTSTRAP,
    NON_PRIMARY,
    PHASE_CODES,
    SILENT,
    SPLIT_BRAIN,
    STALE,
    STATE_CODES,
    UNKNOWN,
    UNREADABLE,
)
from boards.limits import limit, window
from galera_exporter.bootstrap.reading import NodePhase
from galera_exporter.model import NodeState

ONE: Final = 'namespace="$namespace", galera_cluster="$galera_cluster"'
"""Chooses one cluster."""
MANY: Final = 'namespace=~"$namespace", galera_cluster=~"$galera_cluster"'
"""Chooses clusters."""
PODS: Final = f'{ONE}, pod=~"$pod"'
"""Chooses nodes of one cluster."""
POD: Final = f'{ONE}, pod="$pod"'
"""Chooses one node."""
SIDECARS: Final = 'component!~"etcd|observer"'
ETCD: Final = f'{ONE}, component="etcd"'
BY_CLUSTER: Final = "namespace, galera_cluster"
BY_POD: Final = "namespace, galera_cluster, pod"
BY_NODE: Final = "namespace, galera_cluster, node"


def per_pod(metric: str, pods: str = PODS, how: str = "max") -> str:
    """Return one series a pod, whatever its address was."""
    return f"{how} by ({BY_POD}) ({metric}{{{pods}}})"


def rate(metric: str, pods: str = PODS, more: str = "", by: str = BY_POD) -> str:
    """Return the rate of a counter, one series a pod."""
    return f"max by ({by}) (rate({metric}{{{pods}{more}}}[$__rate_interval]))"


def during_transfer(metric: str, pods: str = PODS) -> str:
    """Return a metric of the running full copy: between two copies it is that of the last one."""
    return f"{per_pod(metric, pods)} and on ({BY_POD}) galera_sst_in_progress{{{pods}}} == 1"


def verdict(clusters: str) -> str:
    """Return how each cluster is: a code of ``codes.VERDICTS``."""
    memory = window("GaleraClusterNoPrimary", "critical", "memory")
    parts = {
        "answers": f"{HEALTHY} * galera_cluster:nodes:count{{{clusters}}}",
        "missing": f"{DEGRADED} * (galera_cluster:nodes_serving:sum{{{clusters}}} "
        f"< bool on ({BY_CLUSTER}) galera_cluster:expected_size:max{{{clusters}}})",
        "registry": f"{DEGRADED} * (max by ({BY_CLUSTER}) (galera_registry_up{{{clusters}}}) == bool 0)",
        "alerts": f"{DEGRADED} * max by ({BY_CLUSTER}) ({alerts(clusters, 'critical|warning')})",
        "none": f"{DOWN} * (galera_cluster:nodes_serving:sum{{{clusters}}} == bool 0)",
        "history": f"{DOWN} * max by ({BY_CLUSTER}) (galera_state_uuid_undefined{{{clusters}}})",
        "suspected": f"{SPLIT_BRAIN} * max by ({BY_CLUSTER}) (galera_split_brain_suspected{{{clusters}}})",
        "split": f"{SPLIT_BRAIN} * max by ({BY_CLUSTER}) "
        f'(ALERTS{{alertname="GaleraSplitBrain", alertstate="firing", {clusters}}})',
        "silent": f"{UNKNOWN} * (max_over_time(galera_cluster:nodes:count{{{clusters}}}[{memory}]) > bool 0 "
        f"unless on ({BY_CLUSTER}) galera_cluster:nodes:count{{{clusters}}})",
    }
    return f"max by ({BY_CLUSTER}) ({_union(parts)})"


def standing(pods: str) -> str:
    """Return how each node stands: a code of ``codes.STANDINGS``."""
    silent = f"on ({BY_POD}) galera_up{{{pods}}} == 0"
    phases = f"{NodePhase.GATE}|{NodePhase.BOOTSTRAPPING}"  # "starting" is also what a database that has died leaves
    parts = {
        **{
            str(state): f'{code} * wsrep_local_state_comment{{state="{state}", {pods}}}'
            for state, code in STATE_CODES.items()
            if state is not NodeState.UNKNOWN
        },
        "transfer": f"{STATE_CODES[NodeState.RECEIVING]} * galera_sst_in_progress{{{pods}}} and {silent}",
        "bootstrap": f'{IN_THE_BOOTSTRAP} * galera_bootstrap_phase{{phase=~"{phases}", {pods}}} and {silent}',
        "alone": f'{NON_PRIMARY} * wsrep_cluster_status{{status="non-Primary", {pods}}}',
        "away": f'{DISCONNECTED} * wsrep_cluster_status{{status="Disconnected", {pods}}}',
        "silent": f"{SILENT} * (max by ({BY_POD}) (up{{{pods}, {SIDECARS}}}) == bool 0)",
    }
    return f"max by ({BY_POD}) ({_union(parts)})"


def phase(pods: str) -> str:
    """Return where each node stands in the bootstrap protocol: a code of ``codes.PHASE_WORDS``."""
    parts = {
        str(phase): f'{code} * galera_bootstrap_phase{{phase="{phase}", {pods}}}' for phase, code in PHASE_CODES.items()
    }
    return f"max by ({BY_POD}) ({_union(parts)})"


def age(nodes: str = ONE) -> str:
    """Return the age of each node's key: the youngest that any sidecar has seen which can read etcd."""
    return (
        f"min by ({BY_NODE}) (galera_etcd_key_age_seconds{{{nodes}}} "
        f"and on ({BY_POD}) galera_registry_up{{{ONE}}} == 1)"
    )


def key(pods: str = "$pod") -> str:
    """Return what is to be said of each node's key, one series a pod: a code of ``codes.KEYS``."""
    nodes = f'{ONE}, node=~"{pods}"'
    stale = limit("GaleraEtcdKeyStale", "warning")
    parts = {
        "fresh": f"{FRESH} * max by ({BY_NODE}) (galera_etcd_key_present{{{nodes}}})",
        "stale": f"{STALE} * ({age(nodes)} > bool on ({BY_NODE}) {stale:g} * "
        f"max by ({BY_NODE}) (galera_etcd_key_ttl_seconds{{{nodes}}}))",
        "gone": f"{GONE} * (max by ({BY_NODE}) (galera_etcd_key_present{{{nodes}}} "
        f"and on ({BY_POD}) galera_registry_up{{{ONE}}} == 1) == bool 0)",
        "unreadable": f"{UNREADABLE} * (max by ({BY_NODE}) (galera_etcd_key_present{{{nodes}}} >= bool 0) "
        f"* on ({BY_CLUSTER}) group_left () (max by ({BY_CLUSTER}) (galera_registry_up{{{ONE}}}) == bool 0))",
    }
    return as_pod(f"max by ({BY_NODE}) ({_union(parts)})")


def behind(pods: str = "$pod", position: str = "wsrep_last_committed") -> str:
    """Return how many write sets each node has still to apply.

    Of a member of the Primary component that is its queue: seqnos of two nodes are not of the same moment. Of the
    others it is how far the foremost one is ahead; of a silent one what was last heard of it counts, or else what it
    wrote to etcd.
    """
    memory = window("GaleraDownNodeNeedsSst", "warning", "memory")
    heard = f'max by ({BY_POD}) (max_over_time(wsrep_last_committed{{{ONE}, pod=~"{pods}"}}[{memory}]) >= 0)'
    silent = f'unless on ({BY_POD}) {position}{{{ONE}, pod=~"{pods}"}}'
    member = f'wsrep_cluster_status{{status="Primary", {ONE}}} == 1'
    written = as_pod(f'max by ({BY_NODE}) (galera_registry_node_seqno{{{ONE}, node=~"{pods}"}} >= 0)')
    return (
        f'max by ({BY_POD}) (wsrep_local_recv_queue{{{ONE}, pod=~"{pods}"}} and on ({BY_POD}) {member})\n'
        f"or max by ({BY_CLUSTER}) ({position}{{{ONE}}} >= 0)\n"
        f"- on ({BY_CLUSTER}) group_right ()\n"
        f'(max by ({BY_POD}) ({position}{{{ONE}, pod=~"{pods}"}} >= 0) or ({heard} or {written}) {silent})'
    )


def ist_window(where: str, by: str) -> str:
    """Return how long a node may be away and still catch up from a cache, in seconds, or a code of ``codes.WINDOWS``.

    As in GaleraIstWindowShort a cache that has dropped nothing yet is young, and not short.
    """
    window_ = window("GaleraIstWindowShort", "warning", "window")
    synced = f'wsrep_local_state_comment{{state="synced", {where}}} == 1'
    return (
        f"max by ({by}) (galera_node:ist_window_seconds{{{where}}} and on ({BY_POD}) {synced})\n"
        f"unless on ({by}) (changes(wsrep_local_cached_downto{{{where}}}[{window_}]) == 0 and on ({BY_POD}) {synced})\n"
        f"or max by ({by}) (galera_node:ist_window_seconds{{{where}}} and on ({BY_POD}) {synced}) * 0 + {GROWING}\n"
        f"or max by ({by}) ({synced}) * 0 + {IDLE}"
    )


def margin(clusters: str) -> str:
    """Return the votes that may be lost, in the label ``part``: 0 where the next loss is an outage, 1 where not.

    2 where fewer nodes are expected than GaleraClusterNoFailureMargin asks for: they never have a margin.
    """
    losable = f"max by ({BY_CLUSTER}) (galera_cluster:votes_losable:max{{{clusters}}})"
    nodes = limit("GaleraClusterNoFailureMargin", "critical", "nodes")
    known = (
        f"(({losable} >= bool on ({BY_CLUSTER}) galera_cluster:heaviest_vote:max{{{clusters}}})\n"
        f"and on ({BY_CLUSTER}) galera_cluster:expected_size:max{{{clusters}}} >= {nodes:g}\n"
        f"or {losable} * 0 + 2)\n"
        f'* on ({BY_CLUSTER}) group_left (part) count_values by ({BY_CLUSTER}) ("part", {losable})'
    )
    return named(known, f"galera_cluster:nodes:count{{{clusters}}} * 0", "part", "0")


def share(part: str, whole: str) -> str:
    """Return the share of two numbers of a cluster, which stand in the labels ``part`` and ``whole``: for "2 of 3"."""
    counted = f'count_values by ({BY_CLUSTER}) ("whole", {whole})'
    known = (
        f"({part} / on ({BY_CLUSTER}) {whole})\n"
        f'* on ({BY_CLUSTER}) group_left (part) count_values by ({BY_CLUSTER}) ("part", {part})\n'
        f"* on ({BY_CLUSTER}) group_left (whole) {counted}"
    )
    return named(known, f"{counted} * 0", "part", "0")


def named(expression: str, instead: str, label: str, value: str) -> str:
    """Return another series of the cluster where there is none, with this label: a tile shows names of series alone."""
    return f'{expression}\nor on ({BY_CLUSTER}) label_replace({instead}, "{label}", "{value}", "", "")'


def as_pod(expression: str, *more: str) -> str:
    """Return the series of the registry, which name a node, by pod: the node's name in it is the pod's."""
    return f'max by ({", ".join([BY_POD, *more])}) (label_replace({expression}, "pod", "$1", "node", "(.+)"))'


def alerts(where: str, severity: str = "critical|warning|info") -> str:
    """Return the alerts of these severities that fire."""
    return f'ALERTS{{alertstate="firing", severity=~"{severity}", {where}}}'


def _union(parts: Mapping[str, str]) -> str:
    """Join with ``or``, which drops a series whose labels are there already: so each part gets a label of its own."""
    return "\nor ".join(f'label_replace({text}, "is", "{name}", "", "")' for name, text in parts.items())
