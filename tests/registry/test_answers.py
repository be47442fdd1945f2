"""Endpoints that answer, but not as etcd does. A small HTTP server plays them: no real etcd does this on demand."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.registry.etcd import AmbiguousError, Etcd
from galera_exporter.registry.keyvalue import put
from galera_exporter.registry.transport import MAX_ANSWER
from galera_exporter.settings import EtcdSettings, Secret

HEADER = {"cluster_id": "1", "member_id": "2", "revision": "3", "raft_term": "4"}
GOOD = {"header": HEADER, "kvs": []}


class Impostor:
    """Listens on loopback; ``answer`` gets the request's head and body and plays its part on the connection."""

    def __init__(self, answer: Callable[[socket.socket, bytes, bytes], None]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests = 0
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            try:
                head, _, body = _receive(connection).partition(b"\r\n\r\n")
                self.requests += 1
                self._answer(connection, head, body)
            except OSError:
                pass  # the guard hung up: what several of these tests are about
            connection.close()


def _receive(connection: socket.socket) -> bytes:
    connection.settimeout(10)
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or b"\r\n\r\n"
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    wanted = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < wanted:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def reply(body: bytes, status: str = "200 OK", *headers: str) -> Callable[[socket.socket, bytes, bytes], None]:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers])

    def answer(connection: socket.socket, _head: bytes, _body: bytes) -> None:
        connection.sendall(head.encode() + b"\r\n\r\n" + body)

    return answer


def drip(start: bytes) -> Callable[[socket.socket, bytes, bytes], None]:
    """Send ``start``, then a byte each 50 ms: each read of the socket succeeds, the answer never ends."""

    def answer(connection: socket.socket, _head: bytes, _body: bytes) -> None:
        connection.sendall(start)
        for _ in range(400):
            time.sleep(0.05)
            connection.sendall(b" ")

    return answer


@pytest.fixture
def impostor() -> Iterator[Callable[..., Impostor]]:
    started: list[Impostor] = []

    def start(answer: Callable[[socket.socket, bytes, bytes], None]) -> Impostor:
        started.append(Impostor(answer))
        return started[-1]

    yield start
    for each in started:
        each.close()


def guard(*impostors: Impostor, **options: Any) -> Etcd:
    return Etcd(EtcdSettings(endpoints=tuple(each.endpoint for each in impostors), **{"timeout": 1.0, **options}))


def without(name: str) -> dict[str, object]:
    return {"header": {field: value for field, value in HEADER.items() if field != name}}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{}", id="empty object"),
        pytest.param(b"[]", id="empty list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"header"', id="text"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html><body>Welcome</body></html>", id="html"),
        pytest.param(b"\xff\xfe\x00", id="binary"),
        pytest.param(b"[" * 100_000, id="deep nesting"),
        pytest.param(b'{"header":' + b"9" * 5000 + b"}", id="long number"),
        pytest.param(b'{"header":{}}', id="empty header"),
        pytest.param(b'{"header":[]}', id="header is a list"),
        pytest.param(json.dumps(without("cluster_id")).encode(), id="no cluster"),
        pytest.param(json.dumps(without("revision")).encode(), id="no revision"),
        pytest.param(json.dumps(without("raft_term")).encode(), id="no term"),
        pytest.param(json.dumps({"header": HEADER | {"revision": "x"}}).encode(), id="revision no number"),
        pytest.param(json.dumps({"header": HEADER, "kvs": 1}).encode(), id="kvs is a number"),
        pytest.param(json.dumps({"header": HEADER, "kvs": [1]}).encode(), id="kvs of numbers"),
        pytest.param(json.dumps({"header": HEADER, "kvs": [{}]}).encode(), id="pair without key"),
        pytest.param(json.dumps({"header": HEADER, "kvs": [{"key": "*"}]}).encode(), id="key is not base64"),
        pytest.param(gzip.compress(json.dumps(GOOD).encode()), id="gzip"),
    ],
)
def test_a_200_that_is_not_of_etcd_is_a_bad_answer_and_never_an_empty_registry(
    impostor: Callable[..., Impostor], body: bytes
) -> None:
    etcd = guard(impostor(reply(body)))
    with pytest.raises(RegistryError, match="not what etcd writes") as caught:
        etcd.range("/")
    assert caught.value.reason is RegistryReason.BAD_ANSWER
    etcd.close()


