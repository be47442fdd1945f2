"""Nodes under the wrapper, with and without data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from decider import Decider, Make

from lab import QUICK_EVS
from lab.template import fill
from lab.wrapper import WrappedCluster, WrappedNode


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.servers)


@pytest.fixture
def make(lab_folder: Path) -> Iterator[Make]:
    """Make one node that has no data, with the arguments of WrappedCluster and, in ``env``, of the wrapper."""
    clusters = []

    def make(**options: Any) -> Decider:
        clusters.append(WrappedCluster(1, lab_folder, provider_options=QUICK_EVS, **options))
        return Decider(clusters[-1].nodes[0])

    yield make
    for cluster in clusters:
        cluster.close()


@pytest.fixture
def stopped(make: Make) -> Decider:
    """A node that has data of the template and was stopped in order; its wrapper does not run."""
    decider = make()
    fill(decider.node, bootstrap=False)
    return decider


@pytest.fixture
def running(stopped: Decider) -> Decider:
    """A cluster of one, Synced and confirmed."""
    stopped.node.start()
    stopped.restart()
    return stopped


@pytest.fixture
def waiting(stopped: Decider) -> WrappedNode:
    """A node with data whose wrapper waits for a decision."""
    stopped.node.start()
    stopped.request()
    return stopped.node
