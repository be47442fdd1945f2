"""The control plane: etcd, API server, controllers, scheduler and the cluster's DNS on one machine."""

from __future__ import annotations

import secrets
from pathlib import Path

from e2e.kube.configs import CONTROL, SERVICES, corefile, kubeconfig, tokens
from e2e.kube.machine import Machine, run
from e2e.kube.node import proxy_arguments
from e2e.kube.paths import TOOLS
from lab.process import wait_until

_KUBENODE = str(TOOLS / "kubenode")
_STORE = "http://127.0.0.1:2379"
_READY = 60.0
UNREACHABLE = 20
"""Seconds without a word after which a node counts as NotReady."""


class Control:
    """Its machine also holds the bridge that the nodes are cabled to, and is where the tests' clients sit.

    The bridge has no uplink: nothing that a test sends can leave the machine.
    """

    def __init__(self, folder: Path, nodes: list[str]) -> None:
        self.folder = folder
        folder.mkdir()
        self.machine = Machine("control", folder)
        self.kubeconfig = self._write("admin.conf", kubeconfig("admin"))
        self._write("tokens.csv", tokens(nodes))
        for words in ("add bridge type bridge", "set bridge up"):
            self.machine.run("ip", "link", *words.split())
        self.machine.run("ip", "address", "add", f"{CONTROL}/24", "dev", "bridge")
        # Where Services are nobody is: kube-proxy puts a pod's address there, but only for what has a way to go.
        self.machine.run("ip", "route", "add", SERVICES, "dev", "bridge")

    def start(self) -> None:
        """Start everything, and wait until the API server is ready."""
        key, public = self.folder / "accounts.key", self.folder / "accounts.pub"
        run(["openssl", "genrsa", "-out", str(key), "2048"])
        run(["openssl", "rsa", "-in", str(key), "-pubout", "-out", str(public)])
        self.machine.start(
            "etcd",
            str(TOOLS / "etcd"),
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={_STORE}",
            f"--advertise-client-urls={_STORE}",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
        )
        self._kubernetes(
            "kube-apiserver",
            f"--etcd-servers={_STORE}",
            f"--service-cluster-ip-range={SERVICES}",
            f"--advertise-address={CONTROL}",
            f"--bind-address={CONTROL}",
            f"--cert-dir={self.folder / 'api'}",
            f"--service-account-key-file={public}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
            "--endpoint-reconciler-type=master-count",
        )
        wait_until(self._ready, _READY, "the API server is ready", [self.machine.logs / "kube-apiserver.log"], 0.2)
        self._kubernetes(
            "kube-controller-manager",
            f"--kubeconfig={self._write('manager.conf', kubeconfig('manager'))}",
            f"--service-account-private-key-file={key}",
            f"--root-ca-file={self.folder / 'api' / 'apiserver.crt'}",
            "--leader-elect=false",
            f"--node-monitor-grace-period={UNREACHABLE}s",
        )
        scheduler = self._write("scheduler.conf", kubeconfig("scheduler"))
        self._kubernetes("kube-scheduler", f"--kubeconfig={scheduler}", "--leader-elect=false")
        dns = self._write("Corefile", corefile(str(self._write("dns.conf", kubeconfig("dns")))))
        self._kubernetes("coredns", "-conf", str(dns))
        knock = f"exec 3<>/dev/tcp/{CONTROL}/53"
        logs = [self.machine.logs / "coredns.log"]
        wait_until(lambda: not self.machine.run("bash", "-c", knock), _READY, "the cluster's DNS listens", logs, 0.2)
        # The tests' clients reach Services from here.
        proxy = self._write("proxy.conf", kubeconfig("proxy"))
        self.machine.start("kube-proxy", _KUBENODE, *proxy_arguments(f"control-{secrets.token_hex(2)}", proxy))

    def _kubernetes(self, component: str, *arguments: str) -> None:
        self.machine.start(component, _KUBENODE, component, *arguments)

    def _ready(self) -> bool:
        argv = self.machine.on_network(_KUBENODE, "kubectl", f"--kubeconfig={self.kubeconfig}", "get", "--raw=/readyz")
        return run(argv, timeout=10).strip() == "ok"

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path
