"""What a member does next, case by case: one row of the table is one thing known and one decision."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from galera_exporter.etcdmember.decision import (
    RULES,
    Case,
    Cluster,
    Decision,
    Found,
    Join,
    Leave,
    Peer,
    Propose,
    Reason,
    Start,
    StartExisting,
    StartNew,
    Wait,
    decide,
)
from galera_exporter.etcdmember.state import Identity, Report, Roster, Standing
from galera_exporter.etcdmember.words import WORDS
from galera_exporter.registry.members import EtcdMember

ROSTER: Roster = (("m0", "v0"), ("m1", "v1"), ("m2", "v2"))
OTHER: Roster = (("m0", "v0"), ("m1", "older"), ("m2", "v2"))
FORMER: Roster = (("m0", "older"), ("m1", "v1"), ("m2", "v2"))
OURS, THEIRS = 0xA, 0xB


def url(name: str) -> str:
    return f"http://{name}:2380"


def entry(number: int, name: str, *, used: bool = True, learner: bool = False) -> EtcdMember:
    """Return a member as the cluster lists it; ``number`` says which pod's address it has."""
    clients = (f"http://{name}:2379",) if used else ()
    return EtcdMember(number, name if used else "", (url(name),), clients, learner)


THREE = (entry(1, "m0"), entry(2, "m1"), entry(3, "m2"))
QUORUM = Cluster(OURS, THREE)
NO_QUORUM = Cluster(OURS, THREE, "no leader")
WITHOUT_US = Cluster(OURS, THREE[1:])


def report(name: str, standing: Standing = Standing.EMPTY, **fields: object) -> Report:
    return replace(Report(name, f"v{name[1]}", standing), **fields)  # type: ignore[arg-type]


def peer(name: str, standing: Standing = Standing.EMPTY, etcd: Cluster | None = None, **fields: object) -> Peer:
    return Peer(name, report(name, standing, **fields), etcd)


def silent(name: str, cluster: Cluster | None = None) -> Peer:
    return Peer(name, None, cluster)


def member(name: str, cluster: Cluster | None = None, roster: Roster = ROSTER) -> Peer:
    return peer(name, Standing.MEMBER, cluster, founding=roster)


def case(standing: Standing, *peers: Peer, identity: Identity | None = None, running: bool = False) -> Case:
    held = {Standing.MEMBER, Standing.LOST, Standing.FOUNDER, Standing.JOINER}
    if identity is None and standing in held:
        founding = ROSTER if standing is not Standing.JOINER else ()
        identity = Identity(OURS, 1, "0001", founding, begun=standing in (Standing.MEMBER, Standing.LOST))
    return Case(report("m0", standing), identity, url("m0"), peers, running=running)


EMPTY_CASES: dict[str, tuple[tuple[Peer, ...], Decision]] = {
    "alone: founds": ((), Found((("m0", "v0"),))),
    "nobody answers: waits for all": ((silent("m1"), silent("m2")), Wait(Reason.MEMBERS_SILENT, ("m1", "m2"))),
    "they do not answer: says why, once": (
        (Peer("m1", silence="Connection refused"), Peer("m2", silence="Connection refused")),
        Wait(Reason.MEMBERS_SILENT, ("m1", "m2"), "Connection refused"),
    ),
    "one of two answers: waits for the other": (
        (peer("m1"), silent("m2")),
        Wait(Reason.MEMBERS_SILENT, ("m2",)),
    ),
    "all empty: proposes": ((peer("m1"), peer("m2")), Propose(ROSTER, ("m1", "m2"))),
    "not all propose the same: goes on proposing": (
        (peer("m1", proposal=ROSTER), peer("m2", proposal=OTHER)),
        Propose(ROSTER, ("m2",)),
    ),
    "all propose the same: founds": ((peer("m1", proposal=ROSTER), peer("m2", proposal=ROSTER)), Found(ROSTER)),
    "a proposal with a volume that is gone does not count": (
        (peer("m1", proposal=OTHER), peer("m2", proposal=OTHER)),
        Propose(ROSTER, ("m1", "m2")),
    ),
    "one is bound to a founding of this volume: binds": (
        (peer("m1", Standing.FOUNDER, founding=ROSTER), peer("m2")),
        Found(ROSTER),
    ),
    "one has data of a founding of this volume, the other is silent: binds": (
        (member("m1"), silent("m2")),
        Found(ROSTER),
    ),
    "a quorum of that founding still lists it: binds, which is quicker than to be replaced": (
        (member("m1", Cluster(OURS, (entry(1, "m0", used=False), *THREE[1:]))), member("m2")),
        Found(ROSTER),
    ),
    "a quorum of that founding has removed it: joins": ((member("m1", WITHOUT_US), member("m2")), Join(())),
    "one is bound to a founding of another volume of this name: waits": (
        (peer("m1", Standing.FOUNDER, founding=FORMER), peer("m2")),
        Wait(Reason.FOUNDED_WITHOUT_US, ("m1",)),
    ),
    "others are bound to different foundings: does not choose": (
        (peer("m1", Standing.FOUNDER, founding=ROSTER), peer("m2", Standing.FOUNDER, founding=OTHER)),
        Wait(Reason.FOUNDED_WITHOUT_US, ("m1", "m2")),
    ),
    "a cluster with a quorum: is replaced in it": (
        (member("m1", QUORUM, FORMER), silent("m2")),
        Join((THREE[0],)),
    ),
    "a cluster whose list has its name at another address and its address without a name: both go": (
        (silent("m1", Cluster(OURS, (replace(THREE[0], peer_urls=("http://old:2380",)), entry(9, "m0", used=False)))),),
        Join((replace(THREE[0], peer_urls=("http://old:2380",)), entry(9, "m0", used=False))),
    ),
    "a cluster without a quorum: waits": (
        (member("m1", NO_QUORUM, FORMER), peer("m2")),
        Wait(Reason.NO_QUORUM, ("m1",), "no leader"),
    ),
    "an etcd answers where this program does not: waits": (
        (silent("m1", NO_QUORUM), peer("m2")),
        Wait(Reason.NO_QUORUM, ("m1",), "no leader"),
    ),
    "one has data, and its etcd does not run: waits": (
        (member("m1", None, FORMER), peer("m2")),
        Wait(Reason.NO_QUORUM, ("m1",)),
    ),
    "two clusters with a quorum: waits for a person": (
        (member("m1", QUORUM), member("m2", Cluster(THEIRS, THREE))),
        Wait(Reason.TWO_CLUSTERS, text="a, b"),
    ),
    "one does not know yet what it has: waits": (
        (peer("m1"), peer("m2", Standing.UNKNOWN)),
        Wait(Reason.MEMBERS_UNSURE, ("m2",)),
    ),
    "one has lost its data: waits until it counts as empty": (
        (peer("m1"), peer("m2", Standing.LOST)),
        Wait(Reason.MEMBERS_UNSURE, ("m2",)),
    ),
    "one is a learner of a cluster that nobody sees: waits": (
        (peer("m1"), peer("m2", Standing.JOINER)),
        Wait(Reason.MEMBERS_UNSURE, ("m2",)),
    ),
}

