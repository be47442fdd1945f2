"""What grows with the number of registered nodes: figures from counts."""

from __future__ import annotations

import pytest

from bench.etcd_usage import Usage
from bench.growth import Cost, byte_rows, request_rows, slopes
from bench.scrapes import Costs
from lab.page import Page

COUNTS = """\
# TYPE grpc_server_handled_total counter
grpc_server_handled_total{grpc_code="OK",grpc_method="Range"} %d
grpc_server_handled_total{grpc_code="Unavailable",grpc_method="Range"} 1
grpc_server_handled_total{grpc_code="OK",grpc_method="Txn"} 0
# TYPE etcd_debugging_mvcc_current_revision gauge
etcd_debugging_mvcc_current_revision 40
# TYPE etcd_mvcc_put_total counter
etcd_mvcc_put_total 120
"""


def test_a_request_counts_where_it_came_to_and_a_write_once() -> None:
    used = Usage.read([Page.parse(COUNTS % 10), Page.parse(COUNTS % 5)])
    assert used.requests == {"Range": 17}
    assert (used.revisions, used.puts) == (40, 120)


def test_what_came_between_two_looks_is_the_difference() -> None:
    used = Usage({"Range": 30, "Txn": 4}, 40, 120, 9000, 9500).since(Usage({"Range": 30}, 38, 114, 5000, 9500))
    assert used == Usage({"Txn": 4}, 2, 6, 4000, 0)


def test_requests_are_told_for_one_node_and_one_minute() -> None:
    made = {row.name: row.value for row in request_rows("idle", Usage({"Range": 90, "Txn": 30}, 30, 90, 0, 0), 30, 3)}
    assert made == {
        "etcd, idle: reads of a node in a minute": 60,
        "etcd, idle: transactions of a node in a minute": 20,
        "etcd, idle: requests of a node in a minute": 80,
        "etcd, idle: revisions of a node in a minute": 20,
        "etcd, idle: keys written of a node in a minute": 60,
    }


def cost(nodes: int, series: int, text: int, share: float) -> Cost:
    return Cost(nodes, series, text, text // 8, share, 39.0, Costs([0.002, 0.003, 0.009], [0.003] * 3))


def test_each_size_has_its_rows_and_memory_its_target() -> None:
    rows = {row.name: row for row in cost(5, 300, 32 * 1024, 0.004).rows()}
    assert rows["5 registered nodes: page"].value == 32
    assert rows["5 registered nodes: scrape p50"].value == pytest.approx(3)
    assert rows["5 registered nodes: CPU with a scrape each 15 s"].value == pytest.approx(0.42)
    assert rows["5 registered nodes: resident"].met is True


def test_what_a_node_adds_is_between_the_smallest_and_the_largest() -> None:
    costs = [cost(3, 270, 30 * 1024, 0.005), cost(5, 999, 1, 1), cost(53, 1170, 80 * 1024, 0.010)]
    assert [row.value for row in slopes(costs)] == [18, 1, pytest.approx(0.01)]
    assert slopes(costs[:1]) == []


def test_bytes_of_a_day_are_those_of_a_heartbeat_each_three_seconds() -> None:
    grown, again = Usage({}, 1000, 3000, 2048 * 1000, 2.5 * 1024 * 1024), Usage({}, 1000, 3000, 0, 4096)
    rows = byte_rows([grown, again, again])
    assert [row.value for row in rows[:2]] == [2, pytest.approx(28_800 * 2 / 1024)]
    assert rows[2].value == pytest.approx(3 * 2 * 1200 * 2 / 1024)
    assert [row.name for row in rows[3:]] == [
        "etcd: file, by 1000 heartbeats",
        "etcd: file, by 1000 more after compaction 1",
        "etcd: file, by 1000 more after compaction 2",
    ]
