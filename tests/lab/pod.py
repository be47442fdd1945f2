"""A pod as the chart makes it: a node under its wrapper, and a sidecar that takes part in the bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.checks import LogMark, Transfer
from lab.process import wait_until
from lab.sidecar import UNSEEN, Sidecar
from lab.wrapper import WrappedNode


def bootstrap_flags(node: WrappedNode) -> dict[str, str]:
    """Return the flags with which a sidecar decides for this node, whose data it may not see."""
    return {
        "bootstrap.handoff-dir": str(node.handoff),
        "bootstrap.state-dir": str(node.state_dir),
        "mariadb.socket": str(node.socket),
        "datadir": UNSEEN,
    }


class Pod:
    """A node and its sidecar; they start and end together, in no order that anything may depend on."""

    def __init__(self, node: WrappedNode, sidecar: Sidecar) -> None:
        self.name = node.name
        self.node = node
        self.sidecar = sidecar
        self._mark = LogMark(node.log)
        self._told = LogMark(sidecar.log)

    def mark(self) -> None:
        """Read both logs from here on."""
        self._mark = LogMark(self.node.log)
        self._told = LogMark(self.sidecar.log)

    @property
    def log(self) -> str:
        """What the node's log says since the mark."""
        return self._mark.text

    @property
    def told(self) -> str:
        """What the sidecar's log says since the mark."""
        return self._told.text

    @property
    def transfer(self) -> Transfer:
        """How the node got its data since the mark."""
        return self._mark.transfer()

    @property
    def made_cluster(self) -> bool:
        """Whether mariadbd was started as the first of a new cluster since the mark."""
        return any("started mariadbd" in line and "--wsrep-new-cluster" in line for line in self.log.splitlines())

    def start(self) -> None:
        """Start the sidecar, then the node; does not wait for the database."""
        if not self.sidecar.alive:
            self.sidecar.start()
        if not self.node.alive:
            self.node.start()

    def power_loss(self) -> None:
        """All processes of the pod are gone at once."""
        self.node.kill()
        self.sidecar.kill()

    def delete(self) -> None:
        """End the pod as the platform does: the database in order, the sidecar after it."""
        self.node.stop()
        self.sidecar.stop()

    def freeze(self) -> None:
        """Nothing of the pod runs, and nothing of it is gone: a paused machine."""
        self.node.freeze()
        if self.sidecar.process is not None:
            self.sidecar.process.freeze()

    def thaw(self) -> None:
        """Let all go on."""
        if self.sidecar.process is not None:
            self.sidecar.process.thaw()
        self.node.thaw()

    @property
    def waiting(self) -> str | None:
        """Why the pod waits in the gate, as its metrics say; None where it does not."""
        return self.sidecar.metrics().one("galera_bootstrap_waiting", "reason")

    @property
    def epoch(self) -> int:
        """The epoch that the pod says its data are of."""
        return int(self.sidecar.metrics().value("galera_bootstrap_epoch") or 0)

    @property
    def confirmed(self) -> bool:
        """Whether the pod says that it is part of a confirmed Primary component."""
        return self.sidecar.metrics().one("galera_bootstrap_phase", "phase") == "confirmed"

    @property
    def serving(self) -> bool:
        """Whether the pod may get the clients' traffic."""
        try:
            self.sidecar.get("/-/serving")
        except OSError:
            return False
        return True

    def wait_waiting(self, reason: str, timeout: float = 40) -> None:
        """Wait until the pod waits for this reason, and has said so in its log."""
        wait_until(lambda: self.waiting == reason, timeout, f"{self.name} waits: {reason}", self.logs, 0.2)
        wait_until(lambda: reason in self.told, 5, f"{self.name} logs that it waits: {reason}", self.logs)

    @property
    def logs(self) -> list[Path]:
        """What to show when the pod does not do what it should."""
        return [*self.node.logs, self.sidecar.log]


def introduce(pods: Sequence[Pod]) -> None:
    """Tell each sidecar where those of all pods are."""
    peers = ",".join(f"{pod.name}={pod.sidecar.url}" for pod in pods)
    for pod in pods:
        pod.sidecar.flags["bootstrap.peers"] = peers
