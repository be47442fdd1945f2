"""The sidecar's loop with etcd: read the registry each second, keep the own key, answer scrapes from memory."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.model import NodeRecord, RegistryReading
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import Operation, Range, put
from galera_exporter.registry.lease import Lease
from galera_exporter.registry.records import encode, nodes_key
from galera_exporter.registry.registration import Registration
from galera_exporter.registry.tally import BeatCounts, Tally
from galera_exporter.registry.view import Tracker
from galera_exporter.settings import EtcdSettings

log = logging.getLogger(__name__)

TICK: Final = 1.0
"""Seconds between two reads of the prefix."""

LONGEST_BEAT: Final = 3.0
"""Seconds between two writes of the own key; a third of the TTL where that is less."""


class Companion(Protocol):
    """Who lives on the heartbeat's reads and writes: the bootstrap's coordinator."""

    def step(self, found: Range | None) -> bool:
        """Act on a read of the registry, None where it failed; return whether keys were written."""

    def dress(self, record: NodeRecord) -> NodeRecord:
        """Return the record with what the companion knows of this node."""

    def beside(self, record: NodeRecord, lease: int) -> Sequence[Operation]:
        """Return what is written with the record."""

    def leave(self, found: Range | None) -> bool:
        """Do what is left to do when the process ends; return whether a silent database is a stopped one."""


class _Alone:
    """No companion: a node's last record is its present one."""

    def __init__(self, settings: EtcdSettings) -> None:
        self._prefix = settings.prefix

    def step(self, found: Range | None) -> bool:
        del found
        return False

    def dress(self, record: NodeRecord) -> NodeRecord:
        return record

    def beside(self, record: NodeRecord, lease: int) -> Sequence[Operation]:
        del lease
        return [put(nodes_key(self._prefix, record.node), encode(record))]

    def leave(self, found: Range | None) -> bool:
        del found
        return True


