"""Whether data are part of what the cluster agreed on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from galera_exporter.bootstrap.lineage import (
    Standing,
    common,
    confirmed_part,
    known_as,
    merge,
    newest_confirmed,
    origin,
    place,
)
from galera_exporter.bootstrap.local import KEPT, newest_epochs
from galera_exporter.bootstrap.state import Epoch, Mode, Rule, group_name
from galera_exporter.model import ZERO_UUID, Position

ONE = "11111111-1111-1111-1111-111111111111"
TWO = "22222222-2222-2222-2222-222222222222"


def epoch(
    number: int, parent: int, base: int, *, lossy: bool = False, confirmed: bool = True, uuid: str = ONE
) -> Epoch:
    mode, rule = (Mode.RECOVER, Rule.ALL) if parent else (Mode.INITIAL, Rule.INITIAL)
    return Epoch(number, parent, base, uuid, "galera-0", mode, rule, lossy=lossy, confirmed=confirmed)


def history(*epochs: Epoch) -> dict[int, Epoch]:
    return {each.number: each for each in epochs}


FIRST = epoch(1, 0, -1)
# 1 ─ 2 (at 100) ─ 3 (at 200)
LINE = history(FIRST, epoch(2, 1, 100), epoch(3, 2, 200))
# 2 was elected and never confirmed; 3 was elected in its stead, from the same data.
TAKEN_OVER = history(FIRST, epoch(2, 1, 100, confirmed=False), epoch(3, 1, 100))
# An operator gave up what lay beyond 50.
LOSSY = history(FIRST, epoch(2, 1, 50, lossy=True))


@pytest.mark.parametrize(
    ("known", "cluster", "label", "seqno", "expected"),
    [
        (LINE, 3, 3, 900, Standing.MEMBER),
        (LINE, 3, 3, 150, Standing.MEMBER),  # labelled at its join, crashed before it received anything
        (LINE, 3, 2, 200, Standing.MEMBER),
        (LINE, 3, 2, 201, Standing.FOREIGN),  # it went on beyond where 3 began
        (LINE, 3, 1, 100, Standing.MEMBER),
        (LINE, 3, 1, 101, Standing.FOREIGN),
        (LINE, 2, 3, 900, Standing.FOREIGN),  # its label is newer than the cluster's
        (LINE, 2, 3, 200, Standing.MEMBER),  # but it had not begun to use it
        (LINE, 3, 7, 10, Standing.FOREIGN),  # nobody knows its epoch
        (LINE, 3, 0, 10, Standing.FOREIGN),
        (LINE, 9, 3, 10, Standing.FOREIGN),  # nobody knows the cluster's
        (TAKEN_OVER, 3, 2, 101, Standing.ABANDONED),  # its own view change: nobody was served from it
        (TAKEN_OVER, 3, 2, 100, Standing.MEMBER),  # it never started
        (TAKEN_OVER, 3, 1, 101, Standing.FOREIGN),
        (LOSSY, 2, 1, 51, Standing.ABANDONED),
        (LOSSY, 2, 1, 50, Standing.MEMBER),
    ],
)
def test_data_are_a_member_of_the_cluster_if_the_way_down_meets_their_epoch_and_never_began_below_them(
    known: dict[int, Epoch], cluster: int, label: int, seqno: int, expected: Standing
) -> None:
    assert place(known, cluster, label, Position(ONE, seqno)) is expected


def test_the_same_seqno_of_another_state_uuid_is_foreign_even_after_a_lossy_order() -> None:
    for known, cluster in ((LINE, 3), (LOSSY, 2)):
        assert place(known, cluster, 1, Position(TWO, 10)) is Standing.FOREIGN
        assert place(known, cluster, 0, Position(TWO, 10)) is Standing.FOREIGN


def test_what_lived_before_a_cluster_that_an_operator_began_again_is_given_up() -> None:
    known = history(FIRST, epoch(2, 0, -1, lossy=True, uuid=TWO))
    assert place(known, 2, 1, Position(ONE, 500)) is Standing.ABANDONED
    assert place(known, 2, 2, Position(TWO, 5)) is Standing.MEMBER


def test_data_that_an_unconfirmed_election_forked_off_beyond_the_cluster_stay_foreign() -> None:
    # 3 began with data of 2 beyond where 4 began: what it began with served clients.
    known = history(FIRST, epoch(2, 1, 100), epoch(3, 2, 300, confirmed=False), epoch(4, 2, 200))
    assert place(known, 4, 3, Position(ONE, 301)) is Standing.FOREIGN


def test_data_before_the_first_epoch_that_was_adopted_are_measured_by_its_base() -> None:
    adopted = history(Epoch(1, 0, 40, ONE, "galera-0", Mode.ADOPTED, Rule.ADOPTED, confirmed=True))
    assert place(adopted, 1, 0, Position(ONE, 40)) is Standing.MEMBER
    assert place(adopted, 1, 0, Position(ONE, 41)) is Standing.FOREIGN


def test_the_origin_of_data_is_the_epoch_that_wrote_their_last_transaction() -> None:
    assert [origin(LINE, 3, seqno) for seqno in (201, 200, 101, 100, 0)] == [3, 2, 2, 1, 1]
    assert origin(LINE, 8, 5) == 8


def test_the_confirmed_part_leaves_out_what_served_nobody() -> None:
    assert confirmed_part(TAKEN_OVER, 2, Position(ONE, 107)) == (1, Position(ONE, 100))
    assert confirmed_part(LINE, 3, Position(ONE, 250)) == (3, Position(ONE, 250))


def test_merged_histories_know_of_a_confirmation_that_either_knows() -> None:
    elected, confirmed = epoch(2, 1, 5, confirmed=False), epoch(2, 1, 5)
    for one, other in ((elected, confirmed), (confirmed, elected)):
        assert merge(history(FIRST, one), history(other)) == history(FIRST, confirmed)
    assert newest_confirmed(history(FIRST, elected)) == 1
    assert newest_confirmed({}) == 0


def test_many_elections_that_nobody_confirmed_do_not_push_out_the_epoch_that_data_are_measured_by() -> None:
    line = [FIRST, *(epoch(number, number - 1, number * 10) for number in range(2, 10))]
    attempts = [epoch(number, 9, 95, confirmed=False) for number in range(10, 100)]
    kept = newest_epochs(history(*line, *attempts))
    assert len(kept) <= KEPT
    assert newest_confirmed(kept) == 9
    assert kept.keys() >= {each.number for each in line} | {99}


@st.composite
def trees(draw: st.DrawFn) -> dict[int, Epoch]:
    """Any forest of epochs, sane or not: parents are older, as the records demand."""
    size = draw(st.integers(0, 8))
    return history(
        *(
            epoch(
                number,
                draw(st.integers(0, number - 1)),
                draw(st.integers(-1, 50)),
                lossy=draw(st.booleans()),
                confirmed=draw(st.booleans()),
                uuid=draw(st.sampled_from((ONE, TWO, ZERO_UUID))),
            )
            for number in range(1, size + 1)
        )
    )


@given(trees(), st.integers(0, 9), st.integers(0, 9), st.integers(-1, 60))
def test_members_are_closed_downwards(known: dict[int, Epoch], cluster: int, label: int, seqno: int) -> None:
    """What is a prefix of a member is a member: a node never becomes foreign by having less."""
    if place(known, cluster, label, Position(ONE, seqno)) is Standing.MEMBER and seqno > 0:
        lower = place(known, cluster, label, Position(ONE, seqno - 1))
        source = origin(known, label, seqno - 1)
        way = {cluster}
        step = known.get(cluster)
        while step is not None:
            way.add(step.parent)
            step = known.get(step.parent)
        assert lower is Standing.MEMBER or source not in way


@given(trees(), st.integers(0, 9), st.integers(-1, 60))
def test_of_its_own_epoch_everything_is_a_member(known: dict[int, Epoch], cluster: int, seqno: int) -> None:
    top = known.get(cluster)
    if top is not None and seqno > top.base:
        assert place(known, cluster, cluster, Position(top.uuid, seqno)) is Standing.MEMBER


@pytest.mark.parametrize(
    ("known", "cluster", "label", "seqno", "expected"),
    [
        (LINE, 3, 3, 900, 900),
        (LINE, 3, 2, 150, 150),
        (LINE, 3, 2, 201, 200),
        (LINE, 3, 1, 180, 100),
        (LOSSY, 2, 1, 90, 50),
        (TAKEN_OVER, 3, 2, 130, 100),  # what 2 wrote is nobody's; what it began with is the cluster's
        (LINE, 3, 7, 10, -1),
        (LINE, 9, 3, 10, -1),
    ],
)
def test_data_that_went_another_way_have_the_clusters_history_up_to_the_fork(
    known: dict[int, Epoch], cluster: int, label: int, seqno: int, expected: int
) -> None:
    assert common(known, cluster, label, Position(ONE, seqno)) == expected
    assert common(known, cluster, label, Position(TWO, seqno)) == -1


def test_a_number_that_was_given_twice_does_not_make_two_elections_one() -> None:
    mine, theirs = replace(FIRST, group="0a1b2c3d"), replace(FIRST, group="4e5f6071")
    assert known_as({1: mine}, 1, {1: mine})
    assert not known_as({1: theirs}, 1, {1: mine})
    assert known_as({}, 1, {1: mine})
    assert known_as({1: theirs}, 1, {})
    assert known_as({1: theirs}, 1, {1: FIRST})  # written by a version that knew of no group


@pytest.mark.parametrize("number", [1, 1002, 2**31 - 1])
@pytest.mark.parametrize("cluster", ["db", "a-cluster-whose-name-is-as-long-as-names-may-be"])
def test_each_election_has_a_name_of_its_own_in_galera_that_mariadb_takes(number: int, cluster: str) -> None:
    names = {group_name(cluster, number, token) for token in ("0a1b2c3d-1", "4e5f6071-1")}
    assert len(names) == 2
    assert max(map(len, names)) <= 32
