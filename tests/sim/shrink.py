"""Reduce a failing schedule to a short one that fails in the same way, and tell it step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from sim import calm, events
from sim.checks import Violation
from sim.node import Node
from sim.schedule import Entry, Schedule, run, world_of
from sim.world import World


def shrunk(schedule: Schedule) -> Schedule:
    """Return the schedule without what its failure does not need."""
    outcome = run(schedule)
    if outcome.violation is None:
        return schedule
    kind = outcome.violation.kind

    def fails(entries: tuple[Entry, ...]) -> bool:
        found = run(replace(schedule, entries=entries)).violation
        return found is not None and found.kind == kind

    entries = schedule.entries[: outcome.steps]
    size = max(1, len(entries) // 2)
    while True:
        shorter = _without_parts(entries, size, fails)
        if len(shorter) == len(entries) and size == 1:
            break
        size = size if len(shorter) < len(entries) and size == 1 else max(1, size // 2)
        entries = shorter
    for simpler in (replace(schedule, durable=True, entries=entries), replace(schedule, gcache=1000, entries=entries)):
        found = run(simpler).violation
        if found is not None and found.kind == kind:
            schedule = simpler
    return replace(schedule, entries=entries)


def _without_parts(
    entries: tuple[Entry, ...], size: int, fails: Callable[[tuple[Entry, ...]], bool]
) -> tuple[Entry, ...]:
    at = len(entries)
    while at > 0:
        start = max(0, at - size)
        shorter = entries[:start] + entries[at:]
        if fails(shorter):
            entries = shorter
        at = start
    return entries


def told(schedule: Schedule) -> Iterator[str]:
    """Play a schedule, and say what each entry did."""
    world = world_of(schedule)
    yield f"{schedule.size} nodes, gcache {schedule.gcache}, durable {schedule.durable}, running {schedule.running}"
    yield _line(world)
    try:
        for name, *arguments in schedule.entries:
            did = events.ACTS[name](world, *arguments)
            yield f"{(name, *arguments)!r:40} {'' if did else '(nothing) '}{_line(world)}"
        calm.heal(world)
        yield f"{'calm':40} {_line(world)}"
        calm.calm(world)
    except Violation as violation:
        yield str(violation)
        yield _line(world)


def _line(world: World) -> str:
    bootstrap = world.store.get("bootstrap")
    etcd = "-" if bootstrap is None else f"{bootstrap.phase} {bootstrap.epoch.number}@{bootstrap.epoch.node}"
    parts = [f"t={world.now:.0f} etcd[{etcd}{'' if world.etcd_up else ' down'}]"]
    return " ".join([*parts, *(f"{node.name}[{_node(node)}]" for node in world.nodes)])


def _node(node: Node) -> str:
    server, label, side = node.server, node.disk.label, node.sidecar
    words = [node.phase.name.lower()]
    if server is not None:
        words.append(f"{server.branch}:{server.applied}/{server.received}")
        if server.component is not None:
            known = "confirmed" if server.component.confirmed else "unconfirmed"
            words += [f"Primary({known})", server.transfer]
    words += [f"disk {node.disk.branch}:{node.disk.seqno}", f"epoch {label.epoch}"]
    flags = {
        "unconfirmed": not label.confirmed,
        "tainted": label.tainted,
        "no-sidecar": not side.alive,
        "hung": side.hung,
        "cut": node.cut,
        "frozen": node.frozen,
        f"group-{node.group}": node.group != 0,
        f"waits:{side.wait}": side.wait is not None,
    }
    return " ".join(filter(None, [*words, *(name for name, holds in flags.items() if holds)]))
