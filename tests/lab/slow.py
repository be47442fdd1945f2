"""A TCP way to a server on which every answer takes a while: neither netem nor a slow server is needed for that."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lab.namespaces import LOOPBACK, Host


class SlowLink:
    """Passes bytes on from a port on ``host``'s loopback to a server; what comes back is ``delay`` seconds late.

    ``delay`` may change at any time; ``delayed`` counts the pieces that came late.
    """

    def __init__(self, target: tuple[str, int], delay: float, host: Host = LOOPBACK) -> None:
        self.delay = delay
        self.delayed = 0
        self._target = target
        self._host = host
        self._open: set[socket.socket] = set()
        with host.entered():
            self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End all connections."""
        for sock in (self._server, *self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError):
            with self._host.entered():
                far = socket.create_connection(self._target, timeout=10)
            with far:
                far.settimeout(None)
                self._open |= {near, far}
                late = threading.Thread(target=self._answer, args=(far, near), daemon=True)
                late.start()
                try:
                    _copy(near, far)
                finally:
                    late.join(10)
                    self._open -= {near, far}

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        """Send what comes from ``far`` when its time has come; a long answer is late once, not once for each piece."""
        pieces: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

        def send() -> None:
            data = b"-"
            while data:
                due, data = pieces.get()
                time.sleep(max(0.0, due - time.monotonic()))
                with suppress(OSError):
                    near.sendall(data) if data else near.shutdown(socket.SHUT_WR)
                self.delayed += 1

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        data = b"-"
        while data:
            try:
                data = far.recv(65536)
            except OSError:
                data = b""
            pieces.put((time.monotonic() + self.delay, data))
        sender.join(10)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    finally:
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def slow_link(target: tuple[str, int], delay: float, host: Host = LOOPBACK) -> Iterator[SlowLink]:
    """Give a SlowLink for a block."""
    link = SlowLink(target, delay, host)
    try:
        yield link
    finally:
        link.close()
