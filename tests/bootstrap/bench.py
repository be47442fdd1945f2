"""One coordinator at work: real etcd, a real state file, and a wrapper that is a folder of files."""

from __future__ import annotations

import time
from pathlib import Path

from galera_exporter.bootstrap.coordinator import Coordinator
from galera_exporter.bootstrap.handoff import Handoff
from galera_exporter.bootstrap.state import Snapshot
from galera_exporter.bootstrap.store import snapshot_of
from galera_exporter.bounded import BoundedCall
from galera_exporter.mariadb.connection import Connection
from galera_exporter.mariadb.sampler import Sampler
from galera_exporter.node import Node
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.lease import Lease
from galera_exporter.settings import BootstrapSettings, Config, EtcdSettings, MariadbSettings

UUID = "11111111-1111-1111-1111-111111111111"


class Bench:
    """The bootstrap part of the node ``name``; no database listens where it looks for one."""

    def __init__(self, name: str, folder: Path, settings: EtcdSettings, *, expected: int = 1, owner: str = "") -> None:
        self.name = name
        self.handoff, self.states = folder / name / "handoff", folder / name / "state"
        for each in (self.handoff, self.states):
            each.mkdir(parents=True, exist_ok=True)
        mariadb = MariadbSettings(socket=folder / name / "nothing.sock", timeout=0.5)
        self.config = Config(
            node=name,
            owner=owner or name,
            expected=expected,
            mariadb=mariadb,
            etcd=settings,
            bootstrap=BootstrapSettings(handoff_dir=self.handoff, state_dir=self.states),
        )
        self.etcd = Etcd(settings)
        self.sampler = Sampler(Connection(mariadb), mariadb)
        self.node = Node(self.config, self.sampler, BoundedCall(Handoff(self.handoff).datadir))
        self.sampler.start()
        self.ahead = 0.0
        """Seconds that the clock of this node's sidecar is ahead of what has really passed."""
        lease = Lease(self.etcd, settings.ttl, clock=self._clock)
        self.coordinator = Coordinator(self.node, self.etcd, lease, clock=self._clock)

    def ask(self, boot_id: str, **fields: object) -> None:
        """Play the wrapper: it waits for a decision."""
        request = {"data": "empty", "position": "", "source": "none", "sst_interrupted": 0, "grastate": "ok", **fields}
        self._write("request", boot_id=boot_id, **request)
        self._write("phase", boot_id=boot_id, phase="waiting")

    def phase(self, boot_id: str, phase: str, **fields: object) -> None:
        """Play the wrapper: it says what it does."""
        self._write("phase", boot_id=boot_id, phase=phase, **fields)

    def describe(self, **fields: object) -> None:
        """Play the wrapper: it says what the data directory has."""
        self._write("datadir", **fields)

    def step(self, times: int = 1) -> None:
        """Let the coordinator do some steps, each on a read of its own."""
        for _ in range(times):
            self.coordinator.step(self.etcd.range(self.config.etcd.prefix))

    def after(self, seconds: int) -> None:
        """Let the clock go on by as much, with a step each second."""
        for _ in range(seconds):
            self.ahead += 1
            self.step()

    @property
    def snapshot(self) -> Snapshot:
        """What is in etcd."""
        return snapshot_of(self.config.etcd.prefix, self.etcd.range(self.config.etcd.prefix))

    @property
    def decision(self) -> dict[str, str]:
        """The decision that lies there; empty: none."""
        try:
            text = (self.handoff / "decision").read_text()
        except FileNotFoundError:
            return {}
        return dict(line.split("=", 1) for line in text.splitlines())

    def close(self) -> None:
        """End it."""
        self.sampler.close()
        self.etcd.close()

    def _clock(self) -> float:
        return time.monotonic() + self.ahead

    def _write(self, name: str, **fields: object) -> None:
        (self.handoff / name).write_text("".join(f"{field}={value}\n" for field, value in fields.items()))
