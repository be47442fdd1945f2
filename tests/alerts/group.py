"""Databases that end, start and find together: the part of a cluster that is Galera's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, Self

from alerts.clock import seconds
from alerts.model import TICK, Database, Node, View, uuid_of
from galera_exporter.bootstrap.reading import Action
from galera_exporter.model import ZERO_UUID, NodeState

SOME_TIME = "1m"


class World(Protocol):
    """The clock that a cluster lives by."""

    now: int

    def reach(self, when: str) -> None:
        """Let time pass until ``when``."""

    def later(self, after: str, deed: Callable[..., object], *arguments: object) -> None:
        """Do something ``after`` so long."""


class Group:
    """Nodes ``galera-0`` and on, all Synced in one Primary component."""

    def __init__(self, world: World, name: str, size: int, *, expected: int | None) -> None:
        self.world = world
        self.name = name
        self.nodes = [Node(f"galera-{index}", address=10 + index, expected=expected) for index in range(size)]
        uuid = uuid_of(name)
        for node in self.nodes:
            node.uuid, node.seqno, node.cached_downto = uuid, 1_000_000, 1
        View(list(self.nodes), primary=True, conf_id=size, uuid=uuid).enter()

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

    def is_found_inconsistent(self, name: str) -> Self:
        """The node voted against the others, and its sidecar has it stopped before anybody scrapes it."""
        self[name].decisions[Action.STOP_INCONSISTENT] += 1
        return self.stops(name)

    # Databases that start

    def joins(self, *names: str, takes: str = SOME_TIME) -> Self:
        """They catch up by an incremental transfer (IST): half of the time without SQL, then Joined, then Synced."""
        for node in self.find(names):
            node.database, node.wait = Database.STARTING, None
            node.decisions[Action.JOIN] += 1
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
        node.decisions[Action.JOIN_FRESH] += 1
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
        node.decisions[Action.START] += 1
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
