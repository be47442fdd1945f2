"""``galeractl force-bootstrap`` against a real etcd; the nodes decide by the real protocol."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ctl import OnTerminal, galeractl
from protocol import Protocol, epoch, report

from galera_exporter.bootstrap.state import Activity, Order, Phase, Purpose, Rule
from galera_exporter.errors import RegistryReason
from galera_exporter.galeractl import orders
from galera_exporter.registry.etcd import AmbiguousError, Etcd
from galera_exporter.registry.keyvalue import Compare, Operation, Txn

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("orders")]

LOST = "galera-1 was at seqno 120 in epoch 3, galera-0 has 108: at least 12 transactions would be lost"


def test_it_is_refused_with_what_would_be_lost_and_who_has_it(protocol: Protocol) -> None:
    protocol.outage()
    done = galeractl("force-bootstrap", "galera-0", "--yes", *protocol.flags)
    assert done.code == 3
    assert done.err == f"galeractl: refused: {LOST}. Bring back galera-1, or add --accept-data-loss\n"
    assert protocol.pending() == []


def test_with_data_loss_accepted_the_node_is_elected_and_the_token_is_used_up(protocol: Protocol) -> None:
    protocol.outage()
    with protocol.acting("galera-0"):
        done = galeractl("force-bootstrap", "galera-0", "--accept-data-loss", "--yes", *protocol.flags)
    assert done.code == 0, done.err
    assert LOST in done.out
    assert "galera-0 is elected (epoch 4, from seqno 108) and starts its database" in done.out
    snapshot = protocol.snapshot()
    assert snapshot.history[4].lossy
    assert snapshot.history[4].rule is Rule.ORDER
    assert snapshot.orders == ()
    assert [key for key in snapshot.revisions if key.startswith("override-used/")] != []


def test_where_nothing_known_is_lost_no_flag_is_needed_and_what_is_not_known_is_said(protocol: Protocol) -> None:
    protocol.elected(epoch(3, 90))
    protocol.remembered("galera-1", 100)
    protocol.reports(report("galera-0", 108))
    with protocol.acting("galera-0"):
        done = galeractl("force-bootstrap", "galera-0", "--yes", *protocol.flags)
    assert done.code == 0, done.err
    assert "Nothing that is known would be lost." in done.out
    assert "galera-1 reports no data and did not end in order: it may have had more than seqno 100" in done.out
    assert "of 1 of 3 nodes nothing is known at all" in done.out
    assert not protocol.snapshot().history[4].lossy


def test_a_node_of_foreign_data_is_bootstrapped_from_only_with_all_the_others_given_up(protocol: Protocol) -> None:
    protocol.outage()
    protocol.reports(report("galera-2", 500, epoch=0))
    refused = galeractl("force-bootstrap", "galera-2", "--yes", *protocol.flags)
    assert refused.code == 3
    assert "galera-0 has seqno 108 in epoch 3: all of its data would be lost" in refused.err
    with protocol.acting("galera-2"):
        done = galeractl("force-bootstrap", "galera-2", "--yes", "--accept-data-loss", *protocol.flags)
    assert done.code == 0, done.err
    assert "galera-2 has seqno 500 of epoch 0, which is not a part of the cluster's history" in done.out


def primary(protocol: Protocol) -> None:
    protocol.primary("galera-1")


def none(_: Protocol) -> None:
    """Nothing beside the outage."""


def empty(protocol: Protocol) -> None:
    protocol.reports(report("galera-0"))


def tainted(protocol: Protocol) -> None:
    protocol.reports(report("galera-0", 108, tainted=True))


def starting(protocol: Protocol) -> None:
    protocol.reports(report("galera-0", 108, activity=Activity.STARTING))


def other_starting(protocol: Protocol) -> None:
    protocol.reports(report("galera-2", 100, activity=Activity.STARTING))


def elected(protocol: Protocol) -> None:
    protocol.elected(epoch(4, 108), Phase.ELECTED)


def ordered(protocol: Protocol) -> None:
    protocol.order("t", Purpose.INITIAL, lossy=True)


def unreadable(protocol: Protocol) -> None:
    protocol.put("history/9", b"later")


@pytest.mark.parametrize(
    ("scene", "node", "words"),
    [
        (primary, "galera-0", "a Primary component exists (galera-1): galera-0 joins it"),
        (primary, "galera-1", "galera-1 is Primary: it serves"),
        (none, "galera-1", "galera-1 does not report (reporting: galera-0, galera-2). Start its pod"),
        (none, "galera\x1b[2J", "galera\\x1b[2J does not report"),
        (empty, "galera-0", "galera-0 has no usable data (empty"),
        (tainted, "galera-0", "not whole"),
        (starting, "galera-0", "galera-0 was let start already"),
        (other_starting, "galera-0", "a database that was let start may run: galera-2"),
        (elected, "galera-0", "galera-0 is elected already (epoch 4), and starts without an order"),
        (ordered, "galera-0", "an order is pending already (begin again with an empty cluster"),
        (ordered, "galera-0", "galeractl withdraw t"),
        (unreadable, "galera-0", "a record cannot be read (history/9)"),
    ],
)
def test_it_is_refused_where_it_makes_no_sense(
    protocol: Protocol, scene: Callable[[Protocol], None], node: str, words: str
) -> None:
    protocol.outage()
    scene(protocol)
    before = protocol.pending()
    done = galeractl("force-bootstrap", node, "--accept-data-loss", "--yes", *protocol.flags)
    assert done.code == 3
    assert words in done.err
    assert protocol.pending() == before


def test_on_hold_an_order_is_taken(protocol: Protocol) -> None:
    protocol.outage()
    assert galeractl("hold", *protocol.flags).code == 0
    with protocol.acting("galera-0"):
        done = galeractl("force-bootstrap", "galera-0", "--yes", "--accept-data-loss", *protocol.flags)
    assert done.code == 0, done.err


def test_a_survivor_can_be_named_too(protocol: Protocol) -> None:
    protocol.outage()
    protocol.reports(report("galera-0", 130, activity=Activity.SURVIVOR))
    done = galeractl("force-bootstrap", "galera-0", "--yes", "--no-wait", *protocol.flags)
    assert done.code == 0, done.err
    assert len(protocol.pending()) == 1


def test_a_person_confirms_by_the_name_of_the_node_and_sees_the_loss_before(protocol: Protocol) -> None:
    protocol.outage()
    seen = OnTerminal("force-bootstrap", "galera-0", "--accept-data-loss", "--no-wait", *protocol.flags)
    text = seen.expect("Bootstrap the cluster from galera-0? Type its name, galera-0: ")
    assert LOST in text
    assert protocol.pending() == []
    seen.type("galera-0\r")
    assert seen.end() == 0
    (order,) = protocol.snapshot().orders
    assert order == Order(order.token, Purpose.FORCE, "galera-0", lossy=True, by=order.by)
    assert "@" in order.by


@pytest.mark.parametrize("answer", ["y", "galera-1", ""])
def test_any_other_answer_orders_nothing(protocol: Protocol, answer: str) -> None:
    protocol.outage()
    seen = OnTerminal("force-bootstrap", "galera-0", "--accept-data-loss", *protocol.flags)
    seen.expect("Type its name, galera-0: ")
    seen.type(f"{answer}\r")
    assert seen.end() == 3
    assert protocol.pending() == []


def later_report(protocol: Protocol) -> None:
    protocol.reports(report("galera-1", 121))


def changed_report(protocol: Protocol) -> None:
    protocol.reports(report("galera-2", 130))


def came_back(protocol: Protocol) -> None:
    protocol.primary("galera-1")


def left_in_order(protocol: Protocol) -> None:
    protocol.remembered("galera-1", 140, final=True)


def other_order(protocol: Protocol) -> None:
    protocol.order("t", Purpose.FORCE, "galera-2", lossy=True)


def other_election(protocol: Protocol) -> None:
    protocol.elected(epoch(4, 100, node="galera-2"), Phase.ELECTED)


@pytest.mark.parametrize(
    "change", [later_report, changed_report, came_back, left_in_order, other_order, other_election]
)
def test_nothing_is_ordered_when_what_was_shown_is_no_more_so(
    protocol: Protocol, change: Callable[[Protocol], None]
) -> None:
    protocol.outage()
    seen = OnTerminal("force-bootstrap", "galera-0", "--accept-data-loss", *protocol.flags)
    seen.expect("Type its name, galera-0: ")
    change(protocol)
    before = protocol.pending()
    seen.type("galera-0\r")
    assert seen.end() == 3
    assert "the cluster changed while you looked: no order was given" in seen.text
    assert protocol.pending() == before


def test_without_a_terminal_and_without_yes_nothing_is_ordered(protocol: Protocol) -> None:
    protocol.outage()
    done = galeractl("force-bootstrap", "galera-0", "--accept-data-loss", *protocol.flags, stdin="galera-0\n")
    assert done.code == 3
    assert "--yes" in done.err
    assert protocol.pending() == []


def test_an_order_that_is_not_used_in_time_stays_and_is_told_how_to_take_back(protocol: Protocol) -> None:
    protocol.outage()
    done = galeractl("force-bootstrap", "galera-0", "--accept-data-loss", "--yes", "--timeout=0.5", *protocol.flags)
    assert done.code == 1
    (order,) = protocol.snapshot().orders
    assert f"galeractl withdraw {order.token}" in done.out
    assert "galeractl explain" in done.out


class LosesReplies(Etcd):
    """A real etcd whose transactions are applied, or not, and never answered."""

    applies = True

    def transaction(self, *branches: list[Compare] | list[Operation]) -> Txn:
        if self.applies:
            super().transaction(*branches)
        raise AmbiguousError(RegistryReason.TIMEOUT, "the reply was lost")


@pytest.mark.parametrize("applies", [True, False])
def test_an_order_whose_reply_was_lost_is_found_by_its_token(protocol: Protocol, *, applies: bool) -> None:
    protocol.outage()
    etcd = LosesReplies(protocol.registry.settings)
    etcd.applies = applies
    try:
        seen = orders.look(etcd, protocol.prefix)
        order = orders.new(Purpose.FORCE, "galera-0", lossy=True)
        holding = orders.guards(seen.snapshot, ("galera-0",), without_primary=True)
        if applies:
            orders.give(etcd, seen, order, holding)
        else:
            with pytest.raises(AmbiguousError):
                orders.give(etcd, seen, order, holding)
    finally:
        etcd.close()
    assert [each.token for each in protocol.snapshot().orders] == [order.token] * applies


def test_what_data_that_were_given_up_have_in_common_with_the_cluster_counts_as_a_loss(protocol: Protocol) -> None:
    protocol.elected(epoch(1))
    protocol.elected(epoch(2, 50, node="galera-1", rule=Rule.ORDER, lossy=True))
    protocol.reports(report("galera-0", 70, epoch=1), report("galera-1"), report("galera-2", 30, epoch=1))
    done = galeractl("force-bootstrap", "galera-2", "--yes", *protocol.flags)
    assert done.code == 3
    assert "galera-0 has seqno 50 in epoch 1, galera-2 has 30: 20 transactions would be lost" in done.err
