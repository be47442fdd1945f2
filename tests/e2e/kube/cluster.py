"""The cluster that the scenarios run on: of this project's own, or the one that $KUBECONFIG names."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from e2e.kube.api import Api
from e2e.kube.configs import CONTROL
from e2e.kube.control import Control
from e2e.kube.machine import Machine, run
from e2e.kube.node import Node
from e2e.kube.paths import BUILD, RUN, TOOLS
from e2e.kube.volumes import Volumes
from lab.critical import signals_later
from lab.namespaces import Host
from lab.process import wait_until
from lab.warden import WARDEN, remove_cgroup

_READY = 120.0


class Cluster:
    """A Kubernetes cluster, by ``kubectl``, ``helm`` and its API."""

    def __init__(self, prefix: Sequence[str], kubeconfig: str, log: Path) -> None:
        self._prefix = tuple(prefix)
        self.kubeconfig = kubeconfig
        self.api = Api(self.command("kubectl"), log)

    nodes: Sequence[Node] = ()
    """The nodes, where this project made them: their cables can be pulled."""

    volumes: Volumes | None = None

    def command(self, program: str, *arguments: str) -> list[str]:
        """Return a command line of ``kubectl`` or ``helm`` that reaches the cluster."""
        return [*self._prefix, str(TOOLS / program), f"--kubeconfig={self.kubeconfig}", *arguments]

    def kubectl(self, *arguments: str, text: str | None = None, timeout: float = 60) -> str:
        """Run kubectl and return what it printed."""
        return run(self.command("kubectl", *arguments), text=text, timeout=timeout)

    def helm(self, *arguments: str, text: str | None = None, timeout: float = 300) -> str:
        """Run helm and return what it printed."""
        return run(self.command("helm", *arguments), text=text, timeout=timeout)

    @property
    def outside(self) -> Host:
        """Where this process's own clients sit: they reach pods and Services by their addresses."""
        raise NotImplementedError

    def beside(self, node: str) -> Host:
        """Where a client of pods on ``node`` sits that no partition cuts off from them."""
        del node
        return self.outside

    def close(self) -> None:
        """Let go of it."""
        self.api.close()


class OwnCluster(Cluster):
    """Three nodes on this machine, in namespaces, below one folder; gone when it is closed or this process dies."""

    def __init__(self, nodes: int = 3) -> None:
        if os.geteuid() != 0:
            raise PermissionError("a Kubernetes of our own needs root: namespaces, mounts and cgroups are made")
        RUN.mkdir(parents=True, exist_ok=True)
        self._cgroup = f"/galera-e2e-{os.getpid()}"
        self.folder = RUN / str(os.getpid())
        with signals_later():
            WARDEN.watch_folder(self.folder)
            WARDEN.watch_cgroup(self._cgroup)
            self.folder.mkdir()
        names = [f"node{number}" for number in range(1, nodes + 1)]
        self.control = Control(self.folder / "control", names)
        self._made: list[Node] = []
        self._networks: dict[int, int] = {}
        try:
            with ThreadPoolExecutor(nodes + 1) as pool:
                started = pool.submit(self.control.start)
                self._made += pool.map(self._node, range(1, nodes + 1))
                started.result()
            super().__init__(
                self.control.machine.on_network(), str(self.control.kubeconfig), self.folder / "kubectl-proxy.log"
            )
            self.nodes = tuple(self._made)
            for node in self.nodes:
                node.start(nodes)
            self.volumes = Volumes(self.api, self.nodes)
            wait_until(self._ready, _READY, "all nodes are Ready", self.logs(), 0.3)
        except BaseException:
            self.close()
            raise

    @property
    def outside(self) -> Host:
        """The control plane's machine."""
        return self._host(self.control.machine, CONTROL)

    def beside(self, node: str) -> Host:
        """Return the node's own machine."""
        found = next(each for each in self.nodes if each.name == node)
        return self._host(found.machine, found.address)

    def _host(self, machine: Machine, address: str) -> Host:
        if machine.pid not in self._networks:
            self._networks[machine.pid] = os.open(machine.network, os.O_RDONLY | os.O_CLOEXEC)
        return Host(address, self._networks[machine.pid])

    def logs(self) -> list[Path]:
        """Return the logs of everything that makes the cluster."""
        return sorted(self.folder.glob("*/logs/*.log"))

    def close(self) -> None:
        """Cut the power of all machines and remove the folder."""
        if hasattr(self, "api"):
            super().close()
        while self._networks:
            os.close(self._networks.popitem()[1])
        for node in self._made:
            node.kill()
        self.control.machine.kill()
        wait_until(lambda: remove_cgroup(self._cgroup), 20, "the cgroups are empty")
        WARDEN.forget_cgroup(self._cgroup)
        shutil.rmtree(self.folder, ignore_errors=True)
        WARDEN.forget_folder(self.folder)

    def _node(self, number: int) -> Node:
        return Node(number, self.folder / f"node{number}", self.control.machine, self._cgroup)

    def _ready(self) -> bool:
        return len(ready_nodes(self.api)) == len(self.nodes)


def ready_nodes(api: Api) -> list[str]:
    """Return the names of the nodes that are Ready."""
    return [
        node["metadata"]["name"]
        for node in api.items("/api/v1/nodes")
        if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", ()))
    ]


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Give the cluster that $E2E_CLUSTER asks for: ``existing``, or one of our own."""
    made = ExistingCluster() if os.environ.get("E2E_CLUSTER") == "existing" else OwnCluster()
    try:
        yield made
    finally:
        made.close()


class ExistingCluster(Cluster):
    """The cluster of $KUBECONFIG, which keeps all that it has. This process is on one of its nodes, or reaches pods."""

    def __init__(self) -> None:
        BUILD.mkdir(parents=True, exist_ok=True)
        config = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        super().__init__((), config, BUILD / "kubectl-proxy.log")

    @property
    def outside(self) -> Host:
        """This machine, by the address that its packets to a node have: pods reach it there."""
        addresses = self.api.items("/api/v1/nodes")[0]["status"]["addresses"]
        node = next(each["address"] for each in addresses if each["type"] == "InternalIP")
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
            probe.connect((node, 9))  # sends nothing
            return Host(probe.getsockname()[0])
