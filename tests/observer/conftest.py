from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from board import NODES, PREFIX, Board, epoch
from fake_api import NAMESPACE, STATEFULSET, FakeApi

from galera_exporter.observer.keeper import Keeper
from galera_exporter.observer.kube import Kubernetes
from galera_exporter.observer.recorder import Recorder
from galera_exporter.observer.registry import RegistryReader
from galera_exporter.settings import ObserverSettings


class Watch:
    """The observer without its threads: a test gives it its turns, and the time."""

    def __init__(self, api: FakeApi, board: Board, kubeconfig: Path) -> None:
        self.api = api
        self.board = board
        self.now = 1000.0
        self.kubernetes = Kubernetes(ObserverSettings(STATEFULSET, kubeconfig), NAMESPACE)
        self.registry = RegistryReader(board, PREFIX, clock=self.clock)  # type: ignore[arg-type]  # it plays Etcd
        recorder = Recorder(self.kubernetes, NAMESPACE, "observer-1", wall=lambda: self.now)
        self.keeper = Keeper(self.kubernetes, self.registry, recorder, clock=self.clock)

    def clock(self) -> float:
        return self.now

    def turn(self, seconds: float = 1.0) -> frozenset[str]:
        """Let time pass, read the registry, look at the pods; return who has the label."""
        self.now += seconds
        self.registry.read()
        self.keeper.turn()
        return self.api.primary()


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """Three Ready pods."""
    fake = FakeApi()
    for node in NODES:
        fake.pod(node)
    fake.start()
    yield fake
    fake.close()


@pytest.fixture
def board() -> Board:
    """Three nodes in service, in epoch 1."""
    made = Board()
    made.elects(epoch(1))
    made.serves(*NODES)
    return made


@pytest.fixture
def watch(api: FakeApi, board: Board, tmp_path: Path) -> Iterator[Watch]:
    made = Watch(api, board, api.kubeconfig(tmp_path))
    yield made
    made.keeper.close()
