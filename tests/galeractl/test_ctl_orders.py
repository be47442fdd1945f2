"""``galeractl discard``, ``hold``, ``release`` and ``withdraw`` against a real etcd."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ctl import OnTerminal, galeractl
from protocol import Protocol, epoch, report

from galera_exporter.bootstrap.state import Activity, Peer, Phase, Purpose
from galera_exporter.model import Position
from lab import wait_until

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("orders")]

OTHER = "99999999-0f3b-11f1-9c1d-4b4f3f5b6a01"


def diverged(protocol: Protocol) -> None:
    """galera-0 and galera-1 serve in epoch 4, which began at 108; galera-2 went on in epoch 3 until 120."""
    protocol.elected(epoch(3, 90))
    protocol.elected(epoch(4, 108))
    protocol.primary("galera-0")
    protocol.remembered("galera-0", 140)
    protocol.reports(report("galera-2", 120))


def test_data_that_left_the_history_are_thrown_away_by_an_order(protocol: Protocol) -> None:
    diverged(protocol)
    with protocol.acting("galera-2", Peer("galera-0", primary=True, confirmed=True, epoch=4)):
        done = galeractl("discard", "galera-2", "--yes", *protocol.flags)
    assert done.code == 0, done.err
    assert "galera-2 has seqno 120 in epoch 3. They left the cluster's history at seqno 108" in done.out
    assert "12 transactions would be lost" in done.out
    assert "galera-2 joins by a full state transfer" in done.out
    assert protocol.snapshot().orders == ()


def test_data_of_another_cluster_are_lost_as_a_whole(protocol: Protocol) -> None:
    diverged(protocol)
    protocol.reports(report("galera-2", 120, epoch=0, position=Position(OTHER, 120)))
    done = galeractl("discard", "galera-2", "--yes", "--no-wait", *protocol.flags)
    assert done.code == 0, done.err
    assert "They share nothing with the cluster's history: all of its data would be lost" in done.out


def test_where_nobody_knows_which_data_are_right_an_order_says_which_are_not(protocol: Protocol) -> None:
    protocol.reports(report("galera-0", 100, epoch=0), report("galera-1", 200, epoch=0, position=Position(OTHER, 200)))
    done = galeractl("discard", "galera-1", "--yes", "--no-wait", *protocol.flags)
    assert done.code == 0, done.err
    (order,) = protocol.snapshot().orders
    assert (order.purpose, order.node) == (Purpose.DISCARD, "galera-1")


def whole(protocol: Protocol) -> None:
    protocol.reports(report("galera-2", 108))


def given_up(protocol: Protocol) -> None:
    protocol.elected(epoch(4, 108, lossy=True))


def empty(protocol: Protocol) -> None:
    protocol.reports(report("galera-2"))


def half(protocol: Protocol) -> None:
    protocol.reports(report("galera-2", 120, tainted=True))


def starting(protocol: Protocol) -> None:
    protocol.reports(report("galera-2", 120, activity=Activity.STARTING))


def ordered(protocol: Protocol) -> None:
    protocol.order("t", Purpose.DISCARD, "galera-2")


def as_it_is(_: Protocol) -> None:
    """Diverged."""


@pytest.mark.parametrize(
    ("scene", "node", "words"),
    [
        (whole, "galera-2", "the data of galera-2 are a part of the cluster's history (epoch 4)"),
        (given_up, "galera-2", "or given up already: it joins without an order"),
        (empty, "galera-2", "galera-2 has no data"),
        (half, "galera-2", "the data of galera-2 are not whole"),
        (starting, "galera-2", "galera-2 was let start already"),
        (ordered, "galera-2", "an order is pending already (discard the data of galera-2, by kim)"),
        (as_it_is, "galera-1", "galera-1 does not report (reporting: galera-2)"),
        (as_it_is, "galera-0", "galera-0 is Primary: it serves"),
    ],
)
def test_discard_is_refused_where_it_makes_no_sense(
    protocol: Protocol, scene: Callable[[Protocol], None], node: str, words: str
) -> None:
    diverged(protocol)
    scene(protocol)
    before = protocol.pending()
    done = galeractl("discard", node, "--yes", *protocol.flags)
    assert done.code == 3
    assert words in done.err
    assert protocol.pending() == before


def test_alone_there_is_nothing_to_discard_for(protocol: Protocol) -> None:
    protocol.reports(report("galera-0", 100, epoch=0))
    done = galeractl("discard", "galera-0", "--yes", *protocol.flags)
    assert done.code == 3
    assert "galeractl force-bootstrap" in done.err


def test_a_restored_backup_that_is_all_there_is_is_not_discarded_but_begun_with(protocol: Protocol) -> None:
    protocol.elected(epoch(3, 90))
    protocol.remembered("galera-1", 120)
    protocol.reports(report("galera-0", 100, epoch=0), report("galera-1"), report("galera-2"))
    refused = galeractl("discard", "galera-0", "--yes", *protocol.flags)
    assert refused.code == 3
    (waiting,) = galeractl("explain", "--output", "json", *protocol.flags).json["waiting"]
    assert waiting["reason"] == "diverged"
    assert waiting["command"] == "galeractl force-bootstrap galera-0 --accept-data-loss"
    assert waiting["command"] in refused.err
    with protocol.acting("galera-0"):
        done = galeractl("force-bootstrap", "galera-0", "--accept-data-loss", "--yes", *protocol.flags)
    assert done.code == 0, done.err


def test_two_nodes_can_be_ordered_to_discard_at_once(protocol: Protocol) -> None:
    diverged(protocol)
    protocol.reports(report("galera-1", 130))
    for node in ("galera-1", "galera-2"):
        assert galeractl("discard", node, "--yes", "--no-wait", *protocol.flags).code == 0
    assert {order.node for order in protocol.snapshot().orders} == {"galera-1", "galera-2"}


def test_a_node_whose_report_changed_while_the_question_stood_keeps_its_data(protocol: Protocol) -> None:
    diverged(protocol)
    seen = OnTerminal("discard", "galera-2", *protocol.flags)
    seen.expect("Throw the data of galera-2 away? Type its name, galera-2: ")
    protocol.reports(report("galera-2", 130))
    seen.type("galera-2\r")
    assert seen.end() == 3
    assert protocol.pending() == []


def test_elections_are_held_and_released(protocol: Protocol) -> None:
    done = galeractl("hold", "--reason", "moving the volumes", *protocol.flags)
    assert done.code == 0
    assert done.out == "Automatic elections are on hold. To let them go on: galeractl release\n"
    assert protocol.snapshot().hold == "moving the volumes"
    again = galeractl("hold", *protocol.flags)
    assert "(it was already: moving the volumes)" in again.out
    assert "@" in str(protocol.snapshot().hold)
    assert galeractl("release", *protocol.flags).code == 0
    assert protocol.snapshot().hold is None
    assert galeractl("release", *protocol.flags).out == "Automatic elections were not on hold.\n"


def test_a_hold_that_cannot_be_read_can_be_released(protocol: Protocol) -> None:
    protocol.put("hold", b"by hand")
    assert "hold" in protocol.snapshot().unreadable
    assert galeractl("release", *protocol.flags).code == 0
    assert protocol.snapshot().unreadable == ()


def test_orders_are_withdrawn_one_or_all_also_those_that_cannot_be_read(protocol: Protocol) -> None:
    for token in ("a", "b"):
        protocol.order(token, Purpose.DISCARD, "galera-2")
    protocol.put("override/c", b"by hand")
    one = galeractl("withdraw", "b", *protocol.flags)
    assert one.code == 0
    assert one.out == "Withdrawn: discard the data of galera-2, by kim (b)\n"
    assert protocol.pending() == ["override/a", "override/c"]
    rest = galeractl("withdraw", *protocol.flags)
    assert rest.code == 0
    assert "Withdrawn: an order that cannot be read (c)" in rest.out
    assert protocol.pending() == []
    assert galeractl("withdraw", *protocol.flags).out == "No order is pending.\n"


def test_an_order_that_is_not_there_cannot_be_withdrawn(protocol: Protocol) -> None:
    protocol.elected(epoch(3), Phase.PRIMARY)
    protocol.put("override-used/a", b"{}")
    done = galeractl("withdraw", "a", *protocol.flags)
    assert done.code == 3
    assert "no order a is pending" in done.err


def test_an_order_withdrawn_while_it_is_waited_for_ends_the_wait(protocol: Protocol) -> None:
    diverged(protocol)
    seen = OnTerminal("discard", "galera-2", *protocol.flags)
    seen.expect("Type its name, galera-2: ")
    seen.type("galera-2\r")
    wait_until(protocol.pending, 20, "the order")
    assert galeractl("withdraw", *protocol.flags).code == 0
    assert seen.end() == 1
    assert "withdrawn by somebody else" in seen.text
