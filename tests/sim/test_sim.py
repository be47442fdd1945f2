"""The simulation as a test: a part of its schedules, all short interleavings, and each planted bug found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim import exhaustive, schedule, shrink, tally
from sim.__main__ import some
from sim.checks import Violation
from sim.mutations import MUTATIONS, Mutation, planted
from sim.world import World

SCHEDULES = 5000
CHUNKS = 4
LONGEST_SEARCH = 1500


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_schedules_of_faults_never_break_an_invariant(chunk: int) -> None:
    first = chunk * SCHEDULES
    run = some((range(first, first + SCHEDULES), 300))
    assert run.violations == []
    if chunk == 0:
        assert tally.missing(run) == []


@pytest.mark.parametrize(("size", "depth"), [(2, 4), (3, 3)])
def test_every_interleaving_of_a_few_events_keeps_the_invariants(size: int, depth: int) -> None:
    found = exhaustive.explore(size, depth)
    assert found.violations == []
    assert found.worlds > 500


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name.replace(" ", "-"))
def test_a_planted_bug_is_found(mutation: Mutation) -> None:
    with planted(mutation):
        found = first_violation(mutation.seed)
    assert found is not None, (
        f"not found in {LONGEST_SEARCH} schedules: the rule is not needed, or the world lacks a fault"
    )
    assert found.kind in mutation.violated.split(", ")


def first_violation(seed: int) -> Violation | None:
    """Run the recorded schedule; where that shows nothing any more, because the protocol changed, search anew."""
    for each in (seed, *range(LONGEST_SEARCH)):
        violation = schedule.run(schedule.made(each, 300)).violation
        if violation is not None:
            return violation
    return None


def test_no_planted_bug_stays_in_the_protocol() -> None:
    with planted(MUTATIONS[0]):
        pass
    assert schedule.run(schedule.made(MUTATIONS[0].seed, 300)).violation is None


def test_a_schedule_runs_twice_in_the_same_way() -> None:
    made = schedule.made(7, 300)
    one, other = schedule.run(made), schedule.run(made)
    assert one.tally == other.tally
    assert list(shrink.told(made)) == list(shrink.told(made))


def test_a_failing_schedule_is_reduced_to_what_its_failure_needs() -> None:
    with planted(MUTATIONS[0]):
        made = schedule.made(MUTATIONS[0].seed, 300)
        short = shrink.shrunk(made)
        assert len(short.entries) < 40
        assert schedule.run(short).violation is not None
        for index in range(len(short.entries)):
            without = replace(short, entries=short.entries[:index] + short.entries[index + 1 :])
            found = schedule.run(without).violation
            assert found is None or found.kind != schedule.run(short).violation.kind  # type: ignore[union-attr]  # asserted above


def test_a_copy_of_a_world_goes_its_own_way() -> None:
    world = schedule.world_of(schedule.Schedule(3, 1000, durable=True, running=True, entries=()))
    before = exhaustive.look(world)
    other: World = world.copy()
    for index in range(3):
        exhaustive.step(other, index)
    other.elapse(61)
    assert exhaustive.look(world) == before
