"""The protocol's keys: what this program writes it reads, and nothing that others write can hurt it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from galera_exporter.bootstrap import transactions
from galera_exporter.bootstrap.decisions import Elect
from galera_exporter.bootstrap.local import KEPT
from galera_exporter.bootstrap.records import (
    MAX_EPOCH,
    decode_bootstrap,
    decode_component,
    decode_epoch,
    decode_hold,
    decode_order,
    decode_report,
    encode,
    epoch_fields,
    read_epoch,
)
from galera_exporter.bootstrap.state import (
    Activity,
    Bootstrap,
    Epoch,
    Held,
    LastKnown,
    Mode,
    Order,
    Phase,
    Purpose,
    Report,
    Rule,
    Snapshot,
    View,
)
from galera_exporter.bootstrap.store import operations, snapshot_of
from galera_exporter.bootstrap.transactions import Drop, NoneBelow, Put, Transaction, Unchanged
from galera_exporter.model import ZERO_UUID, ClusterStatus, NodeRecord, NodeState, Position, PositionSource
from galera_exporter.registry import records as registry
from galera_exporter.registry.keyvalue import Pair, Range, absent, delete, mod_is, put

PREFIX = "/galera/v1/prod/shop/"
UUID = "8d1d0b7a-7c5e-11ee-9c1b-0242ac120002"
RUN = "9d1d0b7a-7c5e-11ee-9c1b-0242ac120002"
EPOCH = Epoch(3, 2, 120, UUID, "db-1", Mode.RECOVER, Rule.ALL, confirmed=True)
REPORT = Report(
    node="db-1",
    owner="pod-1",
    boot_id="5b0e",
    activity=Activity.GATE,
    held=Held.DATA,
    position=Position(UUID, 130),
    epoch=3,
    incarnation=RUN,
    view=View(7, (RUN,)),
    expected=3,
    history={3: EPOCH},
)
RECORD = NodeRecord(
    node="db-1",
    owner="pod-1",
    address="10.0.0.1:3306",
    status=ClusterStatus.PRIMARY,
    state=NodeState.SYNCED,
    position=Position(UUID, 130),
    source=PositionSource.STATUS,
    conf_id=7,
    size=3,
    ready=True,
    member_uuid=RUN,
    members=("db-0", "db-1"),
    expected=3,
    ttl=10,
    version="0.1.0",
    epoch=3,
    confirmed=True,
)

names = st.text(st.characters(exclude_characters="/", exclude_categories=("C", "Z")), min_size=1, max_size=253)
texts = st.text(st.characters(exclude_categories=("C", "Z")), max_size=256)
uuids = st.uuids().map(str)
seqnos = st.integers(-1, 2**63 - 1)


@st.composite
def epochs(draw: st.DrawFn) -> Epoch:
    number = draw(st.integers(1, MAX_EPOCH))
    return Epoch(
        number,
        draw(st.integers(0, number - 1)),
        draw(seqnos),
        draw(uuids),
        draw(names),
        draw(st.sampled_from(Mode)),
        draw(st.sampled_from(Rule)),
        lossy=draw(st.booleans()),
        confirmed=draw(st.booleans()),
    )


bootstraps = st.builds(Bootstrap, st.sampled_from(Phase), epochs(), texts)
orders = st.builds(Order, texts, st.sampled_from(Purpose), texts, st.booleans(), texts)
components = st.tuples(uuids, seqnos)
reports = st.builds(
    Report,
    node=names,
    owner=texts,
    boot_id=texts,
    activity=st.sampled_from(Activity),
    held=st.sampled_from(Held),
    position=st.builds(Position, uuids, seqnos),
    epoch=st.integers(0, MAX_EPOCH),
    safe=st.booleans(),
    tainted=st.booleans(),
    incarnation=st.just("") | uuids,
    view=st.none() | st.builds(View, seqnos, st.lists(uuids, max_size=9).map(tuple)),
    expected=st.integers(0, 128),
    history=st.lists(epochs(), max_size=5).map(lambda found: {epoch.number: epoch for epoch in found}),
    refused=st.booleans(),
)
values = st.one_of(bootstraps, orders, components, reports, epochs(), texts)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
names_of_keys = st.one_of(
    st.sampled_from(["bootstrap", "hold", "history/3", "history/03", "report/db-1", "nodes/db-1", "live/db-1"]),
    st.sampled_from(["primary/db-1", "primary/a/b", "override/x", "override-used/x", "history/", "stray", ""]),
    st.tuples(st.sampled_from(["history/", "report/", "override/", "primary/"]), texts).map("".join),
)


@st.composite
def almost_values(draw: st.DrawFn) -> bytes:
    """A value of ours in which some fields have any JSON value, are gone, or were never there."""
    found = json.loads(encode(draw(values)))
    for name in draw(st.lists(st.sampled_from([*found, "later"]), max_size=3)):
        found[name] = draw(json_values)
    found.pop(draw(st.sampled_from(["", *found])), None)
    return json.dumps(found).encode()


any_bytes = st.one_of(
    st.binary(max_size=200),
    json_values.map(lambda value: json.dumps(value).encode()),
    almost_values(),
    values.map(encode),
)


def decoder(value: object) -> Callable[[bytes], Any]:
    match value:
        case Bootstrap():
            return decode_bootstrap
        case Epoch(number=number):
            return lambda found: decode_epoch(found, str(number))
        case Report(node=node):
            return lambda found: decode_report(found, node)
        case Order(token=token):
            return lambda found: decode_order(found, token)
        case str():
            return decode_hold
    return decode_component


def read(keys: Mapping[str, bytes], first: int = 1) -> Range:
    pairs = tuple(
        Pair(f"{PREFIX}{name}".encode(), value, number, number, 1, 0)
        for number, (name, value) in enumerate(sorted(keys.items()), first)
    )
    return Range(first + len(pairs), 2, pairs)


def changed(value: Any, **fields: object) -> bytes:
    return json.dumps(json.loads(encode(value)) | fields).encode()


@given(values)
def test_what_was_encoded_is_decoded_the_same(value: Any) -> None:
    assert decoder(value)(encode(value)) == value


@given(epochs())
def test_an_epoch_is_a_part_of_other_documents_too(epoch: Epoch) -> None:
    assert read_epoch(json.loads(json.dumps(epoch_fields(epoch)))) == epoch
    assert read_epoch([epoch_fields(epoch)]) is None


@settings(max_examples=1_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(any_bytes)
@example(b"[" * 60_000)
@example(b'{"schema":' + b"9" * 5000 + b"}")
@example(b'{"schema":1,"reason":"\\ud800"}')
def test_each_decoder_is_total_and_what_it_takes_can_be_written_again(value: bytes) -> None:
    for decode in (
        decode_bootstrap,
        decode_component,
        decode_hold,
        lambda found: decode_epoch(found, "3"),
        lambda found: decode_report(found, "db-1"),
        lambda found: decode_order(found, "x"),
    ):
        found = decode(value)
        assert found is None or decode(encode(found)) == found


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.dictionaries(names_of_keys, any_bytes, max_size=8), st.binary(max_size=40))
def test_a_foreign_writer_cannot_make_a_snapshot_fail(keys: dict[str, bytes], stray: bytes) -> None:
    found = read(keys)
    pairs = (Pair(stray, b"x", 1, 1, 1, 0), Pair(PREFIX.encode() + stray, b"x", 1, 1, 1, 0), *found.pairs)
    snapshot = snapshot_of(PREFIX, replace(found, pairs=pairs))
    assert all(number == epoch.number > epoch.parent for number, epoch in snapshot.history.items())
    assert len(snapshot.history) <= KEPT
    assert {*keys} <= {*snapshot.revisions}


def test_a_snapshot_has_every_key_of_the_protocol() -> None:
    order = Order("x", Purpose.FORCE, "db-1", lossy=True, by="ann")
    elected = Bootstrap(Phase.PRIMARY, EPOCH, "t")
    keys = {
        "bootstrap": encode(elected),
        "history/3": encode(EPOCH),
        "report/db-1": encode(REPORT),
        "live/db-0": registry.encode(replace(RECORD, node="db-0", owner="pod-0")),
        "nodes/db-0": registry.encode(replace(RECORD, node="db-0", owner="pod-0", final=True)),
        "primary/db-0": encode((UUID, 7)),
        "override/x": encode(order),
        "override-used/y": b"of the past",
        "hold": encode("maintenance"),
    }
    assert snapshot_of(PREFIX, read(keys)) == Snapshot(
        bootstrap=elected,
        history={3: EPOCH},
        reports={"db-1": REPORT},
        nodes={"db-0": LastKnown("db-0", Position(UUID, 130), 3, RUN, final=True)},
        primary={"db-0": (UUID, 7)},
        owners={"db-0": "pod-0", "db-1": "pod-1"},
        hold="maintenance",
        orders=(order,),
        revisions={name: number for number, name in enumerate(sorted(keys), 1)},
    )


def test_an_order_that_was_used_is_no_order_when_it_is_written_again() -> None:
    order = encode(Order("x", Purpose.FORCE, "db-1", lossy=True))
    assert snapshot_of(PREFIX, read({"override/x": order})).orders
    assert not snapshot_of(PREFIX, read({"override/x": order, "override-used/x": order})).orders


def test_an_empty_registry_is_an_empty_snapshot() -> None:
    assert snapshot_of(PREFIX, Range(1, 2, ())) == Snapshot()


def test_the_history_of_an_emptied_etcd_comes_from_the_reports() -> None:
    older = replace(EPOCH, number=2, parent=1)
    unconfirmed = replace(EPOCH, confirmed=False)
    keys = {"history/3": encode(unconfirmed), "report/db-1": encode(replace(REPORT, history={2: older, 3: EPOCH}))}
    assert snapshot_of(PREFIX, read(keys)).history == {2: older, 3: EPOCH}


@pytest.mark.parametrize("name", ["bootstrap", "hold", "history/3", "override/x", "primary/db-1"])
@pytest.mark.parametrize("value", [b"", b"x", b"{}", b'{"schema":2,"reason":"later"}'])
def test_what_decides_an_election_and_cannot_be_read_is_named(name: str, value: bytes) -> None:
    assert snapshot_of(PREFIX, read({name: value})).unreadable == (name,)


@pytest.mark.parametrize(
    "keys",
    [
        {"history/4": encode(EPOCH)},
        {"history/03": encode(EPOCH)},
        {"history/three": encode(EPOCH)},
        {"override/y": encode(Order("x", Purpose.INITIAL))},
        {"primary/a/b": encode((UUID, 7))},
    ],
)
def test_a_value_below_the_wrong_key_is_named(keys: dict[str, bytes]) -> None:
    assert snapshot_of(PREFIX, read(keys)).unreadable == tuple(keys)


@pytest.mark.parametrize("name", ["report/db-1", "live/db-1", "nodes/db-1"])
@pytest.mark.parametrize("value", [b"", b"x", encode(replace(REPORT, node="db-2"))])
def test_what_a_node_says_unreadably_counts_as_not_said(name: str, value: bytes) -> None:
    assert snapshot_of(PREFIX, read({name: value})) == Snapshot(revisions={name: 1})


def test_who_answers_sql_under_a_name_owns_it_whoever_reports_under_it() -> None:
    live = registry.encode(replace(RECORD, owner="the other pod"))
    keys = {"live/db-1": live, "report/db-1": encode(REPORT)}
    assert snapshot_of(PREFIX, read(keys)).owners == {"db-1": "the other pod"}


@pytest.mark.parametrize(
    "fields",
    [
        {"schema": 2},
        {"schema": True},
        {"node": "db-2"},
        {"owner": "a\nb"},
        {"held": "plenty"},
        {"activity": None},
        {"uuid": "me"},
        {"seqno": "130"},
        {"seqno": 2**63},
        {"safe": 1},
        {"tainted": None},
        {"epoch": MAX_EPOCH + 1},
        {"expected": 129},
        {"incarnation": "me"},
        {"view": {"seq": 1, "members": [RUN] * 129}},
        {"view": {"seq": 1, "members": ["me"]}},
        {"view": {"members": []}},
        {"history": [epoch_fields(EPOCH)] * (KEPT + 1)},
        {"history": [epoch_fields(replace(EPOCH, parent=3))]},
        {"history": {}},
    ],
    ids=str,
)
def test_a_report_is_read_as_a_whole_or_not_at_all(fields: dict[str, object]) -> None:
    assert decode_report(changed(REPORT), "db-1") == REPORT
    assert decode_report(changed(REPORT, **fields), "db-1") is None


def test_a_value_that_is_too_large_is_not_read() -> None:
    assert decode_hold(encode("x").ljust(registry.MAX_VALUE)) == "x"
    assert decode_hold(encode("x").ljust(registry.MAX_VALUE + 1)) is None


def test_fields_of_a_later_version_of_the_same_schema_are_ignored_and_absent_ones_have_defaults() -> None:
    assert decode_report(changed(REPORT, zone="eu-1"), "db-1") == REPORT
    fewest = {"schema": 1, "node": "db-1", "owner": "o", "activity": "gate", "held": "empty"}
    fewest |= {"uuid": ZERO_UUID, "seqno": -1}
    assert decode_report(json.dumps(fewest).encode(), "db-1") == Report("db-1", "o", "", Activity.GATE, Held.EMPTY)


def test_a_transaction_is_written_as_comparisons_and_operations() -> None:
    key = PREFIX.encode()
    transaction = Transaction(
        (NoneBelow("primary/"), Unchanged("bootstrap", 7), Unchanged("hold", 0)),
        (Put("hold", "now"), Drop("override/x"), Put("report/db-1", REPORT, leased=True)),
    )
    compares, writes = operations(PREFIX, transaction, 9, Range(1, 1, ()))
    assert compares == [
        absent(key + b"primary/", key + b"primary0"),
        mod_is(key + b"bootstrap", 7),
        mod_is(key + b"hold", 0),
    ]
    assert writes == [
        put(key + b"hold", encode("now")),
        delete(key + b"override/x"),
        put(key + b"report/db-1", encode(REPORT), 9),
    ]


def test_a_leased_key_is_not_written_without_a_lease() -> None:
    transaction = Transaction((), (Put("report/db-1", REPORT, leased=True),))
    with pytest.raises(ValueError, match="report/db-1 ends with its node's lease"):
        operations(PREFIX, transaction, 0, Range(1, 1, ()))


def test_an_election_fits_into_one_transaction_of_etcd() -> None:
    many = {number: replace(EPOCH, number=number, parent=number - 1) for number in range(1, KEPT + 1)}
    keys = {f"report/db-{n}": encode(replace(REPORT, node=f"db-{n}", history=many)) for n in range(40)}
    snapshot = snapshot_of(PREFIX, read(keys))
    epoch = replace(EPOCH, number=KEPT + 1, parent=KEPT)
    elect = Elect(epoch, ("bootstrap", "hold", *keys))
    compares, writes = operations(PREFIX, transactions.elect(elect, snapshot, "t", "galera"), 0, read(keys))
    assert max(len(compares), len(writes)) <= 128


def test_what_is_remembered_of_a_node_is_written_into_the_record_that_stands_there() -> None:
    known = LastKnown("db-1", Position(UUID, 131), 4, UUID, final=True)
    transaction = Transaction((), (Put("nodes/db-1", known),))
    found = read({"nodes/db-1": registry.encode(RECORD)})
    _, writes = operations(PREFIX, transaction, 0, found)
    after = replace(
        RECORD,
        position=known.position,
        source=PositionSource.GRASTATE,
        member_uuid=UUID,
        epoch=4,
        final=True,
    )
    assert writes == [put(f"{PREFIX}nodes/db-1".encode(), registry.encode(after))]


def test_what_is_remembered_of_a_node_survives_an_etcd_that_was_wiped() -> None:
    known = LastKnown("db-1", Position(UUID, 131), 4, RUN, final=True)
    transaction = Transaction((), (Put("nodes/db-1", known),))
    _, writes = operations(PREFIX, transaction, 0, Range(1, 1, ()))
    value = b64decode(writes[0]["request_put"]["value"])
    assert snapshot_of(PREFIX, read({"nodes/db-1": value})).nodes == {"db-1": known}
