"""The schedule of a seed: the same each time, and never more than the promises cover."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from chaos.acts import ACTS
from chaos.faults import MEMBERS, PODS, RECIPES, Fault, Kind
from chaos.schedule import AT_ONCE, Schedule, fits, made

seeds = st.integers(min_value=0, max_value=10**9)
lengths = st.sampled_from([30.0, 60.0, 180.0, 300.0])


def overlap(one: Fault, other: Fault, quiet: float = 0.0) -> bool:
    return one.at < other.end + quiet and other.at < one.end + quiet


@given(seeds, lengths)
def test_a_seed_has_one_schedule(seed: int, seconds: float) -> None:
    assert made(seed, seconds) == made(seed, seconds)


def test_two_seeds_have_two_schedules() -> None:
    assert made(1, 180).faults != made(2, 180).faults


@given(seeds, lengths)
def test_faults_come_in_order_and_are_healed_in_time(seed: int, seconds: float) -> None:
    faults = made(seed, seconds).faults
    assert list(faults) == sorted(faults, key=lambda fault: fault.at)
    for fault in faults:
        recipe = RECIPES[fault.kind]
        assert 0 < fault.at < fault.end <= seconds
        assert recipe.shortest <= fault.duration + 0.01
        assert fault.duration <= max(recipe.longest, 12.0) + 0.01
        assert fault.amount in recipe.amount
        assert set(fault.targets) <= {*PODS, *MEMBERS}


@given(seeds, lengths)
def test_no_two_faults_touch_the_same_thing_at_one_time(seed: int, seconds: float) -> None:
    for one, other in combinations(made(seed, seconds).faults, 2):
        shared = RECIPES[one.kind].claims(one.targets) & RECIPES[other.kind].claims(other.targets)
        assert not (shared and overlap(one, other)), (one.text, other.text, shared)


@given(seeds)
def test_no_more_than_a_few_faults_are_there_at_one_time(seed: int) -> None:
    faults = made(seed, 180).faults
    assert all(sum(other.at <= fault.at < other.end for other in faults) <= AT_ONCE for fault in faults)


@given(seeds)
def test_a_volume_is_lost_only_while_no_other_pod_is_broken(seed: int) -> None:
    faults = made(seed, 300).faults
    quiet = RECIPES[Kind.WIPE_VOLUME].quiet
    for wipe in (fault for fault in faults if fault.kind is Kind.WIPE_VOLUME):
        for other in faults:
            if other is wipe or not overlap(wipe, other, quiet):
                continue
            assert other.kind in {
                Kind.KILL_MEMBER,
                Kind.FREEZE_MEMBER,
                Kind.ETCD_DOWN,
                Kind.REPLACE_MEMBER,
                Kind.WIPE_KEYS,
                Kind.CUT_ETCD,
                Kind.SPLIT_ETCD,
                Kind.FULL_MEMBER_DISK,
                Kind.CLOCK_STEP,
                Kind.REJECT,
                Kind.LOSS,
                Kind.SLOW_LINK,
            }, other.text
            if other.kind in {Kind.LOSS, Kind.SLOW_LINK}:
                assert other.targets[0] in MEMBERS
            if other.kind is Kind.REJECT:
                assert not set(other.targets) <= set(PODS)


@given(seeds)
def test_while_a_member_of_etcd_is_replaced_the_others_have_their_quorum(seed: int) -> None:
    faults = made(seed, 300).faults
    for replaced in (fault for fault in faults if fault.kind is Kind.REPLACE_MEMBER):
        for other in faults:
            if other is not replaced and overlap(replaced, other, 12):
                claims = RECIPES[other.kind].claims(other.targets)
                assert not any(claim.endswith(tuple(f" of {member}" for member in MEMBERS)) for claim in claims)


def test_many_seeds_have_every_kind_of_fault_and_faults_that_meet() -> None:
    schedules = [made(seed, 180) for seed in range(60)]
    assert {fault.kind for schedule in schedules for fault in schedule.faults} == set(Kind)
    meetings = sum(overlap(one, other) for schedule in schedules for one, other in combinations(schedule.faults, 2))
    assert meetings > 10 * len(schedules)


def test_a_fault_that_would_be_one_too_many_does_not_fit() -> None:
    long = [Fault(Kind.KILL_SIDECAR, (pod,), 1.0, 20.0) for pod in PODS]
    long.append(Fault(Kind.KILL_MEMBER, ("etcd-0",), 1.0, 20.0))
    another = Fault(Kind.KILL_MEMBER, ("etcd-1",), 5.0, 2.0)
    assert not fits(another, long)
    assert fits(another, long[1:])


def test_the_same_thing_is_left_alone_for_a_while_after_a_fault() -> None:
    first = Fault(Kind.WIPE_VOLUME, ("galera-0",), 10.0, 3.0)
    assert not fits(Fault(Kind.KILL_DATABASE, ("galera-1",), 20.0, 2.0), [first])
    assert fits(Fault(Kind.KILL_DATABASE, ("galera-1",), 28.0, 2.0), [first])


def test_every_kind_of_fault_can_be_made_and_done() -> None:
    assert set(RECIPES) == set(ACTS) == set(Kind)
    assert isinstance(made(0, 30), Schedule)
