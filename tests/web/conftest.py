"""A real server on a free loopback port, and certificates made by openssl."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from serving import ROUTES, Certificates, StartServer

from galera_exporter.settings import WebSettings
from galera_exporter.web.routing import Route
from galera_exporter.web.server import Limits, Server


@pytest.fixture
def start() -> Iterator[StartServer]:
    """Start servers; each is closed at the end of the test."""
    servers: list[Server] = []

    def started(
        config_file: Path | None = None,
        routes: Mapping[str, Route] = ROUTES,
        limits: Limits | None = None,
        host: str = "127.0.0.1",
        **settings: Any,
    ) -> Server:
        server = Server(
            WebSettings(listen=((host, 0),), config_file=config_file, **settings), routes, limits=limits or Limits()
        )
        server.start()
        servers.append(server)
        return server

    yield started
    for server in servers:
        server.close()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    made = Certificates(tmp_path)
    made.authority("ca")
    made.authority("foreign")
    made.issue("server")
    made.issue("client", san="DNS:prometheus.monitoring")
    made.issue("stranger", san="DNS:prometheus.monitoring", ca="foreign")
    return made
