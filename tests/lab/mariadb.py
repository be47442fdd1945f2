"""One real MariaDB server with Galera."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from lab.galera_config import NodeConfig, give, os_user, other_user
from lab.process import Process, excerpt, wait_until

_RECOVERED = re.compile(r"WSREP: Recovered position: ([0-9a-f-]{36}:-?\d+)")
Row = Mapping[str, Any]


class GaleraNode:
    """A mariadbd with its own folder and ports, and its process while it runs."""

    def __init__(self, config: NodeConfig) -> None:
        self.config = config
        self.name = config.name
        self.datadir = config.datadir
        self.socket = config.socket
        self.log = config.folder / "mariadbd.log"
        self.process: Process | None = None
        (config.folder / "tmp").mkdir(parents=True, exist_ok=True)
        give(config.folder)
        _check_passable(config.folder)

    @property
    def port(self) -> int:
        """The TCP port for SQL."""
        return self.config.ports.sql

    @property
    def address(self) -> str:
        """``host:port`` for SQL."""
        return f"{self.config.host.address}:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether its process runs, or is frozen."""
        return self.process is not None and self.process.alive

    @property
    def logs(self) -> list[Path]:
        """What to show when the node does not do what it should: its log, and those of mariabackup."""
        return [self.log, *sorted(self.datadir.glob("*backup*.log"))]

    def start(self, *, new_cluster: bool = False) -> None:
        """Start mariadbd and return at once; a node that crashed recovers its position first.

        An absent data directory is made, empty: the node then takes an SST.
        """
        if self.alive:
            raise RuntimeError(f"{self.name} is running")
        self.config.file.write_text(self.config.text())
        if not self.datadir.exists():
            self.datadir.mkdir()
            give(self.datadir)
        flags = ["--wsrep-new-cluster"] if new_cluster else []
        if not new_cluster and self._crashed():
            flags.append(f"--wsrep-start-position={self.recover()}")
        self.process = self._spawn(*flags)

    def recover(self) -> str:
        """Run ``mariadbd --wsrep-recover`` on the stopped node's data and return ``uuid:seqno``."""
        log = self.config.folder / "recover.log"
        log.unlink(missing_ok=True)
        give(self.config.folder)
        run = self._spawn("--wsrep-recover", f"--log-error={log}")
        run.wait(60)
        found = _RECOVERED.search(log.read_text(errors="replace"))
        if found is None:
            raise RuntimeError(f"{self.name}: no recovered position in {log}")
        return found.group(1)

    def stop(self, timeout: float = 60) -> None:
        """Shut it down in order: it leaves the group and writes its position to grastate.dat."""
        if self.process is not None:
            self.process.stop(timeout)

    def kill(self) -> None:
        """End it as a crash would, SST scripts too."""
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
        """Remove the data of the node, which must not run: its next start takes an SST."""
        if self.alive:
            raise RuntimeError(f"{self.name} is running")
        shutil.rmtree(self.datadir, ignore_errors=True)

    def connect(
        self, user: str | None = None, password: str = "", timeout: float = 60
    ) -> pymysql.Connection[DictCursor]:
        """Open a connection through the socket, as administrator unless another user is named.

        Raises:
            OSError: nothing listens.
            pymysql.MySQLError: the server refuses, or does not answer within ``timeout`` seconds.
        """
        connection = pymysql.connect(
            user=user or os_user(),
            password=password,
            charset="utf8mb4",
            autocommit=True,
            read_timeout=timeout,
            write_timeout=timeout,
            cursorclass=DictCursor,
            defer_connect=True,
        )
        # PyMySQL leaves its own socket open when a connect to a unix socket fails: give it one.
        own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            own.settimeout(timeout)
            own.connect(str(self.socket))
        except OSError:
            own.close()
            raise
        connection.connect(own)
        return connection

    def sql(self, statement: str, *args: Any) -> list[dict[str, Any]]:
        """Run one statement as administrator on a connection of its own and return its rows."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement, args or None)
            return list(cursor.fetchall())

    def status(self) -> dict[str, str]:
        """Return the wsrep status variables; empty while the server does not answer."""
        try:
            with closing(self.connect(timeout=3)) as connection, connection.cursor() as cursor:
                cursor.execute("SET SESSION wsrep_sync_wait = 0")
                cursor.execute(r"SHOW GLOBAL STATUS LIKE 'wsrep\_%'")
                return {row["Variable_name"].lower(): row["Value"] for row in cursor.fetchall()}
        except (OSError, pymysql.MySQLError):
            return {}

    @property
    def synced(self) -> bool:
        """Whether it is Synced in a Primary component and takes SQL."""
        status = self.status()
        return (status.get("wsrep_local_state"), status.get("wsrep_cluster_status"), status.get("wsrep_ready")) == (
            "4",
            "Primary",
            "ON",
        )

    def wait_synced(self, timeout: float = 90) -> None:
        """Wait until it is Synced; raises at once when mariadbd ends."""

        def look() -> bool:
            if not self.alive:
                raise RuntimeError("\n".join([f"{self.name}: mariadbd ended", *map(excerpt, self.logs)]))
            return self.synced

        wait_until(look, timeout, f"{self.name} is Synced", self.logs, 0.1)

    def _crashed(self) -> bool:
        """Whether there are data, and grastate.dat does not have their position."""
        state = self.datadir / "grastate.dat"
        return (self.datadir / "mysql").exists() and not (
            state.exists() and re.search(r"^seqno:\s+\d+$", state.read_text(errors="replace"), re.MULTILINE)
        )

    def _spawn(self, *flags: str) -> Process:
        with self.config.host.entered():
            return Process(
                ["mariadbd", f"--defaults-file={self.config.file}", *flags],
                log=self.log,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "TMPDIR": str(self.config.folder / "tmp")},
                cwd=self.config.folder,
                user=other_user(),
            )


def _check_passable(folder: Path) -> None:
    if other_user() is None:
        return
    done = subprocess.run(["test", "-w", folder / "tmp"], user=other_user(), extra_groups=[], check=False)
    if done.returncode != 0:
        raise PermissionError(f"mariadbd, run as {other_user()}, cannot reach {folder}: use lab.scratch()")
