"""A client that writes all the time and knows which rows it was promised."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count

import pymysql
from pymysql.cursors import DictCursor

from lab.mariadb import GaleraNode
from lab.process import wait_until

_DATABASE = "ledger"
_TABLE = f"{_DATABASE}.acknowledged"
_ANSWER = 3.0
_LONGEST = 600.0


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A row whose INSERT was answered with OK: it is committed, and must never be missed."""

    row: int
    node: str
    moment: float
    """Monotonic clock, seconds, when the answer came."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that was not acknowledged."""

    moment: float
    """Monotonic clock, seconds."""
    error: str


class Ledger:
    """Which rows were acknowledged, kept outside the servers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Acknowledgement] = []
        # Other ledgers' rows may be in the table still: no id is ever used twice.
        self._numbers = count(time.time_ns())

    def next(self) -> int:
        """Return an id that was never given out."""
        with self._lock:
            return next(self._numbers)

    def acknowledge(self, row: int, node: str) -> None:
        """Note that a server promised this row."""
        with self._lock:
            self._entries.append(Acknowledgement(row, node, time.monotonic()))

    @property
    def entries(self) -> list[Acknowledgement]:
        """All acknowledgements so far, oldest first."""
        with self._lock:
            return list(self._entries)

    def missing(self, node: GaleraNode) -> set[int]:
        """Return the acknowledged rows that a node does not have, once it has applied what the cluster committed."""
        promised = {entry.row for entry in self.entries}
        with closing(node.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION wsrep_sync_wait = 1")
            if promised:
                cursor.execute(f"SELECT id FROM {_TABLE}")  # noqa: S608 - the lab's own name
                promised.difference_update(row["id"] for row in cursor.fetchall())
        return promised


class Writer:
    """Inserts one row after another, on the nodes in turn, in a thread of its own.

    An error, or no answer within 3 s, costs the row (it may be there or not, it was not promised)
    and the connection; the next row goes to the next node. Ends by itself after ``longest`` seconds.
    ``open_to``: whether a new connection may be made to a node, as a Service makes them to pods that are ready.
    """

    def __init__(
        self,
        nodes: Sequence[GaleraNode],
        ledger: Ledger | None = None,
        *,
        pause: float = 0.01,
        longest: float = _LONGEST,
        open_to: Callable[[GaleraNode], bool] = lambda _node: True,
    ) -> None:
        self.ledger = ledger or Ledger()
        self._failures: list[Failure] = []
        self._nodes = tuple(nodes)
        self._pause = pause
        self._longest = longest
        self._open_to = open_to
        self._stop = threading.Event()
        self._connections: dict[str, pymysql.Connection[DictCursor]] = {}
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    @property
    def failures(self) -> list[Failure]:
        """The rows that were not acknowledged so far, oldest first."""
        return list(self._failures)

    def prepare(self) -> None:
        """Make the table, through the first node that lets us; raises when none does."""
        last: Exception | None = None
        for node in self._nodes:
            try:
                node.sql(f"CREATE DATABASE IF NOT EXISTS {_DATABASE}")
                node.sql(f"CREATE TABLE IF NOT EXISTS {_TABLE} (id BIGINT PRIMARY KEY, node VARCHAR(64) NOT NULL)")
            except (OSError, pymysql.MySQLError) as error:
                last = error
            else:
                return
        raise RuntimeError("no node takes the writer's table") from last

    def start(self) -> None:
        """Make the table and begin to write."""
        self.prepare()
        self._thread.start()

    def wait_acknowledged(self, more: int, timeout: float = 30) -> None:
        """Wait until so many more rows were acknowledged."""
        goal = len(self.ledger.entries) + more
        wait_until(lambda: len(self.ledger.entries) >= goal, timeout, f"{more} more rows are acknowledged")

    def stop(self) -> None:
        """Write no more, and close all connections."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(3 * _ANSWER)
        for name in tuple(self._connections):
            self._drop(name)

    def _run(self) -> None:
        end = time.monotonic() + self._longest
        turn = 0
        while not self._stop.wait(self._pause) and time.monotonic() < end:
            node = self._nodes[turn % len(self._nodes)]
            turn += 1
            row = self.ledger.next()
            try:
                self._insert(node, row)
            except (OSError, pymysql.MySQLError) as error:
                self._failures.append(Failure(time.monotonic(), str(error)))
                self._drop(node.name)
            else:
                self.ledger.acknowledge(row, node.name)

    def _insert(self, node: GaleraNode, row: int) -> None:
        connection = self._connections.get(node.name)
        if connection is None:
            if not self._open_to(node):
                raise ConnectionRefusedError(f"{node.name} is not ready")
            connection = self._connections[node.name] = node.connect(timeout=_ANSWER)
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {_TABLE} VALUES (%s, %s)", (row, node.name))  # noqa: S608 - the lab's own name

    def _drop(self, name: str) -> None:
        connection = self._connections.pop(name, None)
        if connection is not None:
            with suppress(OSError, pymysql.MySQLError):
                connection.close()
