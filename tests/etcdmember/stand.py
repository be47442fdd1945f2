"""A small stand-in for the StatefulSet of etcd: pods with a volume, the sidecar, and etcd once it may start."""

from __future__ import annotations

import json
import os
import random
import shutil
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.process import Process, wait_until
from lab.sidecar import environment

BACK_OFF = 0.5
"""Seconds between the end of a container and its next start."""
_LOOK = 0.1


class Pod:
    """One pod. Its volume outlives it; everything else begins anew with each start."""

    def __init__(self, name: str, host: str, folder: Path, flags: Mapping[str, str], *, etcd: str = "etcd") -> None:
        self.name = name
        self.host = host
        self.volume = folder / f"{name}-volume"
        self.run = folder / f"{name}-run"
        self.config = self.run / "etcd.conf.yml"
        self.logs = (folder / f"{name}-member.log", folder / f"{name}-etcd.log")
        self.flags = dict(flags)
        self.scheme = "https" if "tls-ca" in flags else "http"
        self._trust = ssl.create_default_context(cafile=flags["tls-ca"]) if "tls-ca" in flags else None
        self.sidecar: Process | None = None
        self.etcd: Process | None = None
        self.scheduled = False
        self._program = etcd
        self._admitted = False
        self._not_before = 0.0
        self.volume.mkdir(parents=True)

    @property
    def client(self) -> str:
        """URL of its etcd."""
        return f"{self.scheme}://{self.host}:2379"

    def start(self) -> None:
        """Begin the pod: the sidecar now, etcd once the startup probe has passed."""
        shutil.rmtree(self.run, ignore_errors=True)
        self.run.mkdir()
        self._admitted = False
        self.start_sidecar()
        self.scheduled = True

    def start_sidecar(self) -> None:
        """Start the sidecar's container alone."""
        given = {
            "name": self.name,
            "data-dir": str(self.volume),
            "config-file": str(self.config),
            "listen-address": f"{self.host}:2378",
            **self.flags,
        }
        argv = (sys.executable, "-m", "galera_exporter", "etcd-member", *(f"--{k}={v}" for k, v in given.items()))
        self.sidecar = Process(argv, log=self.logs[0], env=environment())

    def kill(self) -> None:
        """End the pod as a dead node would."""
        self.scheduled = False
        for process in (self.etcd, self.sidecar):
            if process is not None:
                process.kill()

    def stop(self) -> None:
        """End the pod in order: etcd, then its sidecar."""
        self.scheduled = False
        for process in (self.etcd, self.sidecar):
            if process is not None:
                process.stop()

    def wipe(self) -> None:
        """Replace the volume by an empty one; the pod must not run."""
        if self.scheduled:
            raise RuntimeError(f"{self.name} runs")
        shutil.rmtree(self.volume)
        self.volume.mkdir()

    def tend(self) -> None:
        """Do what the kubelet does: start etcd after the first success of the startup probe, and again when it ends."""
        if not self.scheduled:
            return
        if not self._admitted:
            self._admitted = self.started()
        running = self.etcd is not None and self.etcd.alive
        if running or not self._admitted:
            self._not_before = time.monotonic() + BACK_OFF if running else self._not_before
        elif time.monotonic() >= self._not_before:
            self.etcd = Process((self._program, f"--config-file={self.config}"), log=self.logs[1])
            self._not_before = time.monotonic() + BACK_OFF

    def started(self) -> bool:
        """Whether the startup probe passes now."""
        try:
            return bool(self.get("/-/start"))
        except OSError:
            return False

    def get(self, path: str) -> str:
        """Fetch a page of the sidecar; raises OSError."""
        handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._trust)]
        with urllib.request.build_opener(*handlers).open(
            f"{self.scheme}://{self.host}:2378{path}", timeout=3
        ) as answer:
            text: str = answer.read().decode()
            return text

    def state(self) -> dict[str, Any]:
        """Return what the sidecar tells; raises OSError."""
        found: dict[str, Any] = json.loads(self.get("/-/state"))
        return found

    def waits(self) -> str:
        """Return the reason of the present wait, empty without one or without an answer."""
        try:
            wait = self.state()["wait"]
        except OSError:
            return ""
        return wait["reason"] if wait else ""

    def cluster(self) -> str:
        """Return the id of its cluster; raises OSError."""
        found: str = self.state()["cluster_id"]
        return found

    def told(self) -> str:
        """Return the sidecar's log."""
        return self.logs[0].read_text()


