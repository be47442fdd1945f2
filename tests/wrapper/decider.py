"""The other side of the handoff folder: a sidecar that decides what the test says."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab import wait_until
from lab.template import fill
from lab.wrapper import WrappedNode, read_fields

NOWHERE = "00000000-0000-0000-0000-000000000000:-1"
LEASE_SECONDS = 30
GROUP = "lab-1-0a1b2c3d"
"""The name of the group in Galera, as an election gives it."""


class Decider:
    """Reads the requests of one node and hands out decisions, leases and orders for its present start."""

    def __init__(self, node: WrappedNode) -> None:
        self.node = node
        self.boot_id = ""

    def request(self, timeout: float = 30) -> dict[str, str]:
        """Wait until the wrapper waits for a decision that was not given, and return its request."""
        self.boot_id = self.node.wait_phase("waiting", timeout, after=self.boot_id).boot_id
        found = read_fields(self.node.handoff / "request")
        assert found["boot_id"] == self.boot_id
        return found

    def bootstrap(self, position: str = "", *, initialize: bool = False, lease_seconds: int = LEASE_SECONDS) -> None:
        """Decide that this start makes the cluster."""
        self.decide(
            action="bootstrap", position=position, initialize=int(initialize), fresh=0, lease_seconds=lease_seconds
        )
        if initialize:  # which takes a while: without a sign of etcd in it the cluster would not be made
            threading.Thread(target=self._renew, args=(self.boot_id,), daemon=True).start()

    def join(self, position: str = "", *, fresh: bool = False) -> None:
        """Decide that this start joins."""
        self.decide(action="join", position=position, initialize=0, fresh=int(fresh))

    def decide(self, **fields: object) -> None:
        """Hand out a decision for the present start, or for another ``boot_id``."""
        self._write("decision", {"version": 1, "boot_id": self.boot_id, "epoch": 1, "group": GROUP, **fields})

    def lease(self, beat: int, *, confirmed: bool = False) -> None:
        """Write the lease of an unconfirmed bootstrap."""
        self._write("lease", {"boot_id": self.boot_id, "beat": beat, "confirmed": int(confirmed)})

    def order(self, boot_id: str = "", reason: str = "the test wants it") -> None:
        """Order a stop of the present start, or of another."""
        self._write("order", {"boot_id": boot_id or self.boot_id, "action": "stop", "reason": reason})

    def confirm(self) -> None:
        """Confirm the bootstrap and wait until the wrapper has seen it."""
        self.lease(1, confirmed=True)
        said = "the bootstrap is confirmed in etcd"
        wait_until(lambda: said in text(self.node.log), 5, "the wrapper sees it", [self.node.log])

    def serve(self) -> None:
        """Have a node that was never started run on the template's data, as a cluster of its own that is confirmed."""
        fill(self.node, bootstrap=False)
        self.node.start()
        self.restart()

    def restart(self, *, confirm: bool = True) -> str:
        """Let a node that has data start as a cluster of its own; return the position that it started from."""
        position = self.request()["position"]
        self.restart_from(position)
        if confirm:
            self.confirm()
        return position

    def restart_from(self, position: str) -> None:
        """Let a node that waits start as a cluster of its own."""
        self.bootstrap(position)
        self.node.wait_synced(30)

    def _renew(self, boot_id: str) -> None:
        """Renew the lease of a start until its server runs, as the sidecar does; bounded."""
        for beat in range(100, 160):
            state = self.node.state
            if not self.node.alive or (state.boot_id, state.phase) not in {
                (boot_id, "waiting"),
                (boot_id, "initializing"),
            }:
                return
            with suppress(FileNotFoundError):  # the test has ended, and its folder is gone
                self._write("lease", {"boot_id": boot_id, "beat": beat, "confirmed": 0})
            time.sleep(0.5)

    def _write(self, name: str, fields: dict[str, object]) -> None:
        new = self.node.handoff / f".{name}.test"
        new.write_text("".join(f"{field}={value}\n" for field, value in fields.items()))
        new.rename(self.node.handoff / name)


@contextmanager
def looking_for_others(node: WrappedNode) -> Iterator[None]:
    """In the block a server has left its component and looks for another where there is none, for half a minute."""
    alone = "SET GLOBAL wsrep_cluster_address = 'gcomm://127.0.0.1:1'"
    command = ["mariadb", "--no-defaults", f"--socket={node.socket}", "--execute", alone]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as client:
        try:
            yield
        finally:
            client.kill()


Make = Callable[..., Decider]


def text(log: Path) -> str:
    """Return a log as text; mariadbd writes bytes too that are none."""
    return log.read_text(errors="replace") if log.exists() else ""
