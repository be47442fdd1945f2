"""The HTTP server: one loop for all sockets, a few workers for the handlers.

Why so: a slow or silent client must cost a socket and nothing else. So one
thread accepts, shakes hands, reads heads and writes answers, without ever
blocking, each phase under a deadline (``connection``). Only a request that is
complete takes a worker (``pool``), and a worker never touches a socket. 500
half-open requests are then 500 entries in a selector, not 500 threads. No
framework, and no asyncio: handlers block on MariaDB, so threads are needed
anyway, and this is all the loop that HTTP/1.1 without bodies needs.

When room runs out, the client that has been silent the longest is closed, of
the address with the most connections. A new connection is not refused for the
sake of old silent ones: an honest scrape gets in beside a hoarder, even from
the hoarder's own address.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import resource
import selectors
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final

from galera_exporter.errors import ConfigError
from galera_exporter.settings import WebSettings
from galera_exporter.web.connection import READ, Connection, Deadlines, Phase
from galera_exporter.web.listener import group_of, listen
from galera_exporter.web.message import Request, Response, encode
from galera_exporter.web.pool import PATIENCE, WorkerPool
from galera_exporter.web.protection import Protection, ProtectionSource, ReloadStatus
from galera_exporter.web.routing import Route, Router

log = logging.getLogger(__name__)

_ACCEPTS: Final = 64
"""New connections taken in one turn, so that a flood of them leaves turns for the others."""
_SWEEP: Final = 0.25
"""Seconds between two looks at the deadlines."""
_FULL: Final = encode(Response.text(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections"), None, keep_alive=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what clients can take."""

    connections: int = 512
    """In total; also at most half of the process's descriptors."""
    per_peer: int = 128
    """Of one IPv4 address, or of one IPv6 /64."""
    requests: int = 1000
    """On one connection; then it is closed, so that a new configuration reaches everyone."""
    deadlines: Deadlines = field(default_factory=Deadlines)


@dataclass(frozen=True, slots=True)
class _Job:
    connection: Connection
    request: Request
    deadline: float
    protection: Protection
    keep_alive: bool


