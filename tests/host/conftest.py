"""One stand for each module, mended between its tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from host.stand import Stand
from lab import scratch
from lab.namespaces import namespaces_missing


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these tests start servers, and need to be root."""
    missing = namespaces_missing()
    for item in items:
        if item.path.parent.name == "host":
            item.add_marker(pytest.mark.servers)
            item.add_marker(pytest.mark.skipif(bool(missing), reason=missing))


@pytest.fixture(scope="module")
def shared_stand() -> Iterator[Stand]:
    """The running stand. Tests take ``stand``."""
    with scratch() as folder:
        made = Stand(folder)
        try:
            made.start()
            yield made
        finally:
            made.close()


@pytest.fixture
def stand(shared_stand: Stand) -> Iterator[Stand]:
    """The stand, healthy; whatever the test breaks is mended afterwards."""
    shared_stand.restore()
    yield shared_stand
    shared_stand.restore()
