"""Members, volumes, etcd and the network, simulated: the real ``Member`` decides and acts on all of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.etcdmember.decision import Cluster, Peer, Start, StartExisting, StartNew
from galera_exporter.etcdmember.member import Member
from galera_exporter.etcdmember.naming import cluster_id, founding_token, member_id
from galera_exporter.etcdmember.settings import MemberSettings
from galera_exporter.etcdmember.state import Identity, Standing, Volume, standing
from galera_exporter.registry.members import EtcdMember

MOUNT = Path("/volume")
TOKEN = "sim"


class CrashError(Exception):
    """The sidecar's process ends here."""


class BrokenPromiseError(AssertionError):
    """An invariant of the protocol does not hold."""


@dataclass(frozen=True)
class Data:
    """What etcd wrote into one directory: whose it is."""

    cluster: int
    member: int


@dataclass
class Disk:
    """One volume."""

    record: Volume | None = None
    directories: dict[str, Data] = field(default_factory=dict)

    def standing(self) -> Standing:
        """Return what it holds."""
        if self.record is None:
            return Standing.EMPTY
        identity = self.record.identity
        return standing(self.record, data=identity is not None and identity.directory in self.directories)


@dataclass
class Pod:
    """One pod and its volume."""

    name: str
    disk: Disk = field(default_factory=Disk)
    up: bool = False
    member: Member | None = None
    config: tuple[str, StartNew | StartExisting | Start] | None = None
    admitted: bool = False
    etcd: Data | None = None
    busy: bool = False
    """In the middle of a round."""


