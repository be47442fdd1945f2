"""SQL clients of a release: one for each node, and one for its write Service."""

from __future__ import annotations

import ssl
import time
from contextlib import closing
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from e2e.release import Release
from lab.namespaces import Host

USER = "ledger"
_PASSWORD = "ledger"
_FRESH = 0.3


class Client:
    """Opens connections to one address, from one place, as the account that ``make_account`` made."""

    def __init__(self, release: Release, name: str) -> None:
        self.release = release
        self.name = name

    @property
    def alive(self) -> bool:
        """Whether it is worth asking."""
        return True

    def where(self) -> tuple[Host, str]:
        """Return from where to connect, and to which address; raises OSError where there is none now."""
        raise NotImplementedError

    def connect(self, timeout: float = 10) -> pymysql.Connection[DictCursor]:
        """Open a connection; raises OSError or pymysql.MySQLError."""
        host, address = self.where()
        secure = self.release.values.get("tls", {}).get("enabled", False)
        with host.entered():
            return pymysql.connect(
                host=address,
                user=USER,
                password=_PASSWORD,
                charset="utf8mb4",
                autocommit=True,
                connect_timeout=timeout,
                read_timeout=timeout,
                write_timeout=timeout,
                cursorclass=DictCursor,
                ssl=_unverified() if secure else None,
                ssl_disabled=not secure,
            )

    def sql(self, statement: str, *args: Any) -> list[dict[str, Any]]:
        """Run one statement on a connection of its own and return its rows."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement, args or None)
            return list(cursor.fetchall())

    def answers(self) -> bool:
        """Whether it takes a query now."""
        try:
            return bool(self.sql("SELECT 1"))
        except (OSError, pymysql.MySQLError):
            return False

    def status(self) -> dict[str, str]:
        """Return the wsrep status variables; empty while the server does not answer."""
        try:
            with closing(self.connect(timeout=2)) as connection, connection.cursor() as cursor:
                cursor.execute("SET SESSION wsrep_sync_wait = 0")
                cursor.execute(r"SHOW GLOBAL STATUS LIKE 'wsrep\_%'")
                return {row["Variable_name"].lower(): row["Value"] for row in cursor.fetchall()}
        except (OSError, pymysql.MySQLError):
            return {}


class Node(Client):
    """One database pod, whatever its address is now, asked from its own machine: no partition hides it."""

    def __init__(self, release: Release, name: str) -> None:
        super().__init__(release, name)
        self._seen = (0.0, "", "")

    @property
    def alive(self) -> bool:
        """Whether its pod has an address."""
        try:
            self.where()
        except OSError:
            return False
        return True

    def where(self) -> tuple[Host, str]:
        """Return the pod's machine and address."""
        moment, node, address = self._seen
        if time.monotonic() - moment > _FRESH:
            pod = self.release.pod(self.name)
            node, address = (pod.node, pod.address) if pod else ("", "")
            self._seen = (time.monotonic(), node, address)
        if not address:
            raise OSError(f"{self.name} has no address")
        return self.release.cluster.beside(node), address


class Service(Client):
    """A Service of the release, asked from outside of all nodes."""

    def __init__(self, release: Release, name: str) -> None:
        super().__init__(release, name)
        self._address = release.service_address(name)

    def where(self) -> tuple[Host, str]:
        """Return the tests' own place and the cluster IP."""
        return self.release.cluster.outside, self._address


def make_account(release: Release) -> None:
    """Make the account of these clients, as an administrator would: from inside a pod."""
    release.sql(
        release.pod_name(0),
        f"CREATE USER IF NOT EXISTS {USER}@'%' IDENTIFIED BY '{_PASSWORD}'; GRANT ALL ON *.* TO {USER}@'%'",
    )


def nodes(release: Release) -> list[Node]:
    """Return a client for each database node."""
    return [Node(release, release.pod_name(ordinal)) for ordinal in range(release.replicas)]


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
