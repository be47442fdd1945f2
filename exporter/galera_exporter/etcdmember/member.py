"""One member, from its first look at the volume to the end of the pod: each round one look, one decision, one step."""

from __future__ import annotations

import json
import logging
import socket
from http import HTTPStatus
from typing import Any, Final

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
from galera_exporter.etcdmember.etcdconf import render
from galera_exporter.etcdmember.files import replace_file
from galera_exporter.etcdmember.journal import Journal
from galera_exporter.etcdmember.naming import cluster_id, founding_token, member_id
from galera_exporter.etcdmember.neighbours import Neighbour, Neighbourhood
from galera_exporter.etcdmember.settings import MemberSettings
from galera_exporter.etcdmember.state import (
    Identity,
    Report,
    Roster,
    Standing,
    Volume,
    hexadecimal,
    report_fields,
)
from galera_exporter.etcdmember.volume import VolumeStore, fresh
from galera_exporter.registry.administration import Administration
from galera_exporter.registry.members import EtcdMember
from galera_exporter.settings import EtcdSettings
from galera_exporter.web.message import Request, Response

log = logging.getLogger(__name__)

BUSY: Final = 1.0
"""Seconds between two rounds until the member is a voter that answers."""
CALM: Final = 5.0
"""Seconds between two rounds from then on."""


