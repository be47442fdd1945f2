"""The table of events, each with its weight and its random arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from galera_exporter.bootstrap.state import Purpose
from sim import faults

Arguments = tuple[Any, ...]


def _nothing(_random: Random, _size: int) -> Arguments:
    return ()


def _node(random: Random, size: int) -> Arguments:
    return (int(random.random() * size),)


def _groups(random: Random, size: int) -> Arguments:
    return (tuple(int(random.random() * 2) for _ in range(size)),)


@dataclass(frozen=True)
class Event:
    """A row of the table."""

    name: str
    act: Callable[..., bool]
    weight: float
    arguments: Callable[[Random, int], Arguments] = _node
    fault: bool = True
    """Whether a schedule may be without it."""


EVENTS: Final = (
    Event("together", faults.together, 14, _nothing, fault=False),
    Event("tick", faults.tick, 30, fault=False),
    Event("half", faults.half, 4, fault=False),
    Event("run", faults.run, 16, fault=False),
    Event("elapse", faults.elapse, 10, lambda r, _: (r.choice((1, 1, 3, 3, 3, 11, 31, 61)),), fault=False),
    Event("commit", faults.commit, 8, fault=False),
    Event("boot", faults.boot, 8, fault=False),
    Event("crash", faults.crash, 1),
    Event("crash two", faults.crash_two, 0.3),
    Event("crash all", faults.crash_all, 0.3, _nothing),
    Event("power", faults.power, 1),
    Event("power all", faults.power_all, 0.3, _nothing),
    Event("stay away", faults.stay_away, 1),
    Event("stop", faults.stop, 1),
    Event("stop all", faults.stop_all, 0.3),
    Event("stop together", faults.stop_together, 0.3, _nothing),
    Event("lose volume", faults.lose_volume, 0.3),
    Event("save", faults.save, 0.1),
    Event("restore", faults.restore, 0.1),
    Event("strange volume", faults.strange_volume, 0.05),
    Event("blind", faults.blind, 0.1),
    Event("inconsistent", faults.inconsistent, 0.2),
    Event("lag", faults.lag, 0.5),
    Event("kill sidecar", faults.kill_sidecar, 1, lambda r, n: (int(r.random() * n), r.random() < 0.5)),
    Event("pause sidecar", faults.pause_sidecar, 0.5),
    Event("pause database", faults.pause_database, 0.5),
    Event("pause host", faults.pause_host, 0.5),
    Event("resume", faults.resume, 2, fault=False),
    Event("partition", faults.partition, 0.7, _groups),
    Event("cut", faults.cut, 1),
    Event("heal", faults.heal, 0.7, _nothing, fault=False),
    Event("etcd down", faults.etcd_down, 0.6, _nothing),
    Event("etcd wiped", faults.etcd_wiped, 0.2, _nothing),
    Event("lost reply", faults.lose_reply, 1),
    Event("version", faults.change_version, 0.3),
    Event(
        "force",
        lambda w, i, lossy: faults.order(w, Purpose.FORCE, i, lossy),
        0.15,
        lambda r, n: (int(r.random() * n), r.random() < 0.5),
    ),
    Event("discard", lambda w, i: faults.order(w, Purpose.DISCARD, i, lossy=False), 0.15),
    Event("initial", lambda w: faults.order(w, Purpose.INITIAL, 0, lossy=False), 0.05, _nothing),
    Event("hold", faults.hold, 0.15, _nothing),
    Event("forget", faults.forget, 0, _nothing),
)
ACTS: Final = {event.name: event.act for event in EVENTS}
