"""All interleavings of a few events, to a depth, from two worlds: nodes that are empty, and a cluster that serves.

An event here is coarser than in random schedules: ``step`` lets one node do all that it can
do without another and without time; ``wait`` lets 61 seconds pass, longer than all timers.
Worlds that were reached before are not gone on from: what they look like decides what follows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sim import calm, faults, schedule, sidecar, wrapper
from sim.checks import Violation
from sim.content import NOWHERE
from sim.node import Node
from sim.world import World

Path = tuple[str, ...]


@dataclass
class Found:
    """What an exploration saw."""

    paths: int = 0
    worlds: int = 0
    seconds: float = 0.0
    violations: list[tuple[Path, str]] = field(default_factory=list)


def step(world: World, index: int) -> bool:
    """A node does all that it can do now: its sidecar a step, its database what follows."""
    node = world.nodes[index]
    did = faults.boot(world, index)
    did = sidecar.tick(world, node) or did
    for _ in range(4):
        if not wrapper.run(world, node):
            break
        did = True
    return did


def alphabet(size: int) -> Iterator[tuple[str, Callable[[World], bool]]]:
    """Yield the events."""
    for i in range(size):
        yield f"step {i}", lambda world, i=i: step(world, i)
        yield f"power {i}", lambda world, i=i: faults.power(world, i)
        yield f"stop {i}", lambda world, i=i: faults.stop(world, i)
    yield "commit 0", lambda world: faults.commit(world, 0)
    yield f"cut {size - 1}", lambda world: faults.cut(world, size - 1)
    yield "part", lambda world: faults.partition(world, (0,) * (size - 1) + (1 - world.nodes[-1].group,))
    yield "wipe etcd", faults.etcd_wiped
    yield "wait", lambda world: faults.elapse(world, 61)


def explore(size: int, depth: int) -> Found:
    """Try all paths of up to ``depth`` events that change something; end each new world in calm."""
    found = Found()
    began = time.monotonic()
    events = list(alphabet(size))
    for running in (False, True):
        first = schedule.world_of(schedule.Schedule(size, 1000, durable=False, running=running, entries=()))
        seen = {look(first): depth}
        _go(first, (), depth, events, seen, found)
        found.worlds += len(seen)
    found.seconds = time.monotonic() - began
    return found


def _go(
    world: World,
    path: Path,
    depth: int,
    events: list[tuple[str, Callable[[World], bool]]],
    seen: dict[object, int],
    found: Found,
) -> None:
    for name, act in events:
        after = world.copy()
        try:
            if not act(after):
                continue
            found.paths += 1
            shape = look(after)
            known = seen.get(shape)
            if known is not None and known >= depth - 1:
                continue
            seen[shape] = depth - 1
            if known is None:
                calm.calm(after.copy())
        except Violation as violation:
            found.violations.append(((*path, name), str(violation)))
            continue
        if depth > 1:
            _go(after, (*path, name), depth - 1, events, seen, found)


def look(world: World) -> object:
    """Return what a world looks like: equal for worlds that differ only in names, times and revisions."""
    names: dict[str, int] = {}

    def number(name: str) -> int:
        return names.setdefault(name, len(names))

    store = world.store
    keys = tuple(
        (folder, name, _short(value, number))
        for folder in store.folders
        for name, value in sorted(store.folders[folder].items())
    )
    nodes = tuple(_node(world, node, number) for node in world.nodes)
    return world.etcd_up, keys, nodes, tuple(world.histories.acknowledged)


def _node(world: World, node: Node, number: Callable[[str], int]) -> object:
    disk, server, side = node.disk, node.server, node.sidecar
    label = disk.label
    view = None if disk.view is None else (disk.view.seq, tuple(number(member) for member in disk.view.members))
    data = (
        disk.present,
        disk.marker,
        disk.branch,
        disk.seqno,
        disk.clean,
        disk.safe,
        disk.corrupt,
        disk.transfer,
        disk.mixed,
    )
    run = server and (
        number(server.incarnation),
        server.branch,
        server.received,
        server.applied,
        server.synced,
        server.transfer,
        server.unrecorded,
        server.shown,
        number(server.group),
        world.components.index(server.component) if server.component is not None else NOWHERE,
    )
    memory = (
        side.alive,
        side.lease in world.store.ends,
        side.wait,
        side.stopping,
        side.lonely is not None,
        side.absent is not None,
        side.overtaken,
    )
    place = (node.phase, node.group, node.cut, node.confirmed, node.decision is not None, node.order != "")
    known = label.epoch, label.confirmed, label.tainted, label.begun
    return data, known, number(disk.incarnation), view, run, memory, place


def _short(value: object, number: Callable[[str], int]) -> object:
    text = repr(value)
    for word in ("galera-", "boot-", "pod-"):
        while (at := text.find(word)) >= 0:
            end = at + len(word)
            while end < len(text) and (text[end].isdigit() or text[end] == "-"):
                end += 1
            text = f"{text[:at]}#{number(text[at:end])}{text[end:]}"
    return text
