"""How a member of etcd starts: what is known in, one decision out. Pure.

Theory of operation
-------------------
Etcd itself cannot tell a member that is new from one that lost its disk. Started as ``new`` on an empty disk with the
names and token of before it has the identity of before, and a majority of such members is a second cluster beside
what is left of the first; started as ``existing`` under its old identity it has forgotten what it promised. So a
member of ours is known by its *volume*: each empty volume gets a random id, written to it before anybody is told.

*Founding.* A new cluster is founded by volumes, not by names. A member whose volume is empty looks at all others
and, once all say that they are empty too, proposes the roster of all volume ids. When all propose the same roster,
it binds its volume to it, on disk, and only then starts etcd as ``new``, with a token made from the roster. A
member that sees another one bound to a roster with its own volume in it binds itself as well. A volume is bound
once. Thereby

F1  a roster is bound only while all its volumes exist, and all of them proposed it after they had seen the others;
F2  whoever proposed a newer roster has seen that a volume of the older one is gone, and never binds the older one;
F3  so at any time all bound volumes that exist are bound to one roster, and a new one is bound only where no
    volume of a cluster is left;
F4  another roster is another token: other cluster and member ids. Etcd refuses messages between them.

*Joining.* Where a cluster answers with a quorum, a member with an empty volume removes the entry of its old
identity and is added under a new id, as a learner, which counts in no majority until it has the data. Where
a cluster answers without a quorum, or another volume has data, an empty member waits: for ever if need be.

*Leaving.* An identity ends when the quorum's list does not have it, or when its data are gone. Then the volume gets
a new id and counts as an empty one. Each identity has a directory of its own, so an etcd that is started late, with
the configuration of an identity that ended, finds the data of that identity, never an empty directory.

Invariants
----------
E1  At most one cluster ever has a quorum, as long as a volume with data of it is left.
E2  Etcd never starts on an empty directory with an identity that it had data of.
E3  Data are never deleted, and never used under another identity.
E4  Equal evidence gives equal decisions; time plays no part. In calm, members whose cluster has or can have a quorum
    come to run, whatever happened before.

``RULES`` is the transition table: for what the volume holds, rules in order; the first that has an answer gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from galera_exporter.etcdmember.state import Identity, Report, Roster, Standing, hexadecimal
from galera_exporter.registry.members import EtcdMember


class Reason(StrEnum):
    """Why etcd is not started, or not yet."""

    LOOKING = "looking"
    """Nothing is known yet: the process has just begun."""
    VOLUME_UNREADABLE = "volume_unreadable"
    OTHER_CLUSTER = "other_cluster"
    TWO_CLUSTERS = "two_clusters"
    NO_QUORUM = "no_quorum"
    FOUNDED_WITHOUT_US = "founded_without_us"
    MEMBERS_SILENT = "members_silent"
    MEMBERS_UNSURE = "members_unsure"
    AGREEING = "agreeing"
    CLUSTER_REFUSES = "cluster_refuses"
    """Etcd does not take the change of its members, yet."""
    STARTING = "starting"
    """Etcd runs and does not serve clients yet."""
    CATCHING_UP = "catching_up"
    """Etcd runs as a learner."""
    ACCOUNTS = "accounts"
    """Etcd runs, and its users could not be looked after."""
    FILES = "files"
    """The volume or the configuration file cannot be written."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the etcd of one member says of its cluster."""

    id: int
    members: tuple[EtcdMember, ...]
    doubt: str = ""
    """Why it may not be the list of the majority; empty after a linearizable read."""

    @property
    def quorum(self) -> bool:
        """Whether the list is that of the majority."""
        return not self.doubt

    def member(self, number: int) -> EtcdMember | None:
        """Return the member with this id."""
        return next((member for member in self.members if member.id == number), None)


@dataclass(frozen=True, slots=True)
class Peer:
    """Another member, as far as it answers."""

    name: str
    report: Report | None = None
    cluster: Cluster | None = None
    silence: str = ""
    """Why there is no report, in words."""


