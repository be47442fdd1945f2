"""Readings to rows: which samples each metric of the catalog has now."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from prometheus_client.utils import floatToGoString

from galera_exporter.bootstrap.reading import Action, BootstrapReading
from galera_exporter.mariadb.options import flow_control_limits
from galera_exporter.mariadb.status import evs_latency, evs_state, list_length, number
from galera_exporter.metrics.catalog import CATALOG
from galera_exporter.metrics.metric import Samples
from galera_exporter.metrics.wsrep import COVERED, STATUS
from galera_exporter.model import (
    ZERO_UUID,
    ClusterView,
    DatabaseReading,
    DatadirFacts,
    Member,
    NodeSample,
    NodeState,
    NodeVariables,
    RegistryReading,
)
from galera_exporter.registry.tally import BOUNDS, BeatCounts

Row = tuple[str, Samples]


def one(name: str, value: float | None) -> Row:
    """A metric without labels; none without a value."""
    return name, () if value is None or math.isnan(value) else (((), value),)


@lru_cache(maxsize=1024)
def enum(name: str, current: str, *before: str) -> Samples:
    """All values of an enumeration, 1 on the current one; ``before`` are the labels in front."""
    return tuple(((*before, value), float(value == current)) for value in CATALOG[name].enum)


def database(reading: DatabaseReading) -> Iterator[Row]:
    """``galera_up`` and its reason; without a sample the states are unknown, not gone."""
    yield one("galera_up", reading.up)
    yield "galera_up_reason", enum("galera_up_reason", reading.reason)
    if reading.sample is None:
        for name in ("wsrep_cluster_status", "wsrep_local_state_comment", "wsrep_evs_state"):
            yield name, enum(name, "unknown")


def status(sample: NodeSample, *, queue_stats: bool) -> Iterator[Row]:
    """What the server's own status says."""
    raw = sample.raw
    for row in STATUS:
        if row.source in raw and (queue_stats or not row.optional):
            yield _plain(row.name, raw[row.source])
    yield "wsrep_cluster_status", enum("wsrep_cluster_status", sample.cluster_status)
    yield "wsrep_local_state_comment", enum("wsrep_local_state_comment", sample.state)
    yield "wsrep_evs_state", enum("wsrep_evs_state", evs_state(raw.get("wsrep_evs_state", "")))
    latency = evs_latency(raw.get("wsrep_evs_repl_latency", ""))
    if latency is not None:
        if latency[4]:
            yield (
                "wsrep_evs_repl_latency_seconds",
                tuple(
                    ((stat,), value) for stat, value in zip(("min", "avg", "max", "stddev"), latency[:4], strict=True)
                ),
            )
        yield one("wsrep_evs_repl_latency_samples", latency[4])
    yield one("wsrep_evs_delayed_nodes", list_length(raw.get("wsrep_evs_delayed", "")))
    yield one("wsrep_evs_evicted_nodes", list_length(raw.get("wsrep_evs_evict_list", "")))
    if "wsrep_provider_name" in raw:
        capabilities = f"{zlib.crc32(raw.get('wsrep_provider_capabilities', '').encode()):08x}"
        facts = (
            raw["wsrep_provider_name"],
            raw.get("wsrep_provider_version", ""),
            raw.get("wsrep_protocol_version", ""),
        )
        yield "wsrep_provider_info", (((*facts, capabilities), 1.0),)
    yield "galera_state_info", (((sample.cluster_uuid, sample.local_uuid), 1.0),)
    defined = sample.cluster_uuid != ZERO_UUID
    yield one("galera_state_uuid_match", defined and sample.cluster_uuid == sample.local_uuid)
    yield one("galera_state_uuid_undefined", sample.primary and not defined)
    if sample.last_committed >= 0 and sample.cached_downto >= 0:
        yield one("galera_ist_window_transactions", max(sample.last_committed - sample.cached_downto, 0))


_ROWS: Final = {row.name: row for row in STATUS}


@lru_cache(maxsize=512)  # most texts are those of the last scrape
def _plain(name: str, text: str) -> Row:
    return one(name, _ROWS[name].read(text))


def raw_status(sample: NodeSample, *, export: bool) -> Iterator[Row]:
    """Numeric variables that no metric covers: their count always, themselves on request."""
    unknown = tuple(
        ((name,), value)
        for name, text in sorted(sample.raw.items())
        if name.startswith("wsrep_") and name not in COVERED and (value := number(text)) is not None
    )
    yield one("galera_exporter_unknown_variables", len(unknown))
    if export:
        yield "wsrep_raw", unknown


def variables(settings: NodeVariables, cluster_size: int) -> Iterator[Row]:
    """The configuration, and the limits that follow from it."""
    facts = (
        settings.node_name,
        settings.node_address,
        settings.cluster_name,
        settings.version,
        settings.sst_method,
        str(settings.segment),
    )
    yield "galera_node_info", ((facts, 1.0),)
    for name, value in settings.settings.items():
        yield one(f"galera_config_{name}", value)
    limits = flow_control_limits(settings.provider, cluster_size) if cluster_size else None
    if limits:
        yield one("galera_flow_control_limit", limits[0])
        yield one("galera_flow_control_resume_limit", limits[1])


