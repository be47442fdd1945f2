"""Nodes of which there are only keys in etcd: under leases, of the shape and at the pace of real heartbeats."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace

from galera_exporter.errors import RegistryError
from galera_exporter.model import NodeRecord
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.heartbeat import LONGEST_BEAT
from galera_exporter.registry.keyvalue import get, mod_is, put
from galera_exporter.registry.lease import Lease
from galera_exporter.registry.records import decode, encode, live_key, nodes_key
from galera_exporter.settings import EtcdSettings

WRITES = 300
"""Transactions between two heartbeats: 100 a second."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a real node has written: its record, and its word on the Primary component."""

    record: NodeRecord
    component: bytes

    @classmethod
    def read(cls, settings: EtcdSettings, node: str) -> Likeness:
        """Read it from etcd; raises LookupError where the node is not registered, or in no Primary component."""
        etcd = Etcd(settings)
        try:
            values = {pair.key: pair.value for pair in etcd.range(settings.prefix).pairs}
        finally:
            etcd.close()
        record = decode(values.get(live_key(settings.prefix, node), b""), node)
        component = values.get(primary_key(settings.prefix, node))
        if record is None or component is None:
            raise LookupError(f"{node} is no registered member of a Primary component")
        return cls(record, component)


class _Node:
    """One node that is absent."""

    def __init__(self, etcd: Etcd, settings: EtcdSettings, name: str, like: Likeness) -> None:
        self._etcd = etcd
        self._settings = settings
        self._component = like.component
        address = f"{name}.galera-nodes.default.svc.cluster.local:3306"
        self._record = replace(
            like.record, node=name, owner=str(uuid.uuid4()), address=address, member_uuid=str(uuid.uuid1())
        )
        self._lease = Lease(etcd, settings.ttl)
        self._revision = 0

    def beat(self, members: tuple[str, ...]) -> None:
        """Renew the lease, and write what a sidecar writes at each heartbeat, as it does: in one transaction."""
        before, position = self._record, self._record.position
        self._record = replace(
            before, position=replace(position, seqno=position.seqno + WRITES), members=members, expected=len(members)
        )
        prefix, lease = self._settings.prefix, self._lease.kept()
        live = live_key(prefix, before.node)
        outcome = self._etcd.transaction(
            [mod_is(live, self._revision)],
            [
                put(live, encode(self._record), lease),
                put(primary_key(prefix, before.node), self._component, lease),
                put(nodes_key(prefix, before.node), encode(before)),
            ],
            [get(live)],
        )
        if outcome.succeeded:
            self._revision = outcome.revision
        else:  # its lease had ended, or an answer was lost: the next heartbeat goes by what is there
            found = outcome.responses[0].pairs
            self._revision = found[0].mod_revision if found else 0

    def leave(self) -> None:
        """Let go of the keys."""
        self._lease.end()


class Absent:
    """Absent nodes beside real ones: ``grow`` brings their number up, a thread keeps them, ``close`` ends them.

    They are in nobody's Galera view, so real sidecars tell of them as orphans; their records name all nodes as members,
    as those of real nodes do.
    """

    def __init__(self, settings: EtcdSettings, like: Likeness, real: tuple[str, ...]) -> None:
        self._etcd = Etcd(settings)
        self._settings = settings
        self._like = like
        self._real = real
        self._nodes: dict[str, _Node] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="absent-nodes", daemon=True)
        self._thread.start()

    @property
    def members(self) -> tuple[str, ...]:
        """The names of all nodes, real and absent."""
        return (*self._real, *self._nodes)

    def grow(self, total: int) -> None:
        """Bring the number of all nodes, real ones too, up to ``total``."""
        with self._lock:
            for number in range(len(self.members), total):
                name = f"galera-{number}"
                self._nodes[name] = _Node(self._etcd, self._settings, name, self._like)
            for node in self._nodes.values():
                node.beat(self.members)

    def close(self) -> None:
        """End all keys that are under a lease, and the thread."""
        self._stop.set()
        self._thread.join()
        for node in self._nodes.values():
            with suppress(RegistryError):  # etcd may have ended before
                node.leave()
        self._etcd.close()

    def _keep(self) -> None:
        """Let each node beat once in an interval, one after the other: real nodes do not beat together either."""
        while not self._stop.is_set():
            began = time.monotonic()
            with self._lock:
                names = tuple(self._nodes)
            for number, name in enumerate(names, start=1):
                with self._lock, suppress(RegistryError):  # as of a real node: the next heartbeat may succeed
                    self._nodes[name].beat(self.members)
                self._stop.wait(max(0.0, began + LONGEST_BEAT * number / len(names) - time.monotonic()))
            if not names:
                self._stop.wait(0.1)


def primary_key(prefix: str, node: str) -> bytes:
    """Return the key of a member of the confirmed Primary component."""
    return f"{prefix}primary/{node}".encode()
