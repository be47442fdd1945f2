"""What slow, silent, greedy and broken clients can do to others: nothing worth a mention."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest
from serving import PAGE, ROUTES, Certificates, StartServer, trusting, web_config
from wire import CLOSING_GET, GET, PROBE, closed_within, connect, exchange, read_answer, request

from galera_exporter.web.connection import Deadlines
from galera_exporter.web.message import MAX_HEAD, Request, Response
from galera_exporter.web.routing import Route
from galera_exporter.web.server import Limits, Server
from lab.process import wait_until

SHORT = Limits(deadlines=Deadlines(handshake=0.4, head=0.4, idle=0.4, write=0.6, linger=0.2))


def timed(server: Server, **options: Any) -> float:
    began = time.monotonic()
    answer = exchange(server, CLOSING_GET, **options)
    assert (answer.status, answer.body) == (200, PAGE)
    return time.monotonic() - began


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.9"])
def test_500_half_open_requests_delay_no_scrape_even_from_their_own_address(start: StartServer, source: str) -> None:
    server = start()
    with ExitStack() as held:
        for number in range(500):
            sock = held.enter_context(connect(server, source="127.0.0.1"))
            sock.sendall(f"GET /metrics HTTP/1.1\r\nX-Slow: {number}".encode())
        assert max(timed(server, source=source) for _ in range(5)) < 4.0
        assert len(server._connections) >= 100, "it holds as many as one address may have"
        assert threading.active_count() < 20


def test_50_silent_tls_clients_delay_no_scrape(start: StartServer, certificates: Certificates) -> None:
    server = start(web_config(certificates))
    context = trusting(certificates)
    with ExitStack() as held:
        for number in range(50):
            sock = held.enter_context(connect(server))
            if number % 2:
                sock.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a hello
        assert max(timed(server, context=context) for _ in range(5)) < 4.0
        assert len(server._connections) >= 50, "none of them was sent away"


def test_a_header_that_drips_is_cut_off_by_a_deadline_in_total(start: StartServer) -> None:
    server = start(limits=SHORT)
    began = time.monotonic()
    with connect(server) as sock:
        sock.settimeout(0.05)
        answer = b""
        for byte in b"GET /metrics HTTP/1.1\r\nX-Slow: " + b"x" * 200:
            try:
                sock.sendall(bytes([byte]))
                answer += sock.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                break
            if answer:
                break
    assert b" 408 " in answer
    assert time.monotonic() - began < 6.0, "long before the 200 bytes are sent"


def test_a_client_that_says_nothing_is_closed(start: StartServer) -> None:
    with connect(start(limits=SHORT)) as sock:
        assert closed_within(sock, 2.0)


def test_a_tls_client_that_says_nothing_is_closed(start: StartServer, certificates: Certificates) -> None:
    with connect(start(web_config(certificates), limits=SHORT)) as sock:
        assert closed_within(sock, 2.0)


def test_an_idle_connection_is_closed_after_its_time_and_not_before(start: StartServer) -> None:
    with connect(start(limits=SHORT)) as sock:
        sock.sendall(GET)
        read_answer(sock)
        assert not closed_within(sock, 0.2)
        assert closed_within(sock, 2.0)


def test_a_connection_ends_after_its_share_of_requests(start: StartServer) -> None:
    with connect(start(limits=Limits(requests=3))) as sock:
        said = []
        for _ in range(3):
            sock.sendall(GET)
            said.append(read_answer(sock).headers["connection"])
        assert said == ["keep-alive", "keep-alive", "close"]
        assert closed_within(sock, 2.0)


def test_a_hoarder_loses_its_oldest_connection_and_others_get_in(start: StartServer) -> None:
    server = start(limits=Limits(connections=40, per_peer=10))
    with ExitStack() as held:
        hoard = [held.enter_context(connect(server)) for _ in range(30)]
        assert timed(server) < 4.0
        assert timed(server, source="127.0.0.9") < 4.0
        assert closed_within(hoard[0], 2.0)
        assert not closed_within(hoard[-1], 0.1)


def test_a_thousand_connections_at_once_leave_room_for_a_scrape(start: StartServer) -> None:
    server = start()
    with ExitStack() as held:
        for number in range(1000):
            held.enter_context(connect(server, source=f"127.0.1.{number % 8 + 1}"))
        assert timed(server, source="127.0.0.9") < 4.0
        assert 500 <= len(server._connections) <= 512


def test_busy_connections_at_the_cap_bring_503_and_not_a_hang(start: StartServer) -> None:
    gate = threading.Event()

    def wait(_: Request) -> Response:
        gate.wait(10)
        return Response.text(HTTPStatus.OK, "late")

    server = start(routes={"/slow": Route(wait)}, limits=Limits(per_peer=4))
    with ExitStack() as held:
        held.callback(gate.set)
        busy = [held.enter_context(connect(server)) for _ in range(4)]
        for sock in busy:
            sock.sendall(request("/slow"))
        wait_until(lambda: server._pool._begun >= 4, 5, "all four are worked on", interval=0.01)
        assert exchange(server, PROBE).status == 503
        gate.set()
        assert [read_answer(sock).status for sock in busy] == [200] * 4


def test_handlers_that_hang_do_not_hold_up_the_probe(start: StartServer) -> None:
    gate = threading.Event()

    def wait(_: Request) -> Response:
        gate.wait(10)
        return Response.text(HTTPStatus.OK, "late")

    server = start(routes={**ROUTES, "/slow": Route(wait)})
    with ExitStack() as held:
        held.callback(gate.set)
        for _ in range(40):
            held.enter_context(connect(server)).sendall(request("/slow"))
        began = time.monotonic()
        assert exchange(server, PROBE).status == 200
        assert time.monotonic() - began < 8.0, "before any of them ends"


def test_a_request_that_found_no_worker_in_its_time_gets_503(start: StartServer) -> None:
    gate = threading.Event()

    def wait(_: Request) -> Response:
        gate.wait(10)
        return Response.text(HTTPStatus.OK, "late")

    server = start(routes={"/slow": Route(wait)})
    server._pool._most = 4
    with ExitStack() as held:
        held.callback(gate.set)
        for _ in range(4):
            held.enter_context(connect(server)).sendall(request("/slow"))
        late = held.enter_context(connect(server))
        late.sendall(request("/slow", X_Prometheus_Scrape_Timeout_Seconds="0.6"))
        late.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.recv(1)
        late.settimeout(5)
        gate.set()
        assert read_answer(late).status == 503


def test_a_reader_that_does_not_read_is_cut_off(start: StartServer) -> None:
    big = Route(lambda _: Response(HTTPStatus.OK, {}, b"x" * 30_000_000))
    server = start(routes={**ROUTES, "/big": big}, limits=Limits(deadlines=replace(SHORT.deadlines, write=2.0)))
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(5)
        sock.connect(server.addresses[0])
        sock.sendall(request("/big"))
        assert timed(server) < 1.5
        assert server._connections, "it still waits for its reader"
        wait_until(lambda: not server._connections, 10, "its connection has ended", interval=0.02)
        assert not server._connections


def test_a_client_that_half_closes_still_gets_its_answer(start: StartServer) -> None:
    with connect(start()) as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        assert read_answer(sock).body == PAGE
        assert closed_within(sock, 2.0)


def test_a_client_that_leaves_before_its_answer_costs_nothing(start: StartServer) -> None:
    server = start()
    for _ in range(50):
        with connect(server) as sock:
            sock.sendall(GET)
    assert timed(server) < 4.0
    wait_until(lambda: not server._connections, 5, "all connections have ended", interval=0.02)
    assert not server._connections
    assert not server._peers


def test_pipelined_requests_are_answered_in_their_order(start: StartServer) -> None:
    with connect(start()) as sock:
        sock.sendall(GET + b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" + PROBE)
        stream = b""
        while more := sock.recv(65536):
            stream += more
    places = [stream.index(b"HTTP/1.1 200 OK"), stream.index(b"HTTP/1.1 404"), stream.rindex(b"HTTP/1.1 200 OK")]
    assert places == sorted(places)
    assert stream.endswith(b"ok\n")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /\r\n", 400),  # HTTP/0.9
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS on a plain port
        (b"\x00\x01\x02", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 2 * MAX_HEAD, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: 1\r\n" % i for i in range(101)) + b"\r\n", 431),
    ],
)
def test_garbage_gets_its_status_at_once_and_the_connection_ends(start: StartServer, data: bytes, status: int) -> None:
    began = time.monotonic()
    with connect(start()) as sock:
        sock.sendall(data)
        answer = read_answer(sock)
        assert answer.status == status
        assert answer.headers["connection"] == "close"
        assert b"Traceback" not in answer.body
        assert closed_within(sock, 3.0)
    assert time.monotonic() - began < 4.0, "before the time for a request is over"


def test_a_megabyte_of_header_gets_431_though_it_is_never_read(start: StartServer) -> None:
    with connect(start()) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        try:
            for _ in range(64):
                sock.sendall(b"x" * 16384)
        except OSError:
            pass  # the server had enough
        assert read_answer(sock).status == 431


def test_no_descriptors_left_is_no_end_of_service(start: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start()
    real = server._listeners[0]
    refusals = iter(range(3))

    class Exhausted:
        def accept(self) -> Any:
            if next(refusals, None) is not None:
                raise OSError(24, "Too many open files")
            return real.accept()

    original = server._accept
    monkeypatch.setattr(server, "_accept", lambda _, now: original(Exhausted(), now))  # type: ignore[arg-type]  # stands in for the socket
    assert timed(server) < 3.0
    assert next(refusals, None) is None