def loopback_hosts(count: int) -> list[str]:
    """Return addresses of this machine that nobody else is likely to have chosen."""
    net = random.Random()  # not seeded: parallel workers must differ
    return [f"127.{net.randint(1, 254)}.{net.randint(1, 254)}.{net.randint(1, 254)}" for _ in range(count)]


class Stand:
    """All pods, and the kubelet that tends them."""

    def __init__(
        self,
        size: int,
        folder: Path,
        flags: Mapping[str, str] | None = None,
        *,
        hosts: Sequence[str] = (),
        etcd: str = "etcd",
    ) -> None:
        self.login: tuple[str, ...] = ()
        """Options of etcdctl."""
        hosts = hosts or loopback_hosts(size)
        names = [f"etcd-{n}" for n in range(size)]
        members = ",".join(f"{name}={host}" for name, host in zip(names, hosts, strict=True))
        given = {"initial-members": members, **(flags or {})}
        self.pods = tuple(Pod(name, host, folder, given, etcd=etcd) for name, host in zip(names, hosts, strict=True))
        self._end = threading.Event()
        self._kubelet = threading.Thread(target=self._tend, name="kubelet")
        self._kubelet.start()

    def start(self) -> None:
        """Start all pods at once."""
        for pod in self.pods:
            pod.start()

    def restore(self) -> None:
        """Bring all pods up as voters again: on their volumes, or else on new ones."""
        for pod in self.pods:
            if not pod.scheduled:
                pod.start()
        try:
            self.wait_voters(timeout=20)
        except (AssertionError, OSError):
            self.begin_again()

    def begin_again(self) -> None:
        """Do what the runbook says where the quorum is lost for good: new volumes for all."""
        for pod in self.pods:
            pod.kill()
            pod.wipe()
        self.start()
        self.wait_voters()

    def close(self) -> None:
        """End everything."""
        self._end.set()
        self._kubelet.join()
        for pod in self.pods:
            pod.kill()

    def _tend(self) -> None:
        while not self._end.wait(_LOOK):
            for pod in self.pods:
                pod.tend()

    def wait(self, predicate: Callable[[], object], what: str, timeout: float = 40) -> None:
        """Wait for something; on failure the error has the last lines of all logs."""
        logs = [log for pod in self.pods for log in pod.logs]
        wait_until(lambda: bool(predicate()), timeout, what, logs, 0.2)

    def wait_for(self, pod: Pod, reason: str, timeout: float = 40) -> None:
        """Wait until a pod waits for this reason."""
        self.wait(lambda: pod.waits() == reason, f"{pod.name} waits: {reason}", timeout)

    def wait_voters(self, pods: Sequence[Pod] = (), timeout: float = 60) -> None:
        """Wait until all pods serve as voters of one cluster."""
        wanted = pods or self.pods

        def look() -> bool:
            states = [pod.state() for pod in wanted]
            clusters = {state["cluster_id"] for state in states}
            return len(clusters) == 1 and all(state["learner"] is False and state["wait"] is None for state in states)

        self.wait(look, f"{', '.join(pod.name for pod in wanted)} are voters of one cluster", timeout)

    def ctl(self, *arguments: str, pod: Pod | None = None) -> str:
        """Run etcdctl as an operator would; raises AssertionError with what it says."""
        endpoints = ",".join(each.client for each in ((pod,) if pod else self.pods))
        done = subprocess.run(
            ["etcdctl", f"--endpoints={endpoints}", "--command-timeout=5s", *self.login, *arguments],
            env={"ETCDCTL_API": "3", "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def remove(self, member: str, by: Pod) -> None:
        """Remove a member by hand; etcd refuses for some seconds after a member started."""

        def done() -> bool:
            try:
                self.ctl("member", "remove", member, pod=by)
            except AssertionError as error:
                if "unhealthy cluster" not in str(error):
                    raise
                return False
            return True

        self.wait(done, f"{member} is removed")

    def members(self) -> list[dict[str, Any]]:
        """Return the members, as the cluster knows them."""
        found: list[dict[str, Any]] = json.loads(self.ctl("member", "list", "--write-out=json"))["members"]
        return found
