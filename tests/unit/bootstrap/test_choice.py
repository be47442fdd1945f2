"""Choices that chance brings about once in a million schedules, each from the evidence that leads to it."""

from __future__ import annotations

from dataclasses import replace

from galera_exporter.bootstrap.decisions import Elect, Wait
from galera_exporter.bootstrap.protocol import decide
from galera_exporter.bootstrap.state import (
    Activity,
    Bootstrap,
    Epoch,
    Held,
    LastKnown,
    Mode,
    Phase,
    Reason,
    Report,
    Rule,
    Snapshot,
    Timers,
)
from galera_exporter.model import Position

UUID = "11111111-1111-1111-1111-111111111111"
FIRST = Epoch(1, 0, -1, UUID, "galera-0", Mode.INITIAL, Rule.INITIAL, confirmed=True, group="0a1b2c3d")
FORCED = Epoch(2, 1, 50, UUID, "galera-1", Mode.RECOVER, Rule.ORDER, lossy=True, confirmed=True, group="4e5f6071")
HISTORY = {1: FIRST, 2: FORCED}


def report(number: int, seqno: int, epoch: int = 1) -> Report:
    held = Held.DATA if seqno >= 0 else Held.EMPTY
    position = Position(UUID, seqno) if seqno >= 0 else Position()
    node = f"galera-{number}"
    return Report(
        node, node, "boot", Activity.GATE, held, position, epoch if seqno >= 0 else 0, expected=3, history=HISTORY
    )


def snapshot(*reports: Report, **nodes: LastKnown) -> Snapshot:
    by_name = {each.node: each for each in reports}
    keys = ["bootstrap", *(f"report/{name}" for name in by_name)]
    return Snapshot(
        bootstrap=Bootstrap(Phase.PRIMARY, FORCED, "token"),
        history=HISTORY,
        reports=by_name,
        nodes=nodes,
        revisions=dict.fromkeys(keys, 1),
    )


def test_what_data_that_were_given_up_have_in_common_with_the_cluster_is_not_passed_over() -> None:
    given_up, behind, lost = report(0, 70), report(2, 30), report(1, -1)
    decision = decide(behind, snapshot(given_up, behind, lost), (), Timers())
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.nodes) == (Reason.REGRESSED, ("galera-0",))
    level = replace(behind, position=Position(UUID, 50))
    assert isinstance(decide(level, snapshot(given_up, level, lost), (), Timers()), Elect)


def test_a_label_that_means_another_election_of_the_same_number_is_an_operators_matter() -> None:
    other = replace(report(0, 60, epoch=2), history={**HISTORY, 2: replace(FORCED, group="deadbeef")})
    ours, third = report(1, 60, epoch=2), report(2, 40)
    decision = decide(ours, snapshot(other, ours, third), (), Timers())
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.nodes) == (Reason.DIVERGED, ("galera-0",))


def test_an_election_is_built_on_the_silence_of_known_nodes_too() -> None:
    mine = replace(report(1, 60, epoch=2), safe=True)
    known = LastKnown("galera-2", Position(UUID, 55), 2, "")
    decision = decide(mine, snapshot(mine, **{"galera-2": known}), (), Timers())
    assert isinstance(decision, Elect)
    assert decision.epoch.rule is Rule.LAST
    assert {"report/galera-1", "report/galera-2", "nodes/galera-2", "bootstrap", "hold"} <= set(decision.uses)


def test_what_is_remembered_of_an_epoch_that_etcd_has_lost_may_be_newer_than_the_best() -> None:
    best, lost = report(0, 30), report(1, -1)
    here = snapshot(best, lost, report(2, 20), **{"galera-1": LastKnown("galera-1", Position(UUID, 40), 7, "")})
    decision = decide(best, here, (), Timers())
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.nodes) == (Reason.REGRESSED, ("galera-1",))


def test_data_without_a_label_that_are_a_part_of_an_adopted_epoch_go_on_from_it() -> None:
    adopted = Epoch(3, 0, 50, UUID, "galera-1", Mode.ADOPTED, Rule.ADOPTED, confirmed=True, group="shop")
    mine, other = replace(report(0, 50), epoch=0, history={}), replace(report(1, 50, epoch=3), history={3: adopted})
    here = replace(
        snapshot(mine, other, replace(report(2, 40), epoch=0, history={})),
        bootstrap=Bootstrap(Phase.PRIMARY, adopted, "token"),
        history={3: adopted},
    )
    decision = decide(mine, here, (), Timers())
    assert isinstance(decision, Elect)
    assert (decision.epoch.parent, decision.epoch.base) == (3, 50)
