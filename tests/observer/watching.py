"""The observer without its threads, between a Kubernetes API over HTTP and a registry in memory."""

from __future__ import annotations

from pathlib import Path

from board import PREFIX, Board
from fake_api import NAMESPACE, STATEFULSET, FakeApi

from galera_exporter.observer.keeper import Keeper
from galera_exporter.observer.kube import Kubernetes
from galera_exporter.observer.recorder import Recorder
from galera_exporter.observer.registry import RegistryReader
from galera_exporter.settings import ObserverSettings


class Watch:
    """A test gives it its turns, and the time."""

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
