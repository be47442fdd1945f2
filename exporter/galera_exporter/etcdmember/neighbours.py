"""What the other members answer: this program beside them, and their etcd."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import requests

from galera_exporter.errors import RegistryError
from galera_exporter.etcdmember.decision import Cluster, Peer
from galera_exporter.etcdmember.settings import MemberSettings
from galera_exporter.etcdmember.state import Report, read_report
from galera_exporter.registry.administration import Administration
from galera_exporter.registry.keyvalue import integer
from galera_exporter.registry.members import EtcdMember
from galera_exporter.registry.transport import BoundedSession, reason_in_words
from galera_exporter.settings import EtcdSettings

STATE_PATH: Final = "/-/state"
_MEMBERS_PATH: Final = "/members"
"""On etcd's peer port, for members that start; without login (server/etcdserver/api/etcdhttp/peer.go)."""
_CLUSTER_HEADER: Final = "X-Etcd-Cluster-Id"
TIMEOUT: Final = 2.0
"""Seconds for one request."""


class Neighbour:
    """One member, this one or another. For one thread at a time."""

    def __init__(self, settings: MemberSettings, name: str, access: EtcdSettings) -> None:
        self.name = name
        self._state = settings.state_url(name) + STATE_PATH
        self._members = settings.peer_url(name) + _MEMBERS_PATH
        self._version = f"{settings.client_url(name)}/version"
        self._session = BoundedSession.of_etcd(access)
        self._etcd = Administration(access)

    def look(self) -> Peer:
        """Return what it says; nothing of what does not answer."""
        report, silence = self._report()
        return Peer(self.name, report, self.cluster(confirm=True), silence)

    def cluster(self, *, confirm: bool) -> Cluster | None:
        """Return what its etcd says of its cluster; with ``confirm`` after a linearizable read, if that succeeds."""
        doubt = "not asked"
        if confirm:
            try:
                self._etcd.confirm_quorum()
                doubt = ""
            except RegistryError as error:
                doubt = str(error)
        try:
            answer = self._session.get(self._members, timeout=TIMEOUT)
        except (OSError, ValueError):
            return None
        return None if answer.status_code != requests.codes.ok else _read(answer, doubt)

    def serves_clients(self) -> bool:
        """Whether its etcd answers on its client port; it needs no login for this."""
        try:
            return bool(self._session.get(self._version, timeout=TIMEOUT).status_code == requests.codes.ok)
        except (OSError, ValueError):
            return False

    def _report(self) -> tuple[Report | None, str]:
        try:
            answer = self._session.get(self._state, timeout=TIMEOUT)
        except (OSError, ValueError) as error:
            return None, reason_in_words(error)
        if answer.status_code != requests.codes.ok:
            return None, f"status {answer.status_code}"
        report = read_report(answer.content)
        if report is None or report.name != self.name:
            return None, "an answer that is none of this member"
        return report, ""


class Neighbourhood:
    """All other members, asked at the same time. For one thread at a time.

    So no answer of a member is older than the one before: the rules of ``decision`` build on that order.
    """

    def __init__(self, neighbours: tuple[Neighbour, ...]) -> None:
        self._neighbours = neighbours
        self._pool = ThreadPoolExecutor(max(1, len(neighbours)), thread_name_prefix="neighbour")

    def look(self) -> tuple[Peer, ...]:
        """Ask all, and return once each answered or its time is over."""
        return tuple(self._pool.map(Neighbour.look, self._neighbours))

    def close(self) -> None:
        """End the threads; a question under way is waited for."""
        self._pool.shutdown()


def _read(answer: requests.Response, doubt: str) -> Cluster | None:
    try:
        found: Any = json.loads(answer.content)
        members = tuple(
            EtcdMember(
                id=integer(member["id"]),
                name=str(member.get("name", "")),
                peer_urls=tuple(str(url) for url in member["peerURLs"]),
                client_urls=tuple(str(url) for url in member.get("clientURLs") or ()),
                learner=member.get("isLearner") is True,
            )
            for member in found
        )
        return Cluster(int(answer.headers[_CLUSTER_HEADER], 16), members, doubt)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return None
