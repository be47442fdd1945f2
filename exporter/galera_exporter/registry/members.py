"""The etcd cluster itself: its members, their state, and raised alarms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from galera_exporter.errors import RegistryReason
from galera_exporter.registry.keyvalue import integer


@dataclass(frozen=True, slots=True)
class EtcdMember:
    """A member of the etcd cluster; ``name`` is empty until it has started for the first time."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    learner: bool


@dataclass(frozen=True, slots=True)
class Alarm:
    """A raised alarm: ``NOSPACE`` or ``CORRUPT``, and the member that raised it."""

    member_id: int
    kind: str


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """What one endpoint says of itself (``etcdctl endpoint status``); sizes in bytes, latency in seconds."""

    endpoint: str
    reachable: bool
    version: str = ""
    member_id: int = 0
    leader_id: int = 0
    """0: it knows no leader."""
    raft_term: int = 0
    raft_index: int = 0
    db_size: int = 0
    errors: tuple[str, ...] = ()
    latency: float | None = None
    reason: RegistryReason | None = None
    detail: str = ""

    @property
    def leader(self) -> bool:
        """Whether this member leads."""
        return self.leader_id != 0 and self.leader_id == self.member_id


def parse_members(answer: Mapping[str, Any]) -> tuple[EtcdMember, ...]:
    """Read the answer of member/list.

    Raises ValueError, TypeError, KeyError or AttributeError where it is not what etcd writes.
    """
    return tuple(
        EtcdMember(
            id=integer(member["ID"]),
            name=str(member.get("name", "")),
            peer_urls=tuple(str(url) for url in member.get("peerURLs", ())),
            client_urls=tuple(str(url) for url in member.get("clientURLs", ())),
            learner=member.get("isLearner") is True,
        )
        for member in answer["members"]
    )


def parse_alarms(answer: Mapping[str, Any]) -> tuple[Alarm, ...]:
    """Read the answer of maintenance/alarm; raises as ``parse_members`` does."""
    return tuple(Alarm(integer(alarm["memberID"]), str(alarm["alarm"])) for alarm in answer.get("alarms", ()))


def parse_status(endpoint: str, answer: Mapping[str, Any], latency: float) -> EndpointStatus:
    """Read the answer of maintenance/status; raises as ``parse_members`` does."""
    return EndpointStatus(
        endpoint,
        reachable=True,
        version=str(answer["version"]),
        member_id=integer(answer["header"]["member_id"]),
        leader_id=integer(answer.get("leader", 0)),
        raft_term=integer(answer["raftTerm"]),
        raft_index=integer(answer["raftIndex"]),
        db_size=integer(answer["dbSize"]),
        errors=tuple(str(error) for error in answer.get("errors", ())),
        latency=latency,
    )
