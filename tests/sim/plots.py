"""Courses of events that are dangerous by design, to be mixed into random schedules.

Each leads to one of the edges that the protocol's rules guard: chance alone finds them once in a
million schedules. What happens before, between and after is as random as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

Entry = tuple[Any, ...]


def _each(name: str, *nodes: int) -> list[Entry]:
    return [(name, node) for node in nodes]


def _recover(*nodes: int) -> list[Entry]:
    """The nodes start, and have the time to elect."""
    return [*_each("boot", *nodes), ("elapse", 11), *[("together",)] * 4, ("elapse", 11), *[("together",)] * 12]


def _join(node: int) -> list[Entry]:
    """A node starts and joins, if it can."""
    steps: list[Entry] = [("boot", node), ("elapse", 11), ("tick", node), ("tick", node)]
    return [*steps, *[("run", node)] * 4, ("tick", node)]


def return_without_etcd(random: Random, size: int) -> list[Entry]:
    """A node left cleanly, comes back without etcd, and is the only one that has what it committed then."""
    gone = random.randrange(size)
    others = [node for node in range(size) if node != gone]
    slow = random.sample(others, random.randint(0, len(others)))
    first: list[Entry] = [("stop", gone), ("tick", gone), ("cut", gone), ("kill sidecar", gone, False), *_join(gone)]
    commits = [*_each("lag", *slow), *_each("commit", gone, gone)]
    end: list[Entry] = [("power all",), ("stay away", gone), ("cut", gone), *_each("lag", *slow)]
    return [*first, *commits, *end, *_recover(*others)]


def witness_loses_its_volume(random: Random, size: int) -> list[Entry]:
    """As before; and the only other node that saw it come back loses its volume."""
    gone, early, *witnesses = random.sample(range(size), size)
    first: list[Entry] = [("crash", early), ("stop", gone), ("tick", gone), ("cut", gone), ("kill sidecar", gone, False)]
    commits = [*_join(gone), *_each("commit", gone, gone)]
    lost = _each("lose volume", *witnesses)
    return [*first, *commits, ("power all",), *lost, ("stay away", gone), ("cut", gone), *_recover(early, *witnesses)]


def joiner_of_the_last(random: Random, size: int) -> list[Entry]:
    """One node is left alone and slow; another joins it, commits, and both end: the first does not know of it yet."""
    last, joiner, *others = random.sample(range(size), size)
    alone = [*_each("stop", joiner, *others), *_each("tick", joiner, *others), ("together",), ("commit", last), ("lag", last)]
    joins: list[Entry] = [("commit", last), *_join(joiner), ("commit", joiner)]
    end: list[Entry] = [("power", joiner), ("power", last), ("stay away", joiner), ("lag", last)]
    return [*alone, *joins, *end, *_recover(last)]


def old_copy(random: Random, size: int) -> list[Entry]:
    """The last to leave is copied; the cluster goes on; the copy comes back, alone."""
    last, *others = random.sample(range(size), size)
    copied = [*_each("stop", *others), ("save", last), *_recover(last, *others)]
    on: list[Entry] = [*_each("commit", last, *others), ("power all",), ("restore", last)]
    return [*copied, *on, *_each("stay away", *others), *_recover(last)]


def elected_vanishes(random: Random, size: int) -> list[Entry]:
    """All crash; whoever is elected is paused or goes, and another takes over."""
    victim = random.randrange(size)
    fault = random.choice(("pause host", "pause sidecar", "stay away", "cut"))
    start: list[Entry] = [("commit", victim), ("crash all",), *_each("boot", *range(size)), ("elapse", 11)]
    between: list[Entry] = [("together",)] * random.randint(1, 8)
    return [*start, *between, (fault, victim), ("elapse", 61), ("together",), ("elapse", 61), *[("together",)] * 6, ("resume", victim)]


def order_while_it_runs(random: Random, size: int) -> list[Entry]:
    """Some run without a Primary component while an operator orders another to begin."""
    ordered, *others = random.sample(range(size), size)
    commits = _each("commit", *others)
    start: list[Entry] = [*_each("lag", *others), *commits, ("crash", ordered), *_each("crash", *others[1:])]
    order: list[Entry] = [("force", ordered, random.random() < 0.5), ("boot", ordered), ("elapse", 11)]
    return [*start, *order, *[("together",)] * 5, *_each("lag", *others)]


PLOTS: Final[tuple[Callable[[Random, int], list[Entry]], ...]] = (
    return_without_etcd,
    witness_loses_its_volume,
    joiner_of_the_last,
    old_copy,
    elected_vanishes,
    order_while_it_runs,
)


def mixed_in(random: Random, size: int, entries: list[Entry]) -> list[Entry]:
    """Put some plots between random events, in place of as many of them."""
    for _ in range(random.choice((0, 1, 1, 2))):
        plot = random.choice(PLOTS)(random, size)
        for _ in range(random.choice((0, 0, 1, 3))):
            plot.insert(random.randrange(len(plot) + 1), random.choice(entries))
        at = random.randrange(max(1, len(entries) - len(plot)))
        entries[at : at + len(plot)] = plot
    return entries
