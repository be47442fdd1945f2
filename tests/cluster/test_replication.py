"""What the nodes replicate, whatever the language and the case of a name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import GaleraNode, Trio, wait_until

WORDS = "갈레라 클러스터가 건강합니다 🚀"


def shows(node: GaleraNode, statement: str, rows: list[dict[str, object]] | None = None) -> None:
    """Wait until the node answers with these rows, or with any where none are given."""
    wait_until(lambda: node.sql(statement) == rows if rows else node.sql(statement), 10, f"{statement} on {node.name}")


@pytest.fixture
def nodes(cluster: Trio) -> Iterator[tuple[GaleraNode, ...]]:
    nodes = cluster.galera.nodes
    yield nodes
    nodes[0].sql("DROP DATABASE IF EXISTS `한국어`")


def test_korean_text_in_a_table_with_a_korean_name_is_the_same_on_all_nodes(nodes: tuple[GaleraNode, ...]) -> None:
    first = nodes[0]
    first.sql("CREATE DATABASE `한국어`")
    first.sql("CREATE TABLE `한국어`.`고객_목록` (`번호` INT PRIMARY KEY, `이름` TEXT)")
    for number, node in enumerate(nodes):
        shows(node, "SHOW TABLES FROM `한국어`")
        node.sql("INSERT INTO `한국어`.`고객_목록` VALUES (%s, %s)", number, f"{WORDS} {node.name}")
    expected: list[dict[str, object]] = [
        {"번호": number, "이름": f"{WORDS} {node.name}"} for number, node in enumerate(nodes)
    ]
    for node in nodes:
        shows(node, "SELECT * FROM `한국어`.`고객_목록` ORDER BY `번호`", expected)


def test_a_table_name_means_the_same_table_in_any_case_on_all_nodes(nodes: tuple[GaleraNode, ...]) -> None:
    nodes[0].sql("CREATE DATABASE `한국어`")
    nodes[0].sql("CREATE TABLE `한국어`.Orders (id INT PRIMARY KEY)")
    nodes[0].sql("INSERT INTO `한국어`.ORDERS VALUES (7)")
    for node in nodes:
        shows(node, "SELECT id FROM `한국어`.oRdErS", [{"id": 7}])
