"""The simulated world: nodes, network, one etcd, and time."""

from __future__ import annotations

from collections import defaultdict

from galera_exporter.bootstrap.state import Peer
from sim import desk, galera, sidecar, wrapper
from sim.content import NOWHERE, Histories
from sim.disk import copied
from sim.group import Component
from sim.node import Node, Phase, Sidecar
from sim.store import Store

LOOK = 3.0
"""Seconds within which a wrapper or a sidecar that gets time has done something, however slow its host."""


class World:
    """One cluster of ``size`` nodes, all off and empty. ``gcache``: how far behind a joiner may be for an IST."""

    __slots__ = (
        "changes",
        "committed",
        "components",
        "durable",
        "etcd_up",
        "forced",
        "gcache",
        "histories",
        "line",
        "lost",
        "nodes",
        "now",
        "serial",
        "split",
        "store",
        "tally",
        "used",
    )

    def __init__(self, size: int, *, gcache: int = 1000, durable: bool = True) -> None:
        self.nodes = [Node(index) for index in range(size)]
        self.store = Store()
        self.etcd_up = True
        self.histories = Histories()
        self.components: list[Component] = []
        self.now = 0.0
        self.gcache = gcache
        self.durable = durable
        """innodb_flush_log_at_trx_commit=1: a commit is on the disk before its client is told."""
        self.serial = 0
        """Counts all that needs a name of its own."""
        self.changes = 0
        """Counts what a sidecar could see: without one, a step that did nothing does nothing again."""
        self.committed = False
        self.line = NOWHERE
        """The branch that was confirmed last."""
        self.lost = False
        """A volume was lost, or replaced by an older one."""
        self.forced = False
        """An operator's order elected a node: two clusters are his doing."""
        self.used: frozenset[str] = frozenset()
        """Tokens of the orders that elected somebody."""
        self.split = False
        """And there were two that served at once: their data are beyond judgement."""
        self.tally: defaultdict[str, int] = defaultdict(int)

    def copy(self) -> World:
        """Return a copy that goes its own way."""
        other: World = copied(self)
        other.store = self.store.copy()
        other.histories = self.histories.copy()
        other.tally = self.tally.copy()
        other.nodes = [copied(node) for node in self.nodes]
        for node in other.nodes:
            node.disk = node.disk.copy()
            node.sidecar = copied(node.sidecar)
            if node.server is not None:
                node.server = copied(node.server)
        other.components = []
        for component in self.components:
            twin: Component = copied(component)
            twin.members = [other.nodes[member.index] for member in component.members]
            other.components.append(twin)
            for member in twin.members:
                if member.server is not None:
                    member.server.component = twin
        return other

    def peers(self, node: Node) -> tuple[Peer, ...]:
        """Return what the sidecars that ``node`` reaches say."""
        found = []
        for other in self.nodes:
            side = other.sidecar
            if (
                side.page is not None
                and other.group == node.group
                and other is not node
                and side.alive
                and not side.frozen
            ):
                found.append(side.page)
        return tuple(found)

    def elapse(self, seconds: float) -> None:
        """Let time pass. Healthy sidecars renew their leases meanwhile, servers apply and flush, patience ends."""
        if seconds >= LOOK:
            for node in self.nodes:
                if not node.sidecar.hung:
                    sidecar.tick(self, node)
        self.now += seconds
        for node in self.nodes:
            if node.sidecar.alive and not node.sidecar.frozen:
                self._keep(node)
        if self.committed:
            self.committed = False
            self.changes += 1
        if self.etcd_up:
            self.store.expire(self.now)
        for node in self.nodes:
            if not node.frozen:
                self._pass(node, seconds)

    def _keep(self, node: Node) -> None:
        """A sidecar renews its lease, and sees its database."""
        side, ends = node.sidecar, self.store.ends
        if side.hung:
            if side.page is not None:
                side.page = None  # what it said is too old by now
                self.changes += 1
            return
        if not node.frozen and node.phase is Phase.UP:
            side.answered = self.now
        elif desk.silent(self, node):
            return
        if side.lease in ends and self.etcd_up and not node.cut:
            ends[side.lease] = self.now + desk.TTL
            side.renewed = self.now
            if not node.disk.label.confirmed:
                desk.watch_own(node, self.store.snapshot())
            desk.extend(self, node)
        sidecar.show(self, node)

    def _pass(self, node: Node, seconds: float) -> None:
        """Wrapper and server do what they do in that time."""
        if node.waking or (node.phase is Phase.GATE and seconds >= LOOK):
            wrapper.run(self, node)
        server = node.server
        if server is None:
            return
        late = not node.confirmed and self.now - node.beat >= wrapper.LEASE
        if (node.waking or late) and wrapper.overdue(self, node):
            return
        galera.settle(self, node)
        if node.phase is Phase.UP and server.last is None and server.component is None and self.now >= server.deadline:
            self.tally["joiner gave up"] += 1
            galera.crash_alone(self, node)

    def power(self, node: Node) -> None:
        """Cut the power of a host: all that runs there is gone, and all that was in memory."""
        galera.crash(self, node)
        node.phase = Phase.OFF
        node.request = node.decision = node.booting = node.clean_exit = None
        node.order = node.asked = ""
        node.frozen = node.waking = False
        node.sidecar.alive = False
        node.sidecar.page = None
        self.changes += 1

    def boot(self, node: Node) -> None:
        """Have the host's containers run."""
        if not node.sidecar.alive:
            self.serial += 1
            lost = node.request is None
            owner = f"pod-{node.index}-{self.serial}" if lost else node.sidecar.owner
            node.sidecar = Sidecar(owner, self.now, old=node.sidecar.old)
            self.changes += 1
        if node.phase is Phase.OFF and not node.frozen:
            wrapper.prepare(self, node)