@dataclass(frozen=True, slots=True)
class Case:
    """All that a decision is made from."""

    me: Report
    identity: Identity | None
    url: str
    """This member's peer URL."""
    peers: tuple[Peer, ...]
    running: bool = False
    """The own etcd answers, with this identity."""

    @property
    def majorities(self) -> tuple[Cluster, ...]:
        """The clusters that answer with a quorum, one answer of each."""
        found = {peer.cluster.id: peer.cluster for peer in self.peers if peer.cluster and peer.cluster.quorum}
        return tuple(found.values())

    def reporting(self, *standings: Standing) -> tuple[str, ...]:
        """Return the names of the peers that report one of these."""
        return tuple(peer.name for peer in self.peers if peer.report and peer.report.standing in standings)


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing yet."""

    reason: Reason
    members: tuple[str, ...] = ()
    """Whom it waits for, or who is in the way."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Propose:
    """Tell the others that this roster could found a cluster; wait until they say the same."""

    roster: Roster
    members: tuple[str, ...]
    """Who does not say the same yet."""


@dataclass(frozen=True, slots=True)
class Found:
    """Bind the volume to this founding."""

    roster: Roster


@dataclass(frozen=True, slots=True)
class Join:
    """Remove what is left of the old identity, and be added to the cluster as a learner."""

    stale: tuple[EtcdMember, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """End the identity: the volume counts as a new, empty one from now on."""

    text: str


@dataclass(frozen=True, slots=True)
class StartNew:
    """Start etcd as a founder."""

    roster: Roster


@dataclass(frozen=True, slots=True)
class StartExisting:
    """Start etcd as the new learner of a cluster with these members."""

    members: tuple[EtcdMember, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """Start etcd on its data; without them it must not start."""


Decision = Wait | Propose | Found | Join | Leave | StartNew | StartExisting | Start
Rule = Callable[[Case], Decision | None]


def decide(case: Case) -> Decision:
    """Return what this member does next."""
    for rule in RULES[case.me.standing]:
        decision = rule(case)
        if decision is not None:
            return decision
    raise AssertionError("the last rule always answers")


def _unknown(_: Case) -> Decision:
    return Wait(Reason.VOLUME_UNREADABLE)


def _lost(case: Case) -> Decision:
    directory = case.identity.directory if case.identity else ""
    return Leave(f"etcd's data are gone from {directory or 'the volume'}, though the volume is the same one")


# With an identity:


def _running(case: Case) -> Decision | None:
    return Start() if case.running else None


def _removed(case: Case) -> Decision | None:
    """End an identity that the majority of its cluster does not know any more."""
    identity = case.identity
    cluster = next((found for found in case.majorities if identity and found.id == identity.cluster), None)
    if identity is None or cluster is None or not identity.member or cluster.member(identity.member):
        return None
    return Leave(f"cluster {hexadecimal(cluster.id)} has no member {hexadecimal(identity.member)}: it was removed")


def _of_another_cluster(case: Case) -> Decision | None:
    """Leave data of another cluster alone: which of the two is the right one, only a person knows."""
    identity = case.identity
    others = case.majorities
    if identity is None or not identity.cluster or not others or any(each.id == identity.cluster for each in others):
        return None
    names = tuple(peer.name for peer in case.peers if peer.cluster and peer.cluster.quorum)
    text = f"here: {hexadecimal(identity.cluster)}, there: {', '.join(hexadecimal(each.id) for each in others)}"
    return Wait(Reason.OTHER_CLUSTER, names, text)


def _start(_: Case) -> Decision:
    return Start()


def _worthless(case: Case) -> Decision | None:
    """End an identity without data that its cluster has seen in use, or that belongs to another cluster."""
    identity = case.identity
    for cluster in case.majorities:
        if identity and cluster.id == identity.cluster:
            entry = cluster.member(identity.member)
            if entry is not None and entry.client_urls:
                return Leave(f"member {hexadecimal(entry.id)} has been in use, and its data are gone")
            return None
    return Leave("another cluster answers, and nothing was written here yet") if case.majorities else None


def _start_new(case: Case) -> Decision:
    return StartNew(case.identity.founding if case.identity else ())


def _start_existing(case: Case) -> Decision | None:
    identity = case.identity
    for cluster in case.majorities:
        if identity and cluster.id == identity.cluster:
            return StartExisting(cluster.members)
    return None


def _nothing_to_join(case: Case) -> Decision | None:
    """End an identity that never came to anything, where all answer and nobody has data of its cluster either."""
    empty = case.reporting(Standing.EMPTY, Standing.JOINER)
    return Leave("the cluster that it was added to is gone") if len(empty) == len(case.peers) else None


# Without an identity:


def _one_cluster(case: Case) -> Decision | None:
    if len(case.majorities) <= 1:
        return None
    return Wait(Reason.TWO_CLUSTERS, text=", ".join(sorted(hexadecimal(each.id) for each in case.majorities)))


def _join(case: Case) -> Decision | None:
    for cluster in case.majorities:
        stale = (each for each in cluster.members if each.name == case.me.name or case.url in each.peer_urls)
        return Join(tuple(stale))
    return None


def _bound_by_others(case: Case) -> Decision | None:
    """Take part in a founding that others are bound to and that this volume proposed: it is one of its roster."""
    mine = (case.me.name, case.me.volume)
    reports = [peer.report for peer in case.peers if peer.report]
    bound = {report.founding for report in reports if mine in report.founding}
    if len(bound) != 1:
        return None
    roster = bound.pop()
    others = {report.founding for report in reports if report.standing is not Standing.EMPTY}
    # Where it has a quorum by now, this member must still be one of it.
    removed = any(all(case.url not in member.peer_urls for member in found.members) for found in case.majorities)
    return Found(roster) if others == {roster} and not removed else None


def _cluster_exists(case: Case) -> Decision | None:
    answering = {peer.name: peer.cluster.doubt for peer in case.peers if peer.cluster}
    names = tuple(answering) or case.reporting(Standing.MEMBER)
    return Wait(Reason.NO_QUORUM, names, "; ".join(sorted(set(answering.values())))) if names else None


def _others_bound(case: Case) -> Decision | None:
    names = case.reporting(Standing.FOUNDER)
    return Wait(Reason.FOUNDED_WITHOUT_US, names) if names else None


def _silent(case: Case) -> Decision | None:
    silent = {peer.name: peer.silence for peer in case.peers if peer.report is None}
    why = "; ".join(filter(None, dict.fromkeys(silent.values())))
    return Wait(Reason.MEMBERS_SILENT, tuple(silent), why) if silent else None


def _unsure(case: Case) -> Decision | None:
    empty = case.reporting(Standing.EMPTY)
    names = tuple(peer.name for peer in case.peers if peer.name not in empty)
    return Wait(Reason.MEMBERS_UNSURE, names) if names else None


def _found(case: Case) -> Decision:
    reports = [peer.report for peer in case.peers if peer.report]
    roster = tuple(sorted((each.name, each.volume) for each in (case.me, *reports)))
    behind = tuple(each.name for each in reports if each.proposal != roster)
    return Propose(roster, behind) if behind else Found(roster)


RULES: Final[Mapping[Standing, tuple[Rule, ...]]] = {
    Standing.UNKNOWN: (_unknown,),
    Standing.LOST: (_running, _lost),
    Standing.MEMBER: (_running, _removed, _of_another_cluster, _start),
    Standing.FOUNDER: (_running, _one_cluster, _removed, _worthless, _start_new),
    Standing.JOINER: (
        _running,
        _one_cluster,
        _removed,
        _worthless,
        _start_existing,
        _nothing_to_join,
        _cluster_exists,
        _silent,
        _unsure,
    ),
    Standing.EMPTY: (
        _one_cluster,
        _bound_by_others,
        _join,
        _cluster_exists,
        _others_bound,
        _silent,
        _unsure,
        _found,
    ),
}
