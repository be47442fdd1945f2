"""The parsers of status, members and variables: exact on what servers say, total on all else."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galera_exporter.mariadb import status
from galera_exporter.model import ZERO_UUID, ClusterStatus, EvsState, Member, NodeSample, NodeState, NodeVariables

MANY = settings(max_examples=10_000, deadline=None, database=None)

UUID = "c58fcf34-e769-11f1-a9e0-eb4fc005f309"
POOL: tuple[object, ...] = (
    *("wsrep_cluster_status", "wsrep_local_state", "WSREP_LOCAL_STATE_COMMENT", "wsrep_cluster_size"),
    *("wsrep_cluster_conf_id", "wsrep_local_index", "wsrep_connected", b"Wsrep_Ready", "wsrep_cluster_state_uuid"),
    *("wsrep_last_committed", "wsrep_provider_options", "wsrep_provider_gcs_fc_limit", "wsrep_on", "version"),
    *("", "ON", "Primary", "Synced", "18446744073709551615", "-1", "4", UUID, "0x10", "nan", "1e999", "pc.weight = 1;"),
    *(None, True, 0, -1, 2**64 - 1, 10**5000, 0.5, math.inf, math.nan, object(), b"\xff\x00", "\ud800", "\u0663"),
)


def rows_of(seed: bytes) -> list[tuple[Any, ...]]:
    """Make rows of what stands in the pool, of noise, and of wrong lengths; each byte decides on one cell."""
    rows: list[tuple[Any, ...]] = []
    row: list[object] = []
    feed = iter(seed)
    for byte in feed:
        if byte < 5 * len(POOL):
            row.append(POOL[byte % len(POOL)])
        else:
            noise = bytes(islice(feed, byte % 16))
            row.append(noise if byte & 1 else noise.decode("latin-1"))
        if len(row) >= 2 and byte % 7 != 0:
            rows.append(tuple(row))
            row = []
    return [*rows, tuple(row)]


# Far cheaper to draw than lists of tuples of one_of: ten thousand examples in seconds.
ROWS = st.binary(max_size=80).map(rows_of)
TEXTS = st.one_of(st.text(max_size=24), st.text("0123456789.-+eE/,: naifxONYES", max_size=24))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0),
        ("-1", -1.0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("6.5e-05", 6.5e-05),
        ("18446744073709551615", 18446744073709551615.0),
        ("nan", None),
        ("inf", None),
        ("-Infinity", None),
        ("1e999", None),
        ("1_000", None),
        ("0x10", None),
        (" 1", None),
        ("1\n", None),
        ("٣", None),
        ("", None),
        ("9" * 1000, None),
    ],
)
def test_a_number_is_finite_and_decimal(text: str, value: float | None) -> None:
    assert status.number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("9223372036854775807", 9223372036854775807),
        ("9223372036854775808", None),
        ("18446744073709551615", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_a_counter_is_none_where_galera_calls_it_undefined(text: str, value: int | None) -> None:
    assert status.counter(text) == value
    assert status.ident(text) == (-1 if value is None else value)


@pytest.mark.parametrize("text", ["ON", "on", "true", "TRUE", "1", "yes", " Yes "])
def test_these_texts_mean_true(text: str) -> None:
    assert status.flag(text) is True


@pytest.mark.parametrize("text", ["OFF", "false", "0", "No"])
def test_these_texts_mean_false(text: str) -> None:
    assert status.flag(text) is False


@pytest.mark.parametrize("text", ["", "2", "enabled", "None"])
def test_other_texts_are_no_flag(text: str) -> None:
    assert status.flag(text) is None


def test_a_latency_has_five_parts() -> None:
    assert status.evs_latency("0.00012/6.5e-05/0.25/0.1/42") == (0.00012, 6.5e-05, 0.25, 0.1, 42)
    assert status.evs_latency("0/0/0/0/0") == (0.0, 0.0, 0.0, 0.0, 0)


@pytest.mark.parametrize("text", ["", "0/0/0/0", "0/0/0/0/0/0", "a/0/0/0/0", "0/0/0/0/1.5", "nan/0/0/0/1"])
def test_a_latency_of_another_shape_is_none(text: str) -> None:
    assert status.evs_latency(text) is None


@pytest.mark.parametrize(
    ("text", "length"),
    [("", 0), (",", 0), (UUID, 1), (f"{UUID}:tcp://127.0.0.1:4567:2,{UUID}:tcp://[::1]:4567:1", 2), (f"{UUID},", 1)],
)
def test_a_list_has_as_many_entries_as_it_has_texts_between_commas(text: str, length: int) -> None:
    assert status.list_length(text) == length


@pytest.mark.parametrize(
    ("comment", "number", "state"),
    [
        ("Initialized", 0, NodeState.INITIALIZED),
        ("Joining", 1, NodeState.JOINING),
        ("Joining: preparing for State Transfer", 1, NodeState.JOINING),
        ("Joining: requested State Transfer", 1, NodeState.JOINING),
        ("Joining: receiving State Transfer", 1, NodeState.RECEIVING),
        ("Joining: State Transfer request failed", 0, NodeState.REQUEST_FAILED),
        ("Joining: State Transfer failed", 0, NodeState.TRANSFER_FAILED),
        ("Joined", 3, NodeState.JOINED),
        ("Synced", 4, NodeState.SYNCED),
        ("synced ", 4, NodeState.SYNCED),
        ("Donor/Desynced", 2, NodeState.DONOR),
        ("Inconsistent", 5, NodeState.INCONSISTENT),
        ("Destroyed", 0, NodeState.DESTROYED),
        ("A comment of some later version", 4, NodeState.SYNCED),
        ("", 2, NodeState.DONOR),
        ("", 0, NodeState.UNKNOWN),
        ("", 99, NodeState.UNKNOWN),
    ],
)
def test_a_comment_names_the_state_and_the_number_helps_out(comment: str, number: int, state: NodeState) -> None:
    assert status.node_state(comment, number) is state


@pytest.mark.parametrize("member", list(ClusterStatus))
def test_each_cluster_status_is_known_in_any_case(member: ClusterStatus) -> None:
    assert status.cluster_status(member.value.upper()) is member


def test_another_cluster_status_is_unknown() -> None:
    assert status.cluster_status("primary component") is ClusterStatus.UNKNOWN


@pytest.mark.parametrize("member", list(EvsState))
def test_each_evs_state_is_known_in_any_case(member: EvsState) -> None:
    assert status.evs_state(member.value.lower()) is member


def test_rows_of_any_type_and_spelling_are_read() -> None:
    sample = status.parse_status(
        [
            ("WSREP_Cluster_Size", 3),
            (b"wsrep_connected", b"ON"),
            ("wsrep_ready", None),
            ("wsrep_last_committed", "17"),
            ("wsrep_local_state_uuid", UUID.upper()),
            (None, "no name"),
        ]
    )
    assert (sample.cluster_size, sample.connected, sample.ready) == (3, True, False)
    assert str(sample.position) == f"{UUID}:17"
    assert sample.raw["wsrep_ready"] == ""
    assert "" not in sample.raw


def test_of_a_variable_that_comes_twice_the_last_counts() -> None:
    assert status.parse_status([("wsrep_cluster_size", "3"), ("wsrep_cluster_size", "2")]).cluster_size == 2


def test_no_rows_make_a_sample_in_which_nothing_is_known() -> None:
    sample = status.parse_status([])
    assert sample.cluster_status is ClusterStatus.UNKNOWN
    assert sample.state is NodeState.UNKNOWN
    assert (sample.conf_id, sample.local_index, sample.last_committed, sample.cached_downto) == (-1, -1, -1, -1)
    assert (sample.cluster_uuid, sample.local_uuid, sample.member_uuid) == (ZERO_UUID,) * 3
    assert not sample.position.defined


def test_the_raw_texts_cannot_be_changed() -> None:
    sample = status.parse_status([("wsrep_ready", "ON")])
    with pytest.raises(TypeError):
        sample.raw["wsrep_ready"] = "OFF"  # type: ignore[index]  # the point of the test


def test_members_are_sorted_and_rows_without_a_uuid_left_out() -> None:
    other = "d18bbe04-e769-11f1-8d91-768f2886485f"
    rows: list[tuple[object, ...]] = [(other, "n2", "b"), (UUID, b"n1", None), ("", "x", "y"), ("too", "short")]
    assert status.parse_members(rows) == (Member(UUID, "n1", ""), Member(other, "n2", "b"))


@MANY
@given(ROWS)
def test_parse_status_is_total(rows: list[tuple[object, object]]) -> None:
    sample = status.parse_status(rows)
    assert isinstance(sample, NodeSample)
    assert all(type(key) is str and key == key.lower() and type(value) is str for key, value in sample.raw.items())
    assert min(sample.conf_id, sample.local_index, sample.last_committed, sample.cached_downto) >= -1
    assert min(sample.cluster_size, sample.local_state, sample.desync_count) >= 0
    assert max(sample.conf_id, sample.last_committed, sample.cluster_size) < status.UNDEFINED
    assert all(len(uuid) == len(ZERO_UUID) for uuid in (sample.cluster_uuid, sample.local_uuid, sample.member_uuid))


@MANY
@given(ROWS)
def test_parse_members_is_total(rows: list[tuple[object, ...]]) -> None:
    members = status.parse_members(rows)
    assert list(members) == sorted(members, key=lambda member: member.uuid)


@MANY
@given(ROWS)
def test_parse_variables_is_total(rows: list[tuple[object, object]]) -> None:
    variables = status.parse_variables(rows)
    assert isinstance(variables, NodeVariables)
    assert all(math.isfinite(value) for value in variables.settings.values())
    assert variables.segment >= 0


@MANY
@given(TEXTS)
def test_the_converters_are_total(text: str) -> None:
    found = status.number(text)
    assert found is None or math.isfinite(found)
    assert -1 <= status.ident(text) < status.UNDEFINED
    assert status.flag(text) in {True, False, None}
    latency = status.evs_latency(text)
    assert latency is None or len(latency) == 5
    assert status.list_length(text) <= len(text)
    assert status.cluster_status(text) in ClusterStatus
    assert status.evs_state(text) in EvsState
    assert status.node_state(text, 4) in NodeState
