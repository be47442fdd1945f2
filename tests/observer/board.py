"""The registry as the observer reads it, without etcd: keys in memory, read and decoded by the real code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from galera_exporter.bootstrap.records import encode
from galera_exporter.bootstrap.state import (
    Activity,
    Bootstrap,
    Epoch,
    Held,
    Mode,
    Order,
    Phase,
    Report,
    Rule,
    Snapshot,
)
from galera_exporter.bootstrap.store import snapshot_of
from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.model import ClusterStatus, NodeRecord, NodeState, Position, PositionSource
from galera_exporter.observer.pods import Pod
from galera_exporter.observer.standing import Registered, registered
from galera_exporter.registry import records
from galera_exporter.registry.keyvalue import Pair, Range
from galera_exporter.registry.view import Tracker

PREFIX = "/galera/v1/galera/db-galera/"
UUID = "11111111-1111-1111-1111-111111111111"
RUNS = tuple(f"a3d1e7c2-0f3b-11f1-9c1d-4b4f3f5b6a0{number}" for number in range(3))
NODES = tuple(f"db-galera-{number}" for number in range(3))


def pod(number: int, **fields: Any) -> Pod:
    """A pod that is well and has no label."""
    plain = Pod(
        NODES[number], f"uid-{number}", "1", number, ready=True, terminating=False, running=True, labelled=False
    )
    return replace(plain, **fields)


def record(node: str, **fields: Any) -> NodeRecord:
    """What a node in service writes of itself."""
    plain = NodeRecord(
        node=node,
        owner=f"uid of {node}",
        address=f"{node}:3306",
        status=ClusterStatus.PRIMARY,
        state=NodeState.SYNCED,
        position=Position(UUID, 100),
        source=PositionSource.STATUS,
        conf_id=3,
        size=3,
        ready=True,
        member_uuid=RUNS[NODES.index(node)] if node in NODES else RUNS[0],
        members=NODES,
        expected=3,
        ttl=10,
        version="0.1.0",
    )
    return replace(plain, **fields)


def epoch(number: int, node: str = NODES[0], **fields: Any) -> Epoch:
    """A confirmed election."""
    first = Epoch(number, number - 1, 40 if number > 1 else -1, UUID, node, Mode.RECOVER, Rule.ALL, confirmed=True)
    return replace(first, **fields)


def report(node: str, **fields: Any) -> Report:
    """What a stopped node with whole data reports."""
    data = {"held": Held.DATA, "position": Position(UUID, 100), "epoch": 1}
    plain = Report(node, f"uid of {node}", "boot-1", Activity.GATE, Held.EMPTY, expected=3)
    return replace(plain, **{**data, **fields})


class Board:
    """Stands in for ``Etcd`` where a test wants a store that does at once what it is told."""

    budget = 1.0

    def __init__(self) -> None:
        self.pairs: dict[str, Pair] = {}
        self.revision = 1
        self.regressions = 0
        self.fault: RegistryReason | None = None
        """Why each read fails."""

    def range(self, prefix: str) -> Range:
        if self.fault is not None:
            raise RegistryError(self.fault, "as the test wants it")
        return Range(self.revision, 2, tuple(self.pairs[key] for key in sorted(self.pairs) if key.startswith(prefix)))

    def close(self) -> None:
        """Nothing is open."""

    def put(self, key: str, value: bytes, lease: int = 0) -> None:
        self.revision += 1
        name = f"{PREFIX}{key}"
        old = self.pairs.get(name)
        created = old.create_revision if old else self.revision
        self.pairs[name] = Pair(name.encode(), value, created, self.revision, old.version + 1 if old else 1, lease)

    def drop(self, *keys: str) -> None:
        for key in keys:
            self.revision += 1
            self.pairs.pop(f"{PREFIX}{key}", None)

    def wipe(self) -> None:
        """Lose everything, as a new disk does."""
        self.pairs.clear()
        self.revision = 1
        self.regressions += 1

    def serves(self, *nodes: str, confirmed: bool = True, **fields: Any) -> None:
        """Let nodes write that they are in service, or what ``fields`` say instead."""
        for node in nodes:
            self.put(f"live/{node}", records.encode(record(node, **fields)), lease=7)
            if confirmed:
                self.put(f"primary/{node}", encode((UUID, 3)), lease=7)

    def gone(self, *nodes: str) -> None:
        """Let the leases of nodes end."""
        for node in nodes:
            self.drop(f"live/{node}", f"primary/{node}", f"report/{node}")

    def elects(self, newest: Epoch, phase: Phase = Phase.PRIMARY, wrote: str = "t1") -> None:
        self.put("bootstrap", encode(Bootstrap(phase, newest, wrote)))
        self.put(f"history/{newest.number}", encode(newest))

    def reports(self, *found: Report) -> None:
        for each in found:
            self.put(f"report/{each.node}", encode(each), lease=7)

    def orders(self, order: Order) -> None:
        self.put(f"override/{order.token}", encode(order))

    @property
    def snapshot(self) -> Snapshot:
        return snapshot_of(PREFIX, self.range(PREFIX))

    @property
    def registered(self) -> Registered:
        """What one read of this moment says."""
        tracker = Tracker(PREFIX)
        tracker.observe(self.range(PREFIX), 0.0)
        return registered(tracker.view_at(0.0), self.snapshot)
