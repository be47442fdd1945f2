"""A real server on a free loopback port, and certificates made by openssl."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from galera_exporter.settings import WebSettings
from galera_exporter.web.message import Request, Response
from galera_exporter.web.routing import Route
from galera_exporter.web.server import Limits, Server

PAGE = "".join(f'wsrep_sample{{node="galera-{i}"}} {i * 7919 % 10007}\n' for i in range(1100)).encode()
"""About 40 KB, as a page of metrics is."""


def metrics(_: Request) -> Response:
    return Response(HTTPStatus.OK, {"Content-Type": "text/plain; version=0.0.4"}, PAGE)


ROUTES: Mapping[str, Route] = {
    "/metrics": Route(metrics),
    "/-/healthy": Route(lambda _: Response.text(HTTPStatus.OK, "ok"), public=True),
    "/-/reload": Route(lambda _: Response.text(HTTPStatus.OK, "reloaded"), methods=("POST",)),
    "/": Route(lambda _: Response.html("<!doctype html><title>page</title>")),
}

StartServer = Callable[..., Server]


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


@dataclass(frozen=True)
class Certificates:
    """A CA, a server pair, and two client pairs, one of which a foreign CA signed."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name

    def issue(self, name: str, *, san: str = "IP:127.0.0.1,DNS:localhost", ca: str = "ca") -> None:
        """Make ``name.crt`` and ``name.key``, signed by ``ca``."""
        self._openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr"),
        )
        self.path(f"{name}.ext").write_text(f"subjectAltName={san}\n")
        self._openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial"),
            *("-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt"),
        )

    def authority(self, name: str) -> None:
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt"),
        )

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(("openssl", *arguments), cwd=self.folder, check=True, capture_output=True, timeout=30)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    made = Certificates(tmp_path)
    made.authority("ca")
    made.authority("foreign")
    made.issue("server")
    made.issue("client", san="DNS:prometheus.monitoring")
    made.issue("stranger", san="DNS:prometheus.monitoring", ca="foreign")
    return made
