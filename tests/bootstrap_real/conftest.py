"""One site for each module, mended or built anew between tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bootstrap_real.scenario import Scenario
from lab import scratch
from lab.site import Site


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these tests start servers."""
    for item in items:
        if item.path.parent.name == "bootstrap_real":
            item.add_marker(pytest.mark.servers)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Three pods and one etcd member, for one module."""
    with scratch() as folder:
        made = Site(folder)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def scenario(site: Site) -> Iterator[Scenario]:
    """The site, with three pods that serve."""
    site.bring_up()
    run = Scenario(site)
    try:
        yield run
    finally:
        run.close()
