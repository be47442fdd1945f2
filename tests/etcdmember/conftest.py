"""A stand for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from etcdmember.stand import Stand
from lab import scratch


@pytest.fixture
def stand() -> Iterator[Callable[..., Stand]]:
    """Make a stand-in for a StatefulSet: ``stand(size=3, flags=...)``."""
    made: list[Stand] = []
    with scratch() as folder:

        def make(size: int = 3, **options: Any) -> Stand:
            made.append(Stand(size, folder, **options))
            return made[-1]

        try:
            yield make
        finally:
            for each in made:
                each.close()
