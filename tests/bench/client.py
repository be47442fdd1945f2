"""One scraper: one connection that is kept, as Prometheus does."""

from __future__ import annotations

import socket
import ssl
import time
from types import TracebackType
from typing import Self

from bench.answer import Answer, Reader

_CHUNK = 256 * 1024


class Client:
    """Scrapes ``port`` of 127.0.0.1; ``timeout`` in seconds bounds the connect and each wait for data.

    With a ``context`` by TLS.
    """

    def __init__(self, port: int, timeout: float = 15, context: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._timeout = timeout
        self._context = context
        self._sock: socket.socket | None = None

    def scrape(self, request: bytes) -> tuple[Answer, float]:
        """Send a request; return the answer, and the seconds from the first byte sent to the last one received.

        Raises:
            OSError: refused, reset, closed early, or silent for ``timeout`` seconds.
        """
        if self._sock is None:
            self._sock = connect(self._port, self._timeout, self._context)
        reader = Reader()
        began = time.perf_counter()
        try:
            self._sock.sendall(request)
            while (answer := reader.feed(received(self._sock))) is None:
                pass
        except OSError:
            self.close()
            raise
        seconds = time.perf_counter() - began
        if answer.closes:
            self.close()
        return answer, seconds

    def close(self) -> None:
        """Close the connection; the next scrape opens another."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(
    port: int, timeout: float, context: ssl.SSLContext | None = None, source: str = "127.0.0.1"
) -> socket.socket:
    """Open a connection from the address ``source`` that sends without delay; with a ``context`` shake hands too."""
    sock = socket.create_connection(("127.0.0.1", port), timeout, (source, 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is None:
        return sock
    try:
        return context.wrap_socket(sock, server_hostname="localhost")
    except OSError:
        sock.close()
        raise


def received(sock: socket.socket) -> bytes:
    """Return what has arrived; raises ConnectionResetError at the end of the stream."""
    data = sock.recv(_CHUNK)
    if not data:
        raise ConnectionResetError("closed before the answer was complete")
    return data
