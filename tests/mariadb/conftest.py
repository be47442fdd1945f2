"""Fixtures for the tests of the MariaDB room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from galera_exporter.settings import MariadbSettings, Secret
from lab import GaleraNode
from lab.template import EXPORTER_PASSWORD

Stopped = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def settings(single_node: GaleraNode) -> MariadbSettings:
    """How the exporter's account reaches the node, with a short timeout."""
    return MariadbSettings(port=single_node.port, password=Secret(EXPORTER_PASSWORD), timeout=1.0)


@pytest.fixture
def stopped(single_node: GaleraNode) -> Stopped:
    """Hold the node's process by SIGSTOP while a block runs."""

    @contextmanager
    def hold() -> Iterator[None]:
        single_node.freeze()
        try:
            yield
        finally:
            single_node.thaw()

    return hold