@lru_cache(maxsize=1)
def members(view: tuple[Member, ...]) -> tuple[Row, ...]:
    """The members of the own view, and a number that differs where views differ."""
    uuids = sorted(member.uuid for member in view)
    return (
        one("galera_view_fingerprint", zlib.crc32("\n".join(uuids).encode())),
        ("galera_cluster_member_info", tuple(((m.uuid, m.name, m.address), 1.0) for m in view)),
    )


def datadir(facts: DatadirFacts) -> Iterator[Row]:
    """What the files say."""
    if facts.grastate is not None:
        yield one("galera_grastate_seqno", facts.grastate.seqno)
    yield one("galera_grastate_safe_to_bootstrap", facts.safe_to_bootstrap)
    yield one("galera_sst_in_progress", facts.sst_in_progress)
    yield one("galera_sst_start_timestamp_seconds", facts.sst_start)
    yield one("galera_sst_received_bytes", facts.sst_received_bytes)
    yield one("galera_gcache_page_files", facts.gcache_page_files)
    yield one("galera_gcache_page_bytes", facts.gcache_page_bytes)
    yield one("galera_gra_log_files", facts.gra_log_files)
    yield one("galera_gvwstate_present", facts.gvwstate_present)


def registry(reading: RegistryReading) -> Iterator[Row]:
    """Etcd as the registry's loop sees it, and each node in it."""
    view = reading.view
    yield one("galera_registry_up", reading.up)
    yield one("galera_registry_last_success_timestamp_seconds", reading.last_success)
    yield one("galera_registry_request_duration_seconds", reading.request_seconds)
    if reading.last_success is not None:
        yield one("galera_registry_revision", view.revision)
        yield one("galera_registry_nodes", sum(node.present for node in view.nodes))
        yield one("galera_registry_foreign_keys", view.foreign)
        yield from _nodes(view)
    yield one("galera_registry_orphan_nodes", view.orphans)
    yield one("galera_registry_missing_nodes", view.missing)
    yield one("galera_registry_self_registered", reading.registered)
    yield one("galera_heartbeat_last_success_timestamp_seconds", reading.heartbeat_last_success)


def _nodes(view: ClusterView) -> Iterator[Row]:
    nodes = view.nodes
    yield "galera_etcd_key_age_seconds", tuple(((n.node,), n.age) for n in nodes if n.age is not None)
    yield "galera_etcd_key_ttl_seconds", tuple(((n.node,), float(n.record.ttl)) for n in nodes if n.record)
    yield "galera_etcd_key_present", tuple(((n.node,), float(n.present)) for n in nodes)
    states: list[tuple[tuple[str, ...], float]] = []
    for node in nodes:
        state = node.record.state if node.record else NodeState.UNKNOWN
        states.extend(enum("galera_registry_node_state", state, node.node))
    yield "galera_registry_node_state", tuple(states)
    yield "galera_registry_node_seqno", tuple(((n.node,), float(n.record.position.seqno)) for n in nodes if n.record)
    yield (
        "galera_registry_node_in_view",
        tuple(((n.node,), float(n.in_view)) for n in nodes if n.in_view is not None),
    )
    yield (
        "galera_registry_keys_without_lease",
        tuple(((n.node,), float(n.present and not n.leased)) for n in nodes),
    )
    yield "galera_registry_key_expirations_total", tuple(((n.node,), float(n.expirations)) for n in nodes)
    yield one("galera_split_brain_suspected", bool(view.contradicting))


def heartbeat(counts: BeatCounts) -> Iterator[Row]:
    """The writer's side of the registry."""
    yield one("galera_heartbeat_writes_total", counts.writes)
    yield "galera_heartbeat_failures_total", tuple(((reason,), float(n)) for reason, n in counts.failures.items())
    bounds = (*map(floatToGoString, BOUNDS), "+Inf")
    buckets = tuple(((bound,), float(n)) for bound, n in zip(bounds, counts.buckets, strict=True))
    yield "galera_heartbeat_duration_seconds", (*buckets, (("sum",), counts.seconds))


def bootstrap(reading: BootstrapReading) -> Iterator[Row]:
    """Where this node stands in the bootstrap protocol, and what it waits for."""
    yield "galera_bootstrap_phase", enum("galera_bootstrap_phase", reading.phase)
    yield one("galera_bootstrap_epoch", reading.epoch)
    reason = "" if reading.wait is None else reading.wait.reason
    yield "galera_bootstrap_waiting", enum("galera_bootstrap_waiting", reason)
    yield "galera_bootstrap_waiting_for", tuple(((node,), 1.0) for node in reading.waiting_for)
    counts = reading.decisions
    yield "galera_bootstrap_decisions_total", tuple(((name,), float(counts.get(name, 0))) for name in Action)
    position = reading.position
    yield one("galera_bootstrap_position_seqno", position.seqno if position.defined else -1)
