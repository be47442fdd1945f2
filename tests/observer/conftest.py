from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from board import NODES, Board, epoch
from fake_api import FakeApi
from watching import Watch


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """Three Ready pods."""
    fake = FakeApi()
    for node in NODES:
        fake.pod(node)
    fake.start()
    yield fake
    fake.close()


@pytest.fixture
def board() -> Board:
    """Three nodes in service, in epoch 1."""
    made = Board()
    made.elects(epoch(1))
    made.serves(*NODES)
    return made


@pytest.fixture
def watch(api: FakeApi, board: Board, tmp_path: Path) -> Iterator[Watch]:
    made = Watch(api, board, api.kubeconfig(tmp_path))
    yield made
    made.keeper.close()
