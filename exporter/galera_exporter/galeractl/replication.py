"""The trial of replication: a row written, changed and deleted on each node, and read on every other.

The measure is the time from the moment the writer's commit returns to the moment another node shows the
row, with wsrep_sync_wait=0: certification has succeeded everywhere by then, what remains is the applying.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from galera_exporter.galeractl.peer import Peer, PeerError, Target

PREFIX: Final = "galera_exporter_sync_test_"
KOREAN: Final = "갈레라 동기화 시험: 가나다 뷁"
LEFTOVER_AGE: Final = 3600
"""Seconds after which a database of an earlier run can only be one that was killed."""
_NAME: Final = re.compile(PREFIX + r"(?P<created>\d{10,12})_[0-9a-f]{8}")
_POLL: Final = 0.001, 0.02
"""Seconds between two looks of a reader: at first, and at most."""


class Operation(StrEnum):
    """What is done to the row, in this order."""

    WRITE = "write"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Commit:
    """One operation on the node that does it: seconds until the commit returned, or why it did not."""

    operation: Operation
    writer: str
    seconds: float | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """One operation as another node shows it: seconds after the commit, or why it never did."""

    operation: Operation
    writer: str
    reader: str
    seconds: float | None
    failure: str = ""


@dataclass(slots=True)
class Trial:
    """All that was seen; it grows while the trial runs, so that an interrupted one still tells its part."""

    database: str = ""
    commits: list[Commit] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    """Databases of earlier, killed runs that this one removed."""
    faults: list[str] = field(default_factory=list)
    """What went wrong and belongs to no single node."""

    def delay(self, writer: str, reader: str) -> float | None:
        """Return the longest seconds of the three operations between two nodes; None unless all three passed."""
        seen = [p.seconds for p in self.passages if (p.writer, p.reader) == (writer, reader) and p.seconds is not None]
        return max(seen) if len(seen) == len(Operation) else None

    def commit(self, writer: str) -> float | None:
        """Return the longest seconds of a commit on ``writer``; None unless all three returned."""
        seen = [c.seconds for c in self.commits if c.writer == writer and c.seconds is not None]
        return max(seen) if len(seen) == len(Operation) else None


class Replication:
    """Runs one trial over ``peers``, which are connected; ``clean`` must follow, whatever happened."""

    def __init__(self, peers: Sequence[Peer], limit: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.trial = Trial()
        self._peers = peers
        self._limit = limit
        self._clock = clock
        self._stop = threading.Event()

    def run(self) -> None:
        """Create the table, and let each node write, change and delete one row while all others watch."""
        creator = self._create()
        if creator is None:
            return
        self._spread(creator)
        for number, writer in enumerate(self._peers):
            for operation in Operation:
                if not self._commit(number, writer, operation):
                    break

    def clean(self, make: Callable[[Target], Peer]) -> bool:
        """Drop the database by a new connection to each node in turn; return whether one acknowledged it.

        By a new one, because the old one may be in the middle of a statement. On each node, because a node that
        left the primary component in the meantime does not get what the others replicate.
        """
        self._stop.set()
        for peer in self._peers:
            peer.abort()
        if not self.trial.database:
            return True
        done = False
        for old in self._peers:
            if old.identity is None:
                continue  # it never answered, so nothing was created by it
            fresh = make(old.target)
            try:
                fresh.connect()
                fresh.run(f"DROP DATABASE IF EXISTS `{self.trial.database}`")
                done = True
            except PeerError:
                continue
            finally:
                fresh.close()
        return done

    def _create(self) -> Peer | None:
        for peer in self._usable():
            try:
                ((now,),) = peer.rows("SELECT UNIX_TIMESTAMP()")
                self._remove_leftovers(peer, int(now))
                self.trial.database = self.trial.database or f"{PREFIX}{int(now)}_{secrets.token_hex(4)}"
                peer.run(f"CREATE DATABASE IF NOT EXISTS `{self.trial.database}` CHARACTER SET utf8mb4")
                peer.run(
                    f"CREATE TABLE IF NOT EXISTS `{self.trial.database}`.probe"
                    " (id INT PRIMARY KEY, text VARCHAR(400) NOT NULL) ENGINE=InnoDB"
                )
            except PeerError:
                continue
            return peer
        self.trial.faults.append("no node could create the test database")
        return None

    def _remove_leftovers(self, peer: Peer, now: int) -> None:
        for (name,) in peer.rows("SHOW DATABASES LIKE %s", [PREFIX.replace("_", r"\_") + "%"]):
            match = _NAME.fullmatch(name)
            if match and now - int(match["created"]) > LEFTOVER_AGE:
                peer.run(f"DROP DATABASE IF EXISTS `{name}`")
                self.trial.leftovers.append(name)

    def _spread(self, creator: Peer) -> None:
        def look(peer: Peer) -> bool:
            return bool(
                peer.rows("SELECT 1 FROM information_schema.tables WHERE table_schema=%s", [self.trial.database])
            )

        others = [peer for peer in self._usable() if peer is not creator]
        for peer, seconds in self._watch(others, look):
            if seconds is None:
                peer.fail(f"does not show the table that {creator.name} created, within {self._limit:g} s")
        for peer in self._usable():
            with contextlib.suppress(PeerError):  # which the peer keeps, and is not usable then
                peer.run(f"USE `{self.trial.database}`")

    def _commit(self, number: int, writer: Peer, operation: Operation) -> bool:
        """Do one operation and watch the others; return whether the next one makes sense."""
        readers = [
            peer
            for peer in self._usable()
            if peer is not writer
            and not any(p.failure for p in self.trial.passages if (p.writer, p.reader) == (writer.name, peer.name))
        ]
        text = f"{KOREAN} {writer.name} {operation}"
        started = self._clock()
        try:
            self._do(writer, operation, number, text)
        except PeerError as error:
            self.trial.commits.append(Commit(operation, writer.name, None, str(error)))
            return False
        self.trial.commits.append(Commit(operation, writer.name, self._clock() - started))

        expected = [] if operation is Operation.DELETE else [(text,)]

        def look(peer: Peer) -> bool:
            return peer.rows("SELECT text FROM probe WHERE id=%s", [number]) == expected

        for peer, seconds in self._watch(readers, look):
            failure = "" if seconds is not None else peer.failure or f"not seen within {self._limit:g} s"
            self.trial.passages.append(Passage(operation, writer.name, peer.name, seconds, failure))
        return True

    def _do(self, writer: Peer, operation: Operation, number: int, text: str) -> None:
        match operation:
            case Operation.WRITE:
                writer.run("INSERT INTO probe (id, text) VALUES (%s, %s)", [number, text])
            case Operation.CHANGE:
                writer.run("UPDATE probe SET text=%s WHERE id=%s", [text, number])
            case Operation.DELETE:
                writer.run("DELETE FROM probe WHERE id=%s", [number])

    def _usable(self) -> Iterator[Peer]:
        return (peer for peer in self._peers if not peer.failure)

    def _watch(self, peers: Sequence[Peer], look: Callable[[Peer], bool]) -> list[tuple[Peer, float | None]]:
        """Look on all peers at once until each shows it; the seconds from now, or None after the limit or an error."""
        started = self._clock()
        seen: dict[str, float] = {}

        def wait(peer: Peer) -> None:
            pause, longest = _POLL
            try:
                while not look(peer):
                    if self._clock() - started > self._limit or self._stop.wait(pause):
                        return
                    pause = min(2 * pause, longest)
            except PeerError:
                return
            seen[peer.name] = self._clock() - started

        # Daemons, so that a frozen server cannot keep an interrupted command from its end.
        threads = [threading.Thread(target=wait, args=(peer,), daemon=True) for peer in peers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [(peer, seen.get(peer.name)) for peer in peers]
