"""A foreign writer in etcd.

What is no document of the protocol starts nothing and fails nothing; and no lie at all ends a database that serves.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_bootstrap_records import PREFIX, RUN, UUID, any_bytes, epochs, names_of_keys, read, reports, seqnos, uuids

from galera_exporter.bootstrap.decisions import Elect, Join, Start, Stop, Wait
from galera_exporter.bootstrap.protocol import decide, foresee, supervise
from galera_exporter.bootstrap.records import encode
from galera_exporter.bootstrap.state import (
    Activity,
    Epoch,
    Held,
    Mode,
    Peer,
    Reason,
    Report,
    Rule,
    Running,
    Snapshot,
    Timers,
    View,
)
from galera_exporter.bootstrap.store import snapshot_of
from galera_exporter.model import Position

EPOCH = Epoch(3, 0, 120, UUID, "db-0", Mode.RECOVER, Rule.ALL, confirmed=True)
THREE = [
    Report(
        node=f"db-{number}",
        owner=f"pod-{number}",
        boot_id="5b0e",
        activity=Activity.GATE,
        held=Held.DATA,
        position=Position(UUID, 130 - number),
        epoch=3,
        incarnation=RUN,
        view=View(7, (RUN,)),
        expected=3,
        history={3: EPOCH},
    )
    for number in range(3)
]
ME = THREE[0]
OWN = {f"report/{ME.node}": encode(ME)}
ALL = {f"report/{report.node}": encode(report) for report in THREE} | {"history/3": encode(EPOCH)}

MANY = settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
foreign_keys = st.dictionaries(names_of_keys | st.text(max_size=20), any_bytes, max_size=8)
peers = st.lists(
    st.builds(
        Peer,
        node=st.sampled_from(["db-1", "db-2"]),
        primary=st.booleans(),
        confirmed=st.booleans(),
        epoch=st.integers(),
        history=st.lists(epochs(), max_size=3).map(lambda found: {epoch.number: epoch for epoch in found}),
    ),
    max_size=2,
).map(tuple)


def seen(keys: dict[str, bytes]) -> Snapshot:
    """Return what a sidecar has read; a key that etcd cannot have, is not there."""
    return snapshot_of(PREFIX, read({name: value for name, value in keys.items() if name.isprintable()}))


def garbage(keys: dict[str, bytes]) -> dict[str, bytes]:
    """Return those keys that no reader of the protocol can make anything of, each looked at alone."""
    return {name: value for name, value in keys.items() if not told(seen({name: value}))}


def told(snapshot: Snapshot) -> bool:
    return replace(snapshot, revisions={}, unreadable=()) != Snapshot()


def test_without_a_foreign_writer_the_best_of_three_that_reported_is_elected() -> None:
    decision = decide(ME, seen(ALL), (), Timers())
    assert isinstance(decision, Elect)
    assert decision.epoch.node == ME.node


def test_without_a_foreign_writer_one_that_reported_alone_waits() -> None:
    decision = decide(ME, seen(OWN), (), Timers())
    assert isinstance(decision, Wait)


@MANY
@given(foreign_keys)
def test_garbage_makes_nobody_start_who_would_wait(keys: dict[str, bytes]) -> None:
    decision = decide(ME, seen(garbage(keys) | OWN), (), Timers(takeover=True))
    assert isinstance(decision, Wait), decision


@MANY
@given(foreign_keys)
def test_garbage_changes_an_election_in_no_way_or_stops_it_and_is_named(keys: dict[str, bytes]) -> None:
    snapshot = seen(garbage(keys) | ALL)
    decision = decide(ME, snapshot, (), Timers())
    if snapshot.unreadable:
        assert decision == Wait(Reason.UNREADABLE_RECORD, (), ", ".join(snapshot.unreadable))
    else:
        clean = decide(ME, seen(ALL), (), Timers())
        assert isinstance(decision, Elect)
        assert isinstance(clean, Elect)
        assert decision.epoch == clean.epoch


@MANY
@given(foreign_keys, reports, peers, st.builds(Timers, st.booleans(), st.booleans(), st.booleans()))
def test_whatever_is_there_the_gate_has_an_answer(
    keys: dict[str, bytes], me: Report, others: tuple[Peer, ...], timers: Timers
) -> None:
    snapshot = seen(keys | {f"report/{me.node}": encode(me)})
    assert decide(me, snapshot, others, timers) is not None
    foresee(me, snapshot)


@MANY
@given(
    foreign_keys,
    st.builds(
        Running,
        node=st.just("db-0"),
        epoch=st.integers(0, 9),
        confirmed=st.just(value=True),
        primary=st.just(value=True),
        synced=st.booleans(),
        position=st.builds(Position, uuids, seqnos),
        component=st.tuples(uuids, seqnos),
        group=st.sampled_from(["", "shop-3-0a1b2c3d"]),
        history=st.lists(epochs(), max_size=3).map(lambda found: {epoch.number: epoch for epoch in found}),
    ),
)
def test_no_lie_in_etcd_stops_a_database_that_is_primary_and_confirmed(
    keys: dict[str, bytes], running: Running
) -> None:
    assert not isinstance(supervise(running, seen(keys)), Stop | Start | Join)


@pytest.mark.parametrize("name", ["bootstrap", "hold", "history/3", "override/x", "primary/db-1"])
@pytest.mark.parametrize(
    "value",
    [b"", b"\xff\x00", b"[" * 60_000, b'{"schema":99}', b"x" * (1 << 20)],
    ids=["empty", "binary", "deep", "newer", "large"],
)
def test_garbage_where_elections_are_made_makes_all_wait_and_is_named(name: str, value: bytes) -> None:
    decision = decide(ME, seen(ALL | {name: value}), (), Timers())
    assert decision == Wait(Reason.UNREADABLE_RECORD, (), name)
