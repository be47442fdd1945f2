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
    """A node starts and joins, if it can: also without etcd, once its lease is past."""
    steps: list[Entry] = [("boot", node), ("elapse", 31), ("tick", node), ("tick", node)]
    return [*steps, *[("run", node)] * 4, ("tick", node)]


def return_without_etcd(random: Random, size: int) -> list[Entry]:
    """A node left cleanly, comes back without etcd, and is the only one that has what it committed then.

    Perhaps with a copy of its volume that does not know that etcd was told of the clean end.
    """
    gone = random.randrange(size)
    others = [node for node in range(size) if node != gone]
    slow = random.sample(others, random.randint(0, len(others)))
    left, back = random.choice(((("stop", gone), ("kill sidecar", gone, False)), (("save", gone), ("restore", gone))))
    first: list[Entry] = [left, ("tick", gone), ("cut", gone), back, *_join(gone)]
    commits = [*_each("lag", *slow), *_each("commit", gone, gone)]
    again = [("stop", gone)] if left[0] == "stop" and random.random() < 0.5 else []
    end: list[Entry] = [*again, ("power all",), ("stay away", gone), ("cut", gone), *_each("lag", *slow)]
    return [*first, *commits, *end, *_recover(*others)]


def joiner_of_the_last(random: Random, size: int) -> list[Entry]:
    """One node is left alone and slow; another joins it, commits, and both end: the first does not know of it yet."""
    last, joiner, *others = random.sample(range(size), size)
    alone = [
        *_each("stop", joiner, *others),
        *_each("tick", joiner, *others),
        ("together",),
        ("commit", last),
        ("lag", last),
    ]
    joins: list[Entry] = [("commit", last), *_join(joiner), ("commit", joiner)]
    end: list[Entry] = [("power", joiner), ("power", last), ("stay away", joiner), ("lag", last)]
    return [*alone, *joins, *end, *_recover(last)]


def old_copy(random: Random, size: int) -> list[Entry]:
    """The last to leave is copied; the cluster goes on for some seconds; the copy comes back, alone."""
    last, *others = random.sample(range(size), size)
    copied: list[Entry] = [*_each("stop", *others), ("save", last), ("boot", last), ("elapse", 61)]
    again: list[Entry] = [*[("tick", last)] * 3, *[("run", last)] * 3, *[("tick", last)] * 2]
    for other in others[:1]:
        again += [*_each("boot", other), *_each("tick", other, other), *[("run", other)] * 4, ("tick", other)]
    on: list[Entry] = [*_each("commit", last, *others), *_each("run", *others), ("power all",), ("restore", last)]
    return [*copied, *again, *on, *_each("stay away", *others), *_recover(last)]


def newer_view_elsewhere(random: Random, size: int) -> list[Entry]:
    """The most advanced that is here left before a node came back unseen; only one that is behind saw it come.

    It came with a copy of its volume that does not know that etcd was told of its clean end.
    """
    gone, ahead, behind, *rest = random.sample(range(size), size) if size > 2 else (0, 1, 0)
    first: list[Entry] = [*_each("stop", *rest), *_each("tick", *rest), ("save", gone), ("tick", gone), ("lag", behind)]
    left: list[Entry] = [
        ("commit", ahead),
        ("stop", ahead),
        ("tick", ahead),
        ("cut", gone),
        ("restore", gone),
    ]
    end: list[Entry] = [*_join(gone), *_each("commit", gone, gone), ("power all",), ("stay away", gone), ("cut", gone)]
    return [*first, *left, *end, ("lag", behind), *_recover(ahead, behind)]


def order_over_the_absent(random: Random, size: int) -> list[Entry]:
    """An operator's order goes on without a node that has more than etcd remembers; it comes back."""
    gone, ordered, *others = random.sample(range(size), size)
    lost: list[Entry] = [
        *_each("lag", ordered, *others),
        *_each("commit", gone, gone),
        ("power all",),
        ("stay away", gone),
    ]
    order: list[Entry] = [("force", ordered, random.random() < 0.3), *_each("lag", ordered, *others)]
    return [*lost, *order, *_recover(ordered, *others), ("stay away", gone), *_recover(gone)]


def between_read_and_write(random: Random, size: int) -> list[Entry]:
    """All crash; while they are about to write what they decided, something changes."""
    nodes = list(range(size))
    first: list[Entry] = [("crash all",), *_each("boot", *nodes), *[("elapse", 1)] * 12, *_each("tick", *nodes)]
    first += [*[("elapse", 1)] * 13, *random.sample(_each("tick", *nodes), random.randint(0, size))]
    one = random.choice(nodes)
    changes: tuple[list[Entry], ...] = (
        [("hold",)],
        [("force", one, True), ("tick", one), ("tick", one)],
        [("tick", one), ("run", one), ("run", one), ("tick", one), ("commit", one)],
        [("etcd wiped",)],
        [("power", one), ("boot", one), ("elapse", 11), ("tick", one)],
    )
    change = random.choice(changes)
    return [*first, *_each("half", *nodes), *change, *_each("tick", *nodes), *[("together",)] * 4]


def elected_vanishes(random: Random, size: int) -> list[Entry]:
    """All crash; whoever is elected is paused or goes, and another takes over."""
    victim = random.randrange(size)
    fault = random.choice(("pause host", "pause sidecar", "stay away", "cut"))
    start: list[Entry] = [("commit", victim), ("crash all",), *_each("boot", *range(size)), ("elapse", 11)]
    between: list[Entry] = [("together",)] * random.randint(1, 8)
    return [
        *start,
        *between,
        (fault, victim),
        ("elapse", 61),
        ("together",),
        ("elapse", 61),
        *[("together",)] * 6,
        ("resume", victim),
    ]


def order_while_it_runs(random: Random, size: int) -> list[Entry]:
    """Some run without a Primary component while an operator orders another to begin."""
    ordered, *others = random.sample(range(size), size)
    commits = _each("commit", *others)
    start: list[Entry] = [*_each("lag", *others), *commits, ("crash", ordered), *_each("crash", *others[1:])]
    order: list[Entry] = [("force", ordered, random.random() < 0.5), ("boot", ordered), ("elapse", 11)]
    return [*start, *order, *[("together",)] * 5, *_each("lag", *others)]


def unseen_survivor(random: Random, size: int) -> list[Entry]:
    """An operator has a node begin anew beside one that still runs, and whose sidecar is dead."""
    survivor, ordered, *others = random.sample(range(size), size)
    quorum: list[Entry] = [("kill sidecar", survivor, False), *_each("power", *others), ("crash", ordered)]
    order: list[Entry] = [("force", ordered, True), ("boot", ordered), ("elapse", 11), *[("together",)] * 5]
    end: list[Entry] = [("commit", ordered), *random.choice(([("power", ordered)], [("crash", ordered)], []))]
    return [*quorum, *order, *end]


def introduced(random: Random, size: int) -> list[Entry]:
    """The sidecars come to a cluster that runs already, started by other means; some see it later than others."""
    late = random.sample(range(size), random.randint(0, size - 1))
    begins: list[Entry] = [("heal",), *_each("boot", *range(size)), *_each("cut", *late)]
    return [*begins, ("forget",), *[("together",)] * 6, *_each("cut", *late), *[("together",)] * 4]


PLOTS: Final[tuple[Callable[[Random, int], list[Entry]], ...]] = (
    return_without_etcd,
    joiner_of_the_last,
    old_copy,
    newer_view_elsewhere,
    order_over_the_absent,
    between_read_and_write,
    elected_vanishes,
    order_while_it_runs,
    unseen_survivor,
    introduced,
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
