"""TLS, basic auth and slow clients: against a server that is there."""

from __future__ import annotations

import socket
import threading
from http import HTTPStatus
from pathlib import Path

from bench.client import Client
from bench.slow_clients import HALF, HALF_OPEN, Crowd, connected, crowd, crowd_rows, lock
from bench.stand import SIDECAR, Exporter
from galera_exporter.settings import WebSettings
from galera_exporter.web.message import Request, Response
from galera_exporter.web.routing import Route
from galera_exporter.web.server import Server


def test_the_slowest_of_all_crowds_is_measured_against_the_target() -> None:
    rows = crowd_rows("500", [Crowd([0.1, 0.2], 500), Crowd([0.3, 1.2], 480)], [Crowd([0.1], 550)])
    assert [(row.value, row.peer) for row in rows] == [(250, 100), (1.2, 0.1), (480, 550)]
    assert [row.met for row in rows] == [None, False, None]


def test_what_the_other_side_has_closed_is_not_connected() -> None:
    ours, theirs = zip(*(socket.socketpair() for _ in range(3)), strict=True)
    theirs[0].close()
    theirs[1].sendall(b"still there")
    assert connected([*ours]) == 2
    for sock in (*ours, *theirs):
        sock.close()


def test_a_crowd_is_all_of_half_requests_and_silent_ones() -> None:
    heard: list[bytes] = []
    accepted: list[socket.socket] = []

    def accept() -> None:
        accepted.extend(listener.accept()[0] for _ in range(HALF_OPEN + 4))

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        with crowd(Exporter(SIDECAR, 0, listener.getsockname()[1]), 4) as slow:
            thread.join(30)
            assert connected(slow) == len(accepted) == HALF_OPEN + 4
        for sock in accepted:
            with sock:
                sock.settimeout(5)
                heard.append(sock.recv(100))
    assert heard.count(HALF) == HALF_OPEN
    assert heard.count(b"") == 2


def test_the_door_opens_a_server_that_has_its_file(tmp_path: Path) -> None:
    door = lock(tmp_path)

    def metrics(_: Request) -> Response:
        return Response.text(HTTPStatus.OK, "galera_up 1")

    settings = WebSettings(listen=(("127.0.0.1", 0),), config_file=tmp_path / "web.yml")
    server = Server(settings, {"/metrics": Route(metrics)})
    server.start()
    try:
        exporter = Exporter(SIDECAR, 0, server.addresses[0][1], door)
        with exporter.client() as client:
            assert client.scrape(exporter.request(""))[0].status == 200
        with Client(exporter.port, context=door.context) as stranger:
            assert stranger.scrape(Exporter(SIDECAR, 0, exporter.port).request(""))[0].status == 401
    finally:
        server.close()
