"""One call to etcd: which endpoint, with which token, and whether the answer is one of etcd."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from etcd3gw.client import Etcd3Client
from etcd3gw.exceptions import Etcd3Exception
from requests import RequestException

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.registry.keyvalue import integer
from galera_exporter.registry.login import Login
from galera_exporter.registry.refusal import ELSEWHERE, Refusal, bad_answer, explain
from galera_exporter.registry.transport import BoundedSession
from galera_exporter.settings import EtcdSettings

log = logging.getLogger(__name__)

T = TypeVar("T")
Answer = dict[str, Any]

SHORTEST: Final = 0.05
"""Seconds: with less than this left of the budget no further endpoint is asked."""

_NO_HEADER: Final = "/maintenance/alarm"
"""etcd 3.4 answers ``{}`` where no alarm is raised."""

_NO_REVISION: Final = "/cluster/member/"
"""Their headers have the cluster and the term, but not the store's revision."""

_STORE: Final = ("/kv/", "/lease/")
"""Requests that need a leader; a member answers for its own state without one."""

_TELLING: Final = (
    RegistryReason.NO_LEADER,
    RegistryReason.TIMEOUT,
    RegistryReason.BAD_ANSWER,
    RegistryReason.OTHER,
    RegistryReason.UNREACHABLE,
)
"""Where each endpoint fails in its own way, the reason of the one that came closest to an answer is given."""


class AmbiguousError(RegistryError):
    """The write may have been applied, or may still be: read back before doing it again."""