class World:
    """All of it. ``random`` decides what happens in the middle of a round while ``faults`` are on."""

    def __init__(self, size: int, random: Random) -> None:
        self.pods = tuple(Pod(f"m{n}") for n in range(size))
        self.clusters: dict[int, dict[int, EtcdMember]] = {}
        self.had_quorum: set[int] = set()
        self.had_data: set[Data] = set()
        self.cut: set[frozenset[str]] = set()
        self.faults = True
        self.random = random
        self.disturb: Callable[[], None] = lambda: None
        self._ids = itertools.count(1)
        self._settings = {
            pod.name: MemberSettings(
                name=pod.name,
                hosts={each.name: each.name for each in self.pods},
                data_dir=MOUNT,
                config_file=Path("/run/etcd.conf.yml"),
                token=TOKEN,
                listen=("", 2378),
                quota=1,
                retention="1h",
            )
            for pod in self.pods
        }

    # Pods:

    def url(self, pod: Pod) -> str:
        return self._settings[pod.name].peer_url(pod.name)

    def start(self, pod: Pod) -> None:
        """Begin the pod on its volume."""
        if not pod.up:
            pod.up, pod.config, pod.admitted = True, None, False
        if pod.member is None:
            pod.member = Member(
                self._settings[pod.name],
                _Store(self, pod),
                _Configuration(pod),
                lambda: self.view(pod, "not asked") if pod.etcd else None,
                lambda: self.quorum(pod),
                lambda: tuple(self.ask(pod, other) for other in self.pods if other is not pod),
                _Keeper(self, pod),
            )

    def crash(self, pod: Pod) -> None:
        """End the pod."""
        pod.up, pod.member, pod.etcd, pod.config = False, None, None, None

    def wipe(self, pod: Pod) -> None:
        """Give it a new volume."""
        if not pod.up:
            pod.disk = Disk()

    def lose_data(self, pod: Pod) -> None:
        """Remove etcd's data by hand, and leave the rest."""
        identity = pod.disk.record.identity if pod.disk.record else None
        if identity is not None and identity.begun:
            pod.disk.directories.pop(identity.directory, None)
            pod.etcd = None

    def round(self, pod: Pod) -> None:
        """Let the member look, decide and act once."""
        if pod.member is None:
            return
        pod.busy = True
        try:
            pod.member.round()
        except CrashError:
            pod.member = None
        pod.busy = False
        self.check()

    def kubelet(self, pod: Pod) -> None:
        """Start etcd where it may and does not run; end one that was removed."""
        if pod.etcd is not None and pod.etcd.member not in self.clusters[pod.etcd.cluster]:
            pod.etcd = None
        if not pod.admitted and pod.member is not None:
            pod.admitted = pod.member.start_page(None).status == 200  # type: ignore[arg-type]
        if pod.up and pod.admitted and pod.etcd is None and pod.config is not None:
            self._start_etcd(pod, *pod.config)
        self._publish()
        self.check()

    # Etcd:

    def _start_etcd(self, pod: Pod, directory: str, how: StartNew | StartExisting | Start) -> None:
        data = pod.disk.directories.get(directory)
        if data is None:
            data = self._initialize(pod, how)
            if data is None:
                return
            if data in self.had_data:
                raise BrokenPromiseError(f"E2: {pod.name} starts empty as {data}")
            self.had_data.add(data)
            pod.disk.directories[directory] = data
        if data.member in self.clusters[data.cluster]:
            pod.etcd = data

    def _initialize(self, pod: Pod, how: StartNew | StartExisting | Start) -> Data | None:
        """Do what etcd does on an empty directory; None where it refuses."""
        match how:
            case StartNew(roster):
                token = founding_token(TOKEN, roster)
                urls = {name: self._settings[name].peer_url(name) for name, _ in roster}
                ids = {name: member_id(url, token) for name, url in urls.items()}
                cluster = cluster_id(ids.values())
                first = {
                    ids[name]: EtcdMember(ids[name], name, (url,), (), learner=False) for name, url in urls.items()
                }
                self.clusters.setdefault(cluster, first)
                return Data(cluster, ids[pod.name])
            case StartExisting(members):
                listed = {member.id for member in members}
                for other in self.pods:
                    found = other.etcd
                    if other is pod or found is None or not self.linked(pod, other):
                        continue
                    now = self.clusters[found.cluster]
                    own = next((each for each in now.values() if self.url(pod) in each.peer_urls), None)
                    if set(now) == listed and own is not None:
                        return Data(found.cluster, own.id)
        return None

    def _publish(self) -> None:
        """Members with a quorum around them write their client URLs."""
        for pod in self.pods:
            if pod.etcd is None or not self.quorum(pod):
                continue
            members = self.clusters[pod.etcd.cluster]
            entry = members.get(pod.etcd.member)
            if entry is not None:
                members[entry.id] = replace(entry, name=pod.name, client_urls=(f"http://{pod.name}:2379",))

    def linked(self, one: Pod, other: Pod) -> bool:
        return one is other or frozenset((one.name, other.name)) not in self.cut

    def voters(self, cluster: int) -> set[int]:
        return {each.id for each in self.clusters[cluster].values() if not each.learner}

    def quorum(self, pod: Pod) -> bool:
        """Whether the pod's etcd reaches a majority of its cluster."""
        if pod.etcd is None:
            return False
        voters = self.voters(pod.etcd.cluster)
        reached = {
            other.etcd.member
            for other in self.pods
            if other.etcd is not None and other.etcd.cluster == pod.etcd.cluster and self.linked(pod, other)
        }
        return 2 * len(reached & voters) > len(voters)

    def view(self, pod: Pod, doubt: str) -> Cluster:
        assert pod.etcd is not None
        return Cluster(pod.etcd.cluster, tuple(self.clusters[pod.etcd.cluster].values()), doubt)

    def ask(self, pod: Pod, other: Pod) -> Peer:
        """Let one member ask another, while the world goes on."""
        self.disturb()
        report = other.member.report if other.member and self.linked(pod, other) else None
        self.disturb()
        doubt = "" if self.quorum(other) else "no leader"
        self.disturb()
        if other.etcd is None or not self.linked(pod, other):
            return Peer(other.name, report)
        return Peer(other.name, report, self.view(other, doubt))

    def contact(self, pod: Pod) -> dict[int, EtcdMember]:
        """Return the members of a cluster with a quorum that this pod can change."""
        for other in self.pods:
            if other.etcd is not None and self.linked(pod, other) and self.quorum(other):
                return self.clusters[other.etcd.cluster]
        raise RegistryError(RegistryReason.NO_LEADER, "no quorum")

    def cluster_of(self, members: dict[int, EtcdMember]) -> int:
        return next(number for number, each in self.clusters.items() if each is members)

    def remove(self, members: dict[int, EtcdMember], number: int) -> None:
        """Remove a member as etcd does with strict-reconfig-check."""
        if number not in members:
            raise RegistryError(RegistryReason.OTHER, "member not found")
        cluster = self.cluster_of(members)
        running = {pod.etcd.member for pod in self.pods if pod.etcd is not None and pod.etcd.cluster == cluster}
        left = self.voters(cluster) - {number}
        if 2 * len(running & left) <= len(left):
            raise RegistryError(RegistryReason.NO_LEADER, "unhealthy cluster")
        del members[number]

    def add(self, members: dict[int, EtcdMember], url: str) -> int:
        if any(each.learner for each in members.values()):
            raise RegistryError(RegistryReason.OTHER, "too many learner members in cluster")
        if any(url in each.peer_urls for each in members.values()):
            raise RegistryError(RegistryReason.OTHER, "Peer URLs already exists")
        number = next(self._ids)
        members[number] = EtcdMember(number, "", (url,), (), learner=True)
        return number

    # What must hold:

    def check(self) -> None:
        """Raise BrokenPromiseError where an invariant does not hold."""
        now = {pod.etcd.cluster for pod in self.pods if pod.etcd is not None and self._could_agree(pod.etcd.cluster)}
        if len(now) > 1:
            raise BrokenPromiseError("E1: two clusters with a quorum")
        for cluster in now:
            for other in self.had_quorum - {cluster}:
                if any(other == self._data_of(pod) for pod in self.pods):
                    raise BrokenPromiseError("E1: a cluster beside data of another one")
        self.had_quorum |= now
        bound = {
            pod.disk.record.identity.cluster
            for pod in self.pods
            if pod.disk.record and pod.disk.record.identity and pod.disk.standing() is not Standing.LOST
        }
        if len(bound) > 1:
            raise BrokenPromiseError("F3: volumes are bound to two clusters")

    def _could_agree(self, cluster: int) -> bool:
        """Whether a majority runs, however it is connected."""
        running = {pod.etcd.member for pod in self.pods if pod.etcd is not None and pod.etcd.cluster == cluster}
        voters = self.voters(cluster)
        return 2 * len(running & voters) > len(voters)

    def _data_of(self, pod: Pod) -> int | None:
        """Return the cluster whose data the pod's volume has."""
        record = pod.disk.record
        if record is None or record.identity is None or pod.disk.standing() is not Standing.MEMBER:
            return None
        return pod.disk.directories[record.identity.directory].cluster

    def recoverable(self) -> bool:
        """Whether calm must bring a cluster of all: none is left, or a majority of one is there or can still begin."""
        bound = [pod for pod in self.pods if pod.disk.standing() in (Standing.MEMBER, Standing.FOUNDER)]
        if not bound:
            return True
        identities = {pod.name: pod.disk.record.identity for pod in bound if pod.disk.record}
        cluster = next(each.cluster for each in identities.values() if each)
        roster = next((each.founding for each in identities.values() if each and each.founding), ())
        members = self.clusters.get(cluster)
        if members is None:
            voters, unborn = set(dict(roster)), set(dict(roster))
        else:
            voters = {each.id for each in members.values() if not each.learner}  # type: ignore[misc]
            unborn = {each.name for each in members.values() if not each.client_urls and not each.learner}
        able = 0
        for pod in self.pods:
            record = pod.disk.record
            identity = identities.get(pod.name)
            if identity is not None:
                able += (identity.member if members is not None else pod.name) in voters
            elif (
                record
                and not record.identity
                and (pod.name, record.id) in roster
                and pod.name in unborn
                and not self._joined(members)
            ):
                able += 1
        return 2 * able > len(voters)

    def _joined(self, members: dict[int, EtcdMember] | None) -> bool:
        """Whether a volume that is there was added later: then nobody takes part in the founding any more."""
        return (
            any(
                pod.disk.record and pod.disk.record.identity and not pod.disk.record.identity.founding
                for pod in self.pods
            )
            and members is not None
        )

    def settled(self) -> bool:
        """Whether all members are voters of one cluster."""
        return (
            all(pod.etcd is not None for pod in self.pods)
            and len({pod.etcd.cluster for pod in self.pods if pod.etcd}) == 1
            and all(pod.etcd and pod.etcd.member in self.voters(pod.etcd.cluster) for pod in self.pods)
            and len(self.voters(self.pods[0].etcd.cluster)) == len(self.pods)  # type: ignore[union-attr]
        )


