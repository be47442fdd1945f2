"""One node as sync-test speaks to it: a connection of its own, each statement bounded in time."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pymysql
from pymysql.constants import CR
from pymysql.cursors import Cursor

from galera_exporter.galeractl.exits import UsageError
from galera_exporter.mariadb.connection import NO_CLEAR_TEXT, explain, read_password, tls_context
from galera_exporter.settings import MariadbSettings

_DENIED: Final = frozenset({1044, 1142, 1227})
_ADDRESS: Final = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F]*:[0-9a-fA-F:.]+)\]|(?P<host>[^\s:\[\]]+))(?::(?P<port>\d{1,5}))?"
)
_FACTS: Final = """SHOW GLOBAL STATUS WHERE Variable_name IN
 ('wsrep_local_index', 'wsrep_gcomm_uuid', 'wsrep_cluster_status', 'wsrep_local_state_comment')"""
GRANT_HINT: Final = (
    "the account needs GRANT CREATE, DROP, SELECT, INSERT, UPDATE, DELETE ON "
    "`galera\\_exporter\\_sync\\_test\\_%`.* TO '{user}'@..."
)


class PeerError(Exception):
    """The node did not do what it was asked; the text says why, without any secret."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a node is, and what the operator calls it."""

    name: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """``host:port``, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered at an address: the server's own words."""

    node_name: str
    local_index: int
    member_uuid: str
    cluster_status: str
    state: str
    version: str


def parse_target(text: str, name: str = "") -> Target:
    """Parse ``host``, ``host:port`` or ``[v6]:port`` (port 3306 where none is given); UsageError if it is none."""
    match = _ADDRESS.fullmatch(text.strip())
    port = int(match["port"] or 3306) if match else 0
    if not match or not 0 < port < 65536:  # noqa: PLR2004 -- ports end at 65535
        raise UsageError(f"{text!r} is not an address of a node: write host:port, e.g. galera-0.galera:3306")
    return Target(name or text.strip(), match["six"] or match["host"], port)


class Peer:
    """A connection to ``target``. After its first failure it says why in ``failure`` and is not used again.

    Each statement, and the connect, take at most ``limit`` seconds of silence. Not for two threads at a time,
    except ``abort``.
    """

    def __init__(self, target: Target, settings: MariadbSettings, limit: float) -> None:
        self.target = target
        self.identity: Identity | None = None
        self.failure = ""
        self._settings = settings
        self._limit = limit
        self._connection: pymysql.Connection[Cursor] | None = None

    @property
    def name(self) -> str:
        """What the operator calls the node."""
        return self.target.name

    def connect(self) -> None:
        """Connect, and learn who answers; PeerError where the node cannot be reached or cannot replicate."""
        try:
            self._connection = self._open()
        except PeerError as error:
            raise self.fail(str(error)) from None
        except Exception as error:  # noqa: BLE001 -- a broken stream raises anything from struct.error to IndexError
            raise self._failed(error) from None
        facts = dict(self.rows(_FACTS))
        (variables,) = self.rows("SELECT @@version, @@wsrep_node_name, @@wsrep_on")
        self.identity = Identity(
            node_name=str(variables[1]),
            local_index=int(facts.get("wsrep_local_index", -1)),
            member_uuid=str(facts.get("wsrep_gcomm_uuid", "")),
            cluster_status=str(facts.get("wsrep_cluster_status", "Disconnected")),
            state=str(facts.get("wsrep_local_state_comment", "")),
            version=str(variables[0]),
        )
        if not variables[2]:
            raise self.fail("wsrep is off: this server is not a Galera node")
        if self.identity.cluster_status != "Primary":
            raise self.fail(f"not in the primary component: {self.identity.cluster_status}, {self.identity.state}")

    def run(self, statement: str, values: Sequence[object] = ()) -> None:
        """Run a statement that gives no rows; PeerError where it fails or is not answered in time."""
        self._query(statement, values)

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a statement; PeerError where it fails or is not answered in time."""
        return self._query(statement, values)

    def fail(self, why: str) -> PeerError:
        """Note that the node is of no use from here on, and return the error to raise."""
        self.failure = self.failure or why
        return PeerError(why)

    def abort(self) -> None:
        """End a statement that another thread waits for: it gets PeerError at once."""
        connection = self._connection
        sock = None if connection is None else connection._sock  # type: ignore[attr-defined]  # noqa: SLF001 -- no public way
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection, without a word to a server that may be frozen."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection._force_close()  # type: ignore[attr-defined]  # noqa: SLF001 -- close() says goodbye, and may wait

    def _open(self) -> pymysql.Connection[Cursor]:
        settings = self._settings
        tls = _context(settings)
        return pymysql.connect(
            host=self.target.host,
            port=self.target.port,
            user=settings.user,
            # As bytes: PyMySQL encodes a str as latin-1, and its exception would show the password.
            password=read_password(settings),
            ssl=tls,
            ssl_disabled=tls is None,
            charset="utf8mb4",
            auth_plugin_map=NO_CLEAR_TEXT,
            autocommit=True,
            connect_timeout=min(settings.timeout, self._limit),
            read_timeout=self._limit,
            write_timeout=self._limit,
            program_name="galeractl",
            init_command=f"SET SESSION wsrep_sync_wait=0, lock_wait_timeout={max(1, round(self._limit))}",
        )

    def _query(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        if self._connection is None:
            raise PeerError(self.failure or "not connected")
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return list(cursor.fetchall())
        except Exception as error:  # noqa: BLE001 -- a broken stream raises anything from struct.error to IndexError
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> PeerError:
        known = explain(error)
        if known.code in _DENIED:
            return self.fail(f"{known}; {GRANT_HINT.format(user=self._settings.user)}")
        if known.code == CR.CR_SERVER_LOST:
            return self.fail(f"no answer within {self._limit:g} s, or the connection broke")
        return self.fail(str(known))


def _context(settings: MariadbSettings) -> ssl.SSLContext | None:
    if settings.tls_ca is None:
        return None
    context = tls_context(settings.tls_ca, settings.tls_cert, settings.tls_key)
    # The registry may name nodes by addresses that no certificate has; the CA is what is trusted.
    context.check_hostname = False
    return context
