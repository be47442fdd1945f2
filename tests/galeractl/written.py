"""A registry as sidecars write it, without sidecars."""

from __future__ import annotations

from dataclasses import dataclass, replace

from galera_exporter.model import ClusterStatus, NodeRecord, NodeState, Position, PositionSource
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import put
from galera_exporter.registry.records import encode, live_key, nodes_key
from galera_exporter.settings import EtcdSettings

UUID = "5ee2e7c2-0f3b-11f1-9c1d-4b4f3f5b6a01"
RECORD = NodeRecord(
    node="galera-0",
    owner="pod-0",
    address="127.0.0.1:1",
    status=ClusterStatus.PRIMARY,
    state=NodeState.SYNCED,
    position=Position(UUID, 41),
    source=PositionSource.STATUS,
    conf_id=3,
    size=3,
    ready=True,
    member_uuid="a3d1e7c2-0f3b-11f1-9c1d-4b4f3f5b6a00",
    members=("galera-0", "galera-1", "galera-2"),
    expected=3,
    ttl=10,
    version="0.1.0",
)


@dataclass(frozen=True)
class Registry:
    """A prefix of its own in a real etcd, written as sidecars would."""

    etcd: Etcd
    settings: EtcdSettings

    @property
    def flags(self) -> tuple[str, ...]:
        return (
            f"--etcd.endpoints={','.join(self.settings.endpoints)}",
            f"--namespace={self.settings.namespace}",
            "--etcd.timeout=1",
            "--mariadb.address=127.0.0.1:1",
        )

    def put(self, key: bytes, value: bytes, lease: int = 0) -> None:
        self.etcd.transaction([], [put(key, value, lease)])

    def live(self, record: NodeRecord, ttl: int = 60) -> None:
        """Write both keys of a node, as a heartbeat does."""
        self.put(live_key(self.settings.prefix, record.node), encode(record), self.etcd.grant(ttl))
        self.gone(record)

    def gone(self, record: NodeRecord) -> None:
        """Write only what stays of a node that went."""
        self.put(nodes_key(self.settings.prefix, record.node), encode(record))

    def trio(self) -> None:
        """Three healthy nodes."""
        for number in range(3):
            self.live(replace(RECORD, node=f"galera-{number}", owner=f"pod-{number}"))

    def names(self) -> set[str]:
        return {pair.key.decode() for pair in self.etcd.range("/").pairs}
