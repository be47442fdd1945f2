"""The status page's cards: this node's database, its registry and its data directory. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from galera_exporter.model import DatabaseReading, DatadirFacts, NodeSample, Position, RegistryReading
from galera_exporter.standing import duration
from galera_exporter.web.markup import digits, mark, size, sub, text
from galera_exporter.web.nodes import state_mark, status_mark

Facts = Iterable[tuple[str, str]]

_NANOSECONDS: Final = 1_000_000_000
_QUEUE_LONG: Final = 100
"""Write sets in the receive queue from which it is marked: some 10 are usual, flow control begins near here."""


def render_database(database: DatabaseReading | None, age: float | None) -> str:
    """Return the card of this node's MariaDB; ``age`` is the reading's, in seconds."""
    if database is None:
        return _card("This node's MariaDB", (("Reading", mark("mute", "none yet")),))
    return _card("This node's MariaDB", (*_connection(database, age), *_sample(database)))


def render_registry(registry: RegistryReading | None, now: float) -> str:
    """Return the card of the registry; ``now`` is the wall clock."""
    if registry is None:
        return _card("Registry (etcd)", (("Reading", mark("mute", "not configured")),))
    return _card("Registry (etcd)", _registry(registry, now))


def render_datadir(datadir: DatadirFacts | None, now: float) -> str:
    """Return the card of the data directory; empty where none is read."""
    return _card("Data directory", _datadir(datadir, now)) if datadir is not None else ""


def _card(title: str, facts: Facts) -> str:
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts)
    return f"<section><h2>{title}</h2><dl>{rows}</dl></section>"


def _connection(database: DatabaseReading, age: float | None) -> Facts:
    seen = sub(f"read {max(0.0, age):.1f} s ago") if age is not None else ""
    if database.up:
        yield "SQL", mark("good", "answers") + seen
    else:
        yield "SQL", mark("bad", database.reason.replace("_", " ")) + sub(text(database.detail)) + seen
    if database.variables is not None:
        yield "Server", text(database.variables.version)


def _sample(database: DatabaseReading) -> Facts:
    sample = database.sample
    if sample is None:
        return
    yield "State", state_mark(sample.state)
    yield "Status", status_mark(sample.cluster_status)
    yield "Cluster size", digits(sample.cluster_size)
    yield "Ready", "yes" if sample.ready else mark("fair", "no")
    yield "Position", _position(sample.position)
    yield "Receive queue", _queue(sample, "wsrep_local_recv_queue", "wsrep_local_recv_queue_avg")
    yield "Send queue", _queue(sample, "wsrep_local_send_queue", "wsrep_local_send_queue_avg")
    yield "Flow control", _flow_control(sample)
    if sample.desync_count > 0:
        yield (
            "Desynced",
            f"{digits(sample.desync_count)} time{'' if sample.desync_count == 1 else 's'} by hand or backup",
        )
    if sample.cached_downto >= 0 and sample.last_committed >= sample.cached_downto:
        yield "IST window", f"{digits(sample.last_committed - sample.cached_downto)} transactions"


def _position(position: Position) -> str:
    if not position.defined:
        return mark("fair", "undefined")
    return digits(position.seqno) + sub(text(position.uuid))


def _queue(sample: NodeSample, now: str, average: str) -> str:
    length = _number(sample.raw.get(now, ""))
    if length is None:
        return '<span class="soft">unknown</span>'
    words = mark("fair", f"{length:.0f} waiting") if length >= _QUEUE_LONG else digits(length)
    mean = _number(sample.raw.get(average, ""))
    return words + (sub(f"mean {mean:.2f}") if mean is not None else "")


def _flow_control(sample: NodeSample) -> str:
    active = sample.raw.get("wsrep_flow_control_active", "").lower() == "true"
    words = mark("fair", "pauses writes now") if active else "not active"
    paused = _number(sample.raw.get("wsrep_flow_control_paused_ns", ""))
    return words + (sub(f"paused {paused / _NANOSECONDS:.1f} s since start") if paused is not None else "")


def _registry(registry: RegistryReading, now: float) -> Facts:
    if registry.up:
        took = sub(f"read in {registry.request_seconds * 1000:.1f} ms") if registry.request_seconds is not None else ""
        yield "Reading", mark("good", "answers") + took
    else:
        why = registry.reason.replace("_", " ") if registry.reason else "no answer yet"
        yield "Reading", mark("bad", why) + sub(text(registry.detail))
    yield "Last read", _ago(registry.last_success, now)
    yield "Own key", "registered" if registry.registered else mark("fair", "not registered")
    yield "Last heartbeat", _ago(registry.heartbeat_last_success, now)
    view = registry.view
    if view.revision >= 0:
        yield "Revision", digits(view.revision)
    if view.missing:
        yield "Missing", mark("fair", f"{view.missing} of the Galera view without a key")
    if view.orphans:
        yield "Orphans", mark("fair", f"{view.orphans} with a key, not in the Galera view")


def _ago(moment: float | None, now: float) -> str:
    return f"{duration(now - moment)} ago" if moment is not None else mark("fair", "never")


def _datadir(datadir: DatadirFacts, now: float) -> Facts:
    if not datadir.present:
        yield "Data", mark("fair", "no data dictionary yet")
    if datadir.sst_in_progress:
        since = sub(f"for {duration(now - datadir.sst_start)}") if datadir.sst_start is not None else ""
        yield "State transfer", mark("fair", "in progress") + since
        if datadir.sst_received_bytes is not None:
            yield "Received", size(datadir.sst_received_bytes)
    yield "grastate.dat", _grastate(datadir.grastate)
    if datadir.safe_to_bootstrap is not None:
        yield "Safe to bootstrap", "yes" if datadir.safe_to_bootstrap else "no"
    if datadir.gcache_page_files:
        yield "gcache overflow", f"{digits(datadir.gcache_page_files)} pages, {size(datadir.gcache_page_bytes)}"
    if datadir.gra_log_files:
        yield "GRA logs", mark("fair", f"{datadir.gra_log_files} failed write sets")


def _grastate(position: Position | None) -> str:
    if position is None:
        return mark("mute", "none")
    if position.seqno < 0:
        return f"seqno -1{sub('running, or stopped without a clean end')}"
    return digits(position.seqno) + sub(text(position.uuid))


def _number(words: str) -> float | None:
    try:
        value = float(words)
    except ValueError:
        return None
    return value if abs(value) < 2**63 else None