class Heartbeat:
    """Reads the registry and keeps this node's key in it, on a thread of its own.

    ``describe`` gives the record to write, None while the database gives no sign of life:
    the key is then left to expire, for a node's key says that the node answers. ``members``
    gives the member UUIDs of the own Galera view, None where it is not known. ``clock`` is monotonic,
    ``wall`` counts seconds since the epoch. ``etcd`` belongs to this object's thread from
    ``start`` to ``close``; who made it closes it afterwards. ``companion`` acts on the same
    thread, with the same ``lease``.
    """

    def __init__(  # noqa: PLR0913 - it joins the rooms, and each is one argument
        self,
        etcd: Etcd,
        settings: EtcdSettings,
        node: str,
        owner: str,
        describe: Callable[[], NodeRecord | None],
        members: Callable[[], frozenset[str] | None],
        *,
        lease: Lease | None = None,
        companion: Companion | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._etcd = etcd
        self._settings = settings
        self._node = node
        self._describe = describe
        self._members = members
        self._clock = clock
        self._wall = wall
        self._interval = min(LONGEST_BEAT, settings.ttl / 3)
        self._tick = min(TICK, self._interval)
        self._lease = lease or Lease(etcd, settings.ttl)
        self._companion = companion or _Alone(settings)
        self._registration = Registration(etcd, settings, node, owner, self._lease)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._next_beat = float("-inf")
        self._said: dict[str, set[str]] = {}
        self._lock = threading.Lock()  # guards all below: the loop writes, scrapes read
        self._tracker = Tracker(settings.prefix)
        self._tally = Tally()
        self._read_fault: tuple[RegistryReason | None, str] | None = (None, "etcd was not read yet")
        self._beat_fault: tuple[RegistryReason, str] | None = None
        self._read_at: float | None = None
        self._read_wall: float | None = None
        self._read_seconds: float | None = None
        self._registered = False

    def start(self) -> None:
        """Start the loop. Returns at once."""
        self._thread.start()

    def close(self) -> None:
        """End the loop. The key goes at once where the database is gone, else with its TTL: a restart takes it over.

        Returns when the loop has ended, at the latest after the time of two calls to etcd.
        """
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(2 * self._etcd.budget)

    def reading(self) -> RegistryReading:
        """Return the registry as the loop last read it, with the ages of this moment. Asks nobody."""
        members = self._members()
        with self._lock:
            now = self._clock()
            reason, detail = self._read_fault or self._beat_fault or (None, "")
            up = self._read_fault is None
            stale = 0.0 if self._read_at is None else now - self._read_at
            if up and stale > max(self._settings.ttl, 2 * self._etcd.budget):
                up, reason, detail = False, RegistryReason.TIMEOUT, f"the last read of etcd was {stale:.0f} s ago"
            return RegistryReading(
                up=up,
                view=self._tracker.view_at(now, members),
                reason=reason,
                detail=detail,
                last_success=self._read_wall,
                request_seconds=self._read_seconds,
                registered=self._registered,
                heartbeat_last_success=self._tally.last_success,
            )

    def counts(self) -> BeatCounts:
        """Return what was counted of the writes of the own key."""
        with self._lock:
            return self._tally.counts()

    def tick(self) -> None:
        """Do one round: read, and write where it is time, or where the own key has gone."""
        # The nearest tick, not the next one: that would make three seconds four.
        due = self._clock() + self._tick / 2 >= self._next_beat
        held = self._registered
        found = self._read(due=due)
        if self._stepped(found):
            found = self._read(due=due)
        if found is None:
            return
        lost = held and not self._registered
        if lost:
            self._trouble("key", "lost", "the key of node %s has gone from etcd", self._node)
        if (due or lost) and self._beat(found) and not self._registered:
            self._read(due=False)  # now: a scrape would show the key as absent for another tick

    def _stepped(self, found: Range | None) -> bool:
        """Let the companion act. A fault of its must not cost a node that lives its key."""
        try:
            return self._companion.step(found)
        except Exception as error:  # noqa: BLE001  # as in the loop
            self._survive(error)
            return True

    def _read(self, *, due: bool) -> Range | None:
        """Read the prefix and take it in; ``due``: a failure is one of the heartbeat too, for a write was due."""
        started = self._clock()
        try:
            found = self._etcd.range(self._settings.prefix)
        except RegistryError as error:
            with self._lock:
                self._read_fault = (error.reason, str(error))
                if due:
                    self._tally.failed(error.reason)
            self._trouble("etcd", error.reason, "etcd is not readable (%s): %s", error.reason, error)
            return None
        now = self._clock()
        with self._lock:
            self._tracker.observe(found, now)
            self._read_fault = None
            self._read_at = now
            self._read_wall = self._wall()
            self._read_seconds = now - started
            self._registered = self._registration.owns(found)
        self._fine("etcd", "etcd answers: revision %d", found.revision)
        return found

    def _beat(self, found: Range) -> bool:
        """Write the own key, building on what was just read; return whether it was written."""
        record = self._describe()
        started = self._clock()
        self._next_beat = started + self._interval
        if record is None:
            text = "the database gives no sign of life: the key of node %s is left to expire within %d s"
            self._trouble("key", "silent", text, self._node, self._settings.ttl)
            return False
        try:
            self._registration.write(self._companion.dress(record), found, self._companion.beside)
        except RegistryError as error:
            self._next_beat = started + self._tick
            with self._lock:
                self._tally.failed(error.reason)
                self._beat_fault = (error.reason, str(error))
            state = str(error) if error.reason is RegistryReason.DUPLICATE else error.reason
            self._trouble("key", state, "the key of node %s is not written (%s): %s", self._node, error.reason, error)
            return False
        with self._lock:
            self._tally.wrote(self._clock() - started, self._wall())
            self._beat_fault = None
        self._fine("key", "node %s is registered", self._node)
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            started = self._clock()
            try:
                self.tick()
            except Exception as error:  # noqa: BLE001  # the loop outlives every fault of a part that it calls
                self._survive(error)
            else:
                self._said.pop("loop", None)
            self._stop.wait(max(0.0, started + self._tick - self._clock()))
        self._leave()

    def _leave(self) -> None:
        """End the lease where the database is gone: nobody has to wait for the TTL to see that."""
        try:
            if self._companion.leave(self._read(due=False)) and self._describe() is None:
                self._lease.end()
        except RegistryError as error:
            log.warning("the key of node %s is left to expire (%s): %s", self._node, error.reason, error)
        except Exception as error:  # noqa: BLE001  # as in the loop
            self._survive(error)

    def _survive(self, error: Exception) -> None:
        with self._lock:
            self._tally.failed(RegistryReason.OTHER)
            self._beat_fault = (RegistryReason.OTHER, f"{type(error).__name__} in the loop")
        self._trouble("loop", type(error).__name__, "the heartbeat failed and goes on", trace=error)

    def _trouble(self, topic: str, state: str, text: str, *args: object, trace: Exception | None = None) -> None:
        """Log a state of a topic the first time it comes since the topic was fine."""
        said = self._said.setdefault(topic, set())
        if state not in said:
            said.add(state)
            log.warning(text, *args, exc_info=trace)

    def _fine(self, topic: str, text: str, *args: object) -> None:
        """Log that a topic is fine, where that was not what was logged last."""
        if self._said.get(topic) != set():
            self._said[topic] = set()
            log.info(text, *args)
