"""The observer's reads of the registry, on a thread of their own: etcd's silence must not hold up the pods."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from galera_exporter.bootstrap.state import Snapshot
from galera_exporter.bootstrap.store import snapshot_of
from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.model import ClusterView
from galera_exporter.observer.loop import Loop
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.view import Tracker

log = logging.getLogger(__name__)

TICK: Final = 1.0
"""Seconds between two reads."""
STALE: Final = 5.0
"""Seconds after which a read says nothing of now. Nodes write every 3 s."""
SETTLING: Final = 10.0
"""Seconds after etcd was wiped or restored during which it is not believed: the nodes write their keys anew."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One read of the registry that says what is so now."""

    view: ClusterView
    snapshot: Snapshot


class RegistryReader:
    """Reads all keys of the cluster between ``start`` and ``close``; ``etcd`` belongs to its thread meanwhile."""

    def __init__(self, etcd: Etcd, prefix: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._etcd = etcd
        self._prefix = prefix
        self._clock = clock
        self._loop = Loop("registry", self.read, TICK, clock=clock)
        self._tracker = Tracker(prefix)
        self._lock = threading.Lock()  # guards what follows: the loop writes, others read
        self._snapshot: Snapshot | None = None
        self._read_at = float("-inf")
        self._trusted_from = float("-inf")
        self._regressions = 0
        self._fault: str | None = ""

    def start(self) -> None:
        """Start reading. Returns at once."""
        self._loop.start()

    def close(self) -> None:
        """End the thread, at the latest after one call to etcd."""
        self._loop.close(2 * self._etcd.budget)
        self._etcd.close()

    def sight(self) -> Sight | None:
        """Return what the registry says now; None where it was not read lately, or has just been wiped or restored."""
        with self._lock:
            now = self._clock()
            if self._snapshot is None or now - self._read_at > STALE or now < self._trusted_from:
                return None
            return Sight(self._tracker.view_at(now), self._snapshot)

    @property
    def up(self) -> bool:
        """Whether etcd was read lately."""
        with self._lock:
            return self._clock() - self._read_at <= STALE

    def read(self) -> None:
        """Read once."""
        try:
            found = self._etcd.range(self._prefix)
        except RegistryError as error:
            rebuilt = error.reason is RegistryReason.WRONG_CLUSTER
            with self._lock:
                if rebuilt:
                    self._trusted_from = self._clock() + SETTLING
            self._told(f"etcd is not readable ({error.reason}): {error}", error.reason)
            return
        snapshot = snapshot_of(self._prefix, found)
        with self._lock:
            now = self._clock()
            if self._etcd.regressions != self._regressions:
                self._regressions = self._etcd.regressions
                self._trusted_from = now + SETTLING
            self._tracker.observe(found, now)
            self._snapshot = snapshot
            self._read_at = now
        self._told("etcd answers", None)

    def _told(self, text: str, fault: str | None) -> None:
        """Log a change, once."""
        if fault != self._fault:
            self._fault = fault
            log.log(logging.INFO if fault is None else logging.WARNING, "%s", text)
