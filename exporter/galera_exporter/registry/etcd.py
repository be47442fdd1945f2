"""Etcd as this program uses it: a guard over etcd3gw that believes no answer unchecked.

Each call asks the endpoint that answered last, and where that one fails the others, each at
most once and all within one budget. A transaction whose outcome is not known is not sent
again: it raises AmbiguousError, and the caller reads back what became of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.registry.gateway import AmbiguousError, EndpointError, Gateway
from galera_exporter.registry.keyvalue import (
    Compare,
    Operation,
    Range,
    Txn,
    integer,
    parse_pairs,
    parse_responses,
    prefix_end,
    span,
)
from galera_exporter.registry.members import (
    Alarm,
    EndpointStatus,
    EtcdMember,
    parse_alarms,
    parse_members,
    parse_status,
)
from galera_exporter.settings import EtcdSettings

__all__ = ["AmbiguousError", "Etcd"]

log = logging.getLogger(__name__)


class Etcd:
    """An etcd cluster. For one thread at a time; its methods raise RegistryError.

    ``budget`` limits one call over all endpoints, in seconds. By default it is 2.5 requests:
    a dead member costs the time of one request, and the next one still gets all of its own.
    """

    def __init__(
        self, settings: EtcdSettings, *, budget: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not settings.endpoints:
            raise ValueError("no etcd endpoint is set")
        self.budget = 2.5 * settings.timeout if budget is None else budget
        self.regressions = 0
        """How often the revision of the store went back: etcd was wiped or restored."""
        self._clock = clock
        self._gateway = Gateway(settings, self.budget, clock)
        self._seen = (0, 0)
        """Cluster and revision of the last read or transaction."""

    @property
    def cluster_id(self) -> int | None:
        """The id of the etcd cluster that answered last, None before the first answer."""
        return self._gateway.cluster_id

    def close(self) -> None:
        """Close the connections."""
        self._gateway.close()

    def range(self, prefix: str, *, limit: int = 0) -> Range:
        """Read all keys that start with ``prefix``, linearizable; at most ``limit`` where that is not 0."""
        key = prefix.encode()
        found = self._gateway.call("/kv/range", {**span(key, prefix_end(key)), "limit": str(limit)}, _range)
        self._note(found.revision)
        return found

    def transaction(
        self, compare: Sequence[Compare], success: Sequence[Operation], failure: Sequence[Operation] = ()
    ) -> Txn:
        """Do ``success`` where all of ``compare`` hold, else ``failure``, in one step.

        Raises:
            AmbiguousError: it may have been applied.
            RegistryError: it was not applied.
        """
        body = {"compare": list(compare), "success": list(success), "failure": list(failure)}
        outcome = self._gateway.call("/kv/txn", body, _txn, once=True)
        self._note(outcome.revision)
        return outcome

    def grant(self, ttl: int) -> int:
        """Return the id of a new lease of ``ttl`` seconds. One whose answer is lost is left to expire."""
        return self._gateway.call("/lease/grant", {"TTL": str(ttl), "ID": "0"}, lambda answer: integer(answer["ID"]))

    def keepalive(self, lease: int) -> int:
        """Start the time of the lease anew; return its TTL in seconds.

        Raises:
            RegistryError: LEASE_EXPIRED where it is gone: etcd then answers without a TTL.
        """
        ttl = self._gateway.call("/lease/keepalive", {"ID": str(lease)}, lambda answer: integer(answer.get("TTL", 0)))
        if ttl <= 0:
            raise _expired(lease)
        return ttl

    def revoke(self, lease: int) -> None:
        """End the lease and with it its keys. It may be gone already."""
        try:
            self._gateway.call("/lease/revoke", {"ID": str(lease)}, lambda _: None)
        except RegistryError as error:
            if error.reason is not RegistryReason.LEASE_EXPIRED:
                raise

    def time_to_live(self, lease: int) -> tuple[int, int]:
        """Return the granted and the remaining seconds of a lease.

        Raises:
            RegistryError: LEASE_EXPIRED where it is gone.
        """
        granted, remaining = self._gateway.call(
            "/lease/timetolive",
            {"ID": str(lease)},
            lambda answer: (integer(answer.get("grantedTTL", 0)), integer(answer.get("TTL", 0))),
        )
        if remaining < 0:
            raise _expired(lease)
        return granted, remaining

    def members(self) -> tuple[EtcdMember, ...]:
        """Return the members of the etcd cluster."""
        return self._gateway.call("/cluster/member/list", {}, parse_members)

    def alarms(self) -> tuple[Alarm, ...]:
        """Return the raised alarms; while there is one, etcd takes no writes."""
        return self._gateway.call("/maintenance/alarm", {"action": "GET"}, parse_alarms)

    def endpoint_status(self, endpoint: str) -> EndpointStatus:
        """Ask one endpoint, configured or not, for its own state. Never raises: the value says what failed."""
        started = self._clock()
        try:
            return self._gateway.ask(
                endpoint,
                "/maintenance/status",
                {},
                lambda answer: parse_status(endpoint, answer, self._clock() - started),
            )
        except EndpointError as error:
            return EndpointStatus(endpoint, reachable=False, reason=error.refusal.reason, detail=error.refusal.text)

    def _note(self, revision: int) -> None:
        """Count and log a revision that went back; in a new cluster it starts anew."""
        cluster, before = self._seen
        self._seen = (self._gateway.cluster_id or 0, revision)
        if cluster == self._seen[0] and revision < before:
            self.regressions += 1
            log.warning("etcd: the revision went back from %d to %d: etcd was wiped or restored", before, revision)


def _range(answer: dict[str, Any]) -> Range:
    header = answer["header"]
    return Range(header["revision"], header["raft_term"], parse_pairs(answer), more=answer.get("more") is True)


def _txn(answer: dict[str, Any]) -> Txn:
    header = answer["header"]
    return Txn(answer.get("succeeded") is True, header["revision"], header["raft_term"], parse_responses(answer))


def _expired(lease: int) -> RegistryError:
    return RegistryError(RegistryReason.LEASE_EXPIRED, f"lease {lease:x} expired or was revoked")