class EndpointError(Exception):
    """One endpoint did not do what was asked."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class Gateway:
    """The JSON gateway of an etcd cluster, by any of its endpoints. For one thread at a time."""

    def __init__(self, settings: EtcdSettings, budget: float, clock: Callable[[], float]) -> None:
        self.cluster_id: int | None = None
        self._timeout = settings.timeout
        self._budget = budget
        self._clock = clock
        self._user = settings.user
        self._login = Login(settings, clock)
        self._session = BoundedSession.of_etcd(settings)
        self._clients = {endpoint: _client(endpoint, self._session) for endpoint in settings.endpoints}
        self._order = list(settings.endpoints)
        """Who answered last comes first, who failed last comes last."""

    @property
    def authenticated(self) -> bool:
        """Whether there is a token of a login."""
        return self._login.token is not None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def call(self, path: str, body: Mapping[str, Any], parse: Callable[[Answer], T], *, once: bool = False) -> T:
        """Ask the endpoints in turn, each at most once, within the budget; return the parsed answer.

        ``once`` is for writes that must not be done twice: then the next endpoint is asked
        only where the failed one cannot have applied the write.

        Raises:
            AmbiguousError: with ``once``, where the write may have been applied.
            RegistryError: no endpoint did what was asked.
        """
        deadline = self._clock() + self._budget
        failures: list[tuple[str, Refusal]] = []
        for endpoint in tuple(self._order):
            remaining = deadline - self._clock()
            if failures and remaining < SHORTEST:
                break
            try:
                answer = self.ask(endpoint, path, body, parse, limit=min(self._timeout, remaining))
            except EndpointError as error:
                refusal = error.refusal
            else:
                self._order.sort(key=lambda other: other != endpoint)
                return answer
            failures.append((endpoint, refusal))
            if refusal.reason not in ELSEWHERE:
                break
            self._order.remove(endpoint)
            self._order.append(endpoint)
            if once and refusal.maybe_applied:
                break
        text = "; ".join(f"{endpoint}: {refusal.text}" for endpoint, refusal in failures)
        last = failures[-1][1]
        reasons = {refusal.reason for _, refusal in failures}
        reason = (
            next(found for found in (*_TELLING, last.reason) if found in reasons)
            if last.reason in ELSEWHERE
            else last.reason
        )
        if once and last.maybe_applied:
            raise AmbiguousError(reason, text)
        raise RegistryError(reason, text)

    def ask(
        self,
        endpoint: str,
        path: str,
        body: Mapping[str, Any],
        parse: Callable[[Answer], T],
        limit: float | None = None,
    ) -> T:
        """Ask one endpoint, logging in first where that is needed; ``limit`` in seconds, of all of it.

        Raises:
            EndpointError: it did not do what was asked.
        """
        deadline = self._clock() + (self._timeout if limit is None else limit)
        client = self._clients.get(endpoint) or _client(endpoint, self._session)
        self._log_in(client, deadline)
        try:
            answer = self._post(client, path, body, deadline)
        except EndpointError as error:
            if error.refusal.reason is not RegistryReason.AUTH or not self._login.possible:
                raise
            self._login.forget()
            self._log_in(client, deadline)
            answer = self._post(client, path, body, deadline)
        if path != _NO_HEADER:
            self._check(endpoint, path, answer)
        try:
            return parse(answer)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise EndpointError(bad_answer("its parts are not what etcd writes")) from None

    def _log_in(self, client: Etcd3Client, deadline: float) -> None:
        if not self._login.needed:
            return
        try:
            password = self._login.password()
        except RegistryError as error:
            raise EndpointError(Refusal(error.reason, str(error), maybe_applied=False)) from None
        try:
            answer = self._post(
                client, "/auth/authenticate", {"name": self._user, "password": password.reveal()}, deadline
            )
        except EndpointError as error:
            refusal = error.refusal
            if "authentication is not enabled" in refusal.text:
                self._login.switch_off()
                return
            if refusal.reason is RegistryReason.AUTH:
                self._login.refuse(password)
            raise EndpointError(Refusal(refusal.reason, f"login: {refusal.text}", maybe_applied=False)) from None
        if not self._login.accept(answer.get("token")):
            raise EndpointError(
                Refusal(RegistryReason.BAD_ANSWER, "login: an answer without a token", maybe_applied=False)
            )

    def _post(self, client: Etcd3Client, path: str, body: Mapping[str, Any], deadline: float) -> Answer:
        headers = {}
        if path.startswith(_STORE):
            # A member without a leader then refuses at once, instead of after 7 s (clientv3.WithRequireLeader).
            headers["Grpc-Metadata-hasleader"] = "true"
        if self._login.token is not None:
            headers["Authorization"] = self._login.token
        client.timeout = max(SHORTEST, deadline - self._clock())
        try:
            answer = client.post(client.get_url(path), json=body, headers=headers)
        except (Etcd3Exception, RequestException, OSError, ValueError, RecursionError) as error:
            # An endpoint may be anything, also a server that sends our headers back.
            raise EndpointError(explain(error, self._login.redact)) from None
        if path == "/lease/keepalive" and isinstance(answer, dict):  # a stream of one message
            answer = answer.get("result")
        if not isinstance(answer, dict):
            raise EndpointError(bad_answer("it is not a JSON object"))
        return answer

    def _check(self, endpoint: str, path: str, answer: Answer) -> None:
        """Check the header, and make its numbers int."""
        try:
            names = (
                ("cluster_id", "raft_term")
                if path.startswith(_NO_REVISION)
                else ("cluster_id", "raft_term", "revision")
            )
            header = {name: integer(answer["header"][name]) for name in names}
        except (ValueError, TypeError, KeyError, AttributeError):
            raise EndpointError(bad_answer("it has no etcd header")) from None
        answer["header"] |= header
        known, self.cluster_id = self.cluster_id, header["cluster_id"]
        if known is not None and known != self.cluster_id:
            text = f"cluster {self.cluster_id:x} answers, before it was {known:x}: etcd rebuilt, or an endpoint wrong"
            log.warning("etcd %s: %s", endpoint, text)
            raise EndpointError(Refusal(RegistryReason.WRONG_CLUSTER, text, maybe_applied=True))


def _client(endpoint: str, session: BoundedSession) -> Etcd3Client:
    parts = urlsplit(endpoint)
    port = parts.port or 2379
    return Etcd3Client(
        host=parts.hostname or "", port=port, protocol=parts.scheme, timeout=1.0, api_path="/v3/", session=session
    )
