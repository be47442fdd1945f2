"""A cluster that things happen to. Each deed is a verb, takes effect at once, and gives the cluster back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import Protocol, Self

from alerts import page
from alerts.clock import seconds
from alerts.keys import Registry
from alerts.model import TICK, Database, Node, View, uuid_of
from alerts.series import Key, key
from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.bootstrap.state import Reason
from galera_exporter.model import ZERO_UUID, NodeState

SOME_TIME = "1m"


class World(Protocol):
    """The clock that a cluster lives by."""

    now: int

    def reach(self, when: str) -> None:
        """Let time pass until ``when``."""

    def later(self, after: str, deed: Callable[..., object], *arguments: object) -> None:
        """Do something ``after`` so long."""


class Cluster:
    """Nodes ``galera-0`` and on, Synced, with 50 write sets a second, each with its sidecar, and a registry."""

    def __init__(self, world: World, name: str, size: int, *, expected: int | None, etcd: bool) -> None:
        self.world = world
        self.name = name
        self.registry: Registry | None = Registry() if etcd else None
        self.nodes = [Node(f"galera-{index}", expected=expected) for index in range(size)]
        self._addresses = count(10)
        self._rate = 50.0
        self._paused = 0.0
        self._failures = 0.0
        uuid = uuid_of(name)
        for node in self.nodes:
            node.address = next(self._addresses)
            node.uuid, node.seqno, node.cached_downto = uuid, 1_000_000, 1
        View(list(self.nodes), primary=True, conf_id=size, uuid=uuid).enter()

    # Time

    def at(self, when: str) -> Self:
        """Let time pass until ``when``, counted from the story's begin."""
        self.world.reach(when)
        return self

    def tick(self) -> None:
        """Let one scrape interval of work be done."""
        primary = [n for n in self.nodes if n.primary and n.running and not n.arbitrator]
        for node in primary:
            node.last_primary = self.world.now
            node.seqno += round(self._rate * TICK)
            node.cached_downto = max(node.cached_downto, node.seqno - node.gcache)
            if node.database is Database.RUNNING:
                sent = self._rate * TICK / len(primary)
                self._add(node, "wsrep_replicated", sent)
                self._add(node, "wsrep_local_commits", sent * (1 - self._failures))
                self._add(node, "wsrep_local_cert_failures", sent * self._failures)
                self._add(node, "wsrep_flow_control_paused_ns", self._paused * TICK * 1e9)

    def page(self, wanted: frozenset[str]) -> Iterator[tuple[Key, float]]:
        """Yield what Prometheus records of this cluster at one scrape, of the ``wanted`` metrics."""
        now = self.world.now
        if self.registry is not None:
            self.registry.tick(self.nodes, now)
        for node in self.nodes:
            if node.arbitrator or not node.target:
                continue
            labels = {
                "namespace": "galera",
                "galera_cluster": self.name,
                "pod": node.name,
                "job": "galera/galera",
                "container": "exporter",
                "endpoint": "metrics",
                "instance": f"10.0.0.{node.address}:10104",
            }
            yield key("up", labels), float(node.scraped)
            if node.scraped:
                reading = None if self.registry is None else self.registry.reading(node, now)
                for row in page.rows(node, reading, now, bootstrap=self.registry is not None):
                    if row[0] in wanted:
                        for own, value in page.samples(row):
                            yield key(row[0], {**labels, **own}), value

    @staticmethod
    def _add(node: Node, variable: str, amount: float) -> None:
        node.counts[variable] = node.counts.get(variable, 0) + amount

    # Databases that end

    def kills(self, *names: str) -> Self:
        """These mariadbd die at once, without a word; their pods and sidecars stay."""
        gone = self.find(names)
        for view in self._views(gone):
            view.without(gone, in_order=False).enter()
        for node in gone:
            node.leave(in_order=False)
        return self._lonely()

    def stops(self, *names: str) -> Self:
        """These mariadbd end in order, one after the other; their pods and sidecars stay."""
        for node in self.find(names):
            if node.view is not None:
                last = len(node.view.members) == 1 and node.primary
                node.view.without([node], in_order=True).enter()
                node.safe = last
            node.leave(in_order=True)
        return self._lonely()

    def hangs(self, name: str) -> Self:
        """The mariadbd answers no SQL any more, and stays a member."""
        self[name].database = Database.HUNG
        return self

    def turns_inconsistent(self, name: str) -> Self:
        """The node voted against the others, left the group, and says so."""
        node = self[name]
        if node.view is not None:
            node.view.without([node], in_order=True).enter()
        node.view, node.state = None, NodeState.INCONSISTENT
        return self

    # Pods

    def deletes(self, *names: str) -> Self:
        """The pods end in order and are gone, with their targets."""
        self.stops(*names)
        for node in self.find(names):
            node.target = False
        return self

    def loses_machine(self, *names: str) -> Self:
        """Databases and sidecars are dead at once; the pods are still on Kubernetes' list."""
        self.kills(*names)
        for node in self.find(names):
            node.sidecar = False
        return self

    def creates(self, *names: str) -> Self:
        """The pods are there again, with new addresses; the databases do not run yet."""
        for node in self.find(names):
            node.target = node.sidecar = True
            node.born, node.largest = self.world.now, 0
            node.address = next(self._addresses)
        return self

    def kills_sidecar(self, *names: str) -> Self:
        """The sidecars die; the databases go on."""
        for node in self.find(names):
            node.sidecar = False
        return self

    def starts_sidecar(self, *names: str) -> Self:
        """The sidecars are back."""
        for node in self.find(names):
            node.sidecar, node.born, node.largest = True, self.world.now, 0
        return self

    def is_restarted(self, each: str = "3m", *, order: Iterable[str] | None = None) -> Self:
        """Restart all pods one after the other, each ``each`` long: gone, made anew, joined by IST, Synced."""
        for name in order or [node.name for node in reversed(self.nodes) if not node.arbitrator]:
            self.deletes(name)
            self.world.later("30s", self.creates, name)
            self.world.later("45s", self._joins, name, seconds(each) - 45)
            self.world.reach(f"{self.world.now + seconds(each)}s")
        return self

    def scales_to(self, size: int) -> Self:
        """The pods with the highest numbers end in order and are gone; the other sidecars learn the new size."""
        for node in self.nodes[size:]:
            self.deletes(node.name)
        for node in self.nodes[:size]:
            node.expected = size
        self.nodes = self.nodes[:size]
        return self

    # Databases that start

    def joins(self, *names: str, takes: str = SOME_TIME) -> Self:
        """They catch up by an incremental transfer (IST): half of the time without SQL, then Joined, then Synced."""
        for node in self.find(names):
            node.database, node.wait = Database.STARTING, None
            half = f"{seconds(takes) // (2 * TICK) * TICK}s"
            self.world.later(half, self._member, node, NodeState.JOINED)
            self.world.later(takes, self._synced, node)
        return self

    def _joins(self, name: str, takes: int) -> None:
        self.joins(name, takes=f"{takes}s")

    def joins_by_sst(self, name: str, *, takes: str, donor: str = "") -> Self:
        """It takes a full state transfer from ``donor``: no SQL for all that time, then Synced."""
        node = self[name]
        node.database, node.wait, node.marker = Database.TRANSFER, None, self.world.now
        giver = self[donor] if donor else next(other for other in self.nodes if other.primary and not other.arbitrator)
        giver.donor = True
        view = giver.view
        if view is not None:
            View([*view.members, node], primary=True, conf_id=view.conf_id + 1, uuid=view.uuid).enter()
            node.state = NodeState.JOINING

        def done() -> None:
            giver.donor = False
            node.marker = None
            self._member(node, NodeState.JOINED)
            self._synced(node)

        self.world.later(takes, done)
        return self

    def begins(self, name: str, *, uuid: str | None = None) -> Self:
        """The node starts as the first of a new Primary component; with ``uuid`` of a new history."""
        node = self[name]
        node.database, node.wait = Database.RUNNING, None
        node.uuid = uuid or (node.uuid if node.uuid != ZERO_UUID else uuid_of(self.name))
        node.seqno = max(node.seqno, 0)
        View([node], primary=True, conf_id=1, uuid=node.uuid).enter()
        node.state = NodeState.SYNCED
        return self

    def _member(self, node: Node, state: NodeState) -> None:
        """The node is part of the Primary component, with its data."""
        views = {id(other.view): other.view for other in self.nodes if other.primary and other is not node}
        view = max((view for view in views.values() if view), key=lambda view: len(view.members))
        if node not in view.members:
            view = View([*view.members, node], primary=True, conf_id=view.conf_id + 1, uuid=view.uuid).enter()
        source = next(other for other in view.members if other is not node and not other.arbitrator)
        node.database, node.state, node.view = Database.RUNNING, state, view
        node.uuid, node.seqno = view.uuid, source.seqno
        node.stopped_at, node.safe = -1, False

    @staticmethod
    def _synced(node: Node) -> None:
        if node.database is Database.RUNNING and node.primary:
            node.state = NodeState.SYNCED

    # The group

    def is_cut(self, *sides: list[str]) -> Self:
        """The network is cut: each side sees only itself; who has more than half of the votes stays Primary."""
        parts = [[node for node in self.find(side) if node.view is not None] for side in sides]
        before = [(part, part[0].view) for part in parts if part]
        views = [
            view.without([member for member in view.members if member not in part], in_order=False)
            for part, view in before
            if view is not None
        ]
        for view in views:
            view.enter()
        return self._lonely()

    def heals(self) -> Self:
        """All databases that run see each other: Primary takes the others in, or the old component is whole again."""
        running = [node for node in self.nodes if node.running]
        view = next((node.view for node in running if node.view is not None and node.view.primary), None)
        uuid = view.uuid if view else running[0].uuid
        View(running, primary=True, conf_id=max(n.view.conf_id for n in running if n.view) + 1, uuid=uuid).enter()
        for node in running:
            node.uuid = uuid
        return self

    def forces(self, *names: str) -> Self:
        """Somebody sets pc.bootstrap on this side: it is Primary too, with the same history."""
        part = self.find(names)
        conf_id = max(node.view.conf_id for node in part if node.view)
        View(part, primary=True, conf_id=conf_id, uuid=part[0].uuid).enter()
        return self

    def has_arbitrator(self) -> Self:
        """A garbd is a member too."""
        garbd = Node("garb", arbitrator=True)
        view = self.nodes[0].view
        if view is None:
            raise ValueError("there is no component that garbd could join")
        self.nodes.append(garbd)
        View([*view.members, garbd], primary=view.primary, conf_id=view.conf_id, uuid=view.uuid).enter()
        return self

    def changes_view(self, name: str) -> Self:
        """The node is lost and found: two view changes between two scrapes."""
        view = self[name].view
        if view is not None:
            view.conf_id += 2
        return self

    # Work and settings

    def writes(self, each_second: float) -> Self:
        """So many write sets a second; 0: an idle cluster, which has no latencies either."""
        self._rate = each_second
        for node in self.nodes:
            node.latency = 0.001 if each_second else 0
        return self

    def is_paused(self, share: float) -> Self:
        """Flow control stops replication for this share of the time."""
        self._paused = share
        return self

    def fails_certification(self, share: float) -> Self:
        """This share of the local transactions fails."""
        self._failures = share
        return self

    def sets(self, *names: str, **facts: object) -> Self:
        """Set facts of nodes by the names that ``Node`` has for them; of all nodes where none is named."""
        for node in self.find(names or [node.name for node in self.nodes]):
            for fact, value in facts.items():
                if not hasattr(node, fact):
                    raise AttributeError(f"a node has no {fact}")
                setattr(node, fact, value)
        return self

    def configures(self, *names: str, options: Mapping[str, str]) -> Self:
        """Set server variables, or provider options: these have a dot in their name."""
        for node in self.find(names or [node.name for node in self.nodes]):
            node.options.update(options)
        return self

    def waits(self, reason: Reason, *names: str, for_nodes: tuple[str, ...] = ()) -> Self:
        """These nodes wait at the gate of the bootstrap protocol; all that are stopped where none is named."""
        for node in self.find(names) or [n for n in self.nodes if n.database is Database.STOPPED]:
            node.wait = Wait(reason, for_nodes)
        return self

    # etcd

    def loses_etcd(self, *names: str) -> Self:
        """No sidecar reaches etcd any more, or these do not."""
        self._registered.up = bool(names)
        self._registered.cut_off |= set(names)
        return self

    def finds_etcd(self) -> Self:
        """The etcd is back for all."""
        self._registered.up = True
        self._registered.cut_off.clear()
        return self

    def keys(self) -> Registry:
        """Return the registry, to break it."""
        return self._registered

    @property
    def _registered(self) -> Registry:
        if self.registry is None:
            raise ValueError(f"cluster {self.name} has no registry")
        return self.registry

    # Nodes

    def __getitem__(self, name: str) -> Node:
        return self.find([name])[0]

    def find(self, names: Iterable[str]) -> list[Node]:
        """Return the nodes of these names.

        Raises:
            KeyError: there is no such node.
        """
        known = {node.name: node for node in self.nodes}
        return [known[name] for name in names]

    @staticmethod
    def _views(nodes: Iterable[Node]) -> list[View]:
        return list({id(node.view): node.view for node in nodes if node.view is not None}.values())

    def _lonely(self) -> Self:
        for node in self.nodes:
            if not node.primary and node.state is NodeState.SYNCED:
                node.state = NodeState.INITIALIZED
        return self
