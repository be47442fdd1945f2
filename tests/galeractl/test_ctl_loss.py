"""What an order would cost agrees with what the protocol would do with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol import epoch, report
from written import UUID

from galera_exporter.bootstrap.decisions import Elect, Join, Stop, Wait
from galera_exporter.bootstrap.lineage import Standing, place
from galera_exporter.bootstrap.protocol import decide
from galera_exporter.bootstrap.state import Activity, Held, LastKnown, Order, Peer, Purpose, Reason, Snapshot, Timers
from galera_exporter.galeractl import loss, orders
from galera_exporter.model import Position

OTHER = "99999999-0f3b-11f1-9c1d-4b4f3f5b6a01"
NODES = tuple(f"galera-{number}" for number in range(3))
seqnos = st.integers(0, 12)
labels = st.integers(0, 4)
positions = st.builds(Position, st.sampled_from([UUID, UUID, UUID, OTHER]), seqnos)


def known(node: str, seqno: int, label: int = 3, *, final: bool = False) -> LastKnown:
    return LastKnown(node, Position(UUID, seqno), label, "", final)


@st.composite
def snapshots(draw: st.DrawFn, *, served: bool = False) -> Snapshot:
    """galera-0 in the gate with data, others perhaps; up to three epochs; with ``served`` one is confirmed."""
    bases = sorted(draw(st.lists(seqnos, min_size=int(served), max_size=3)))
    flags = st.booleans()
    history = {
        number: epoch(number, base, confirmed=served or draw(flags), lossy=draw(flags))
        for number, base in enumerate(bases, 1)
    }
    reports = {"galera-0": replace(report("galera-0", held=Held.DATA), position=draw(positions), epoch=draw(labels))}
    nodes = {}
    for node in NODES:
        if node not in reports and draw(st.booleans()):
            activity = draw(st.sampled_from([Activity.GATE, Activity.GATE, Activity.SURVIVOR]))
            held = draw(st.sampled_from([Held.DATA, Held.DATA, Held.EMPTY]))
            plain = report(node, held=held, activity=activity, tainted=draw(st.integers(0, 5)) == 0)
            reports[node] = replace(plain, position=draw(positions), epoch=draw(labels)) if held is Held.DATA else plain
        if draw(st.booleans()):
            nodes[node] = LastKnown(node, draw(positions), draw(labels), "", draw(flags))
    return Snapshot(history=history, reports=reports, nodes=nodes)


@settings(max_examples=2_000)
@given(snapshots())
def test_the_protocol_takes_an_order_without_data_loss_exactly_where_none_is_shown(snapshot: Snapshot) -> None:
    me = snapshot.reports["galera-0"]
    decision = orders.outcome(snapshot, me, Order("t", Purpose.FORCE, "galera-0"))
    refused = isinstance(decision, Wait) and decision.reason is Reason.ORDER_REFUSED
    strange = loss.reach(snapshot, me) is None  # not the cluster's data: whatever they replace is lost
    assert refused == (bool(loss.forced(snapshot, me)) or strange)


@settings(max_examples=2_000)
@given(snapshots())
def test_an_accepted_loss_is_always_taken(snapshot: Snapshot) -> None:
    me = snapshot.reports["galera-0"]
    decision = orders.outcome(snapshot, me, Order("t", Purpose.FORCE, "galera-0", lossy=True))
    assert isinstance(decision, Elect | Stop) or decision == Wait(Reason.SURVIVORS_STOPPING, decision.nodes)


@settings(max_examples=2_000)
@given(snapshots(served=True), st.booleans())
def test_data_can_be_discarded_exactly_where_the_node_would_wait_for_it(
    snapshot: Snapshot,
    tainted: bool,  # noqa: FBT001 -- a value that is drawn
) -> None:
    me = replace(snapshot.reports["galera-0"], tainted=tainted)
    snapshot = replace(snapshot, reports={**snapshot.reports, "galera-0": me})
    cluster = max(snapshot.history)
    peers = (Peer("galera-9", primary=True, confirmed=True, epoch=cluster),)
    waits = decide(me, snapshot, peers, Timers())
    diverged = isinstance(waits, Wait) and waits.reason is Reason.DIVERGED
    lost = loss.discarded(snapshot, me)
    assert (lost is not None) == diverged
    if lost is not None:
        used = orders.outcome(snapshot, me, Order("t", Purpose.DISCARD, "galera-0"), peers)
        assert isinstance(used, Join)
        assert used.fresh
        assert used.order == "t"
    if lost is not None and lost.count is not None:
        fork = Position(me.position.uuid, lost.seqno - lost.count)
        assert place(snapshot.history, cluster, me.epoch, fork) is Standing.MEMBER
        after = replace(fork, seqno=fork.seqno + 1)
        assert place(snapshot.history, cluster, me.epoch, after) is not Standing.MEMBER


@pytest.mark.parametrize(
    ("nodes", "lost"),
    [
        ((known("galera-1", 108),), []),
        ((known("galera-1", 109),), ["galera-1 was at seqno 109 in epoch 3", "at least 1 transaction would be lost"]),
        ((known("galera-1", 110, final=True),), ["galera-1 was at seqno 110 in epoch 3"]),
        ((known("galera-0", 110),), ["galera-0 was at seqno 110 in epoch 3", "at least 2 transactions would be lost"]),
        (
            (known("galera-1", 110, label=7),),
            ["galera-1 was at seqno 110 in epoch 7", "at least 2 transactions would be lost"],
        ),
    ],
)
def test_what_etcd_remembers_beyond_the_node_is_lost(nodes: tuple[LastKnown, ...], lost: list[str]) -> None:
    snapshot = Snapshot(
        history={3: epoch(3, 90)},
        reports={"galera-0": report("galera-0", 108)},
        nodes={each.node: each for each in nodes},
    )
    told = " ".join(f"{each.where} {each.amount}" for each in loss.forced(snapshot, snapshot.reports["galera-0"]))
    assert [words for words in lost if words not in told] == []
    assert bool(told) == bool(lost)


def test_who_reports_is_believed_about_itself() -> None:
    snapshot = Snapshot(
        history={3: epoch(3, 90)},
        reports={"galera-0": report("galera-0", 108), "galera-1": report("galera-1", 120)},
        nodes={"galera-1": known("galera-1", 115)},
    )
    (lost,) = loss.forced(snapshot, snapshot.reports["galera-0"])
    assert (lost.where, lost.amount) == ("galera-1 has seqno 120 in epoch 3", "12 transactions would be lost")
