"""This node as its sidecar knows it: the database, the data directory, and the record made of both."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from galera_exporter import __version__
from galera_exporter.mariadb.sampler import Sampler
from galera_exporter.model import (
    ClusterStatus,
    DatabaseReading,
    DatadirFacts,
    NodeRecord,
    NodeSample,
    NodeState,
    Position,
    PositionSource,
)
from galera_exporter.settings import Config

log = logging.getLogger(__name__)

MAX_AGE = 1.0
"""Seconds: a scrape, the heartbeat and the status page share a sample that is no older."""

FILES_MAX_AGE = 10.0
"""Seconds: while SQL answers, the files say little and change seldom."""
_VIEW_MAX_AGE = 10.0
"""Seconds: longer than three heartbeats; each reads the status."""

_TRANSFER_SILENCE = 120.0
"""Seconds without a change of its files after which a state transfer counts as dead: a killed one leaves its marker."""


class Node:
    """Joins what the rooms know of this node. Safe to call from many threads."""

    def __init__(
        self,
        config: Config,
        sampler: Sampler,
        read_datadir: Callable[[float, float], DatadirFacts | None] | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self._clock = clock
        self._wall = wall
        self._sampler = sampler
        self._read_datadir = read_datadir
        self._lock = threading.Lock()  # guards what follows
        self._largest = 0
        self._answered = float("-inf")
        """When the last reading that has a sample was begun, by the sampler's clock."""

    def database(self, timeout: float) -> DatabaseReading:
        """Return a reading of the database no older than MAX_AGE; waits at most ``timeout`` seconds."""
        reading = self._sampler.read(MAX_AGE, timeout)
        if reading.sample is not None:
            with self._lock:
                self._answered = max(self._answered, reading.taken)
                if reading.sample.primary:
                    self._largest = max(self._largest, reading.sample.cluster_size)
        return reading

    def prefetch(self) -> None:
        """Have a reading of the database made if the last one is too old, without waiting for it."""
        self._sampler.read(MAX_AGE, 0.0)

    def datadir(self, timeout: float, *, max_age: float = MAX_AGE) -> DatadirFacts | None:
        """Return what the data directory's files say; None where that is not configured, or not told yet.

        Raises:
            OSError: it cannot be read, or not within ``timeout`` seconds.
        """
        return None if self._read_datadir is None else self._read_datadir(max_age, timeout)

    @property
    def reads_datadir(self) -> bool:
        """Whether there is a way to know what the data directory's files say."""
        return self._read_datadir is not None

    @property
    def expected(self) -> int:
        """How many nodes the cluster should have: as configured, or else the largest Primary size seen; 0 unknown."""
        return self.config.expected or self._largest

    def members(self) -> frozenset[str] | None:
        """Return the UUIDs of the own view's members, without waiting; None where the server does not tell them."""
        reading = self._sampler.read(_VIEW_MAX_AGE, 0.0)
        if reading.sample is None or reading.members is None or not reading.sample.connected:
            return None
        return frozenset(member.uuid for member in reading.members)

    def describe(self) -> NodeRecord | None:
        """Return what this node may say of itself in the registry; None without a sign of life.

        A node that answers SQL lives, and so does one that takes a state transfer: it answers
        no SQL, but its files change. What it received before it last answered is no transfer of now.
        """
        # The heartbeat asks, and has its key to keep: a flight that lands later serves its next beat.
        limit = min(self.config.mariadb.timeout, self.config.etcd.ttl / 5)
        reading = self.database(limit)
        if reading.sample is not None:
            return record_of(self.config, reading, reading.sample, self.expected)
        try:
            facts = self.datadir(limit)
        except OSError:
            return None  # the scrape's collector tells of it
        if facts is None or not facts.sst_in_progress or facts.sst_changed is None:
            return None
        silence = self._wall() - facts.sst_changed
        with self._lock:
            # Ages, not times: the wall clock may have been set between the two.
            answered = self._clock() - self._answered
        if silence > _TRANSFER_SILENCE or silence >= answered:
            return None
        return self._joiner(facts)

    def _joiner(self, facts: DatadirFacts) -> NodeRecord:
        return NodeRecord(
            node=self.config.node,
            owner=self.config.owner,
            address=self.config.address,
            status=ClusterStatus.UNKNOWN,
            state=NodeState.RECEIVING,
            position=facts.grastate or Position(),
            source=PositionSource.GRASTATE if facts.grastate else PositionSource.NONE,
            conf_id=-1,
            size=0,
            ready=False,
            member_uuid="",
            members=(),
            expected=self.expected,
            ttl=self.config.etcd.ttl,
            version=__version__,
        )


def record_of(config: Config, reading: DatabaseReading, sample: NodeSample, expected: int) -> NodeRecord:
    """Return the record of a node whose database answered with ``sample``."""
    return NodeRecord(
        node=config.node,
        owner=config.owner,
        address=config.address,
        status=sample.cluster_status,
        state=sample.state,
        position=sample.position,
        source=PositionSource.STATUS,
        conf_id=sample.conf_id,
        size=sample.cluster_size,
        ready=sample.ready,
        member_uuid=sample.member_uuid,
        members=tuple(sorted(member.name for member in reading.members or ())),
        expected=expected,
        ttl=config.etcd.ttl,
        version=__version__,
    )
