"""The platform notes what ended by itself, and what was ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.clock import Clock
from chaos.kubelet import Kubelet
from lab import Process, wait_until

SIDECAR = "galera-0 sidecar"


class Program:
    """Something that runs until it is ended."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.process: Process | None = None

    def launch(self) -> None:
        self.process = Process(["sleep", "600"], log=self._log)

    start = launch


@pytest.fixture
def kubelet(tmp_path: Path) -> Iterator[tuple[Kubelet, Program]]:
    sidecar, node = Program(tmp_path / "sidecar"), Program(tmp_path / "node")
    pod: Any = SimpleNamespace(name="galera-0", sidecar=sidecar, node=node)
    site: Any = SimpleNamespace(pods=[pod], pod=lambda _name: pod, etcd=SimpleNamespace(members=[]))
    sidecar.launch()
    node.launch()
    made = Kubelet(site, Clock())
    made.start()
    yield made, sidecar
    made.stop()
    for program in (sidecar, node):
        if program.process is not None:
            program.process.kill()


def alive_again(program: Program, former: Process | None) -> None:
    wait_until(
        lambda: program.process is not former and program.process is not None and program.process.alive,
        20,
        "it is started again",
    )


def test_what_ends_by_itself_is_started_again_and_counts_as_a_crash(kubelet: tuple[Kubelet, Program]) -> None:
    platform, sidecar = kubelet
    former = sidecar.process
    assert former is not None
    former.kill()
    alive_again(sidecar, former)
    assert [(crash.what, crash.status) for crash in platform.crashes] == [(SIDECAR, -9)]
    assert [span.what for span in platform.spans] == [SIDECAR]


def test_what_was_held_is_started_again_only_when_it_is_released_and_is_no_crash(
    kubelet: tuple[Kubelet, Program],
) -> None:
    platform, sidecar = kubelet
    former = sidecar.process
    assert former is not None
    platform.hold(SIDECAR)
    former.kill()
    assert sidecar.process is former
    platform.release(SIDECAR)
    alive_again(sidecar, former)
    assert platform.crashes == ()
    wait_until(lambda: len(platform.spans) == 1 and not platform._open, 10, "the span is closed")


def test_what_was_ended_and_then_crashes_counts(kubelet: tuple[Kubelet, Program]) -> None:
    platform, sidecar = kubelet
    first = sidecar.process
    assert first is not None
    platform.hold(SIDECAR)
    first.kill()
    platform.release(SIDECAR)
    alive_again(sidecar, first)
    second = sidecar.process
    assert second is not None
    second.kill()
    alive_again(sidecar, second)
    assert [crash.status for crash in platform.crashes] == [-9]
