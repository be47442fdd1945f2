"""The protocol's keys in etcd: a read of the prefix becomes a snapshot, a transaction of values one of etcd's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from galera_exporter.bootstrap.lineage import merge
from galera_exporter.bootstrap.local import newest_epochs
from galera_exporter.bootstrap.records import (
    decode_bootstrap,
    decode_component,
    decode_epoch,
    decode_hold,
    decode_order,
    decode_report,
    decode_turn,
    encode,
    last_known,
)
from galera_exporter.bootstrap.state import Component, Epoch, LastKnown, Snapshot
from galera_exporter.bootstrap.transactions import (
    BOOTSTRAP,
    HISTORY,
    HOLD,
    LIVE,
    NODES,
    OVERRIDE,
    PRIMARY,
    REPORT,
    TURN,
    USED,
    Drop,
    NoneBelow,
    Transaction,
    Unchanged,
)
from galera_exporter.model import ClusterStatus, NodeRecord, NodeState, Position, PositionSource
from galera_exporter.registry import records as registry
from galera_exporter.registry.keyvalue import Compare, Operation, Range, absent, delete, mod_is, prefix_end, put

T = TypeVar("T")


def snapshot_of(prefix: str, found: Range) -> Snapshot:
    """Return the protocol's keys as one read of the whole prefix has them. Total.

    Reports and records of nodes that cannot be read count as absent: that only makes nodes
    wait. What decides who may be elected does not; it is named in ``unreadable``.
    """
    keys = {name: pair for pair in found.pairs if (name := _below(prefix, pair.key)) is not None}
    values = {name: pair.value for name, pair in keys.items()}
    reports = _readable(values, REPORT, decode_report)
    live = _readable(values, LIVE, registry.decode)
    nodes = _readable(values, NODES, registry.decode)
    primary = _readable(
        values, PRIMARY, lambda value, node: decode_component(value) if registry.is_name(node) else None
    )
    epochs = _readable(values, HISTORY, decode_epoch)
    orders = _readable(values, OVERRIDE, decode_order)
    bootstrap = decode_bootstrap(values[BOOTSTRAP]) if BOOTSTRAP in values else None
    hold = decode_hold(values[HOLD]) if HOLD in values else None
    turn = decode_turn(values[TURN]) if TURN in values else None
    readable = {
        *(f"{PRIMARY}{node}" for node in primary),
        *(f"{HISTORY}{number}" for number in epochs),
        *(f"{OVERRIDE}{token}" for token in orders),
        *([] if bootstrap is None else [BOOTSTRAP]),
        *([] if hold is None else [HOLD]),
    }
    history: Mapping[int, Epoch] = {epoch.number: epoch for epoch in epochs.values()}
    for report in reports.values():
        history = merge(history, report.history)
    return Snapshot(
        bootstrap=bootstrap,
        history=newest_epochs(history),
        reports=reports,
        nodes={node: last_known(record) for node, record in nodes.items()},
        primary=primary,
        owners={node: value.owner for folder in (reports, live) for node, value in folder.items()},
        joining=None if turn is None else turn.node,
        hold=hold,
        orders=tuple(orders[token] for token in sorted(orders) if f"{USED}{token}" not in values),
        revisions={name: pair.mod_revision for name, pair in keys.items()},
        unreadable=tuple(sorted(name for name in keys if _decides(name) and name not in readable)),
    )


def operations(
    prefix: str, transaction: Transaction, lease: int, found: Range
) -> tuple[list[Compare], list[Operation]]:
    """Return the comparisons and the writes that ``transaction`` is in etcd.

    ``found`` is the read that it was built on: what the cluster remembers of a node is a part
    of the record that stands there, whose other parts stay.

    Raises:
        ValueError: a leased key without a lease, which would stay for ever.
    """
    compares = [_compare(prefix, guard) for guard in transaction.guards]
    changes = []
    for change in transaction.changes:
        key = f"{prefix}{change.key}".encode()
        if isinstance(change, Drop):
            changes.append(delete(key))
        elif isinstance(change.value, LastKnown):
            changes.append(put(key, registry.encode(_with(change.value, key, found))))
        elif change.leased and not lease:
            raise ValueError(f"{change.key} ends with its node's lease, and there is none")
        else:
            changes.append(put(key, encode(change.value), lease if change.leased else 0))
    return compares, changes


def _compare(prefix: str, guard: Unchanged | NoneBelow) -> Compare:
    if isinstance(guard, Unchanged):
        return mod_is(f"{prefix}{guard.key}".encode(), guard.revision)
    folder = f"{prefix}{guard.folder}".encode()
    return absent(folder, prefix_end(folder))


def _with(known: LastKnown, key: bytes, found: Range) -> NodeRecord:
    """Return the record of the node with what is now known of it."""
    pair = next((pair for pair in found.pairs if pair.key == key), None)
    stored = None if pair is None else registry.decode(pair.value, known.node)
    return replace(
        stored or _bare(known.node),
        position=known.position,
        source=PositionSource.GRASTATE if known.final or stored is None else stored.source,
        member_uuid=known.incarnation,
        epoch=known.epoch,
        final=known.final,
    )


def _bare(node: str) -> NodeRecord:
    """A node of which etcd, wiped meanwhile, has nothing."""
    return NodeRecord(
        node=node,
        owner="unknown",
        address="",
        status=ClusterStatus.UNKNOWN,
        state=NodeState.UNKNOWN,
        position=Position(),
        source=PositionSource.NONE,
        conf_id=-1,
        size=-1,
        ready=False,
        member_uuid="",
        members=(),
        expected=0,
        ttl=0,
        version="",
    )


def _below(prefix: str, key: bytes) -> str | None:
    try:
        text = key.decode("utf-8")
    except UnicodeDecodeError:
        return None  # no key of ours
    return text.removeprefix(prefix) if text.startswith(prefix) else None


def _readable(values: Mapping[str, bytes], folder: str, decode: Callable[[bytes, str], T | None]) -> dict[str, T]:
    """Return what can be read of the keys of ``folder``, by the rest of the key."""
    names = ((key.removeprefix(folder), value) for key, value in values.items() if key.startswith(folder))
    return {name: decoded for name, value in names if (decoded := decode(value, name)) is not None}


def _member(value: bytes, node: str) -> Component | None:
    return decode_component(value) if registry.is_name(node) else None


def _decides(name: str) -> bool:
    """Whether the key is one that must be read for an election to be sound."""
    return name in {BOOTSTRAP, HOLD} or name.startswith((PRIMARY, HISTORY, OVERRIDE))