def test_the_impostor_of_these_tests_can_also_answer_as_etcd_does(impostor: Callable[..., Impostor]) -> None:
    etcd = guard(impostor(reply(json.dumps(GOOD).encode())))
    assert etcd.range("/").revision == 3
    etcd.close()


def test_after_a_bad_answer_the_next_endpoint_is_asked(impostor: Callable[..., Impostor]) -> None:
    etcd = guard(impostor(reply(b"{}")), impostor(reply(json.dumps(GOOD).encode())))
    assert etcd.range("/").revision == 3
    etcd.close()


def test_a_huge_answer_is_cut_off_and_not_read_to_its_end(impostor: Callable[..., Impostor]) -> None:
    sent = []

    def flood(connection: socket.socket, _head: bytes, _body: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(1000):
            connection.sendall(bytes(1 << 20))
            sent.append(1)

    etcd = guard(impostor(flood), timeout=5.0)
    with pytest.raises(RegistryError, match="larger than 4 MiB") as caught:
        etcd.range("/")
    assert caught.value.reason is RegistryReason.BAD_ANSWER
    assert len(sent) < 4 * MAX_ANSWER >> 20
    etcd.close()


def test_a_gzip_bomb_is_not_unpacked(impostor: Callable[..., Impostor]) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    etcd = guard(impostor(reply(bomb, "200 OK", "Content-Encoding: gzip")))
    with pytest.raises(RegistryError, match="not what etcd writes"):
        etcd.range("/")
    etcd.close()


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Slow: ", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{", id="body"),
        pytest.param(b"HTTP/1.1 500 Oops\r\nContent-Length: 100000\r\n\r\n{", id="body of an error"),
        pytest.param(b"", id="status line"),
    ],
)
def test_an_answer_that_drips_ends_with_the_time_limit_of_the_whole(
    impostor: Callable[..., Impostor], start: bytes
) -> None:
    etcd = guard(impostor(drip(start)))
    started = time.monotonic()
    with pytest.raises(RegistryError, match="no answer in time") as caught:
        etcd.range("/")
    assert caught.value.reason is RegistryReason.TIMEOUT
    assert time.monotonic() - started < 10, "half of what the answer takes"
    etcd.close()


def test_a_redirect_is_not_followed(impostor: Callable[..., Impostor]) -> None:
    target = impostor(reply(json.dumps(GOOD).encode()))
    etcd = guard(impostor(reply(b"", "307 Temporary Redirect", f"Location: {target.endpoint}/v3/kv/range")))
    with pytest.raises(RegistryError) as caught:
        etcd.range("/")
    assert caught.value.reason is RegistryReason.BAD_ANSWER
    assert target.requests == 0
    etcd.close()


def test_a_cookie_is_not_kept(impostor: Callable[..., Impostor]) -> None:
    heads = []

    def answer(connection: socket.socket, head: bytes, body: bytes) -> None:
        heads.append(head)
        reply(json.dumps(GOOD).encode(), "200 OK", "Set-Cookie: a=b")(connection, head, body)

    etcd = guard(impostor(answer))
    etcd.range("/")
    etcd.range("/")
    assert len(heads) == 2
    assert not any(b"cookie" in head.lower() for head in heads)
    etcd.close()


