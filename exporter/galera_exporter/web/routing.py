"""From a request to a response: who may, which route, which method, and what is left of the time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from galera_exporter.web.auth import Access, BasicAuth
from galera_exporter.web.message import PRODUCT, Request, Response

log = logging.getLogger(__name__)

Handler = Callable[[Request], Response]

_CHALLENGE: Final = {"WWW-Authenticate": f'Basic realm="{PRODUCT}", charset="UTF-8"'}
_LOG_EVERY: Final = 60.0
"""Seconds between two log lines about the same trouble of requests."""


@dataclass(frozen=True, slots=True)
class Route:
    """What answers at a path. GET brings HEAD along."""

    handler: Handler
    methods: tuple[str, ...] = ("GET",)
    public: bool = False
    """Whether it is served without a password: for probes, which have none. TLS rules still hold."""
    ahead: Callable[[], None] | None = None
    """Begins the slow part of the answer while the request is on its way to a worker. Must not wait, nor raise."""


class Router:
    """Answers requests by ``routes``, a mapping of path to Route."""

    def __init__(self, routes: Mapping[str, Route], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._routes = dict(routes)
        self._clock = clock
        self._logged: dict[str, float] = {}

    def begin(self, path: str) -> None:
        """Begin the slow part of the answer at ``path``; for requests that need no password."""
        route = self._routes.get(path)
        if route is not None and route.ahead is not None:
            route.ahead()

    def respond(self, request: Request, deadline: float, auth: BasicAuth | None) -> Response:
        """Return the answer to ``request``, which is due at ``deadline`` of the clock. Never raises."""
        route = self._routes.get(request.path)
        if auth is not None and not (route and route.public):
            refusal = self._authenticate(request, auth)
            if refusal is not None:
                return refusal
        if route is None:
            return Response.text(HTTPStatus.NOT_FOUND, "not found")
        if request.method not in route.methods and not (request.method == "HEAD" and "GET" in route.methods):
            allowed = (*route.methods, "HEAD") if "GET" in route.methods else route.methods
            return Response.text(HTTPStatus.METHOD_NOT_ALLOWED, "method not allowed", {"Allow": ", ".join(allowed)})
        left = deadline - self._clock()
        if left <= 0:
            self._warn("late", "an HTTP request waited past its deadline for a free worker and got 503")
            return Response.text(HTTPStatus.SERVICE_UNAVAILABLE, "no worker was free in time")
        try:
            return route.handler(replace(request, timeout=left))
        except Exception:  # noqa: BLE001 - the client gets no details, the log all of them
            self._warn(request.path, "the handler of %s failed", request.path, traceback=True)
            return Response.text(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; the exporter's log has the details")

    def _authenticate(self, request: Request, auth: BasicAuth) -> Response | None:
        header = request.headers.get("authorization")
        access = auth.verify(header, request.peer) if header is not None else Access.DENIED
        if access is Access.GRANTED:
            return None
        if access is Access.BUSY:
            return Response.text(
                HTTPStatus.TOO_MANY_REQUESTS, "too many passwords are being checked; try again", {"Retry-After": "2"}
            )
        if header is not None:
            self._warn("password", "an HTTP request from %s had a wrong user or password", request.peer)
        return Response.text(HTTPStatus.UNAUTHORIZED, "user and password needed", _CHALLENGE)

    def _warn(self, trouble: str, message: str, *args: object, traceback: bool = False) -> None:
        """Log one line for each kind of trouble and minute. Kinds are few: ours and the routes' paths."""
        now = self._clock()
        if now - self._logged.get(trouble, float("-inf")) >= _LOG_EVERY:
            self._logged[trouble] = now
            log.warning(message, *args, exc_info=traceback)
