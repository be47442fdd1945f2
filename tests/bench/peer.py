"""Debian's prometheus-mysqld-exporter beside a lab node."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab import GaleraNode, Ports, Process

PROGRAM = "prometheus-mysqld-exporter"
_PASSWORD = "peer-secret"
# What its README asks for; no MAX_USER_CONNECTIONS, for each scrape of it opens a connection.
ACCOUNT = (
    f"CREATE USER peer@'127.0.0.1' IDENTIFIED BY '{_PASSWORD}'",
    "GRANT PROCESS, REPLICATION CLIENT, SELECT ON *.* TO peer@'127.0.0.1'",
)
_OFF = (
    "--no-collect.slave_status",
    "--no-collect.info_schema.innodb_cmp",
    "--no-collect.info_schema.innodb_cmpmem",
    "--no-collect.info_schema.query_response_time",
)
STATUS = ("--collect.global_status", "--no-collect.global_variables", *_OFF)
"""SHOW GLOBAL STATUS and nothing else."""
BOTH = ("--collect.global_status", "--collect.global_variables", *_OFF)
"""Status and variables."""


class Peer:
    """One exporter process, with the collectors that ``flags`` leave on. The account must exist."""

    def __init__(self, node: GaleraNode, folder: Path, kind: str, flags: tuple[str, ...]) -> None:
        self._ports = Ports()
        self.port = self._ports.take()
        self.log = folder / f"{node.name}-peer-{kind}.log"
        config = folder / f"{node.name}-peer-{kind}.cnf"
        config.touch(mode=0o600)
        config.write_text(f"[client]\nuser = peer\npassword = {_PASSWORD}\nhost = 127.0.0.1\nport = {node.port}\n")
        self.argv = (PROGRAM, f"--config.my-cnf={config}", f"--web.listen-address=127.0.0.1:{self.port}", *flags)
        self.process: Process | None = None

    def start(self, *more: str) -> Process:
        """Start it, with ``more`` flags; does not wait."""
        self.process = Process((*self.argv, *more), log=self.log, env={"PATH": "/usr/local/bin:/usr/bin:/bin"})
        return self.process

    def close(self) -> None:
        """Kill it and give its port back."""
        if self.process is not None:
            self.process.kill()
        self._ports.close()


def version() -> str:
    """Return its name and version; raises OSError if it is not installed."""
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=10, check=True)
    return (done.stdout or done.stderr).splitlines()[0].partition(" (")[0].replace(", version", "")