class _Store:
    """The pod's volume, for its member; with faults the process may end just before or just after a write."""

    def __init__(self, world: World, pod: Pod) -> None:
        self._world = world
        self._pod = pod

    def load(self) -> Volume:
        return self._pod.disk.record or self.renew()

    def store(self, volume: Volume) -> None:
        self._world_ends()
        self._pod.disk.record = volume
        self._world_ends()

    def renew(self) -> Volume:
        volume = Volume(f"{self._world.random.getrandbits(64):016x}")
        self.store(volume)
        return volume

    def standing(self, volume: Volume) -> Standing:
        identity = volume.identity
        return standing(volume, data=identity is not None and identity.directory in self._pod.disk.directories)

    def directory(self, identity: Identity) -> Path:
        return MOUNT / identity.directory

    def _world_ends(self) -> None:
        if self._world.faults and self._world.random.random() < 0.03:
            raise CrashError


class _Configuration:
    def __init__(self, pod: Pod) -> None:
        self._pod = pod

    def write(self, directory: Path, how: StartNew | StartExisting | Start) -> None:
        self._pod.config = (directory.name, how)

    def withdraw(self) -> None:
        self._pod.config = None


class _Keeper:
    """Changes of the cluster; with faults the answer may be lost."""

    def __init__(self, world: World, pod: Pod) -> None:
        self._world = world
        self._pod = pod

    def add_learner(self, peer_url: str) -> tuple[int, int]:
        members = self._world.contact(self._pod)
        number = self._world.add(members, peer_url)
        self._lost()
        return self._world.cluster_of(members), number

    def remove(self, member: int) -> None:
        self._world.remove(self._world.contact(self._pod), member)
        self._lost()

    def promote(self, member: int) -> None:
        members = self._world.contact(self._pod)
        if not any(pod.etcd is not None and pod.etcd.member == member for pod in self._world.pods):
            raise RegistryError(RegistryReason.OTHER, "can only promote a learner member which is in sync with leader")
        members[member] = replace(members[member], learner=False)
        self._lost()

    def _lost(self) -> None:
        if self._world.faults and self._world.random.random() < 0.1:
            raise RegistryError(RegistryReason.TIMEOUT, "no answer in time")
        if self._world.faults and self._world.random.random() < 0.05:
            raise CrashError