@pytest.mark.parametrize(
    "status", ["500 Internal Server Error", "503 Service Unavailable", "502 Bad Gateway", "404 Not Found"]
)
def test_an_error_page_of_a_proxy_is_a_bad_answer_with_its_text_on_one_short_line(
    impostor: Callable[..., Impostor], status: str
) -> None:
    etcd = guard(impostor(reply(b"<h1>\r\n\x1b[31mnot today</h1>" + b"x" * 5000, status)))
    with pytest.raises(RegistryError, match="not today") as caught:
        etcd.range("/")
    assert caught.value.reason is RegistryReason.BAD_ANSWER
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300
    etcd.close()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply(b"{}"), id="garbage"),
        pytest.param(reply(b"<html>", "502 Bad Gateway"), id="proxy"),
        pytest.param(lambda connection, _head, _body: connection.close(), id="hangs up"),
        pytest.param(
            reply(b'{"error":"etcdserver: request timed out","code":14}', "503 Unavailable"), id="lost quorum"
        ),
        pytest.param(
            reply(b'{"error":"etcdserver: leader changed","code":14}', "503 Unavailable"), id="leader changed"
        ),
    ],
)
def test_a_transaction_that_may_have_been_applied_is_not_sent_to_a_second_endpoint(
    impostor: Callable[..., Impostor], answer: Callable[[socket.socket, bytes, bytes], None]
) -> None:
    first, second = impostor(answer), impostor(reply(json.dumps(GOOD).encode()))
    etcd = guard(first, second)
    with pytest.raises(AmbiguousError):
        etcd.transaction([], [put(b"/x", b"")])
    assert (first.requests, second.requests) == (1, 0)
    etcd.close()


@pytest.mark.parametrize(
    ("message", "code", "status", "reason"),
    [
        ("not a primary lessor", 2, "500 Internal Server Error", RegistryReason.NO_LEADER),
        ("raft proposal dropped", 2, "500 Internal Server Error", RegistryReason.NO_LEADER),
        ("etcdserver: no leader", 14, "503 Service Unavailable", RegistryReason.NO_LEADER),
        ("etcdserver: leader changed", 14, "503 Service Unavailable", RegistryReason.NO_LEADER),
        (
            "etcdserver: request timed out, possibly due to connection lost",
            14,
            "503 Unavailable",
            RegistryReason.NO_LEADER,
        ),
        ("etcdserver: too many requests", 8, "429 Too Many Requests", RegistryReason.OTHER),
    ],
)
def test_a_lease_refused_by_a_member_is_kept_by_the_next_one(
    impostor: Callable[..., Impostor], message: str, code: int, status: str, reason: RegistryReason
) -> None:
    refusing = impostor(reply(json.dumps({"error": message, "message": message, "code": code}).encode(), status))
    alone = guard(refusing)
    with pytest.raises(RegistryError, match=message) as caught:
        alone.keepalive(7)
    assert caught.value.reason is reason
    alone.close()
    kept = reply(json.dumps({"result": {"header": HEADER, "ID": "7", "TTL": "10"}}).encode())
    etcd = guard(refusing, impostor(kept))
    assert etcd.keepalive(7) == 10
    etcd.close()


@pytest.mark.parametrize(
    ("password", "sent"),
    [
        ("canary-password", b"canary-password"),
        ("canary  with two blanks", b"canary  with two blanks"),
        ('canary-"quoted"', rb"canary-\"quoted\""),
        ("canary-beyond-the-cut" * 3, b"x" * 180 + b"canary-beyond-the-cut" * 3),
    ],
)
def test_a_server_that_sends_our_secrets_back_does_not_get_them_into_an_error(
    impostor: Callable[..., Impostor], password: str, sent: bytes
) -> None:
    def echo(connection: socket.socket, head: bytes, body: bytes) -> None:
        if b"/auth/authenticate" in head and b"logged in" not in seen:
            seen.add(b"logged in")
            reply(json.dumps({"header": HEADER, "token": "canary-token"}).encode())(connection, head, body)
        else:
            reply(sent + b" canary-token " + sent, "500 Oops")(connection, head, body)

    seen: set[bytes] = set()
    etcd = guard(impostor(echo), user="sidecar", password=Secret(password))
    with pytest.raises(RegistryError, match=r"\*\*\*") as caught:
        etcd.range("/")
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(caught.value)
    etcd.close()


@pytest.mark.parametrize("token", [None, 5, "", "a\r\nb: c", "k\u00e9y"])
def test_a_login_that_yields_no_token_is_a_bad_answer(impostor: Callable[..., Impostor], token: object) -> None:
    etcd = guard(impostor(reply(json.dumps({"header": HEADER, "token": token}).encode())), user="sidecar")
    with pytest.raises(RegistryError, match="without a token") as caught:
        etcd.range("/")
    assert caught.value.reason is RegistryReason.BAD_ANSWER
    etcd.close()
