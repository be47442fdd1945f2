"""A machine of its own inside this one: network, mounts, host name and processes in namespaces that end together."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from e2e.kube.paths import TOOLS
from lab.process import Process, wait_until

_UNSHARE = (
    "unshare",
    "--net",
    "--mount",
    "--uts",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--propagation",
    "private",
)
_START = 10.0
_END = 20.0
# What programs write to by fixed names; nothing of it is to reach the machine that the tests run on.
_OWN = ("/run", "/var/lib", "/var/log")


class CommandError(OSError):
    """A command on a machine or against the cluster failed; the text has what it wrote to standard error."""

    def __init__(self, argv: Sequence[str], returncode: int, stdout: str, stderr: str) -> None:
        super().__init__(f"{' '.join(argv)[:300]}: exit {returncode}: {(stderr or stdout).strip()[-2000:]}")
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


def run(
    argv: Sequence[str], *, text: str | None = None, timeout: float = 60, env: Mapping[str, str] | None = None
) -> str:
    """Run a command to its end and return what it printed; raises CommandError, also where it took too long."""
    try:
        done = subprocess.run(
            argv,
            input=text or "",
            capture_output=True,
            text=True,
            timeout=timeout,
            env=None if env is None else dict(env),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(argv, -1, "", f"no end after {timeout:g} s") from error
    if done.returncode != 0:
        raise CommandError(argv, done.returncode, done.stdout, done.stderr)
    return done.stdout


class Machine:
    """The first process of the namespaces, and what was started in them.

    The kernel ends every process of a process namespace with its first one, and takes mounts and links away with
    the last: whatever containers, shims and scripts were started, ``kill`` leaves nothing but ``folder``. The same
    happens when the present process dies (see ``lab.warden``).
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.processes: dict[str, Process] = {}
        self._holder = Process([*_UNSHARE, str(TOOLS / "pause")], log=self.logs / "machine.log")
        self.pid = wait_until(self._first, _START, f"the first process of {name}", [self.logs / "machine.log"])
        for place in _OWN:
            self.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place)
        self.run("hostname", name)
        self.run("ip", "link", "set", "lo", "up")
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1")

    @property
    def network(self) -> str:
        """Path of the network namespace."""
        return f"/proc/{self.pid}/ns/net"

    def inside(self, *argv: str) -> list[str]:
        """Return the command that runs ``argv`` in all the namespaces of this machine."""
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-u", "-p", "--", *argv]

    def on_network(self, *argv: str) -> list[str]:
        """Return the command that runs ``argv`` here, but with the sockets of that machine."""
        return ["nsenter", "-t", str(self.pid), "-n", "--", *argv]

    def run(self, *argv: str, text: str | None = None, timeout: float = 30) -> str:
        """Run a command on the machine to its end and return what it printed."""
        return run(self.inside(*argv), text=text, timeout=timeout)

    def start(self, name: str, *argv: str, env: Mapping[str, str] | None = None) -> Process:
        """Start a program that stays; its output goes to ``logs/<name>.log``."""
        process = Process(
            self.inside(*argv), log=self.logs / f"{name}.log", env=None if env is None else {**os.environ, **env}
        )
        self.processes[name] = process
        return process

    def bind(self, name: str, target: str) -> Path:
        """Give the machine a folder of its own at ``target``, kept as ``folder/name``."""
        own = self.folder / name
        own.mkdir(parents=True, exist_ok=True)
        self.run("mkdir", "-p", target)
        self.run("mount", "--bind", str(own), target)
        return own

    def kill(self) -> None:
        """Cut the power: all its processes end at once."""
        self._holder.kill()
        wait_until(self._gone, _END, f"{self.name}: every process is gone")
        for process in self.processes.values():
            process.kill()
        self.processes.clear()

    def _gone(self) -> bool:
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        return state == "Z"  # it becomes one when all others of its namespace are gone

    def _first(self) -> int | None:
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text().split()
        # Before its exec it is unshare still, and its namespaces may not be complete.
        return int(children[0]) if children and Path(f"/proc/{children[0]}/comm").read_text() == "pause\n" else None
