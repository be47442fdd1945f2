"""Samples of MariaDB for whoever asks, one statement at a time.

One thread owns the connection and flies: it sends what is due and lands with
a reading, which all waiting callers share. However many ask, and however
MariaDB fares, there is one connection and one statement in flight, and each
caller has its answer when its time is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from galera_exporter.errors import DatabaseReason
from galera_exporter.mariadb.collectors import Collectors
from galera_exporter.mariadb.connection import Connection
from galera_exporter.model import CollectorRun, DatabaseReading
from galera_exporter.settings import MariadbSettings

PATIENCE: Final = 0.02
"""Seconds that later callers wait for a flight whose forerunner timed out."""
CLOSE_TIMEOUT: Final = 5.0


class Sampler:
    """Reads the node at most once at a time, and shares the reading between all callers.

    ``start()`` comes before the first ``read()``; ``close()`` ends the thread and the connection.
    """

    def __init__(
        self, connection: Connection, settings: MariadbSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._collectors = Collectors(connection, settings.variables_interval, clock=clock)
        self._clock = clock
        lock = threading.Lock()
        self._wanted = threading.Condition(lock)
        self._landed = threading.Condition(lock)
        self._requested = False
        self._awaited = False
        self._closed = False
        self._flight: float | None = None
        self._last: DatabaseReading | None = None
        self._thread = threading.Thread(target=self._work, name="mariadb-sampler", daemon=True)

    def start(self) -> None:
        """Start the thread. Nothing is sent before the first read."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and its connection, waiting 5 s at most; callers that wait are let go at once."""
        with self._wanted:
            self._closed = True
            self._wanted.notify()
            self._landed.notify_all()
        if self._thread.is_alive():
            self._thread.join(CLOSE_TIMEOUT)

    def read(self, max_age: float, timeout: float) -> DatabaseReading:
        """Return a reading that was begun at most ``max_age`` seconds before this call, within ``timeout`` seconds.

        When the time is over, the reason is TIMEOUT, or BUSY where a flight is in the way that was begun too
        early to serve this caller, and there is no sample: never an older one. While MariaDB hangs (the last
        flight timed out) only the first caller that can wait does so for the next flight's end; the others are told
        within 0.02 s. With a ``timeout`` of 0 a flight is begun, and nobody waits.
        """
        called = self._clock()
        deadline = called + timeout
        oldest = called - max_age
        with self._landed:
            waits = False  # for the end of the flight, as the one caller that may while MariaDB hangs
            while not self._closed:
                last = self._last
                if last is not None and last.taken >= oldest:
                    return last
                if self._flight is None or self._flight < oldest:
                    self._requested = True
                    self._wanted.notify()
                if timeout > 0 and not self._awaited:
                    self._awaited = waits = True
                hangs = last is not None and last.reason is DatabaseReason.TIMEOUT
                limit = min(deadline, (self._flight or called) + PATIENCE) if hangs and not waits else deadline
                remaining = limit - self._clock()
                if remaining <= 0:
                    earlier = self._flight is not None and self._flight < oldest and not hangs
                    return self._late(called, DatabaseReason.BUSY if earlier else DatabaseReason.TIMEOUT)
                self._landed.wait(remaining)
        return DatabaseReading(called, DatabaseReason.OTHER, "the sampler is closed")

    def _late(self, called: float, reason: DatabaseReason) -> DatabaseReading:
        busy = reason is DatabaseReason.BUSY
        text = "a statement of an earlier caller is still in flight" if busy else "MariaDB did not answer in time"
        run = CollectorRun(success=False, seconds=self._clock() - called)
        return DatabaseReading(called, reason, text, runs={**self._collectors.runs, "status": run})

    def _work(self) -> None:
        try:
            while (taken := self._begin()) is not None:
                reading = self._collectors.collect(taken)
                with self._landed:
                    self._last = reading
                    self._flight = None
                    self._awaited = False
                    self._landed.notify_all()
        finally:
            self._connection.close()

    def _begin(self) -> float | None:
        with self._wanted:
            while not self._requested and not self._closed:
                self._wanted.wait()
            if self._closed:
                return None
            self._requested = False
            self._flight = self._clock()
            return self._flight
