"""The bootstrap protocol's keys as sidecars write them, without sidecars."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from written import RECORD, UUID, Registry

from galera_exporter.bootstrap import transactions
from galera_exporter.bootstrap.decisions import Elect, Join
from galera_exporter.bootstrap.protocol import decide
from galera_exporter.bootstrap.records import encode
from galera_exporter.bootstrap.state import (
    Activity,
    Bootstrap,
    Epoch,
    Held,
    Mode,
    Order,
    Peer,
    Phase,
    Purpose,
    Report,
    Rule,
    Snapshot,
    Timers,
)
from galera_exporter.bootstrap.store import operations, snapshot_of
from galera_exporter.model import Position
from galera_exporter.registry.keyvalue import Range
from lab import wait_until

RUNS = tuple(f"a3d1e7c2-0f3b-11f1-9c1d-4b4f3f5b6a0{number}" for number in range(3))


def epoch(number: int, base: int = 0, **fields: object) -> Epoch:
    """A confirmed epoch that went on from the one before."""
    parent = number - 1
    first = Epoch(number, parent, base if parent else -1, UUID, "galera-0", Mode.RECOVER, Rule.ALL, confirmed=True)
    return replace(first, **fields)


def report(node: str, seqno: int = -1, **fields: object) -> Report:
    """A stopped node's report; without a seqno: it is empty."""
    data = {"held": Held.DATA, "position": Position(UUID, seqno), "epoch": 3} if seqno >= 0 else {"held": Held.EMPTY}
    plain = Report(node, f"pod of {node}", "boot", Activity.GATE, Held.EMPTY, expected=3)
    return replace(plain, **{**data, **fields})


@dataclass
class Protocol:
    """Writes the keys of one cluster into a real etcd, and plays its nodes."""

    registry: Registry

    @property
    def prefix(self) -> str:
        return self.registry.settings.prefix

    @property
    def flags(self) -> tuple[str, ...]:
        return self.registry.flags

    def put(self, key: str, value: bytes, lease: int = 0) -> None:
        self.registry.put(f"{self.prefix}{key}".encode(), value, lease)

    def elected(self, newest: Epoch, phase: Phase = Phase.PRIMARY) -> None:
        self.put("bootstrap", encode(Bootstrap(phase, newest, "token")))
        self.put(f"history/{newest.number}", encode(newest))

    def reports(self, *found: Report) -> None:
        for each in found:
            self.put(f"report/{each.node}", encode(each), self.registry.etcd.grant(60))

    def remembered(self, node: str, seqno: int, *, final: bool = False) -> None:
        record = replace(RECORD, node=node, position=Position(UUID, seqno), epoch=3, confirmed=True, final=final)
        self.registry.gone(record)

    def primary(self, node: str) -> None:
        self.put(f"primary/{node}", encode((UUID, 5)), self.registry.etcd.grant(60))

    def order(self, token: str, purpose: Purpose, node: str = "", *, lossy: bool = False) -> None:
        self.put(f"override/{token}", encode(Order(token, purpose, node, lossy, "kim")))

    def outage(self) -> None:
        """Epoch 3, all stopped: galera-0 at 108 and galera-2 at 100 report, galera-1 was last known at 120."""
        for number, base in ((1, -1), (2, 40), (3, 90)):
            self.elected(epoch(number, base))
        for number, seqno in ((0, 105), (1, 120), (2, 100)):
            self.remembered(f"galera-{number}", seqno)
        self.reports(report("galera-0", 108), report("galera-2", 100))

    def read(self) -> tuple[Range, Snapshot]:
        found = self.registry.etcd.range(self.prefix)
        return found, snapshot_of(self.prefix, found)

    def snapshot(self) -> Snapshot:
        return self.read()[1]

    def pending(self) -> list[str]:
        return [key for key in self.snapshot().revisions if key.startswith("override/")]

    @contextlib.contextmanager
    def acting(self, node: str, *peers: Peer) -> Iterator[None]:
        """Meanwhile ``node`` does what the protocol says once an order is there."""
        failed: list[BaseException] = []

        def act() -> None:
            try:
                wait_until(lambda: self._act(node, peers), 20, f"an order that makes {node} act")
            except BaseException as error:  # noqa: BLE001 -- raised again below, in the test's own thread
                failed.append(error)

        thread = threading.Thread(target=act)
        thread.start()
        try:
            yield
        finally:
            thread.join()
        if failed:
            raise failed[0]

    def _act(self, node: str, peers: tuple[Peer, ...]) -> bool:
        found, snapshot = self.read()
        if not snapshot.orders:
            return False
        me = snapshot.reports[node]
        decision = decide(me, snapshot, peers, Timers())
        if isinstance(decision, Elect):
            step, lease = transactions.elect(decision, snapshot, "mine", "galera"), 0
        elif isinstance(decision, Join):
            step, lease = transactions.begin(decision, me, snapshot), self.registry.etcd.grant(60)
        else:
            pytest.fail(f"{node} does something else: {decision}")
        return self.registry.etcd.transaction(*operations(self.prefix, step, lease, found)).succeeded
