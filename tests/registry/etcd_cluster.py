"""Real etcd members for tests: started on free ports, each ended by its own pid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from galera_exporter.errors import RegistryError
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import put
from galera_exporter.settings import EtcdSettings


def eventually(check: Callable[[], object], seconds: float = 20.0, step: float = 0.05) -> None:
    """Return as soon as ``check`` is true; fail where it is not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(step)


def free_ports(count: int) -> list[int]:
    """Return ports on which nothing listened a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def fill(etcd: Etcd) -> RegistryError:
    """Write until etcd refuses; return the refusal."""
    for number in range(100):
        try:
            etcd.transaction([], [put(f"/fill/{number}".encode(), bytes(16384))])
        except RegistryError as error:
            return error
    pytest.fail("etcd took all of it")


@dataclass
class Member:
    name: str
    folder: Path
    client: str
    peer: str
    flags: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    paused: bool = False

    def start(self, initial: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    "etcd",
                    "--name", self.name,
                    "--data-dir", str(self.folder / "data"),
                    "--listen-client-urls", self.client,
                    "--advertise-client-urls", self.client,
                    "--listen-peer-urls", self.peer,
                    "--initial-advertise-peer-urls", self.peer,
                    "--initial-cluster", initial,
                    "--initial-cluster-token", str(self.folder.parent),
                    "--logger", "zap",
                    *self.flags,
                ],
                stdout=log,
                stderr=log,
            )  # fmt: skip

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)
        self.paused = True

    def resume(self) -> None:
        self.signal(signal.SIGCONT)
        self.paused = False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None
            self.paused = False


@dataclass
class EtcdCluster:
    folder: Path
    size: int = 3
    flags: Sequence[str] = ()
    scheme: str = "http"
    settings: EtcdSettings = field(default_factory=EtcdSettings)
    """TLS files and user, for the fixture's own questions."""
    members: list[Member] = field(default_factory=list)

    def __post_init__(self) -> None:
        ports = free_ports(2 * self.size)
        self.members = [
            Member(
                f"m{i}",
                self.folder / f"m{i}",
                f"{self.scheme}://127.0.0.1:{ports[2 * i]}",
                f"http://127.0.0.1:{ports[2 * i + 1]}",
                tuple(self.flags),
            )
            for i in range(self.size)
        ]

    @property
    def endpoints(self) -> tuple[str, ...]:
        return tuple(member.client for member in self.members)

    def start(self) -> None:
        for member in self.members:
            if member.process is None:
                member.start(",".join(f"{each.name}={each.peer}" for each in self.members))

    def close(self) -> None:
        for member in self.members:
            member.kill()

    def heal(self) -> None:
        """Bring all members back, and wait until each of them answers a linearizable read."""
        for member in self.members:
            if member.paused:
                member.resume()
        self.start()
        eventually(lambda: all(self.answers(member) for member in self.members), 30)

    def answers(self, member: Member) -> bool:
        etcd = self.client(member.client)
        try:
            etcd.range("/ready")
        except RegistryError:
            return False
        else:
            return True
        finally:
            etcd.close()

    def client(self, *endpoints: str) -> Etcd:
        """Return a guard for some endpoints, all where none are given; the caller closes it."""
        settings = self.settings
        return Etcd(
            EtcdSettings(
                endpoints=endpoints or self.endpoints,
                user=settings.user,
                password=settings.password,
                tls_ca=settings.tls_ca,
                tls_cert=settings.tls_cert,
                tls_key=settings.tls_key,
            )
        )

    def leader(self) -> Member:
        """Return the member that leads; waits for one."""
        found: list[Member] = []

        def look() -> bool:
            etcd = self.client()
            found[:] = [
                member for member in self.members if not member.paused and etcd.endpoint_status(member.client).leader
            ]
            etcd.close()
            return len(found) == 1

        eventually(look)
        return found[0]

    def followers(self) -> list[Member]:
        leader = self.leader()
        return [member for member in self.members if member is not leader]

    def wipe(self) -> None:
        """Stop all members and start them on empty directories."""
        self.close()
        for member in self.members:
            shutil.rmtree(member.folder / "data")
        self.heal()

    def ctl(self, *arguments: str, endpoint: str = "", stdin: str = "") -> str:
        """Run etcdctl as an operator would."""
        settings = self.settings
        files = (("--cacert", settings.tls_ca), ("--cert", settings.tls_cert), ("--key", settings.tls_key))
        given = [f"{flag}={path}" for flag, path in files if path is not None]
        login = [f"--user={settings.user}:{settings.password.reveal()}"] if settings.user else []
        done = subprocess.run(
            ["etcdctl", f"--endpoints={endpoint or ','.join(self.endpoints)}", *given, *login, *arguments],
            env={"ETCDCTL_API": "3", "PATH": os.environ["PATH"]},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
