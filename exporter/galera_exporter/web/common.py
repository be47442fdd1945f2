"""The answers that our processes have in common."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from galera_exporter.web.message import Request, Response
from galera_exporter.web.routing import Route
from galera_exporter.web.server import Server

OK: Final = Response.text(HTTPStatus.OK, "ok")
PROBE: Final = Route(lambda _: OK, public=True)
"""Of the process alone: it answers, so it lives."""


def exposition(body: bytes, content_type: str) -> Response:
    """Answer a scrape."""
    return Response(HTTPStatus.OK, {"Content-Type": content_type}, body)


def reload(server: Server, _: Request) -> Response:
    """Read the web configuration file now, and say whether it is good."""
    if server.reload():
        return Response.text(HTTPStatus.OK, "reloaded")
    return Response.text(HTTPStatus.INTERNAL_SERVER_ERROR, "not reloaded: the log says why; the old one holds")
