"""One member, from its first look at the volume to the end of the pod: each round one look, one decision, one step."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol

from galera_exporter.errors import RegistryError
from galera_exporter.etcdmember.decision import (
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
from galera_exporter.etcdmember.journal import Journal
from galera_exporter.etcdmember.naming import cluster_id, founding_token, member_id
from galera_exporter.etcdmember.settings import MemberSettings
from galera_exporter.etcdmember.state import Identity, Report, Roster, Standing, Volume, hexadecimal, report_fields
from galera_exporter.registry.members import EtcdMember
from galera_exporter.web.message import Request, Response

log = logging.getLogger(__name__)

BUSY: Final = 1.0
"""Seconds between two rounds until the member is a voter that answers."""
CALM: Final = 5.0
"""Seconds between two rounds from then on."""
_WAYS: Final = {
    StartNew: "as a founder of a new cluster",
    StartExisting: "as a learner of a cluster that exists",
    Start: "on the data that it has",
}


class Store(Protocol):
    """The volume; see ``VolumeStore``."""

    def load(self) -> Volume: ...  # noqa: D102 - described there
    def store(self, volume: Volume) -> None: ...  # noqa: D102
    def renew(self) -> Volume: ...  # noqa: D102
    def standing(self, volume: Volume) -> Standing: ...  # noqa: D102
    def directory(self, identity: Identity) -> Path: ...  # noqa: D102


class Configuration(Protocol):
    """Etcd's configuration; see ``ConfigFile``."""

    def write(self, directory: Path, how: StartNew | StartExisting | Start) -> None: ...  # noqa: D102
    def withdraw(self) -> None: ...  # noqa: D102


class Keeper(Protocol):
    """What changes the cluster, by the other members; see ``Administration``."""

    def add_learner(self, peer_url: str) -> tuple[int, int]: ...  # noqa: D102
    def remove(self, member: int) -> None: ...  # noqa: D102
    def promote(self, member: int) -> None: ...  # noqa: D102


