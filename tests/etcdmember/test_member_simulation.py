"""Random faults against the real ``Member``: never two clusters, and calm brings one of all members."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdmember import schedule, world
from etcdmember.schedule import FAULTS, LARGEST, WORK, Event
from etcdmember.world import CrashError
from galera_exporter.etcdmember import decision, member
from galera_exporter.etcdmember.decision import RULES, Found, Reason, Start, Wait
from galera_exporter.etcdmember.member import Member
from galera_exporter.etcdmember.state import Standing

EVENTS = st.tuples(st.sampled_from((*WORK * 12, *FAULTS)), st.integers(0, LARGEST - 1), st.integers(0, LARGEST - 1))
SCHEDULES = 1500


@given(
    size=st.sampled_from((1, 3, 3, 3, LARGEST)),
    settled=st.booleans(),
    events=st.lists(EVENTS, min_size=20, max_size=200),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=300)
def test_whatever_happens_there_is_never_a_second_cluster_and_calm_brings_one(
    size: int,
    settled: bool,  # noqa: FBT001 - as hypothesis gives it
    events: list[Event],
    seed: int,
) -> None:
    simulated = schedule.prepare(size, seed, settled=settled)
    for event in events:
        schedule.happen(simulated, event)
    schedule.conclude(simulated)


def test_long_schedules_hold_and_most_of_them_need_no_person() -> None:
    alone = play_all()
    assert SCHEDULES * 0.7 < alone < SCHEDULES  # some lose two volumes at once: that is played too


# Each of these makes the protocol wrong in one way. The simulation must find it, or it could not find a real fault.

Plant = Callable[[pytest.MonkeyPatch], None]


def without(*names: str) -> Plant:
    """Take rules away; where none of the others has an answer, the member waits."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        for standing, rules in RULES.items():
            kept = tuple(rule for rule in rules if rule.__name__ not in names)
            patch.setitem(RULES, standing, (*kept, lambda _: Wait(Reason.MEMBERS_UNSURE)))  # type: ignore[arg-type]  # a dict

    return plant


def at_once(patch: pytest.MonkeyPatch) -> None:
    def found(case: decision.Case) -> decision.Decision:
        reports = [peer.report for peer in case.peers if peer.report]
        return Found(tuple(sorted((each.name, each.volume) for each in (case.me, *reports))))

    patch.setitem(RULES, Standing.EMPTY, (*RULES[Standing.EMPTY][:-1], found))  # type: ignore[arg-type]


def blind(patch: pytest.MonkeyPatch) -> None:
    at_once(patch)
    kept = tuple(rule for rule in RULES[Standing.EMPTY] if rule.__name__ not in ("_cluster_exists", "_unsure"))
    patch.setitem(RULES, Standing.EMPTY, kept)  # type: ignore[arg-type]


def trusting(patch: pytest.MonkeyPatch) -> None:
    def bound(case: decision.Case) -> decision.Decision | None:
        reports = [peer.report for peer in case.peers if peer.report and peer.report.founding]
        return Found(reports[0].founding) if reports else None

    patch.setitem(RULES, Standing.EMPTY, (bound, *RULES[Standing.EMPTY]))  # type: ignore[arg-type]


def one_token(patch: pytest.MonkeyPatch) -> None:
    for module in (member, world):
        patch.setattr(module, "founding_token", lambda token, _: token)


def no_seal(patch: pytest.MonkeyPatch) -> None:
    write = world._Configuration.write

    def keep(self: world._Configuration, directory: object, how: object) -> None:
        if not isinstance(how, Start) or self._pod.config is None:
            write(self, directory, how)  # type: ignore[arg-type]

    patch.setattr(world._Configuration, "write", keep)


def one_directory(patch: pytest.MonkeyPatch) -> None:
    identity = member.Identity
    patch.setattr(member, "Identity", lambda cluster, number, _, *rest: identity(cluster, number, "data", *rest))


def same_volume(patch: pytest.MonkeyPatch) -> None:
    def renew(self: world._Store) -> object:
        old = self._pod.disk.record
        volume = world.Volume(old.id if old else self._pod.name)
        self.store(volume)
        return volume

    patch.setattr(world._Store, "renew", renew)


def known_by_name(patch: pytest.MonkeyPatch) -> None:
    def renew(self: world._Store) -> object:
        volume = world.Volume(self._pod.name)
        self.store(volume)
        return volume

    patch.setattr(world._Store, "renew", renew)


def sealed_late(patch: pytest.MonkeyPatch) -> None:
    learn, write = Member._learn, world._Configuration.write
    learning = []

    def mark(self: Member, *rest: object) -> object:
        learning.append(self)
        try:
            return learn(self, *rest)  # type: ignore[arg-type]
        finally:
            learning.pop()

    def late(self: world._Configuration, directory: object, how: object) -> None:
        if not learning:
            write(self, directory, how)  # type: ignore[arg-type]

    patch.setattr(Member, "_learn", mark)
    patch.setattr(world._Configuration, "write", late)


PLANTS: dict[str, Plant] = {
    "who is silent is taken for empty": without("_silent", "_unsure"),
    "who has data is taken for empty": blind,
    "founded without agreement": at_once,
    "bound by a founding without this volume": trusting,
    "one token for all foundings": one_token,
    "the configuration is not sealed": no_seal,
    "one directory for all identities": one_directory,
    "an ended identity keeps its volume's id": same_volume,
    "volumes are known by name": known_by_name,
    "the seal comes after the word that data count": sealed_late,
    "a removed member stays": without("_removed"),
    "an unused identity stays": without("_worthless", "_nothing_to_join"),
    "the founding of the others is not joined": without("_bound_by_others"),
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_a_planted_fault_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        play_all()


def play_all() -> int:
    return sum(schedule.play(seed) for seed in range(SCHEDULES))


def test_a_crash_of_the_simulation_is_one_of_the_process() -> None:
    assert not issubclass(CrashError, OSError | ValueError)  # the member would live on
