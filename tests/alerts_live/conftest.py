"""One stand for all tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict

import pytest

from alerts_live.report import REPORT
from alerts_live.stand import Stand, start
from bootstrap_real.proxy import CALM
from lab import LabTimeoutError, scratch


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these tests share servers: they run on one worker, in the order of the files."""
    for item in items:
        if item.path.parent.name == "alerts_live" and "stand" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("alerts_live"))
            item.add_marker(pytest.mark.servers)


@pytest.fixture
def stand(shared_stand: Stand) -> Iterator[Stand]:
    """The stand; whatever a test leaves broken is mended afterwards."""
    yield shared_stand
    shared_stand.gateway.faults = CALM
    try:
        shared_stand.trio.wait_healthy(1)
    except LabTimeoutError:
        shared_stand.trio.restore()


@pytest.fixture(scope="session")
def shared_stand() -> Iterator[Stand]:
    """The cluster, Prometheus and Alertmanager; what was measured is written to build/ in the end."""
    with scratch() as folder, ExitStack() as stack:
        started = start(folder, stack)
        yield started
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(json.dumps([asdict(told) for told in started.told], indent=2) + "\n")