BOUND_CASES: dict[str, tuple[Standing, tuple[Peer, ...], Decision]] = {
    "data, nobody answers: starts": (Standing.MEMBER, (silent("m1"), silent("m2")), Start()),
    "data, and listed: starts": (Standing.MEMBER, (silent("m1", QUORUM),), Start()),
    "data, and not listed by a minority: starts": (
        Standing.MEMBER,
        (silent("m1", replace(WITHOUT_US, doubt="no leader")),),
        Start(),
    ),
    "data, and removed: leaves": (
        Standing.MEMBER,
        (silent("m1", WITHOUT_US),),
        Leave("cluster a has no member 1: it was removed"),
    ),
    "data of another cluster than the one that runs: waits for a person": (
        Standing.MEMBER,
        (silent("m1", Cluster(THEIRS, THREE)),),
        Wait(Reason.OTHER_CLUSTER, ("m1",), "here: a, there: b"),
    ),
    "data of one of two clusters that run: starts": (
        Standing.MEMBER,
        (silent("m1", Cluster(THEIRS, THREE)), silent("m2", QUORUM)),
        Start(),
    ),
    "bound, nobody answers: starts as new": (Standing.FOUNDER, (silent("m1"), silent("m2")), StartNew(ROSTER)),
    "bound, and listed as not used yet: starts as new": (
        Standing.FOUNDER,
        (silent("m1", Cluster(OURS, (entry(1, "m0", used=False), *THREE[1:]))),),
        StartNew(ROSTER),
    ),
    "bound, and listed as used: its data are gone": (
        Standing.FOUNDER,
        (silent("m1", QUORUM),),
        Leave("member 1 has been in use, and its data are gone"),
    ),
    "bound, and removed since: leaves": (
        Standing.FOUNDER,
        (silent("m1", WITHOUT_US),),
        Leave("cluster a has no member 1: it was removed"),
    ),
    "bound, and another cluster runs: leaves": (
        Standing.FOUNDER,
        (silent("m1", Cluster(THEIRS, THREE)),),
        Leave("another cluster answers, and nothing was written here yet"),
    ),
    "bound, and two clusters run: waits for a person": (
        Standing.FOUNDER,
        (silent("m1", Cluster(THEIRS, THREE)), silent("m2", QUORUM)),
        Wait(Reason.TWO_CLUSTERS, text="a, b"),
    ),
    "added: starts with the list of now": (
        Standing.JOINER,
        (silent("m1", Cluster(OURS, (entry(1, "m0", used=False, learner=True), *THREE[1:]))),),
        StartExisting((entry(1, "m0", used=False, learner=True), *THREE[1:])),
    ),
    "added, and removed again: leaves": (
        Standing.JOINER,
        (silent("m1", WITHOUT_US),),
        Leave("cluster a has no member 1: it was removed"),
    ),
    "added, and the quorum is gone: waits": (
        Standing.JOINER,
        (silent("m1", NO_QUORUM), silent("m2")),
        Wait(Reason.NO_QUORUM, ("m1",), "no leader"),
    ),
    "added, and nobody answers: waits": (
        Standing.JOINER,
        (silent("m1"), silent("m2")),
        Wait(Reason.MEMBERS_SILENT, ("m1", "m2")),
    ),
    "added, and all others are empty by now: leaves": (
        Standing.JOINER,
        (peer("m1"), peer("m2", Standing.JOINER)),
        Leave("the cluster that it was added to is gone"),
    ),
    "added, and another one is bound to a founding: waits": (
        Standing.JOINER,
        (peer("m1"), peer("m2", Standing.FOUNDER, founding=OTHER)),
        Wait(Reason.MEMBERS_UNSURE, ("m2",)),
    ),
    "data that are gone: leaves": (
        Standing.LOST,
        (silent("m1", QUORUM),),
        Leave("etcd's data are gone from 0001, though the volume is the same one"),
    ),
    "not known: waits": (Standing.UNKNOWN, (silent("m1", QUORUM),), Wait(Reason.VOLUME_UNREADABLE)),
}


