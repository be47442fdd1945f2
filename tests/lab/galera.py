"""A real Galera cluster on loopback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.galera_config import NodeConfig, NodePorts
from lab.mariadb import GaleraNode
from lab.namespaces import LOOPBACK, Host
from lab.ports import Ports
from lab.process import LabTimeoutError, excerpt, wait_until
from lab.template import fill


class GaleraCluster:
    """``size`` nodes ``galera-0`` ... below ``root`` (a folder of ``lab.scratch``).

    All start from one template. ``hosts``: one for each node, if not all on loopback.
    """

    def __init__(
        self,
        size: int,
        root: Path,
        *,
        name: str = "lab",
        options: Mapping[str, str] | None = None,
        provider_options: Mapping[str, str] | None = None,
        hosts: Sequence[Host] = (),
    ) -> None:
        self.name = name
        self._ports = Ports()
        ports = [NodePorts(*(self._ports.take() for _ in range(4))) for _ in range(size)]
        places = tuple(hosts) or (LOOPBACK,) * size
        peers = tuple(f"{host.address}:{own.group}" for host, own in zip(places, ports, strict=True))
        self.nodes = tuple(
            GaleraNode(
                NodeConfig(
                    f"galera-{n}",
                    root / f"galera-{n}",
                    name,
                    own,
                    peers,
                    dict(options or {}),
                    dict(provider_options or {}),
                    host,
                )
            )
            for n, (host, own) in enumerate(zip(places, ports, strict=True))
        )

    def start(self, timeout: float = 120) -> None:
        """Bootstrap the first node, let the others join one by one, and wait until all are Synced.

        Two that join at once are slower (their views disturb each other), and an SST may fail.
        """
        self.bootstrap()
        for node in self.nodes[1:]:
            self.join(node)
            self.wait_joined(node, timeout)
        self.wait_synced(timeout)

    def bootstrap(self, timeout: float = 60) -> None:
        """Start the first node as a new cluster and wait until it is Synced."""
        first = self.nodes[0]
        if not first.datadir.exists():
            fill(first, bootstrap=True)
        first.start(new_cluster=True)
        first.wait_synced(timeout)

    def join(self, node: GaleraNode) -> None:
        """Start a node that finds its Primary component; does not wait."""
        if not node.datadir.exists():
            fill(node, bootstrap=False)
        node.start()

    def wait_joined(self, node: GaleraNode, timeout: float = 120) -> None:
        """Wait until a node that was started is Synced; a failure shows the logs of the possible donors too."""
        try:
            node.wait_synced(timeout)
        except (LabTimeoutError, RuntimeError) as error:
            logs = [log for other in self.nodes if other is not node for log in other.logs]
            raise RuntimeError("\n".join([str(error), *map(excerpt, logs)])) from error

    def wait_synced(self, timeout: float = 120) -> None:
        """Wait until every node is Synced, and every view has them all."""
        for node in self.nodes:
            node.wait_synced(timeout)
        size = str(len(self.nodes))
        logs = [node.log for node in self.nodes]
        wait_until(
            lambda: all(node.status().get("wsrep_cluster_size") == size for node in self.nodes),
            timeout,
            f"all views have {size} nodes",
            logs,
        )

    def close(self) -> None:
        """Kill all nodes and give the ports back."""
        for node in self.nodes:
            node.kill()
        self._ports.close()
