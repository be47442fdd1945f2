"""Keys and values: what this program writes it reads, and nothing that others write can hurt it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from galera_exporter.model import ZERO_UUID, ClusterStatus, NodeRecord, NodeState, Position, PositionSource
from galera_exporter.registry.records import MAX_VALUE, Kind, classify, decode, encode, live_key, nodes_key

PREFIX = "/galera/v1/prod/shop/"
UUID = "8d1d0b7a-7c5e-11ee-9c1b-0242ac120002"
RECORD = NodeRecord(
    node="db-0",
    owner="0b5c8f4e-pod",
    address="10.0.0.1:3306",
    status=ClusterStatus.PRIMARY,
    state=NodeState.SYNCED,
    position=Position(UUID, 42),
    source=PositionSource.STATUS,
    conf_id=7,
    size=3,
    ready=True,
    member_uuid="9d1d0b7a-7c5e-11ee-9c1b-0242ac120002",
    members=("db-0", "db-1", "데이터-2"),
    expected=3,
    ttl=10,
    version="0.1.0",
)

names = st.text(st.characters(exclude_characters="/", exclude_categories=("C", "Z")), min_size=1, max_size=253)
texts = st.text(st.characters(exclude_categories=("C", "Z")), max_size=256)
uuids = st.uuids().map(str)
seqnos = st.integers(-1, 2**63 - 1)
records = st.builds(
    NodeRecord,
    node=names,
    owner=texts.filter(bool),
    address=texts,
    status=st.sampled_from(ClusterStatus),
    state=st.sampled_from(NodeState),
    position=st.builds(Position, uuids, seqnos),
    source=st.sampled_from(PositionSource),
    conf_id=seqnos,
    size=seqnos,
    ready=st.booleans(),
    member_uuid=st.just("") | uuids,
    members=st.lists(texts, max_size=9).map(tuple),
    expected=st.integers(0, 1000),
    ttl=st.integers(0, 1000),
    version=texts,
    epoch=st.integers(0, 2**63 - 1),
    confirmed=st.booleans(),
    final=st.booleans(),
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def fields() -> dict[str, object]:
    found = json.loads(encode(RECORD))
    assert isinstance(found, dict)
    return found


@st.composite
def almost_records(draw: st.DrawFn) -> bytes:
    """A record in which some fields have any JSON value, are gone, or were never there."""
    found = fields()
    for name in draw(st.lists(st.sampled_from([*found, "later"]), max_size=6)):
        found[name] = draw(json_values)
    for name in draw(st.lists(st.sampled_from([*found]), max_size=2)):
        found.pop(name, None)
    return json.dumps(found).encode()


@given(records)
def test_what_was_encoded_is_decoded_the_same(record: NodeRecord) -> None:
    assert decode(encode(record), record.node) == record


@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()) | almost_records())
@example(b'{"schema":1,"node":"db-0","owner":"\\ud800"}')
@example(b'{"schema":' + b"9" * 5000 + b"}")
@example(b"[" * 60_000)
def test_decode_is_total_and_gives_only_what_can_be_shown(value: bytes) -> None:
    found = decode(value, "db-0")
    if found is None:
        return
    assert found.node == "db-0"
    for text in (found.owner, found.address, found.version, found.member_uuid, found.position.uuid, *found.members):
        assert text.isprintable()
        text.encode("utf-8")
    for number in (found.position.seqno, found.conf_id, found.size, found.expected, found.ttl):
        assert type(number) is int
        assert -1 <= number < 2**63
    assert type(found.ready) is bool
    assert decode(encode(found), "db-0") == found


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\x00\x01", id="binary"),
        pytest.param(b"10.0.0.1", id="text"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"{}", id="no schema"),
        pytest.param(json.dumps(fields() | {"schema": 0}).encode(), id="schema 0"),
        pytest.param(json.dumps(fields() | {"schema": True}).encode(), id="schema is a boolean"),
        pytest.param(json.dumps(fields() | {"schema": "1"}).encode(), id="schema is a text"),
        pytest.param(json.dumps(fields() | {"node": "db-1"}).encode(), id="another node"),
        pytest.param(json.dumps(fields() | {"owner": ""}).encode(), id="no owner"),
        pytest.param(json.dumps(fields() | {"owner": "a\nb"}).encode(), id="owner of two lines"),
        pytest.param(encode(RECORD).ljust(MAX_VALUE + 1), id="too large"),
        pytest.param(bytes(1 << 20), id="1 MiB"),
    ],
)
def test_a_foreign_value_is_no_record(value: bytes) -> None:
    assert decode(value, "db-0") is None


def test_the_largest_value_is_still_read() -> None:
    assert decode(encode(RECORD).ljust(MAX_VALUE), "db-0") == RECORD


def test_of_a_newer_schema_that_is_taken_which_is_understood() -> None:
    newer = fields() | {"schema": 2, "state": "paused", "size": {"voting": 3}, "zone": "eu-1"}
    assert decode(json.dumps(newer).encode(), "db-0") == replace(RECORD, state=NodeState.UNKNOWN, size=-1)


def test_a_position_that_is_none_is_undefined() -> None:
    found = decode(json.dumps(fields() | {"uuid": "me", "seqno": 2**64 - 1}).encode(), "db-0")
    assert found is not None
    assert found.position == Position(ZERO_UUID, -1)
    assert not found.position.defined


@pytest.mark.parametrize("node", ["", "a/b", "a\nb", "a\x00", "\ud800", "x" * 254])
def test_a_name_that_cannot_be_one_gives_no_key(node: str) -> None:
    for make in (live_key, nodes_key):
        with pytest.raises(ValueError, match="cannot be a node's name"):
            make(PREFIX, node)


@given(names)
def test_each_key_is_told_by_its_folder(node: str) -> None:
    assert classify(PREFIX, live_key(PREFIX, node)) == (Kind.LIVE, node)
    assert classify(PREFIX, nodes_key(PREFIX, node)) == (Kind.NODES, node)


@pytest.mark.parametrize(
    "rest",
    ["bootstrap", "hold", "history/7", "primary/db-0", "report/db-0", "override/x", "override-used/x", "join/turn"],
)
def test_keys_of_the_bootstrap_protocol_are_not_foreign(rest: str) -> None:
    assert classify(PREFIX, f"{PREFIX}{rest}".encode()) == (Kind.OTHER, "")


@pytest.mark.parametrize(
    "rest", ["", "meta", "live", "live/", "live/a/b", "nodes/", "live/\n", "stray", "metadata", "\udcff"]
)
def test_any_other_key_is_foreign(rest: str) -> None:
    assert classify(PREFIX, PREFIX.encode() + rest.encode(errors="surrogateescape")) == (Kind.FOREIGN, "")


@given(st.binary(max_size=60))
def test_classify_is_total(rest: bytes) -> None:
    kind, node = classify(PREFIX, PREFIX.encode() + rest)
    assert (node != "") is (kind in {Kind.LIVE, Kind.NODES})