class Server:
    """Serves ``routes`` on the addresses of ``settings`` between ``start`` and ``close``.

    ``protection`` stands in for the web configuration file.
    Raises ConfigError if that file has faults.
    """

    def __init__(
        self,
        settings: WebSettings,
        routes: Mapping[str, Route],
        *,
        protection: ProtectionSource | None = None,
        clock: Callable[[], float] = time.monotonic,
        limits: Limits = Limits(),
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._limits = limits
        self._protection = protection or ProtectionSource(settings.config_file, clock=clock)
        self._router = Router(routes, clock=clock)
        self.addresses: tuple[tuple[str, int], ...] = ()
        """Host and port of each listening socket, once ``start`` has returned."""
        self._listeners: list[socket.socket] = []
        self._connections: dict[Connection, Protection] = {}
        self._peers: Counter[bytes] = Counter()
        self._finished: deque[tuple[_Job, bytes]] = deque()
        self._closing = False
        self._accept_again = 0.0
        self._next_sweep = 0.0

    @property
    def reload_status(self) -> ReloadStatus:
        """How the last reading of the web configuration file went."""
        return self._protection.status

    @property
    def reload_ok(self) -> bool | None:
        """Whether that went well; None where there is no such file."""
        return None if self._settings.config_file is None else self._protection.status.success

    def reload(self) -> bool:
        """Read the web configuration file now; return whether it is good and in force."""
        return self._protection.refresh(force=True)

    def start(self) -> None:
        """Bind and begin to serve. Raises ConfigError if an address cannot be bound."""
        faults = []
        for host, port in self._settings.listen:
            try:
                self._listeners.append(listen(host, port))
            except OSError as error:
                faults.append(f"--web.listen-address {host}:{port}: {error.strerror}; give a free address of this host")
        if faults:
            for listener in self._listeners:
                listener.close()
            raise ConfigError(tuple(faults))
        self.addresses = tuple(listener.getsockname()[:2] for listener in self._listeners)
        self._most = min(self._limits.connections, max(8, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)  # noqa: FBT003 - the socket's own signature
        self._wake_write.setblocking(False)  # noqa: FBT003 - the same
        self._woken = False
        self._selector.register(self._wake_read, READ)
        for listener in self._listeners:
            self._selector.register(listener, READ)
        self._pool: WorkerPool[_Job] = WorkerPool(self._work)
        self._thread = threading.Thread(target=self._loop, name="http-loop", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and free the addresses; requests under way lose their connection. Takes 2 seconds at most."""
        if self._closing or not self._listeners:
            return
        self._closing = True
        self._wake()
        self._thread.join(1.0)
        self._pool.close(1.0)
        for sock in (*self._listeners, self._wake_read, self._wake_write):
            sock.close()

    # What runs in a worker:

    def _work(self, job: _Job) -> None:
        data = b""
        try:
            response = self._router.respond(job.request, job.deadline, job.protection.auth)
            data = encode(response, job.request, keep_alive=job.keep_alive, extra=job.protection.headers)
        finally:  # whatever happens, the loop gets its connection back
            self._finished.append((job if data else replace(job, keep_alive=False), data))
            self._wake()

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            with contextlib.suppress(OSError):  # full: it is awake already; closed: nobody is left to wake
                self._wake_write.send(b"\0")

    # What runs in the loop:

    def _loop(self) -> None:
        try:
            while not self._closing:
                self._turn()
        finally:
            for connection in tuple(self._connections):
                self._drop(connection)
            self._selector.close()

    def _turn(self) -> None:
        now = self._clock()
        timeout = PATIENCE if self._pool.tend(now) else _SWEEP if self._connections or self._accept_again else None
        ready = self._selector.select(timeout)
        now = self._clock()
        if ready:
            self._refresh()
        for key, _ in ready:
            connection = key.data
            if connection is not None:
                self._advance(connection, now)
            elif key.fileobj is self._wake_read:
                with contextlib.suppress(BlockingIOError):
                    self._wake_read.recv(64)
                self._woken = False  # before the queue is emptied: what comes after this wakes again
            else:
                self._accept(key.fileobj, now)  # type: ignore[arg-type]  # only sockets are registered
        while self._finished:
            job, data = self._finished.popleft()
            self._submit(job.connection, job.connection.answer(data, now, keep_alive=job.keep_alive), now)
        if now >= self._next_sweep:
            self._sweep(now)

    def _refresh(self) -> None:
        try:
            self._protection.refresh()
        except Exception:  # a fault of ours must not end the server
            log.exception("the web configuration could not be looked at; the last good one stays in force")

    def _advance(self, connection: Connection, now: float) -> None:
        if connection.phase is Phase.BUSY:  # it sends more, or has gone: look again after the answer
            connection.wants = 0
            self._settle(connection)
            return
        try:
            self._submit(connection, connection.advance(now), now)
        except Exception:  # a fault of ours must cost one client, not the server
            log.exception("the HTTP connection from %s failed", connection.peer)
            self._drop(connection)

    def _submit(self, connection: Connection, request: Request | None, now: float) -> None:
        """Give a complete request to the workers, and bring the selector up to date."""
        if request is not None:
            protection = self._protection.current
            if protection.auth is None:
                self._router.begin(request.path)
            keep_alive = (
                request.keep_alive
                and connection.served + 1 < self._limits.requests
                and self._connections.get(connection) is protection
            )
            self._pool.submit(_Job(connection, request, now + request.timeout, protection, keep_alive))
            return  # the selector is left as it is: most clients are silent until they are answered
        self._settle(connection)

    def _settle(self, connection: Connection) -> None:
        if connection.phase is Phase.CLOSED:
            self._drop(connection)
        elif connection.wants != connection.registered and connection in self._connections:
            if not connection.registered:
                self._selector.register(connection, connection.wants, connection)
            elif not connection.wants:
                self._selector.unregister(connection)
            else:
                self._selector.modify(connection, connection.wants, connection)
            connection.registered = connection.wants

    def _accept(self, listener: socket.socket, now: float) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                    log.warning("accept failed: %s", error)
                self._pause(now)
                return
            self._admit(sock, str(address[0]), now)

    def _pause(self, now: float) -> None:
        """Make room and leave the listeners alone until the next sweep: they would only wake the loop in vain."""
        self._evict(None)
        self._accept_again = now + _SWEEP
        for listener in self._listeners:
            with contextlib.suppress(KeyError):
                self._selector.unregister(listener)

    def _admit(self, sock: socket.socket, address: str, now: float) -> None:
        peer = address.removeprefix("::ffff:") if "." in address else address
        group = group_of(peer)
        if (self._peers[group] >= self._limits.per_peer and not self._evict(group)) or (
            len(self._connections) >= self._most and not self._evict(None)
        ):
            with contextlib.suppress(OSError):
                if self._protection.current.context is None:
                    sock.send(_FULL, socket.MSG_DONTWAIT)
            sock.close()
            return
        protection = self._protection.current
        try:
            sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(
                sock,
                peer,
                now,
                context=protection.context,
                sans=protection.sans,
                deadlines=self._limits.deadlines,
            )
        except OSError:  # gone already
            sock.close()
            return
        self._connections[connection] = protection
        self._peers[group] += 1
        self._advance(connection, now)

    def _evict(self, group: bytes | None) -> bool:
        """Close the longest silent connection of ``group``, or of the largest group; return whether there was one."""
        waiting = [each for each in self._connections if each.phase is not Phase.BUSY]
        if group is None:
            counts = Counter(group_of(each.peer) for each in waiting)
            group = max(counts, key=counts.__getitem__, default=b"")
        waiting = [each for each in waiting if group_of(each.peer) == group]
        if not waiting:
            return False
        self._drop(min(waiting, key=lambda each: each.since))
        return True

    def _drop(self, connection: Connection) -> None:
        if self._connections.pop(connection, None) is None:
            return
        group = group_of(connection.peer)
        self._peers[group] -= 1
        if not self._peers[group]:
            del self._peers[group]
        if connection.registered:
            with contextlib.suppress(KeyError, ValueError, OSError):
                self._selector.unregister(connection)
            connection.registered = 0
        connection.close()

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + _SWEEP
        for connection in tuple(self._connections):
            if now >= connection.deadline:
                connection.expire(now)
                self._settle(connection)
        if self._accept_again and now >= self._accept_again:
            self._accept_again = 0.0
            for listener in self._listeners:
                self._selector.register(listener, READ)
