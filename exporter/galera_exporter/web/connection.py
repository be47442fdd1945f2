"""One client: its bytes, its phase and its deadline. Never blocks.

``advance`` is called when the socket is ready, ``answer`` when a response is,
``expire`` when the deadline has passed. What the selector shall wait for
afterwards is in ``wants``. All calls come from the server's one loop thread.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

from galera_exporter.web.message import BadRequest, Request, Response, encode, parse
from galera_exporter.web.tls import client_allowed

READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE
_CHUNK: Final = 16 * 1024


class Phase(Enum):
    """Where a connection is between its accept and its end."""

    HANDSHAKE = auto()
    READING = auto()
    """Waits for a request, or is in the middle of one."""
    BUSY = auto()
    """A worker has the request; the socket is left alone."""
    WRITING = auto()
    LINGERING = auto()
    """Answered and half-closed; what still comes is dropped, so that no reset destroys the answer under way."""
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that a client gets, each in total and not for each packet."""

    handshake: float = 5.0
    head: float = 5.0
    """For a whole request, from its first byte (of a new connection: from its start)."""
    idle: float = 75.0
    """Between two requests; longer than the usual scrape interval, so that a scraper keeps its connection."""
    write: float = 10.0
    linger: float = 1.0


class Connection:
    """A client on ``sock``, which must not block; ``context`` makes it TLS, ``sans`` limits the client certificates."""

    def __init__(
        self,
        sock: socket.socket,
        peer: str,
        now: float,
        *,
        context: ssl.SSLContext | None = None,
        sans: frozenset[str] = frozenset(),
        deadlines: Deadlines = Deadlines(),
    ) -> None:
        self.peer = peer
        self.phase = Phase.READING if context is None else Phase.HANDSHAKE
        self.since = now
        """When it began to wait for its client: the longest wait is closed first when room is needed."""
        self.deadline = now + (deadlines.head if context is None else deadlines.handshake)
        self.wants = READ
        self.registered = 0
        """What the selector waits for now; kept by the server."""
        self.served = 0
        self._sans = sans
        self._deadlines = deadlines
        self._tls = context is not None
        self._sock = (
            sock
            if context is None
            else context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True)
        )
        self._buffer = bytearray()
        self._head: Request | None = None
        self._skip = 0
        """Bytes of body still to drop before ``_head`` is complete."""
        self._out = memoryview(b"")
        self._keep_alive = False
        self._linger = False

    def fileno(self) -> int:
        """Return the descriptor, for the selector."""
        return self._sock.fileno()

    def advance(self, now: float) -> Request | None:
        """Do what the socket allows; return a request once it is complete (the phase is then BUSY)."""
        try:
            if self.phase is Phase.HANDSHAKE:
                self._handshake(now)
            if self.phase is Phase.READING:
                return self._read(now)
            if self.phase is Phase.WRITING:
                return self._write(now)
            if self.phase is Phase.LINGERING and not self._sock.recv(_CHUNK):
                self.close()
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError):
            self.wants = WRITE if self.phase is Phase.WRITING and not self._tls else READ
        except ssl.SSLWantWriteError:
            self.wants = WRITE
        except OSError:
            self.close()  # reset, broken pipe, TLS that fails: the client's affair, and nothing to tell it
        return None

    def answer(self, data: bytes, now: float, *, keep_alive: bool) -> Request | None:
        """Begin to write ``data``; return the next request if the client has already sent it whole."""
        if self.phase is Phase.CLOSED:
            return None
        self._out = memoryview(data)
        self._keep_alive = keep_alive
        self.phase = Phase.WRITING
        self.since = now
        self.deadline = now + self._deadlines.write
        return self.advance(now)

    def expire(self, now: float) -> None:
        """End the phase whose deadline has passed: 408 for half a request, else a close."""
        if self.phase is Phase.READING and (self._buffer or self._head):
            self._refuse(BadRequest(HTTPStatus.REQUEST_TIMEOUT, "the request did not come whole in time"), now)
        else:
            self.close()

    def close(self) -> None:
        """Close the socket. May be called again."""
        self.phase = Phase.CLOSED
        self._sock.close()

    def _handshake(self, now: float) -> None:
        try:
            self._sock.do_handshake()  # type: ignore[attr-defined]  # HANDSHAKE is a phase of SSLSocket only
        except ssl.SSLError as error:
            if error.reason == "HTTP_REQUEST":
                refusal = Response.text(HTTPStatus.BAD_REQUEST, "this port speaks HTTPS, and plain HTTP came")
                socket.socket.send(self._sock, encode(refusal, None, keep_alive=False))
            raise
        if not client_allowed(self._sock, self._sans):
            self.close()
            return
        self.phase = Phase.READING
        self.deadline = now + self._deadlines.head

    def _read(self, now: float) -> Request | None:
        while True:
            data = self._sock.recv(_CHUNK)
            if not data:
                self.close()
                return None
            if self.served and not self._buffer and self._head is None:
                self.deadline = now + self._deadlines.head
            self._buffer += data
            request = self._take(now)
            if request is not None or self.phase is not Phase.READING or not self._pending():
                return request

    def _pending(self) -> bool:
        """Whether TLS holds bytes that no selector will tell of."""
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    def _take(self, now: float) -> Request | None:
        """Take one whole request from the buffer, body dropped."""
        self.wants = READ
        try:
            if self._head is None:
                parsed = parse(self._buffer, self.peer)
                if parsed is None:
                    return None
                self._head, used = parsed
                self._skip = self._head.body_size
                del self._buffer[:used]
        except BadRequest as error:
            self._refuse(error, now)
            return None
        dropped = min(self._skip, len(self._buffer))
        del self._buffer[:dropped]
        self._skip -= dropped
        if self._skip:
            return None
        request, self._head = self._head, None
        self.phase = Phase.BUSY
        self.wants = 0
        self.deadline = float("inf")  # the worker's own deadline counts now
        return request

    def _refuse(self, error: BadRequest, now: float) -> None:
        self._linger = True
        self._buffer.clear()
        self._head = None
        self.answer(encode(Response.text(error.status, str(error)), None, keep_alive=False), now, keep_alive=False)

    def _write(self, now: float) -> Request | None:
        self.wants = WRITE
        while self._out:
            self._out = self._out[self._sock.send(self._out) :]
        if not self._keep_alive:
            self._finish(now)
            return None
        self.served += 1
        self.phase = Phase.READING
        self.since = now
        self.deadline = now + (self._deadlines.head if self._buffer else self._deadlines.idle)
        self.wants = READ
        request = self._take(now) if self._buffer else None
        if request is None and self.phase is Phase.READING and self._pending():
            return self._read(now)
        return request

    def _finish(self, now: float) -> None:
        """Close after the last answer; linger first if the client may still be sending."""
        if isinstance(self._sock, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self._sock.unwrap()  # sends close_notify; that the client's own has not come is no matter
        if not self._linger:
            self.close()
            return
        self.phase = Phase.LINGERING
        self.deadline = now + self._deadlines.linger
        self.wants = READ
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
