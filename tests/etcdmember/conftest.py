"""Stands: one for a whole module, mended between tests, or a new one for a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from etcdmember.stand import Stand
from lab import scratch


@pytest.fixture
def stand() -> Iterator[Callable[..., Stand]]:
    """Make a stand-in for a StatefulSet: ``stand(size=3, flags=...)``; nothing is started yet."""
    made: list[Stand] = []
    with scratch() as folder:

        def make(size: int = 3, **options: Any) -> Stand:
            made.append(Stand(size, folder / str(len(made)), **options))
            return made[-1]

        try:
            yield make
        finally:
            for each in made:
                each.close()


@pytest.fixture(scope="module")
def shared_stand() -> Iterator[Stand]:
    """Three members, for one module."""
    with scratch() as folder:
        made = Stand(3, folder)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def three(shared_stand: Stand) -> Stand:
    """Three voters that are well, whatever the last test did to them."""
    shared_stand.restore()
    return shared_stand
