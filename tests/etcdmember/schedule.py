"""What may happen to the simulated members, and what is asked of them afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Final

from etcdmember.world import Pod, World
from galera_exporter.errors import RegistryError
from galera_exporter.etcdmember.state import Standing

WORK = ("round", "kubelet")
FAULTS = ("crash", "start", "start", "start", "wipe", "end_sidecar", "kill_etcd", "lose_data", "remove", "cut", "heal")
BEGINNINGS = ("wipe", "start", "start", "start", "end_sidecar")
"""Faults that keep a first cluster from coming together."""
LARGEST = 5
"""Members of the largest cluster."""
_OF_THE_PROCESS = frozenset({"round", "crash", "start", "wipe", "end_sidecar"})
_DISTURBED = 0.3
_DEPTH = 2
_BURSTS = (1, 1, 1, 2, 8)

Event = tuple[str, int, int]


def prepare(size: int, seed: int, *, settled: bool, faults: tuple[str, ...] = FAULTS) -> World:
    """Return a world in which things also happen in the middle of a round; ``settled``: with a cluster that runs."""
    random = Random(seed)
    world = World(size, random)
    for pod in world.pods:
        world.start(pod)
    if settled:
        assert calm(world)
        world.faults = True
    depth = 0

    def disturb() -> None:
        nonlocal depth
        if not world.faults or depth == _DEPTH or random.random() > _DISTURBED:
            return
        depth += 1
        for _ in range(random.choice(_BURSTS)):
            kind = random.choice((*WORK * len(faults), *faults))
            happen(world, (kind, random.randrange(LARGEST), random.randrange(LARGEST)))
        depth -= 1

    world.disturb = disturb
    return world


def happen(world: World, event: Event) -> None:
    """Let one thing happen. A process in the middle of its round ends by itself only: see the store's CrashError."""
    kind, first, second = event
    pod, other = world.pods[first % len(world.pods)], world.pods[second % len(world.pods)]
    if pod.busy and kind in _OF_THE_PROCESS:
        return
    HAPPENINGS[kind](world, pod, other)


def _wipe(world: World, pod: Pod, _: Pod) -> None:
    world.crash(pod)
    world.wipe(pod)


def _end_sidecar(_: World, pod: Pod, __: Pod) -> None:
    pod.member = None


def _kill_etcd(_: World, pod: Pod, __: Pod) -> None:
    pod.etcd = None


def _remove(world: World, pod: Pod, other: Pod) -> None:
    with suppress(RegistryError):  # etcd does not let it happen at all times
        if other.etcd is not None:
            world.remove(world.contact(pod), other.etcd.member)


HAPPENINGS: Final[Mapping[str, Callable[[World, Pod, Pod], object]]] = {
    "round": lambda world, pod, _: world.round(pod),
    "kubelet": lambda world, pod, _: world.kubelet(pod),
    "crash": lambda world, pod, _: world.crash(pod),
    "start": lambda world, pod, _: world.start(pod),
    "lose_data": lambda world, pod, _: world.lose_data(pod),
    "cut": lambda world, pod, other: world.cut.add(frozenset((pod.name, other.name))),
    "heal": lambda world, _, __: world.cut.clear(),
    "wipe": _wipe,
    "end_sidecar": _end_sidecar,
    "kill_etcd": _kill_etcd,
    "remove": _remove,
}


def mend(world: World) -> None:
    """End all faults."""
    world.faults = False
    world.cut.clear()
    for pod in world.pods:
        world.start(pod)


def calm(world: World, rounds: int = 60) -> bool:
    """Mend everything, and let all go on; return whether all are voters of one cluster in the end."""
    mend(world)
    for _ in range(rounds):
        for pod in world.pods:
            world.round(pod)
            world.kubelet(pod)
        if world.settled():
            return True
    return False


def conclude(world: World) -> bool:
    """Check what calm brings; return whether the members found together without a person."""
    mend(world)
    for pod in world.pods:
        if pod.disk.standing() is Standing.LOST:  # who hears it a moment too late builds on data that are gone
            world.round(pod)
    hopeful = world.recoverable()
    settled = calm(world)
    assert settled or not hopeful, "calm does not bring a cluster of all members"
    if not settled:  # too many volumes were lost at once: what docs/etcd.md tells a person to do
        for pod in world.pods:
            world.crash(pod)
            world.wipe(pod)
        assert calm(world), "new volumes for all do not bring a cluster"
    return settled


def play(seed: int) -> bool:
    """Play a schedule; return whether the members found together without a person."""
    random = Random(seed)
    beginning = random.random() < 0.3
    faults = BEGINNINGS if beginning else FAULTS
    world = prepare(random.choice((1, 3, 3, 3, LARGEST)), seed, settled=not beginning, faults=faults)
    kinds = (*WORK * random.choice((3, 12, 40)), *faults)
    for _ in range(random.randrange(20, 300)):
        happen(world, (random.choice(kinds), random.randrange(LARGEST), random.randrange(LARGEST)))
    return conclude(world)
