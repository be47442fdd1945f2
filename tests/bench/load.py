"""Many scrapers at once: one thread and epoll, so that the generator takes little of what it measures."""

from __future__ import annotations

import select
import socket
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field

from bench.answer import Answer, Reader
from bench.client import connect, received

_CONNECT_TIMEOUT = 5.0
_SWEEP = 0.1
"""Seconds between two looks for answers that are too late."""
_CHECK_EVERY = 50
"""Each answer must be complete and 200; the text of one in so many is looked at."""


@dataclass(slots=True)
class Load:
    """What came of a load."""

    seconds: float = 0.0
    latencies: array[float] = field(default_factory=lambda: array("d"))
    """Seconds of each good answer."""
    errors: Counter[str] = field(default_factory=Counter)
    """Refused, reset, not 200, not complete, too late, or not saying what it must; by kind."""

    @property
    def answered(self) -> int:
        """Requests with an end, good or not."""
        return len(self.latencies) + self.errors.total()

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0


class _Scraper:
    """One connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sock: socket.socket | None = None
        self._reader = Reader()
        self.sent = 0.0

    def send(self, request: bytes) -> int | None:
        """Send the next request; return the descriptor if the connection is new."""
        self.sent = time.perf_counter()
        new = self.sock is None
        if self.sock is None:
            self.sock = connect(self._port, _CONNECT_TIMEOUT)
            self.sock.settimeout(0)
        self.sock.sendall(request)
        return self.sock.fileno() if new else None

    def read(self) -> Answer | None:
        """Take what has arrived."""
        if self.sock is None:
            raise AssertionError("readiness of a closed connection")
        try:
            return self._reader.feed(received(self.sock))
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Forget the connection; epoll forgets a closed descriptor by itself."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None
        self._reader = Reader()


class _Run:
    def __init__(self, port: int, request: bytes, expected: str, scrapers: int, total: int, deadline: float) -> None:
        self.load = Load()
        self._request = request
        self._expected = expected
        self._left = total
        self._deadline = deadline
        self._poll = select.epoll()
        self._scrapers = [_Scraper(port) for _ in range(scrapers)]
        self._by_descriptor: dict[int, _Scraper] = {}
        self._busy: set[_Scraper] = set()

    def go(self, limit: float) -> Load:
        began = time.perf_counter()
        try:
            for scraper in self._scrapers:
                self._next(scraper)
            swept = began
            while self._busy and (now := time.perf_counter()) < began + limit:
                for descriptor, _ in self._poll.poll(_SWEEP):
                    self._take(self._by_descriptor[descriptor])
                if now - swept >= _SWEEP:
                    swept = now
                    self._sweep(now)
        finally:
            for scraper in self._scrapers:
                scraper.close()
            self._poll.close()
        self.load.seconds = time.perf_counter() - began
        return self.load

    def _next(self, scraper: _Scraper) -> None:
        while self._left:
            self._left -= 1
            try:
                descriptor = scraper.send(self._request)
            except OSError as error:
                scraper.close()
                self.load.errors[type(error).__name__] += 1
                continue
            if descriptor is not None:
                self._by_descriptor[descriptor] = scraper
                self._poll.register(descriptor, select.EPOLLIN)
            self._busy.add(scraper)
            return
        self._busy.discard(scraper)

    def _take(self, scraper: _Scraper) -> None:
        if scraper.sock is None:
            return
        try:
            answer = scraper.read()
        except (OSError, ValueError) as error:
            self._fail(scraper, type(error).__name__)
            return
        if answer is None:
            return
        seconds = time.perf_counter() - scraper.sent
        if answer.status != 200:
            self._fail(scraper, f"status {answer.status}")
            return
        if self.load.answered % _CHECK_EVERY == 0 and self._expected not in answer.text():
            self._fail(scraper, f"no {self._expected.strip()!r} on the page")
            return
        self.load.latencies.append(seconds)
        if answer.closes:
            scraper.close()
        self._next(scraper)

    def _sweep(self, now: float) -> None:
        for scraper in tuple(self._busy):
            if now - scraper.sent > self._deadline:
                self._fail(scraper, f"no answer in {self._deadline:g} s")

    def _fail(self, scraper: _Scraper, kind: str) -> None:
        self.load.errors[kind] += 1
        scraper.close()
        self._next(scraper)


def put_load(
    port: int, request: bytes, expected: str, *, scrapers: int, total: int, deadline: float = 10, limit: float = 300
) -> Load:
    """Let ``scrapers`` connections send ``total`` requests, each sends its next one when it has its answer.

    A request fails when its answer is not there after ``deadline`` seconds, as for Prometheus, or the
    page is without the text ``expected``. After ``limit`` seconds the load ends as it is.
    """
    return _Run(port, request, expected, scrapers, total, deadline).go(limit)
