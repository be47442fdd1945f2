"""A Kubernetes node: a machine with containerd, kubelet and kube-proxy."""

from __future__ import annotations

from pathlib import Path

from e2e.kube import store
from e2e.kube.configs import CONTROL, PODS, cni, containerd, kubeconfig, kubelet, node_address, pod_range
from e2e.kube.machine import Machine, run
from e2e.kube.paths import TOOLS
from lab.process import wait_until

_KUBENODE = str(TOOLS / "kubenode")


class Node:
    """One node of a cluster, cabled to the bridge of the control plane's machine."""

    def __init__(self, number: int, folder: Path, control: Machine, cgroup: str) -> None:
        self.number = number
        self.name = f"node{number}"
        self.address = node_address(number)
        self.folder = folder
        self.cgroup = f"{cgroup}/{self.name}"
        self._control = control
        folder.mkdir()
        store.give(folder / "containerd")
        self.machine = self._boot()

    def start(self, nodes: int) -> None:
        """Start its programs; ``nodes`` is how many there are, all of them cabled."""
        for other in range(1, nodes + 1):
            if other != self.number:
                self.machine.run("ip", "route", "add", pod_range(other), "via", node_address(other))
        self.machine.start("containerd", "containerd", "-c", str(self.folder / "containerd.toml"))
        socket = "/run/containerd/containerd.sock"
        wait_until(
            lambda: not self.machine.run("sh", "-c", f"test -S {socket} || echo no").strip(),
            30,
            f"{self.name}: containerd listens",
            [self.machine.logs / "containerd.log"],
        )
        self.start_kubelet()
        self.machine.start("kube-proxy", _KUBENODE, *proxy_arguments(self.name, self.folder / "proxy.conf"))

    def start_kubelet(self) -> None:
        """Start what runs the pods."""
        self.machine.start(
            "kubelet",
            _KUBENODE,
            "kubelet",
            f"--kubeconfig={self.folder / 'kubelet.conf'}",
            f"--config={self.folder / 'kubelet.json'}",
            f"--node-ip={self.address}",
            f"--hostname-override={self.name}",
            f"--node-labels=topology.kubernetes.io/zone=zone{self.number}",
        )

    def unplug(self) -> None:
        """Pull the network cable: nothing comes in or goes out, and nobody is told."""
        self._control.run("ip", "link", "set", f"to-{self.name}", "down")

    def plug(self) -> None:
        """Put the cable back."""
        self._control.run("ip", "link", "set", f"to-{self.name}", "up")

    def kill(self) -> None:
        """Cut the power."""
        self.machine.kill()

    def restart(self, nodes: int) -> None:
        """Cut the power, and switch on again with the same disks."""
        self.kill()
        self.machine = self._boot()
        self.start(nodes)

    def _boot(self) -> Machine:
        machine = Machine(self.name, self.folder)
        cable = f"to-{self.name}"
        # In the network of the control plane, but among the processes of this one: its number names the other network.
        ends = [cable, "type", "veth", "peer", "name", "eth0", "netns", machine.network]
        run(self._control.on_network("ip", "link", "add", *ends))
        self._control.run("ip", "link", "set", cable, "master", "bridge", "up")
        machine.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        machine.run("ip", "link", "set", "eth0", "up")
        machine.run("ip", "route", "add", "default", "via", CONTROL)
        self._control.run("ip", "route", "replace", pod_range(self.number), "via", self.address)
        machine.bind("kubelet", "/var/lib/kubelet")
        machine.bind("containerd", "/var/lib/containerd")
        for name, text in {
            "containerd.toml": containerd(str(self.folder / "cni")),
            "kubelet.json": kubelet(self.cgroup, str(self.folder / "resolv.conf")),
            "kubelet.conf": kubeconfig(self.name),
            "proxy.conf": kubeconfig("proxy"),
            "resolv.conf": f"nameserver {CONTROL}\n",
        }.items():
            (self.folder / name).write_text(text)
        (self.folder / "cni").mkdir(exist_ok=True)
        (self.folder / "cni" / "10-pods.conflist").write_text(cni(self.number))
        return machine


def proxy_arguments(name: str, config: Path) -> list[str]:
    """Return kube-proxy's arguments: it must not touch the settings of the machine that the tests run on."""
    return [
        "kube-proxy",
        f"--kubeconfig={config}",
        f"--hostname-override={name}",
        f"--cluster-cidr={PODS}",
        "--proxy-mode=iptables",
        "--conntrack-max-per-core=0",
        "--conntrack-min=0",
        "--oom-score-adj=0",
    ]
