"""A foreign writer in a real etcd: a node that would wait goes on waiting, one that may start starts, nothing grows."""

from __future__ import annotations

import gc
import logging
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bootstrap.bench import UUID, Bench
from galera_exporter.bootstrap.reading import NodePhase
from galera_exporter.bootstrap.state import Reason
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import delete, prefix_end, put
from galera_exporter.settings import EtcdSettings

GARBAGE = {
    "empty": b"",
    "binary": bytes(range(256)),
    "deep": b"[" * 20_000,
    "newer": b'{"schema":99,"phase":"elected"}',
    "markup": b"<script>alert(1)</script>",
    "large": b'{"schema":1,"x":"' + b"x" * 100_000 + b'"}',
    "almost": b'{"schema":1,"phase":"elected","token":"t","epoch":{"number":1}}',
}
DECIDING = ("bootstrap", "history/7", "override/x", "primary/galera-1", "hold")
HARMLESS = ("report/galera-1", "live/galera-1", "nodes/galera-1", "join/turn", "stray", "history", "\u200b", "../../x")
ROUNDS = 12
STRAYS = 100
GROWTH = 256 * 1024
"""Bytes; one round alone reads more than this."""


@pytest.fixture
def make(tmp_path: Path, settings: EtcdSettings) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def one(**options: int) -> Bench:
        made.append(Bench("galera-0", tmp_path, settings, expected=options.get("expected", 1)))
        return made[-1]

    yield one
    for bench in made:
        bench.close()


@pytest.fixture
def writer(settings: EtcdSettings) -> Iterator[Etcd]:
    etcd = Etcd(settings)
    yield etcd
    etcd.close()


def scribble(writer: Etcd, prefix: str, keys: tuple[str, ...], value: bytes) -> None:
    writer.transaction([], [put(f"{prefix}{key}".encode(), value) for key in keys])


def wipe(writer: Etcd, prefix: str, keys: tuple[str, ...]) -> None:
    writer.transaction([], [delete(f"{prefix}{key}".encode()) for key in keys])


@pytest.mark.parametrize("kind", GARBAGE)
def test_a_node_that_waits_for_two_others_starts_for_no_garbage(
    make: Callable[..., Bench], writer: Etcd, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    bench = make(expected=3)
    prefix = bench.config.etcd.prefix
    bench.ask("boot-1", data="data", position=f"{UUID}:7", source="grastate")
    bench.step(2)
    wait = bench.coordinator.reading().wait
    assert wait is not None
    assert wait.reason is not Reason.UNREADABLE_RECORD
    for keys in (HARMLESS, DECIDING):
        scribble(writer, prefix, keys, GARBAGE[kind])
        bench.step(3)
        bench.after(3)
        assert bench.decision == {}
        assert bench.coordinator.reading().phase is NodePhase.GATE
        wait = bench.coordinator.reading().wait
        assert wait is not None
        assert (wait.reason is Reason.UNREADABLE_RECORD) is (keys is DECIDING)
        assert wait.text.isprintable()
    assert [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR] == []
    wipe(writer, prefix, (*HARMLESS, *DECIDING))


def test_garbage_that_is_deleted_leaves_the_election_as_it_was(make: Callable[..., Bench], writer: Etcd) -> None:
    bench = make()
    prefix = bench.config.etcd.prefix
    scribble(writer, prefix, (*HARMLESS, "history/7"), GARBAGE["binary"])
    bench.ask("boot-1")
    bench.step(4)
    wait = bench.coordinator.reading().wait
    assert wait is not None
    assert wait.reason is Reason.UNREADABLE_RECORD
    assert "history/7" in wait.text
    wipe(writer, prefix, ("history/7",))
    bench.step(4)
    assert bench.decision["action"] == "bootstrap", "what is left changes nothing"


def test_rounds_of_new_garbage_leave_no_memory_and_no_descriptor(make: Callable[..., Bench], writer: Etcd) -> None:
    bench = make(expected=3)
    prefix = bench.config.etcd.prefix
    bench.ask("boot-1", data="data", position=f"{UUID}:7", source="grastate")

    def one(number: int) -> None:
        value = os.urandom(4096)
        for folder in ("report/", "nodes/", "stray-"):
            keys = [f"{prefix}{folder}{number}-{stray}".encode() for stray in range(STRAYS)]
            writer.transaction([], [put(key, value) for key in keys])
        scribble(writer, prefix, DECIDING, value)
        bench.step(2)
        assert bench.decision == {}
        for folder in ("report/", "nodes/", "stray-"):
            start = f"{prefix}{folder}{number}-".encode()
            writer.transaction([], [delete(start, prefix_end(start))])

    def measure() -> tuple[int, int]:
        gc.collect()
        return tracemalloc.get_traced_memory()[0], len([*Path("/proc/self/fd").iterdir()])

    tracemalloc.start()
    try:
        for number in range(3):
            one(number)
        before = measure()
        for number in range(3, ROUNDS):
            one(number)
        after = measure()
    finally:
        tracemalloc.stop()
    assert after[0] - before[0] < GROWTH
    assert after[1] <= before[1]
