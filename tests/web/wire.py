"""A raw HTTP client: what was sent is in the test, what came back is all of it."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass

from galera_exporter.web.server import Server

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSING_GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
PROBE = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def connect(server: Server, timeout: float = 10.0, *, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(server.addresses[0], timeout, source_address=(source, 0))


def read_answer(sock: socket.socket, *, head_only: bool = False) -> Answer:
    """Read one answer by its Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise EOFError(data)
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    while not head_only and len(body) < int(headers["content-length"]):
        more = sock.recv(65536)
        if not more:
            raise EOFError(data)
        body += more
    return Answer(int(lines[0].split(" ")[1]), headers, body)


def exchange(
    server: Server, data: bytes, *, source: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> Answer:
    """Open a connection, send ``data``, return the first answer."""
    with connect(server, source=source) as plain:
        if context is None:
            plain.sendall(data)
            return read_answer(plain, head_only=data.startswith(b"HEAD"))
        with context.wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(data)
            return read_answer(sock)


def request(path: str = "/metrics", method: str = "GET", **headers: str) -> bytes:
    fields = {"Host": "x", "Connection": "close", **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def closed_within(sock: socket.socket, seconds: float) -> bool:
    """Whether the server ends the connection in time; what it still says is read and dropped."""
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            sock.settimeout(max(0.01, deadline - time.monotonic()))
            if not sock.recv(65536):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    return False