@pytest.mark.parametrize(("peers", "decision"), EMPTY_CASES.values(), ids=EMPTY_CASES)
def test_with_an_empty_volume(peers: tuple[Peer, ...], decision: Decision) -> None:
    assert decide(case(Standing.EMPTY, *peers)) == decision


@pytest.mark.parametrize(("standing", "peers", "decision"), BOUND_CASES.values(), ids=BOUND_CASES)
def test_with_something_on_the_volume(standing: Standing, peers: tuple[Peer, ...], decision: Decision) -> None:
    assert decide(case(standing, *peers)) == decision


@pytest.mark.parametrize("standing", [Standing.MEMBER, Standing.LOST])
def test_a_member_whose_etcd_answers_goes_on_whatever_others_say(standing: Standing) -> None:
    assert decide(case(standing, silent("m1", WITHOUT_US), running=True)) == Start()


def test_data_whose_ids_are_not_known_yet_are_started_to_learn_them() -> None:
    unknown = Identity(0, 0, "", begun=True)
    assert decide(case(Standing.MEMBER, silent("m1", WITHOUT_US), identity=unknown)) == Start()


def test_each_standing_has_rules_and_each_reason_has_words() -> None:
    assert set(RULES) == set(Standing)
    assert set(WORDS) == set(Reason)


# Whatever is known:

NAMES = st.sampled_from(("m0", "m1", "m2"))
ROSTERS = st.sampled_from(((), ROSTER, OTHER))
REPORTS = st.builds(Report, NAMES, st.sampled_from(("v0", "v1", "x")), st.sampled_from(Standing), ROSTERS, ROSTERS)
ENTRIES = st.builds(entry, st.integers(1, 4), NAMES, used=st.booleans(), learner=st.booleans())
CLUSTERS = st.builds(
    Cluster,
    st.sampled_from((OURS, THEIRS)),
    st.lists(ENTRIES, max_size=4).map(tuple),
    st.sampled_from(("", "no leader")),
)
PEERS = st.tuples(*(st.builds(Peer, st.just(n), st.none() | REPORTS, st.none() | CLUSTERS) for n in ("m1", "m2")))


@given(standing=st.sampled_from(Standing), peers=PEERS, running=st.booleans())
def test_there_is_always_a_decision_and_equal_evidence_gives_an_equal_one(
    standing: Standing,
    peers: tuple[Peer, ...],
    running: bool,  # noqa: FBT001 - as hypothesis gives it
) -> None:
    known = case(standing, *peers, running=running)
    assert decide(known) == decide(known)


@given(peers=PEERS)
def test_an_empty_volume_founds_only_what_it_is_part_of_and_only_with_the_word_of_the_others(
    peers: tuple[Peer, ...],
) -> None:
    decision = decide(case(Standing.EMPTY, *peers))
    if isinstance(decision, Found):
        assert ("m0", "v0") in decision.roster
        reports = [each.report for each in peers if each.report]
        bound = any(each.founding == decision.roster for each in reports)
        agreed = len(reports) == 2 and all(each.proposal == decision.roster for each in reports)
        assert bound or agreed


@given(peers=PEERS)
def test_an_empty_volume_removes_nobody_but_its_own_name_or_address(peers: tuple[Peer, ...]) -> None:
    decision = decide(case(Standing.EMPTY, *peers))
    if isinstance(decision, Join):
        assert any(each.cluster and each.cluster.quorum for each in peers)
        assert all(each.name == "m0" or url("m0") in each.peer_urls for each in decision.stale)


@given(standing=st.sampled_from((Standing.MEMBER, Standing.FOUNDER, Standing.JOINER)), peers=PEERS)
def test_an_identity_with_data_ends_only_by_the_word_of_a_majority(standing: Standing, peers: tuple[Peer, ...]) -> None:
    decision = decide(case(standing, *peers))
    if isinstance(decision, Leave):
        majority = any(each.cluster and each.cluster.quorum for each in peers)
        assert majority or standing is Standing.JOINER
