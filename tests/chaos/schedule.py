"""From a seed, what is broken when: a pure function, so that a seed is played again as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from chaos.faults import RECIPES, Fault, Kind

_FIRST = (2.0, 6.0)
"""Seconds of peace before the first fault."""
_PAUSE = 4.0
"""Mean seconds from one fault's begin to the next one's."""
_TRIES = 12
AT_ONCE = 4
"""No more faults than so many at one time."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """All faults of a run, in the order of their begin."""

    seed: int
    seconds: float
    """All faults are healed after so many seconds."""
    faults: tuple[Fault, ...]


def made(seed: int, seconds: float) -> Schedule:
    """Return the schedule of a seed."""
    random = Random(f"{seed}/{seconds:g}")
    faults: list[Fault] = []
    now = random.uniform(*_FIRST)
    while now < seconds - 2:
        for _ in range(_TRIES):
            fault = _drawn(random, now, seconds)
            if fault is not None and fits(fault, faults):
                faults.append(fault)
                break
        now = round(now + max(0.5, random.expovariate(1 / _PAUSE)), 2)
    return Schedule(seed, seconds, tuple(faults))


def fits(fault: Fault, others: Sequence[Fault]) -> bool:
    """Whether a fault may come beside others: not more than AT_ONCE, and no two at the same thing."""
    beside = [other for other in others if other.end > fault.at and other.at < fault.end]
    return len(beside) < AT_ONCE and not any(_clash(fault, other) for other in others)


def _clash(one: Fault, other: Fault) -> bool:
    first, second = RECIPES[one.kind], RECIPES[other.kind]
    quiet = max(first.quiet, second.quiet)
    apart = one.at >= other.end + quiet or other.at >= one.end + quiet
    return not apart and not first.claims(one.targets).isdisjoint(second.claims(other.targets))


def _drawn(random: Random, now: float, seconds: float) -> Fault | None:
    """Draw one fault that begins now; None where it would last too long."""
    kind = random.choices(list(Kind), [RECIPES[kind].weight for kind in Kind])[0]
    recipe = RECIPES[kind]
    targets = recipe.targets(random)
    # Most are short, so that many meet; some last long enough for every alert and every timeout.
    longest = recipe.longest if random.random() < 0.35 else min(recipe.longest, max(12.0, recipe.shortest))
    duration = random.uniform(recipe.shortest, longest)
    amount = random.choice(recipe.amount)
    fault = Fault(kind, targets, round(now, 2), round(duration, 2), amount)
    return fault if fault.end <= seconds else None