class Member:
    """Decides how this member starts. ``round`` is for one thread; the routes answer in any."""

    def __init__(self, settings: MemberSettings) -> None:
        self._settings = settings
        self._store = VolumeStore(settings.data_dir)
        access = {name: _access(settings, (settings.client_url(name),)) for name in settings.hosts}
        self._own = Neighbour(settings, settings.name, access[settings.name])
        self._others = Neighbourhood(tuple(Neighbour(settings, name, access[name]) for name in settings.others))
        self._admin: Administration | None = None
        self._volume: Volume | None = None
        self._journal = Journal()
        self._peers: tuple[Peer, ...] = ()
        self._entry: EtcdMember | None = None
        """This member in its cluster, while its etcd answers."""
        self._started = False
        self._told = ""
        self._report = Report(settings.name, "", Standing.UNREADABLE)
        self._configured = ""
        self._url = settings.peer_url(settings.name)

    def round(self) -> float:
        """Look, decide and do; return the seconds until the next round. What a later round may mend is not raised."""
        try:
            volume = self._load()
            if volume is None:
                return BUSY
            own = self._own.cluster(confirm=False)
            volume = self._learn(volume, own)
            serving = self._entry is not None
            standing = self._store.standing(volume)
            if standing is Standing.MEMBER and volume.identity is not None and not volume.identity.begun:
                volume = self._keep(_begun(volume, volume.identity))
            self._tell(volume, standing, self._report.proposal if standing is Standing.EMPTY else ())
            # Who serves needs nobody's word; and a new question to all is asked after the last answer was told.
            self._peers = () if serving else self._others.look()
            case = Case(self._report, volume.identity, self._url, self._peers, serving=serving)
            decision = decide(case)
            self._do(decision, volume)
            if isinstance(decision, Found | Leave):
                return 0.0
            return self._care() if serving else BUSY
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
        entry, report = self._entry, self._report
        fields = report_fields(report) | {
            "started": self._started,
            "serving": entry is not None,
            "member_id": hexadecimal(entry.id) if entry else None,
            "learner": entry.learner if entry else None,
            "wait": self._journal.fields(),
            "others": {peer.name: _seen(peer) for peer in self._peers},
        }
        return Response(
            HTTPStatus.OK, {"Content-Type": "application/json"}, (json.dumps(fields, indent=1) + "\n").encode()
        )

    # Looking:

    def _load(self) -> Volume | None:
        if self._volume is None:
            try:
                self._volume = self._store.load()
            except ValueError as error:
                self._journal.waits(Wait(Reason.VOLUME_UNREADABLE, text=str(error)))
                return None
            if self._store.standing(self._volume) is Standing.EMPTY:
                self._withdraw()
        return self._volume

    def _learn(self, volume: Volume, own: Cluster | None) -> Volume:
        """Find this member in what its own etcd says; complete an identity that was taken on without ids."""
        identity, entry = volume.identity, None
        if own is not None and identity is not None:
            if not identity.member:
                entry = next((each for each in own.members if self._url in each.peer_urls), None)
                if entry is not None:
                    identity = Identity(own.id, entry.id, identity.directory, identity.founding, begun=True)
                    volume = self._keep(Volume(volume.id, identity))
            elif own.id == identity.cluster:
                entry = own.member(identity.member)
        if entry is not None and self._entry is None:
            kind = "learner" if entry.learner else "voter"
            log.info(
                "etcd answers as %s %s of cluster %s", kind, hexadecimal(entry.id), hexadecimal(own.id if own else 0)
            )
        elif entry is None and self._entry is not None:
            log.warning("etcd does not answer any more")
        self._entry = entry
        return volume

    def _tell(self, volume: Volume, standing: Standing, proposal: Roster) -> None:
        identity = volume.identity
        self._report = Report(
            self._settings.name,
            volume.id,
            standing,
            proposal,
            identity.founding if identity else (),
            identity.cluster if identity else 0,
        )

    # Doing:

    def _do(self, decision: Decision, volume: Volume) -> None:
        match decision:
            case Wait():
                self._journal.waits(decision)
                self._propose(())
            case Propose(roster, members):
                self._journal.waits(Wait(Reason.AGREEING, members))
                self._propose(roster)
            case Found(roster):
                self._found(roster, volume)
            case Join(cluster, stale):
                self._join(cluster, stale, volume)
            case Leave(text):
                log.warning("this member's identity ends: %s; its data stay on the volume, unused", text)
                self._withdraw()
                self._keep(fresh())
            case StartNew() | StartExisting() | Start():
                self._start(decision, volume)

    def _propose(self, roster: Roster) -> None:
        if self._report.standing is Standing.EMPTY and self._volume is not None:
            self._tell(self._volume, Standing.EMPTY, roster)

    def _found(self, roster: Roster, volume: Volume) -> None:
        settings = self._settings
        token = founding_token(settings.token, roster)
        ids = {name: member_id(settings.peer_url(name), token) for name, _ in roster}
        own = ids[settings.name]
        identity = Identity(cluster_id(ids.values()), own, f"{own:016x}", roster)
        self._keep(Volume(volume.id, identity))
        if len(roster) == 1:
            log.warning(
                "the volume is empty, and this is the only member: a NEW, EMPTY etcd begins; "
                "if it had data before, they are gone, and the Galera nodes write the registry anew"
            )
        names = ", ".join(name for name, _ in roster)
        log.info("all volumes are empty: cluster %s is founded by %s", hexadecimal(identity.cluster), names)

    def _join(self, cluster: Cluster, stale: tuple[EtcdMember, ...], volume: Volume) -> None:
        admin = self._administration()
        try:
            for entry in stale:
                admin.remove(entry.id)
                log.info("removed member %s, this member's old identity, from the cluster", hexadecimal(entry.id))
            found, member = admin.add_learner(self._url)
        except RegistryError as error:
            self._journal.waits(Wait(Reason.CLUSTER_REFUSES, text=str(error)))
            return
        if found != cluster.id:  # it was replaced within a second: look again
            return
        log.info("added to cluster %s as learner %s", hexadecimal(found), hexadecimal(member))
        self._keep(Volume(volume.id, Identity(found, member, f"{member:016x}")))

    def _start(self, how: StartNew | StartExisting | Start, volume: Volume) -> None:
        if volume.identity is None:
            return
        directory = self._store.directory(volume.identity)
        text = render(self._settings, directory, how, _listen_host(self._settings.listen[0]))
        if text != self._configured:
            replace_file(self._settings.config_file, text)
            self._configured = text
        if not self._started:
            log.info("etcd may start: %s", _WAYS[type(how)])
        self._started = True
        self._journal.goes_on()

    def _withdraw(self) -> None:
        """Take the configuration away, so that etcd cannot start with an identity that ended."""
        self._started = False
        self._configured = ""
        self._settings.config_file.unlink(missing_ok=True)

    def _care(self) -> float:
        """Look after the running member."""
        entry = self._entry
        if entry is None or not entry.learner:
            return CALM
        try:
            self._administration().promote(entry.id)
        except RegistryError as error:
            if str(error) != self._told:
                log.info("still a learner: %s", error)
            self._told = str(error)
        else:
            log.info("promoted to a voter")
        return BUSY

    def _keep(self, volume: Volume) -> Volume:
        self._store.store(volume)
        self._volume = volume
        return volume

    def _administration(self) -> Administration:
        if self._admin is None:
            urls = tuple(self._settings.client_url(name) for name in self._settings.others)
            self._admin = Administration(_access(self._settings, urls))
        return self._admin


_WAYS: Final = {
    StartNew: "as a founder of a new cluster",
    StartExisting: "as a learner of a cluster that exists",
    Start: "on the data that it has",
}


def _access(settings: MemberSettings, endpoints: tuple[str, ...]) -> EtcdSettings:
    tls, auth = settings.tls, settings.auth
    return EtcdSettings(
        endpoints=endpoints,
        user="root" if auth else "",
        password_file=auth.root_password_file if auth else None,
        tls_ca=tls.ca if tls else None,
        tls_cert=tls.cert if tls else None,
        tls_key=tls.key if tls else None,
    )


def _begun(volume: Volume, identity: Identity) -> Volume:
    return Volume(
        volume.id, Identity(identity.cluster, identity.member, identity.directory, identity.founding, begun=True)
    )


def _listen_host(host: str) -> str:
    """Return where etcd listens: on all addresses of both families where the system has both."""
    return host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104 - a pod's own network


def _seen(peer: Peer) -> dict[str, Any]:
    return {
        "standing": str(peer.report.standing) if peer.report else None,
        "cluster_id": hexadecimal(peer.cluster.id) if peer.cluster else None,
        "quorum": peer.cluster.quorum if peer.cluster else None,
    }
