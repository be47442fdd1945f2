"""What the tests of the server serve, and certificates made by openssl."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from galera_exporter.web.message import Request, Response
from galera_exporter.web.routing import Route
from galera_exporter.web.server import Server

StartServer = Callable[..., Server]

PAGE = "".join(f'wsrep_sample{{node="galera-{i}"}} {i * 7919 % 10007}\n' for i in range(2000)).encode()
"""About 40 KB, as a page of metrics is."""


def metrics(_: Request) -> Response:
    return Response(HTTPStatus.OK, {"Content-Type": "text/plain; version=0.0.4"}, PAGE)


ROUTES: Mapping[str, Route] = {
    "/metrics": Route(metrics),
    "/-/healthy": Route(lambda _: Response.text(HTTPStatus.OK, "ok"), public=True),
    "/-/reload": Route(lambda _: Response.text(HTTPStatus.OK, "reloaded"), methods=("POST",)),
    "/": Route(lambda _: Response.html("<!doctype html><title>page</title>")),
}


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


def web_config(certificates: Certificates, text: str = "") -> Path:
    path = certificates.path("web.yml")
    path.write_text(f"tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n{text}")
    return path


def trusting(certificates: Certificates, pair: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificates.path("ca.crt"))
    if pair:
        context.load_cert_chain(certificates.path(f"{pair}.crt"), certificates.path(f"{pair}.key"))
    return context
