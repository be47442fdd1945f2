"""Whether a container's program is alive, asked as Docker and Podman do it."""

from __future__ import annotations

import socket
import threading
from http import HTTPStatus
from pathlib import Path

import pytest

from galera_exporter import healthcheck
from galera_exporter.settings import WebSettings
from galera_exporter.web.message import Response
from galera_exporter.web.routing import Route
from galera_exporter.web.server import Server


def status_of(answer: HTTPStatus | None, config: Path | None = None) -> int:
    """Serve, ask, and return what the check ends with; ``answer`` None: the handler fails."""

    def handler(_: object) -> Response:
        if answer is None:
            raise ValueError
        return Response.text(answer, "words")

    settings = WebSettings(listen=(("127.0.0.1", 0),), config_file=config)
    server = Server(settings, {"/-/healthy": Route(handler, public=True)})
    server.start()
    try:
        return healthcheck.main((1, server.addresses[0][1]))
    finally:
        server.close()


def test_a_program_that_answers_is_healthy() -> None:
    assert status_of(HTTPStatus.OK) == 0


def test_one_that_answers_with_a_fault_of_its_own_is_not() -> None:
    assert status_of(None) == 1
    assert status_of(HTTPStatus.SERVICE_UNAVAILABLE) == 1


def test_nobody_is_not_healthy() -> None:
    assert healthcheck.main((1,)) == 1


def test_one_that_hangs_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthcheck, "_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # the kernel accepts, nobody reads
        assert healthcheck.main((listener.getsockname()[1],)) == 1


def test_one_that_speaks_tls_and_hangs_up_is_alive() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert healthcheck.main((listener.getsockname()[1],)) == 0
        thread.join()