class Member:
    """Decides how this member starts. ``round`` is for one thread; the pages answer in any.

    ``own`` asks the own etcd, whose peer port answers first, and ``serves`` whether its client port does too, which it
    opens once it has a leader. ``others`` asks all other members. ``tend`` looks after what only a running voter can.
    """

    def __init__(
        self,
        settings: MemberSettings,
        store: Store,
        configuration: Configuration,
        own: Callable[[], Cluster | None],
        serves: Callable[[], bool],
        others: Callable[[], tuple[Peer, ...]],
        keeper: Keeper,
        tend: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._url = settings.peer_url(settings.name)
        self._store = store
        self._configuration = configuration
        self._own = own
        self._serves = serves
        self._others = others
        self._keeper = keeper
        self._tend = tend
        self._journal = Journal()
        self._volume: Volume | None = None
        self._peers: tuple[Peer, ...] = ()
        self._entry: EtcdMember | None = None
        """This member in its cluster, while its etcd answers."""
        self._started = False
        self._serving = False
        self.report = Report(settings.name, "", Standing.UNKNOWN)
        """What the others are told."""

    def round(self) -> float:
        """Look, decide and do; return the seconds until the next round. What a later round may mend is not raised."""
        try:
            volume = self._load()
            standing = self._store.standing(volume)
            volume = self._learn(volume, standing)
            running = self._entry is not None
            self._tell(volume, standing)
            # Who runs needs nobody's word.
            self._peers = () if running else self._others()
            if self._store.standing(volume) is not standing:
                return 0.0  # etcd began, or its data went, while the others answered: look again
            case = Case(self.report, volume.identity, self._url, self._peers, running=running)
            return self._do(decide(case), volume)
        except ValueError as error:
            self._journal.waits(Wait(Reason.VOLUME_UNREADABLE, text=str(error)))
        except OSError as error:
            self._journal.waits(Wait(Reason.FILES, text=f"{error.filename or ''}: {error.strerror or error}"))
        return BUSY

    def start_page(self, _: Request) -> Response:
        """Answer 200 once etcd may be started."""
        if self._started:
            return Response.text(HTTPStatus.OK, "etcd may start")
        wait = self._journal.fields()
        text = f"waits: {wait['reason']}: {wait['meaning']}" if wait else "not yet"
        return Response.text(HTTPStatus.SERVICE_UNAVAILABLE, text)

    def state_page(self, _: Request) -> Response:
        """Answer what the other members and people want to know."""
        entry = self._entry
        fields = report_fields(self.report) | {
            "started": self._started,
            "serving": entry is not None and self._serving,
            "member_id": hexadecimal(entry.id) if entry else None,
            "learner": entry.learner if entry else None,
            "wait": self._journal.fields(),
            "others": {peer.name: _seen(peer) for peer in self._peers},
        }
        body = f"{json.dumps(fields, indent=1)}\n"
        return Response(HTTPStatus.OK, {"Content-Type": "application/json"}, body.encode())

    # Looking:

    def _load(self) -> Volume:
        if self._volume is None:
            volume = self._store.load()
            if self._store.standing(volume) is Standing.EMPTY:
                self._configuration.withdraw()
            self._volume = volume
        return self._volume

    def _learn(self, volume: Volume, standing: Standing) -> Volume:
        """Find this member in what its own etcd says; complete an identity that lacks something.

        Before etcd has written data for an identity, what answers is an etcd of the identity before.
        """
        identity, entry = volume.identity, None
        if identity is not None and standing in (Standing.MEMBER, Standing.LOST):
            own = self._own()
            if not identity.begun:
                # First the seal: once the data count, no configuration may let etcd begin without them.
                self._configuration.write(self._store.directory(identity), Start())
                identity = replace(identity, begun=True)
            if own is not None and not identity.member:
                entry = next((each for each in own.members if self._url in each.peer_urls), None)
                identity = replace(identity, cluster=own.id, member=entry.id) if entry else identity
            elif own is not None and own.id == identity.cluster:
                entry = own.member(identity.member)
            if identity != volume.identity:
                volume = self._keep(replace(volume, identity=identity))
            if entry is not None and self._entry is None:
                kind = "learner" if entry.learner else "voter"
                log.info(
                    "etcd answers: %s %s of cluster %s", kind, hexadecimal(entry.id), hexadecimal(identity.cluster)
                )
        if entry is None and self._entry is not None:
            log.warning("etcd does not answer")
        self._entry = entry
        return volume

    def _tell(self, volume: Volume, standing: Standing, proposal: Roster | None = None) -> None:
        # An identity without its data is as good as ended: nobody shall build on it.
        identity = None if standing is Standing.LOST else volume.identity
        if proposal is None:
            proposal = self.report.proposal if volume.id == self.report.volume else ()
        self.report = Report(
            self._settings.name,
            volume.id,
            standing,
            proposal if standing is Standing.EMPTY else (),
            identity.founding if identity else (),
            identity.cluster if identity else 0,
        )

    # Doing:

    def _do(self, decision: Decision, volume: Volume) -> float:
        match decision:
            case Wait():
                self._tell(volume, self.report.standing, ())
                self._journal.waits(decision)
            case Propose(roster, members):
                self._tell(volume, self.report.standing, roster)
                self._journal.waits(Wait(Reason.AGREEING, members))
            case Found(roster):
                self._found(roster, volume)
                return 0.0
            case Join(stale):
                self._join(stale, volume)
            case Leave(text):
                log.warning("this member's identity ends: %s; what it had stays on the volume, unused", text)
                self._configuration.withdraw()
                self._started = False
                self._volume = self._store.renew()
                return 0.0
            case StartNew() | StartExisting() | Start():
                self._start(decision, volume)
                return self._care() if self._entry is not None else BUSY
        return BUSY

    def _found(self, roster: Roster, volume: Volume) -> None:
        settings = self._settings
        token = founding_token(settings.token, roster)
        ids = {name: member_id(settings.peer_url(name), token) for name, _ in roster}
        own = ids[settings.name]
        identity = Identity(cluster_id(ids.values()), own, f"{own:016x}", roster)
        self._tell(self._keep(replace(volume, identity=identity)), Standing.FOUNDER)
        if len(roster) == 1:
            log.warning(
                "the volume is empty, and this is the only member: a NEW, EMPTY etcd begins; "
                "if it had data before, they are gone, and the Galera nodes write the registry anew"
            )
        names = ", ".join(name for name, _ in roster)
        log.info("all volumes are empty: cluster %s is founded by %s", hexadecimal(identity.cluster), names)

    def _join(self, stale: tuple[EtcdMember, ...], volume: Volume) -> None:
        try:
            for entry in stale:
                self._keeper.remove(entry.id)
                log.info("removed member %s, this member's old identity, from the cluster", hexadecimal(entry.id))
            found, member = self._keeper.add_learner(self._url)
        except RegistryError as error:
            self._journal.waits(Wait(Reason.CLUSTER_REFUSES, text=str(error)))
            return
        log.info("added to cluster %s as learner %s", hexadecimal(found), hexadecimal(member))
        self._keep(replace(volume, identity=Identity(found, member, f"{member:016x}")))

    def _start(self, how: StartNew | StartExisting | Start, volume: Volume) -> None:
        if volume.identity is None:  # no rule starts without one
            return
        self._configuration.write(self._store.directory(volume.identity), how)
        if not self._started:
            log.info("etcd may start %s", _WAYS[type(how)])
        self._started = True

    def _care(self) -> float:
        """Look after the running etcd."""
        entry = self._entry
        self._serving = entry is not None and self._serves()
        if entry is None or not self._serving:
            self._journal.waits(Wait(Reason.STARTING))
            return BUSY
        try:
            if entry.learner:
                self._keeper.promote(entry.id)
                log.info("promoted to a voter")
                return BUSY
            if self._tend is not None:
                self._tend()
        except RegistryError as error:
            reason = Reason.CATCHING_UP if entry.learner else Reason.ACCOUNTS
            self._journal.waits(Wait(reason, text=str(error)))
            return BUSY
        self._journal.goes_on()
        return CALM

    def _keep(self, volume: Volume) -> Volume:
        self._store.store(volume)
        self._volume = volume
        return volume


def _seen(peer: Peer) -> dict[str, Any]:
    return {
        "standing": str(peer.report.standing) if peer.report else None,
        "silence": peer.silence or None,
        "cluster_id": hexadecimal(peer.cluster.id) if peer.cluster else None,
        "doubt": peer.cluster.doubt if peer.cluster else None,
    }
