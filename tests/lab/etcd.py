"""A real etcd cluster on loopback."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from lab.namespaces import LOOPBACK, Host
from lab.ports import Ports
from lab.process import Process, wait_until


class EtcdMember:
    """One member: its folder, its ports, and its process while it runs."""

    def __init__(self, name: str, folder: Path, client_port: int, peer_port: int, host: Host = LOOPBACK) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / "etcd.log"
        self.host = host
        self.endpoint = f"http://{host.address}:{client_port}"
        self.peer = f"http://{host.address}:{peer_port}"
        self.process: Process | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def alive(self) -> bool:
        """Whether its process runs, or is frozen."""
        return self.process is not None and self.process.alive

    def start(self, initial_cluster: str, flags: tuple[str, ...] = ()) -> None:
        """Start it on its folder, which may be empty; does not wait for a leader."""
        argv = [
            "etcd",
            f"--name={self.name}",
            f"--data-dir={self.folder / 'data'}",
            f"--listen-client-urls={self.endpoint}",
            f"--advertise-client-urls={self.endpoint}",
            f"--listen-peer-urls={self.peer}",
            f"--initial-advertise-peer-urls={self.peer}",
            f"--initial-cluster={initial_cluster}",
            "--initial-cluster-token=lab",
            "--logger=zap",
            "--log-outputs=stderr",
            "--log-level=warn",
            *flags,
        ]
        with self.host.entered():
            self.process = Process(argv, log=self.log)

    def stop(self) -> None:
        """End it in order; it starts again on the same data."""
        if self.process is not None:
            self.process.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()

    def freeze(self) -> None:
        """SIGSTOP: it accepts connections and answers nothing."""
        if self.process is not None:
            self.process.freeze()

    def thaw(self) -> None:
        """SIGCONT."""
        if self.process is not None:
            self.process.thaw()

    def wipe(self) -> None:
        """Forget all data of the member, which must not run."""
        if self.alive:
            raise RuntimeError(f"{self.name} is running")
        shutil.rmtree(self.folder / "data", ignore_errors=True)


class EtcdCluster:
    """``size`` members below ``root``; ``flags`` go to each (e.g. ``--quota-backend-bytes=...``).

    ``hosts``: one for each member, if not all on loopback; ``client`` is where etcdctl runs then.
    """

    def __init__(
        self,
        size: int,
        root: Path,
        flags: tuple[str, ...] = (),
        *,
        hosts: Sequence[Host] = (),
        client: Host = LOOPBACK,
    ) -> None:
        self._ports = Ports()
        self.client = client
        self._flags = flags
        self.members = tuple(
            EtcdMember(f"etcd-{n}", root / f"etcd-{n}", self._ports.take(), self._ports.take(), host)
            for n, host in enumerate(tuple(hosts) or (LOOPBACK,) * size)
        )
        self._initial = ",".join(f"{member.name}={member.peer}" for member in self.members)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Client URLs of all members, running or not."""
        return tuple(member.endpoint for member in self.members)

    def start(self, timeout: float = 30) -> None:
        """Start the members that do not run, and wait until each one answers and knows a leader."""
        for member in self.members:
            self.start_member(member)
        self.wait_healthy(timeout)

    def start_member(self, member: EtcdMember) -> None:
        """Start one member, unless it runs; does not wait."""
        if not member.alive:
            member.start(self._initial, self._flags)

    def replace(self, member: EtcdMember, timeout: float = 60) -> None:
        """Let the others take a member out and in again, and start it; it has lost its data, and does not run.

        They need a quorum for it.
        """

        def change(*words: str) -> bool:
            with suppress(subprocess.SubprocessError):
                self.ctl("member", *words, endpoints=others)
                return True
            return False

        others = tuple(other.endpoint for other in self.members if other is not member)
        log = [other.log for other in self.members]
        wait_until(lambda: self._listed(others), timeout, "etcd lists its members", log, 0.5)
        former = [row["ID"] for row in self._listed(others) if member.peer in row["peerURLs"]]
        for number in former:
            removal = partial(change, "remove", f"{number:x}")
            wait_until(removal, timeout, "etcd lets it go", log, 0.5)
        wait_until(
            lambda: change("add", member.name, f"--peer-urls={member.peer}"), timeout, "etcd takes it in", log, 0.5
        )
        member.start(self._initial, (*self._flags, "--initial-cluster-state=existing"))

    def _listed(self, endpoints: tuple[str, ...]) -> list[Any]:
        with suppress(subprocess.SubprocessError):
            found: list[Any] = self.ctl_json("member", "list", endpoints=endpoints)["members"]
            return found
        return []

    def stop(self) -> None:
        """Kill all members at once; they start again on the same data."""
        for member in self.members:
            member.kill()

    def close(self) -> None:
        """End all and give the ports back."""
        self.stop()
        self._ports.close()

    def wait_healthy(self, timeout: float = 30) -> None:
        """Wait until every member answers a linearizable read."""
        wait_until(self.healthy, timeout, "every etcd member answers", [member.log for member in self.members], 0.1)

    def healthy(self) -> bool:
        """Whether every member answers a linearizable read now."""
        with suppress(subprocess.SubprocessError):
            self.ctl("endpoint", "health")
            return True
        return False

    def leader(self, timeout: float = 15) -> EtcdMember:
        """Return the member that leads now; wait for an election if need be."""
        return wait_until(self._leader, timeout, "etcd has a leader", [member.log for member in self.members], 0.1)

    def _leader(self) -> EtcdMember | None:
        for member in self.members:
            if not member.alive:
                continue
            with suppress(subprocess.SubprocessError):
                for row in self.ctl_json("endpoint", "status", endpoints=(member.endpoint,)):
                    if row["Status"].get("leader") == row["Status"]["header"]["member_id"]:
                        return member
        return None

    def ctl(self, *args: str, endpoints: tuple[str, ...] = (), timeout: float = 10, stdin: str | None = None) -> str:
        """Run etcdctl (API 3) and return its output; raises subprocess.SubprocessError."""
        with self.client.entered():
            done = subprocess.run(
                ["etcdctl", f"--endpoints={','.join(endpoints or self.endpoints)}", "--command-timeout=3s", *args],
                env={"ETCDCTL_API": "3", "PATH": "/usr/local/bin:/usr/bin:/bin"},
                input=stdin,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=True,
            )
        return done.stdout

    def ctl_json(self, *args: str, endpoints: tuple[str, ...] = ()) -> Any:
        """Run etcdctl with ``-w json`` and return the parsed answer."""
        return json.loads(self.ctl(*args, "-w", "json", endpoints=endpoints))

    def keys(self, prefix: str = "/") -> list[str]:
        """Return all keys below ``prefix``."""
        return self.ctl("get", prefix, "--prefix", "--keys-only").split()
