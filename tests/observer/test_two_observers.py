"""Two observers at once, as while their Deployment is updated: hypothesis draws the order of their requests.

The API is a model: pods with versions, and patches that are refused where the version is not the one that was read.
An observer is what ``Keeper`` does with it, one request at a time: read, and if there is something to do, read again,
patch, and begin anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from board import NODES, record
from hypothesis import given
from hypothesis import strategies as st

from galera_exporter.model import NodeState
from galera_exporter.observer.choice import choose, step
from galera_exporter.observer.pods import Pod
from galera_exporter.observer.standing import Registered


@dataclass
class World:
    """Three pods, and what each of two observers sees of etcd; None: it cannot read it."""

    pods: dict[str, Pod] = field(
        default_factory=lambda: {
            node: Pod(node, f"uid-{n}", "1", n, ready=True, terminating=False, running=True, labelled=False)
            for n, node in enumerate(NODES)
        }
    )
    sights: list[Registered | None] = field(default_factory=lambda: [serving(), serving()])
    version: int = 1
    changes: int = 0

    @property
    def labelled(self) -> list[str]:
        return [pod.name for pod in self.pods.values() if pod.labelled]

    def set(self, node: str, **fields: object) -> None:
        self.version += 1
        self.pods[node] = replace(self.pods[node], version=str(self.version), **fields)

    def patch(self, pod: Pod, *, labelled: bool) -> None:
        """As the API server does it: only on the version that was read."""
        if self.pods[pod.name].version == pod.version:
            self.changes += 1
            self.set(pod.name, labelled=labelled)


def serving(*without: str) -> Registered:
    nodes = {node: record(node, state=NodeState.JOINED if node in without else NodeState.SYNCED) for node in NODES}
    return Registered(nodes, frozenset(NODES))


def observer(world: World, number: int) -> Iterator[None]:
    """Yield before each request; whatever happens meanwhile happens to what was read."""
    while True:
        yield
        pods = tuple(world.pods.values())
        what = step(pods, choose(pods, world.sights[number]))
        for pod in what.remove:
            yield
            world.patch(pod, labelled=False)
        if what.add is not None:
            yield
            world.patch(what.add, labelled=True)


events = st.one_of(
    st.tuples(st.just("turn"), st.integers(0, 1)),
    st.tuples(st.just("ready"), st.sampled_from(NODES)),
    st.tuples(st.just("away"), st.sampled_from(NODES)),
    st.tuples(st.just("joins"), st.integers(0, 1), st.sampled_from(NODES)),
    st.tuples(st.just("blind"), st.integers(0, 1)),
    st.tuples(st.just("sees"), st.integers(0, 1)),
)


def happens(world: World, observers: list[Iterator[None]], event: tuple[object, ...]) -> None:
    match event:
        case ("turn", int(number)):
            next(observers[number])
        case ("ready" | "away" as kind, str(node)):
            world.set(node, ready=kind == "ready")
        case ("joins", int(number), str(node)):
            world.sights[number] = serving(node)
        case ("blind", int(number)):
            world.sights[number] = None
        case ("sees", int(number)):
            world.sights[number] = serving()


def settle(observers: list[Iterator[None]], order: list[int]) -> None:
    """Let both have their turns while nothing else happens."""
    for number in order:
        next(observers[number])


@given(st.lists(events, max_size=60), st.lists(st.integers(0, 1), max_size=30))
def test_whatever_happened_both_come_to_one_label_and_leave_it_there(
    story: list[tuple[object, ...]], order: list[int]
) -> None:
    world = World()
    observers = [observer(world, number) for number in range(2)]
    for event in story:
        happens(world, observers, event)
        assert len(world.labelled) <= 2  # one for each observer, at the very worst
    world.sights = [serving(), serving()]
    for node in NODES:
        world.set(node, ready=True)
    settle(observers, [*order, *([0, 1] * 8)])
    assert len(world.labelled) == 1
    before = world.changes
    settle(observers, [0, 1, 1, 0] * 4)
    assert world.changes == before


@given(
    st.sampled_from(NODES), st.lists(events.filter(lambda event: event[0] in {"turn", "blind", "sees"}), max_size=60)
)
def test_a_pod_that_serves_keeps_the_label_also_while_one_observer_does_not_see_etcd(
    holder: str, story: list[tuple[object, ...]]
) -> None:
    world = World()
    world.set(holder, labelled=True)
    observers = [observer(world, number) for number in range(2)]
    for event in story:
        happens(world, observers, event)
        assert world.labelled == [holder]


@given(st.lists(st.integers(0, 1), max_size=40))
def test_with_the_same_evidence_no_pod_is_labelled_beside_another(order: list[int]) -> None:
    """They may both decide at once, but they decide the same."""
    world = World()
    world.set(NODES[0], labelled=True, ready=False)
    observers = [observer(world, number) for number in range(2)]
    for number in order:
        next(observers[number])
        assert len(world.labelled) <= 1
    assert world.changes <= 2
