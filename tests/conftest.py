"""Fixtures that start real servers, the rule that keeps them from being started twice, and what all tests run under."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lab import QUICK_EVS, GaleraCluster, GaleraNode, Trio, scratch

# A busy machine is no failure, and CI must not fail today on an example that it did not try yesterday.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# Whoever starts the tests in the background may have these ignored, and programs inherit that: tests that send
# them would wait in vain.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

collect_ignore = ["e2e/scenarios"]  # they take an hour and a Kubernetes: "make e2e" names them

SHARED = "cluster"
PRIVATE = ("single_node",)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give all users of the shared cluster to one worker of pytest-xdist (``--dist loadgroup``).

    First, because pytest-xdist looks for the marker in this same hook.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if SHARED in fixtures:
            item.add_marker(pytest.mark.xdist_group(SHARED))
        if SHARED in fixtures or any(name in fixtures for name in PRIVATE):
            item.add_marker(pytest.mark.servers)


@pytest.fixture
def lab_folder() -> Iterator[Path]:
    """A folder for servers: unlike ``tmp_path``, MariaDB can reach it when root starts it as ``nobody``."""
    with scratch() as folder:
        yield folder


@pytest.fixture(scope="session")
def shared_trio() -> Iterator[Trio]:
    """Three etcd and three pods that made a cluster, once per run. Tests take ``cluster``."""
    with scratch() as folder:
        # A node that was left alone is made a part of the next cluster soon, not after half a minute.
        trio = Trio(folder, provider_options=QUICK_EVS, flags={"bootstrap.survivor-timeout": "5"})
        try:
            trio.start()
            yield trio
        finally:
            trio.close()


@pytest.fixture
def cluster(shared_trio: Trio) -> Trio:
    """The running trio, healthy: whatever the test before broke is mended."""
    shared_trio.restore()
    return shared_trio


@pytest.fixture(scope="module")
def single_node() -> Iterator[GaleraNode]:
    """A cluster of one node, for one module."""
    with scratch() as folder:
        galera = GaleraCluster(1, folder)
        try:
            galera.start()
            yield galera.nodes[0]
        finally:
            galera.close()
