"""One bad day for all tests that ask a real Prometheus of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dashboards.day import Day
from dashboards.stand import RULES, render, start
from lab import scratch
from lab.browser import Browser

SECONDS = 900
"""For the first test, which plays the day: two minutes where nobody else works.

The lab's own limits come first, and show the logs.
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All who ask of the day share its servers: they run on one worker."""
    for item in items:
        if item.path.parent.name == "dashboards" and "day" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("dashboards"))
            item.add_marker(pytest.mark.servers)
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def day() -> Iterator[Day]:
    """A day that is over: Prometheus has it, and runs on; the cluster has been ended."""
    with scratch() as folder, ExitStack() as stack:
        rules = render(folder, lambda flags: subprocess.run([sys.executable, RULES, *flags], check=True, timeout=60))
        with ExitStack() as servers:
            stand = start(folder, servers, stack, rules)
            stand.play()
        yield Day(stand.prometheus.url, stand.began, dict(stand.moments))


@pytest.fixture
def browser(lab_folder: Path) -> Iterator[Browser]:
    """A browser."""
    found = Browser(lab_folder)
    yield found
    found.close()
