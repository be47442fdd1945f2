"""What a node says of itself in the registry, from the readings of its database and its files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from galera_exporter.errors import DatabaseReason
from galera_exporter.mariadb.status import parse_status
from galera_exporter.model import (
    ClusterStatus,
    DatabaseReading,
    DatadirFacts,
    Member,
    NodeState,
    Position,
    PositionSource,
)
from galera_exporter.node import Node
from galera_exporter.settings import Config

UUID = "0d074685-e767-11f1-8e1d-aebb93f423f7"
DOWN = DatabaseReading(0.0, DatabaseReason.REFUSED)
FILES = DatadirFacts(
    present=True,
    grastate=Position(UUID, 41),
    safe_to_bootstrap=False,
    sst_in_progress=True,
    sst_start=1e9,
    sst_received_bytes=1,
    gcache_page_files=0,
    gcache_page_bytes=0,
    gra_log_files=0,
    gvwstate_present=False,
    sst_changed=1e9 + 60,
)


def up(size: int = 3, status: str = "Primary") -> DatabaseReading:
    rows = {
        "wsrep_cluster_status": status,
        "wsrep_cluster_size": str(size),
        "wsrep_connected": "ON",
        "wsrep_ready": "ON",
        "wsrep_local_state": "4",
        "wsrep_local_state_comment": "Synced",
        "wsrep_local_state_uuid": UUID,
        "wsrep_last_committed": "42",
        "wsrep_gcomm_uuid": UUID,
    }
    return DatabaseReading(
        0.0,
        DatabaseReason.OK,
        sample=parse_status(rows.items()),
        members=(Member(UUID, "db-1", "AUTO"), Member("b" * 36, "db-0", "AUTO")),
    )


class Readings:
    """Gives the sampler's readings one after the other; the last one again and again."""

    def __init__(self, *readings: DatabaseReading) -> None:
        self._readings = list(readings)

    def read(self, max_age: float, timeout: float) -> DatabaseReading:
        assert max_age >= 0
        assert timeout >= 0
        return self._readings.pop(0) if len(self._readings) > 1 else self._readings[0]


def node(*readings: DatabaseReading, files: DatadirFacts | OSError | None = None, expected: int = 0) -> Node:
    def read(_max_age: float, _timeout: float) -> DatadirFacts:
        if isinstance(files, OSError):
            raise files
        assert files is not None
        return files

    config = Config(node="db-1", address="db-1:3306", owner="uid", expected=expected, datadir=Path("/data"))
    reader = read if files is not None else None
    return Node(config, Readings(*readings), reader, clock=lambda: 500.0, wall=lambda: 1e9 + 100)  # type: ignore[arg-type]  # same shape


def test_a_node_that_answers_writes_its_state_and_position() -> None:
    record = node(up()).describe()
    assert record is not None
    assert (record.status, record.state, record.ready) == (ClusterStatus.PRIMARY, NodeState.SYNCED, True)
    assert (record.position, record.source) == (Position(UUID, 42), PositionSource.STATUS)
    assert (record.members, record.size, record.expected) == (("db-0", "db-1"), 3, 3)


def test_a_joiner_that_answers_no_sql_is_described_by_its_files() -> None:
    record = node(DOWN, files=FILES).describe()
    assert record is not None
    assert (record.state, record.status) == (NodeState.RECEIVING, ClusterStatus.UNKNOWN)
    assert (record.position, record.source) == (Position(UUID, 41), PositionSource.GRASTATE)


@pytest.mark.parametrize(
    "files",
    [
        None,
        dataclasses.replace(FILES, sst_in_progress=False),
        dataclasses.replace(FILES, sst_changed=1e9 - 60),  # a killed transfer leaves its marker behind
        TimeoutError("slow disk"),
        OSError("gone"),
    ],
)
def test_a_dead_database_without_a_transfer_says_nothing(files: DatadirFacts | OSError | None) -> None:
    assert node(DOWN, files=files).describe() is None


@pytest.mark.parametrize(
    ("answered", "joins"),
    [
        (455.0, True),  # 45 s ago, and the files changed 40 s ago: it was started anew, and takes a transfer
        (460.0, False),
        (499.0, False),  # joined, and silent since: the marker, or what was told of it, is of before
    ],
)
def test_a_transfer_is_one_of_now_only_if_its_files_changed_after_the_last_answer(
    answered: float, *, joins: bool
) -> None:
    silent = node(dataclasses.replace(up(), taken=answered), DOWN, files=FILES)
    assert silent.database(1.0).sample is not None
    assert (silent.describe() is not None) == joins


def test_the_largest_primary_size_is_expected_unless_a_number_is_configured() -> None:
    grown = node(up(2), up(3), up(9, "non-Primary"), up(1))
    for _ in range(4):
        grown.database(1.0)
    assert grown.expected == 3
    assert node(up(3), expected=5).expected == 5


def test_members_are_known_only_of_a_node_in_a_group() -> None:
    assert node(up()).members() == {UUID, "b" * 36}
    assert node(DOWN).members() is None
