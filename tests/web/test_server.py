"""The routes, the addresses and the life of the server."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
from http import HTTPStatus

import pytest
from serving import PAGE, ROUTES, StartServer
from wire import GET, connect, exchange, read_answer, request

from galera_exporter.errors import ConfigError
from galera_exporter.settings import WebSettings
from galera_exporter.web.listener import group_of
from galera_exporter.web.message import Request, Response
from galera_exporter.web.routing import Route
from galera_exporter.web.server import Server


def test_a_page_comes_whole_and_compressed_if_asked(start: StartServer) -> None:
    server = start()
    assert exchange(server, GET).body == PAGE
    squeezed = exchange(server, request(Accept_Encoding="gzip"))
    assert gzip.decompress(squeezed.body) == PAGE
    assert squeezed.headers["server"] == "galera-exporter"


@pytest.mark.parametrize(
    ("path", "method", "status", "allow"),
    [
        ("/nowhere", "GET", 404, None),
        ("/metrics/", "GET", 404, None),
        ("/metrics", "POST", 405, "GET, HEAD"),
        ("/metrics", "DELETE", 405, "GET, HEAD"),
        ("/-/reload", "GET", 405, "POST"),
        ("/-/reload", "HEAD", 405, "POST"),
        ("/-/reload", "POST", 200, None),
        ("/metrics", "HEAD", 200, None),
        ("/?refresh=1", "GET", 200, None),
    ],
)
def test_each_path_and_method_has_its_status(
    start: StartServer, path: str, method: str, status: int, allow: str | None
) -> None:
    answer = exchange(start(), request(path, method))
    assert (answer.status, answer.headers.get("allow")) == (status, allow)


def test_a_small_body_is_dropped_and_the_connection_goes_on(start: StartServer) -> None:
    with connect(start()) as sock:
        sock.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n" + b"x" * 65536)
        assert read_answer(sock).status == 200
        sock.sendall(GET)
        assert read_answer(sock).body == PAGE


def test_a_handler_that_fails_tells_the_log_and_not_the_client(
    start: StartServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Request) -> Response:
        raise RuntimeError("a secret detail")

    server = start(routes={"/": Route(fail)})
    with caplog.at_level(logging.WARNING):
        answers = [exchange(server, request("/")) for _ in range(3)]
    assert {answer.status for answer in answers} == {500}
    assert not any(b"secret" in answer.body for answer in answers)
    assert caplog.text.count("RuntimeError: a secret detail") == 1, "once a minute is enough"


def test_a_handler_is_told_the_time_that_is_left(start: StartServer) -> None:
    told: list[float] = []

    def remember(asked: Request) -> Response:
        told.append(asked.timeout)
        return Response.text(HTTPStatus.OK, "ok")

    exchange(start(routes={"/": Route(remember)}), request("/", X_Prometheus_Scrape_Timeout_Seconds="4"))
    assert 3.0 < told[0] <= 3.5


def test_an_empty_host_serves_ipv4_and_ipv6(start: StartServer) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this system has no IPv6")
    server = start(host="")
    port = server.addresses[0][1]
    for host in ("127.0.0.1", "::1"):
        with socket.create_connection((host, port), 5) as sock:
            sock.sendall(GET)
            assert read_answer(sock).status == 200


def test_an_address_in_use_is_named_with_what_to_do(start: StartServer) -> None:
    taken = start().addresses[0]
    second = Server(WebSettings(listen=(("127.0.0.1", 0), taken)), ROUTES)
    with pytest.raises(ConfigError, match=rf"127.0.0.1:{taken[1]}.*in use.*free address"):
        second.start()


def test_close_frees_the_port_and_ends_the_threads(start: StartServer) -> None:
    before = threading.active_count()
    server = start()
    with connect(server) as sock:
        sock.sendall(GET)
        read_answer(sock)
        server.close()
        assert sock.recv(1) == b""
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        connect(server)


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_a_host_counts_once_whichever_ipv6_address_it_takes(one: str, two: str, *, same: bool) -> None:
    assert (group_of(one) == group_of(two)) is same
