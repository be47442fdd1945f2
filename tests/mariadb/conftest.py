"""Fixtures for the tests of the MariaDB room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from galera_exporter.settings import MariadbSettings, Secret
from lab import GaleraNode, wait_until
from lab.template import EXPORTER_PASSWORD

Stopped = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def settings(single_node: GaleraNode) -> MariadbSettings:
    """How the exporter's account reaches the node, with a short timeout."""
    return MariadbSettings(port=single_node.port, password=Secret(EXPORTER_PASSWORD), timeout=1.0)


@pytest.fixture
def stopped(single_node: GaleraNode) -> Stopped:
    """Hold the node's process by SIGSTOP while a block runs, from when its last thread has stopped."""

    @contextmanager
    def hold() -> Iterator[None]:
        assert single_node.process is not None
        tasks = Path(f"/proc/{single_node.process.pid}/task")
        single_node.freeze()
        try:
            wait_until(
                lambda: all(stat.read_text().rpartition(") ")[2][0] == "T" for stat in tasks.glob("*/stat")),
                5,
                "all threads have stopped",
            )
            yield
        finally:
            single_node.thaw()

    return hold
