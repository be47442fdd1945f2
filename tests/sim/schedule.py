"""Schedules: random by seed, run, and played again."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sim import calm, events, plots
from sim.checks import Violation
from sim.world import World

Entry = tuple[Any, ...]
"""Name of an event, and its arguments."""
_bases: dict[tuple[int, int, bool], World] = {}


@dataclass(frozen=True)
class Schedule:
    """A world to begin with, and what happens in it."""

    size: int
    gcache: int
    durable: bool
    running: bool
    """Whether it begins with a cluster that serves; else with empty nodes."""
    entries: tuple[Entry, ...]


@dataclass
class Outcome:
    """What came of a schedule."""

    violation: Violation | None
    steps: int
    tally: Counter[str] = field(default_factory=Counter)


def made(seed: int, length: int) -> Schedule:
    """Return the schedule of a seed. Each leaves some faults out: those that are left come together more often."""
    random = Random(seed)
    size = random.choice((2, 3, 3, 3, 3, 3, 4, 5))
    share = random.choice((0.15, 0.3, 0.5, 0.5))
    chosen = [event for event in events.EVENTS if not event.fault or random.random() < share]
    scale = random.choice((0.5, 1.0, 2.0)) * 0.5 / share
    weights = list(itertools.accumulate(event.weight * (scale if event.fault else 1.0) for event in chosen))
    entries = [
        (event.name, *event.arguments(random, size)) for event in random.choices(chosen, cum_weights=weights, k=length)
    ]
    if random.random() < 0.5:
        entries = plots.mixed_in(random, size, entries)
    return Schedule(size, random.choice((3, 1000)), random.random() < 0.5, random.random() < 0.8, tuple(entries))


def world_of(schedule: Schedule) -> World:
    """Return the world that a schedule begins with."""
    if not schedule.running:
        return World(schedule.size, gcache=schedule.gcache, durable=schedule.durable)
    key = schedule.size, schedule.gcache, schedule.durable
    if key not in _bases:
        world = World(schedule.size, gcache=schedule.gcache, durable=schedule.durable)
        calm.calm(world)
        world.tally.clear()
        _bases[key] = world
    return _bases[key].copy()


def run(schedule: Schedule) -> Outcome:
    """Run a schedule and the calm after it."""
    world = world_of(schedule)
    acts, tally = events.ACTS, world.tally
    done: Counter[str] = Counter()
    steps = 0
    violation = None
    try:
        for name, *arguments in schedule.entries:
            steps += 1
            if acts[name](world, *arguments):
                done[name] += 1
        calm.calm(world)
    except Violation as found:
        violation = found
    done.update(tally)
    return Outcome(violation, steps, done)
