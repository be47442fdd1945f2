"""``galeractl reset`` against a real etcd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from ctl import OnTerminal, galeractl
from protocol import Protocol, epoch, report
from written import RECORD, Registry

from galera_exporter.bootstrap.state import Mode, Purpose
from lab import EtcdCluster

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("galeractl")]


def gone(registry: Registry, count: int = 3) -> None:
    for number in range(count):
        registry.gone(replace(RECORD, node=f"galera-{number}", owner=f"pod-{number}"))


def test_it_shows_what_it_removes_and_touches_nothing_else(registry: Registry) -> None:
    gone(registry)
    prefix = registry.settings.prefix
    neighbours = {prefix.replace("/galera/v1/", "/galera/v2/") + "x", prefix[:-1] + "2/nodes/galera-0", prefix[:-1]}
    for key in neighbours:
        registry.put(key.encode(), b"neighbour")
    registry.put(f"{prefix}meta".encode(), b"{}")
    registry.put(f"{prefix}\x1b[2Jstray".encode(), b"\xff")
    before = registry.names()
    done = galeractl("reset", "--yes", *registry.flags)
    assert done.code == 0
    for number in range(3):
        assert f"{prefix}nodes/galera-{number}" in done.out
    assert f"{prefix}\\x1b[2Jstray" in done.out
    assert "Removed 5 keys" in done.out
    after = registry.names()
    assert neighbours <= after
    assert {key for key in before - after if not key.startswith(prefix)} == set()
    assert not any(key.startswith(prefix) for key in after)


def test_it_refuses_while_a_node_lives(registry: Registry) -> None:
    registry.trio()
    before = registry.names()
    done = galeractl("reset", "--yes", *registry.flags)
    assert done.code == 3
    assert "refused: 3 nodes are alive: galera-0, galera-1, galera-2" in done.err
    assert "--while-alive" in done.err
    assert registry.names() == before


def test_while_alive_removes_living_nodes_too_and_says_that_they_come_back(registry: Registry) -> None:
    registry.trio()
    done = galeractl("reset", "--yes", "--while-alive", *registry.flags)
    assert done.code == 0
    assert "Living nodes write their keys again within a heartbeat" in done.out
    assert not any(key.startswith(registry.settings.prefix) for key in registry.names())


def test_without_a_terminal_and_without_yes_it_refuses(registry: Registry) -> None:
    gone(registry)
    before = registry.names()
    done = galeractl("reset", *registry.flags, stdin="galera\n")
    assert done.code == 3
    assert "--yes" in done.err
    assert registry.names() == before


@pytest.mark.parametrize(("answer", "code", "left"), [("galera", 0, 0), ("y", 3, 3), ("", 3, 3)])
def test_a_person_confirms_by_the_name_of_the_cluster(registry: Registry, answer: str, code: int, left: int) -> None:
    gone(registry)
    seen = OnTerminal("reset", *registry.flags)
    seen.expect("Type the cluster's name, galera: ")
    seen.type(f"{answer}\r")
    assert seen.end() == code
    assert sum(key.startswith(registry.settings.prefix) for key in registry.names()) == left


def test_a_node_that_comes_alive_while_the_question_stands_loses_nothing(registry: Registry) -> None:
    gone(registry)
    seen = OnTerminal("reset", *registry.flags)
    seen.expect("Type the cluster's name, galera: ")
    registry.live(replace(RECORD, node="galera-1"))
    before = registry.names()
    seen.type("galera\r")
    assert seen.end() == 1
    assert "a node came alive in the meantime" in seen.text
    assert registry.names() == before


def test_ctrl_c_at_the_question_removes_nothing(registry: Registry) -> None:
    gone(registry)
    seen = OnTerminal("reset", *registry.flags)
    seen.expect("Type the cluster's name, galera: ")
    seen.type("\x03")
    assert seen.end() == 130
    assert sum(key.startswith(registry.settings.prefix) for key in registry.names()) == 3


def test_hundreds_of_keys_are_removed_too(registry: Registry) -> None:
    for number in range(250):
        registry.put(f"{registry.settings.prefix}stray-{number}".encode(), b"x")
    done = galeractl("reset", "--yes", *registry.flags)
    assert done.code == 0
    assert "Removed 250 keys" in done.out
    assert not any(key.startswith(registry.settings.prefix) for key in registry.names())


def test_an_empty_registry_is_no_failure(registry: Registry) -> None:
    done = galeractl("reset", "--yes", *registry.flags)
    assert done.code == 0
    assert "nothing to remove" in done.out


def test_an_etcd_that_is_down_is_told_in_one_line(registry: Registry, etcd: EtcdCluster) -> None:
    etcd.stop()
    done = galeractl("reset", "--yes", *registry.flags)
    assert done.code == 2
    assert done.err.startswith("galeractl: etcd: ")
    assert done.err.count("\n") == 1


def test_the_history_of_elections_is_not_removed_by_the_way(protocol: Protocol) -> None:
    protocol.outage()
    prefix = protocol.registry.settings.prefix
    kept = {name for name in protocol.registry.names() if name.startswith(f"{prefix}history/")}
    assert kept
    done = galeractl("reset", "--yes", *protocol.flags)
    assert done.code == 3
    for words in ("history of elections", "galeractl explain", "--accept-data-loss", "--forget-history"):
        assert words in done.err
    assert protocol.registry.names() >= kept  # the keys of other tests, whose leases end, are not its business


def test_a_cluster_that_is_given_up_can_be_forgotten(protocol: Protocol) -> None:
    protocol.outage()
    assert galeractl("reset", "--yes", "--forget-history", *protocol.flags).code == 0
    assert not any(key.startswith(protocol.prefix) for key in protocol.registry.names())


def lost(protocol: Protocol) -> None:
    """All volumes are new; the cluster had data."""
    protocol.elected(epoch(3, 90))
    protocol.remembered("galera-1", 120)
    protocol.reports(*(report(f"galera-{number}") for number in range(3)))


def test_a_cluster_whose_data_are_all_lost_begins_again_by_an_order(protocol: Protocol) -> None:
    lost(protocol)
    with protocol.acting("galera-0"):
        done = galeractl("reset", "--accept-data-loss", "--yes", *protocol.flags)
    assert done.code == 0, done.err
    assert "galera-1 was at seqno 120 in epoch 3" in done.out
    assert "galera-0 is elected (epoch 4) and begins an empty cluster" in done.out
    snapshot = protocol.snapshot()
    assert snapshot.history[4].mode is Mode.INITIAL
    assert snapshot.history[4].lossy
    assert snapshot.orders == ()


def test_to_begin_again_a_person_types_the_name_of_the_cluster(protocol: Protocol) -> None:
    lost(protocol)
    seen = OnTerminal("reset", "--accept-data-loss", "--no-wait", *protocol.flags)
    seen.expect("Begin again, empty? Type the cluster's name, galera: ")
    seen.type("galera\r")
    assert seen.end() == 0
    assert [order.purpose for order in protocol.snapshot().orders] == [Purpose.INITIAL]


def has_data(protocol: Protocol) -> None:
    protocol.reports(report("galera-2", 100))


def has_half(protocol: Protocol) -> None:
    protocol.reports(*(report(f"galera-{number}", 100, tainted=True) for number in range(3)))


def serves(protocol: Protocol) -> None:
    protocol.primary("galera-1")


def ordered(protocol: Protocol) -> None:
    protocol.order("t", Purpose.FORCE, "galera-0")


def larger(protocol: Protocol) -> None:
    protocol.reports(report("galera-0", expected=5))


def never_had_data(protocol: Protocol) -> None:
    galeractl("reset", "--yes", "--forget-history", *protocol.flags)
    protocol.reports(*(report(f"galera-{number}") for number in range(3)))


def silent(protocol: Protocol) -> None:
    galeractl("reset", "--yes", "--forget-history", *protocol.flags)
    protocol.elected(epoch(3, 90))


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (has_data, "nodes have data: galera-2. Bootstrap from one of them (galeractl force-bootstrap)"),
        (has_half, "no node is empty, and no node has whole data"),
        (serves, "a Primary component exists (galera-1)"),
        (ordered, "an order is pending already (bootstrap from galera-0, by kim)"),
        (larger, "Start the others first"),
        (never_had_data, "etcd remembers no data of this cluster: it begins by itself"),
        (silent, "no node reports"),
    ],
)
def test_it_does_not_begin_again_where_that_makes_no_sense(
    protocol: Protocol, scene: Callable[[Protocol], None], words: str
) -> None:
    lost(protocol)
    scene(protocol)
    before = protocol.pending()
    done = galeractl("reset", "--accept-data-loss", "--yes", *protocol.flags)
    assert done.code == 3
    assert words in done.err
    assert protocol.pending() == before
