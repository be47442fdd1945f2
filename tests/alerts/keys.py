"""The registry's keys in etcd, as each sidecar sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from alerts.model import Database, Node, uuid_of
from galera_exporter.model import (
    ClusterStatus,
    ClusterView,
    NodeRecord,
    NodeState,
    NodeView,
    Position,
    PositionSource,
    RegistryReading,
)
from galera_exporter.registry.view import FORGET
from galera_exporter.split_brain import Suspicion

TTL = 10
YOUNG = 2
"""Seconds: the age of the key of a node that lives; it is written every 3 s."""
DATA = {NodeState.JOINED, NodeState.SYNCED, NodeState.DONOR}


@dataclass
class _Key:
    """One node in etcd."""

    record: NodeRecord
    written: float
    present: bool = True
    leased: bool = True


@dataclass
class _Seen:
    """What one sidecar has read."""

    view: tuple[tuple[str, _Key], ...] = ()
    expired: Counter[str] = field(default_factory=Counter)
    """Expirations before this sidecar was there; it counts those that it sees."""
    read: float | None = None
    suspects: tuple[str, ...] = ()


class Registry:
    """Keys with leases; ``up`` says whether etcd has a leader at all, ``cut_off`` and ``mute`` whom it fails."""

    def __init__(self) -> None:
        self.up = True
        self.cut_off: set[str] = set()
        """Nodes whose sidecar does not reach etcd."""
        self.mute: set[str] = set()
        """Nodes whose writes are refused."""
        self.flapping: set[str] = set()
        """Nodes whose key goes and comes back between two scrapes."""
        self._keys: dict[str, _Key] = {}
        self._expirations: Counter[str] = Counter()
        self._seen: dict[str, _Seen] = {}
        self._suspicion = Suspicion()
        self._writing: set[str] = set()

    def reaches(self, node: Node) -> bool:
        """Return whether this node's sidecar can read."""
        return self.up and node.sidecar and node.target and node.name not in self.cut_off

    def tick(self, nodes: Sequence[Node], now: float) -> None:
        """Let all sidecars write and read."""
        self._write(nodes, now)
        for name, key in self._keys.items():
            if self.up and key.present and key.leased and now - key.written > TTL:
                key.present = False
                self._expirations[name] += 1
        if self.up:
            self._suspicion.observe(self._components(now), now)
        for node in nodes:
            if self.reaches(node):
                self._read(node, now)
            elif not (node.sidecar and node.target):
                self._seen.pop(node.name, None)

    def _write(self, nodes: Sequence[Node], now: float) -> None:
        alive = {Database.RUNNING, Database.TRANSFER}
        writing = {n.name for n in nodes if n.database in alive and self.reaches(n) and not n.arbitrator} - self.mute
        for node in nodes:
            if node.name in writing:
                self._keys[node.name] = _Key(_record(node), now - YOUNG)
            if self.up and node.name in self.flapping:
                self._expirations[node.name] += 1
        for name in self._writing - writing:
            self._keys[name].written = now - YOUNG  # it wrote until now
        self._writing = writing

    def leave_behind(self, name: str) -> None:
        """Write the node's key without a lease: nothing will remove it."""
        self._keys[name].leased = False
        self._keys[name].present = True

    def lose(self, name: str) -> None:
        """Delete a node's key."""
        if self._keys[name].present:
            self._keys[name].present = False
            self._expirations[name] += 1

    def reading(self, node: Node, now: float) -> RegistryReading:
        """Return the registry as this node's sidecar has it in memory."""
        seen = self._seen.get(node.name, _Seen())
        members = None
        if node.view is not None and node.ready and "members" not in node.failing:
            members = frozenset(uuid_of(member.name) for member in node.view.members)
        shown = tuple(
            NodeView(
                node=name,
                present=key.present,
                record=key.record,
                age=now - key.written,
                leased=key.leased and key.present,
                expirations=self._expirations[name] - seen.expired[name],
                in_view=None if members is None else key.record.member_uuid in members,
            )
            for name, key in sorted(seen.view)
            if key.present or now - key.written <= FORGET
        )
        here = {view.record.member_uuid for view in shown if view.present and view.record is not None}
        view = ClusterView(
            nodes=shown,
            revision=1000 + int(now),
            missing=None if members is None else len(members - here),
            orphans=None if members is None else sum(view.present and view.in_view is False for view in shown),
            contradicting=seen.suspects,
        )
        own = dict(seen.view).get(node.name)
        return RegistryReading(
            up=self.reaches(node),
            view=view,
            last_success=seen.read,
            request_seconds=0.002,
            registered=own is not None and own.present,
            heartbeat_last_success=None if own is None else own.written,
        )

    def _read(self, node: Node, now: float) -> None:
        seen = self._seen.setdefault(node.name, _Seen(expired=Counter(self._expirations)))
        seen.view = tuple(
            (name, _Key(key.record, key.written, key.present, key.leased)) for name, key in self._keys.items()
        )
        seen.read = now
        seen.suspects = self._suspicion.nodes

    def _components(self, now: float) -> dict[str, tuple[str, int, int]]:
        return {
            name: (key.record.position.uuid, key.record.conf_id, key.record.size)
            for name, key in self._keys.items()
            if key.present and key.leased and now - key.written <= TTL
            if key.record.status is ClusterStatus.PRIMARY and key.record.state in DATA
        }


def _record(node: Node) -> NodeRecord:
    transfer = node.database is Database.TRANSFER
    view = None if transfer else node.view
    status = ClusterStatus.DISCONNECTED if view is None else ClusterStatus.NON_PRIMARY
    if view is not None and view.primary:
        status = ClusterStatus.PRIMARY
    return NodeRecord(
        node=node.name,
        owner=f"{node.name}-{node.address}",
        address=f"10.0.0.{node.address}:3306",
        status=ClusterStatus.UNKNOWN if transfer else status,
        state=NodeState.RECEIVING if transfer else node.shown,
        position=Position(node.uuid, -1 if transfer else node.seqno),
        source=PositionSource.GRASTATE if transfer else PositionSource.STATUS,
        conf_id=-1 if view is None or not view.primary else view.conf_id,
        size=0 if view is None else len(view.members),
        ready=node.ready,
        member_uuid="" if transfer else uuid_of(node.name),
        members=(),
        expected=node.expected or node.largest,
        ttl=TTL,
        version="0.1.0",
    )
