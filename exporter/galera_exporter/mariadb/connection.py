"""The one connection to MariaDB.

PyMySQL's own errors end here: what leaves is rows, or a ServerError with a
reason. A connection that failed in any way but by a plain error answer is
dropped, because after a timeout PyMySQL's is dead for good.
"""

from __future__ import annotations

import contextlib
import ipaddress
import random
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import pymysql
from pymysql.constants import CR
from pymysql.cursors import Cursor

from galera_exporter.errors import DatabaseError, DatabaseReason
from galera_exporter.settings import MariadbSettings

Rows = tuple[tuple[Any, ...], ...]

SHORTEST_BACKOFF: Final = 0.05
LONGEST_BACKOFF: Final = 1.0
"""Seconds without an attempt after many failures in a row; short, so that a server that is back is seen soon."""

_LONGEST_TEXT: Final = 300
_LONGEST_PASSWORD: Final = 4096

NO_SUCH_VARIABLE: Final = 1193
_REASONS: Final = {
    1040: DatabaseReason.TOO_MANY_CONNECTIONS,  # max_connections of the server
    1203: DatabaseReason.TOO_MANY_CONNECTIONS,  # max_user_connections, the global variable
    1226: DatabaseReason.TOO_MANY_CONNECTIONS,  # MAX_USER_CONNECTIONS of the account
    1044: DatabaseReason.AUTH,
    1045: DatabaseReason.AUTH,
    1129: DatabaseReason.AUTH,  # this host is blocked after many broken connects
    1130: DatabaseReason.AUTH,  # no account for this host
    1227: DatabaseReason.AUTH,
    1251: DatabaseReason.AUTH,  # an authentication protocol that one side does not know
    1524: DatabaseReason.AUTH,  # the account's plugin is not loaded
    1698: DatabaseReason.AUTH,
    1820: DatabaseReason.AUTH,  # the password must be set first
    1862: DatabaseReason.AUTH,  # the password has expired
    4151: DatabaseReason.AUTH,  # the account is locked
    CR.CR_AUTH_PLUGIN_CANNOT_LOAD: DatabaseReason.AUTH,
    CR.CR_AUTH_PLUGIN_ERR: DatabaseReason.AUTH,
    1205: DatabaseReason.TIMEOUT,  # lock_wait_timeout
    1969: DatabaseReason.TIMEOUT,  # max_statement_time
}
_INTERFACE: Final = 0
"""PyMySQL's InterfaceError(0, ''): asked on a connection that it has closed."""
# The connection is gone and the server may be well: an idle connection was closed, or the server was restarted.
_GONE: Final = frozenset({_INTERFACE, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, 1053, 1927})
_NO_CODE: Final = -1
_CLIENT_CODES: Final = range(2000, 3000)


class ServerError(DatabaseError):
    """MariaDB gave no rows; ``code`` is the number of the server's or PyMySQL's error, -1 where there is none."""

    def __init__(self, reason: DatabaseReason, text: str, code: int = _NO_CODE) -> None:
        super().__init__(reason, text)
        self.code = code


class _RefuseClearText:
    """Stands in for the authentication methods by which PyMySQL would send the password as it is."""

    def __init__(self, _connection: object) -> None:
        pass

    def authenticate(self, _packet: object) -> NoReturn:
        """Refuse: whoever answers at this address may not be our server."""
        raise pymysql.err.OperationalError(CR.CR_AUTH_PLUGIN_ERR, "the server asks for the password in clear text")


NO_CLEAR_TEXT: Final[dict[str, Callable[[Any], Any]]] = {
    "mysql_clear_password": _RefuseClearText,
    "dialog": _RefuseClearText,
}
"""For pymysql.connect: no server gets the password itself, only the proof of it."""


class Connection:
    """One persistent connection, made at the first query and made anew after it failed.

    Not for use by several threads at once. After a failed connect no further one is tried for 0.05 to
    1 s (growing, with jitter): until then each query fails at once, with the same reason.
    """

    def __init__(self, settings: MariadbSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._live: pymysql.Connection[Cursor] | None = None
        self._tls: tuple[tuple[int, ...], ssl.SSLContext] | None = None
        self._failure: ServerError | None = None
        self._failures = 0
        self._retry_at = 0.0
        self.opened = 0
        """How many connections were made so far: a change tells that the server may be another one."""

    def query(self, statement: str) -> Rows:
        """Return all rows of one statement.

        Each wait for the server is limited to the settings' timeout. Where the server has closed the
        connection in the meantime, a new one is made and the statement sent again: it must only read.

        Raises:
            ServerError: the server gave no rows.
        """
        if self._live is not None:
            try:
                return self._ask(self._live, statement)
            except ServerError as error:
                if error.code not in _GONE or error.reason is DatabaseReason.TIMEOUT:
                    raise
        return self._ask(self._connect(), statement)

    def close(self) -> None:
        """Close the connection; a later query makes a new one."""
        live, self._live = self._live, None
        if live is not None:
            _hang_up(live)

    def _ask(self, live: pymysql.Connection[Cursor], statement: str) -> Rows:
        try:
            with live.cursor() as cursor:
                cursor.execute(statement)
                return tuple(cursor.fetchall())
        except Exception as error:  # noqa: BLE001 - a broken stream raises anything, from struct.error to IndexError
            failure = explain(error)
            if not live.open or failure.code in _GONE or failure.code in _CLIENT_CODES or failure.code == _NO_CODE:
                self.close()
            raise failure from None

    def _connect(self) -> pymysql.Connection[Cursor]:
        if self._failure is not None and self._clock() < self._retry_at:
            raise ServerError(self._failure.reason, str(self._failure), self._failure.code)
        live = None
        try:
            live = self._open()
            self._prepare(live)
        except Exception as error:  # noqa: BLE001 - a broken stream raises anything, from struct.error to IndexError
            if live is not None:
                _hang_up(live)
            self._failure = failure = explain(error)
            longest = min(LONGEST_BACKOFF, SHORTEST_BACKOFF * 2 ** min(self._failures, 16))
            self._failures += 1
            self._retry_at = self._clock() + longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
            raise failure from None
        self._failure = None
        self._failures = 0
        self._live = live
        self.opened += 1
        return live

    def _open(self) -> pymysql.Connection[Cursor]:
        settings = self._settings
        tls = self._context()
        live = pymysql.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            # As bytes: PyMySQL encodes a str as latin-1, and its UnicodeEncodeError would show the password.
            password=read_password(self._settings),
            ssl=tls,
            # Left out, PyMySQL builds a context of its own for each connect, which takes 18 ms.
            ssl_disabled=tls is None,
            # connect_timeout does not cover the handshake: it would wait for ever on a stopped server.
            connect_timeout=settings.timeout,
            read_timeout=settings.timeout,
            write_timeout=settings.timeout,
            autocommit=True,  # an open transaction would hold metadata locks
            conv={},  # all cells as text
            charset="utf8mb4",
            auth_plugin_map=NO_CLEAR_TEXT,
            program_name="galera_exporter",
            defer_connect=True,
        )
        # With a socket of our own: PyMySQL leaks its own when a unix socket refuses.
        live.connect(self._dial())
        return live

    def _dial(self) -> socket.socket:
        settings = self._settings
        if settings.socket is None:
            sock = socket.create_connection((settings.host, settings.port), settings.timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return sock
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(settings.timeout)
            sock.connect(str(settings.socket))
        except BaseException:
            sock.close()
            raise
        return sock

    def _prepare(self, live: pymysql.Connection[Cursor]) -> None:
        # Shorter than our own wait: an error answer keeps the connection, a timeout of ours costs it.
        limit = self._settings.timeout * 0.8
        with live.cursor() as cursor:
            cursor.execute(f"SET SESSION lock_wait_timeout = {max(1, int(limit))}, max_statement_time = {limit:.3f}")
            try:
                # SHOW STATUS itself would wait for the applier (bit 8 of wsrep_sync_wait).
                cursor.execute("SET SESSION wsrep_sync_wait = 0")
            except pymysql.err.Error as error:
                if _code(error) != NO_SUCH_VARIABLE:  # a server that was built without wsrep
                    raise

    def _context(self) -> ssl.SSLContext | None:
        settings = self._settings
        files = [path for path in (settings.tls_ca, settings.tls_cert, settings.tls_key) if path is not None]
        if not files:
            return None
        try:
            stamp = tuple(path.stat().st_mtime_ns for path in files)
            if self._tls is None or self._tls[0] != stamp:  # new, or the certificates were renewed
                self._tls = stamp, tls_context(settings.tls_ca, settings.tls_cert, settings.tls_key)
        except (OSError, ValueError) as error:
            raise ServerError(DatabaseReason.OTHER, f"the TLS files for MariaDB cannot be used: {error}") from None
        context = self._tls[1]
        # A sidecar asks for 127.0.0.1 or a socket: certificates do not name these.
        context.check_hostname = settings.socket is None and not _loopback(settings.host)
        return context


def read_password(settings: MariadbSettings) -> bytes:
    """Return the password: of the file where one is set, read anew, else the given one.

    Raises:
        ServerError: AUTH where the file cannot be read.
    """
    path = settings.password_file
    if path is None:
        return settings.password.reveal().encode()
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_PASSWORD).rstrip(b"\r\n")
    except OSError as error:
        text = f"the password file {path} cannot be read: {error.strerror or error}"
        raise ServerError(DatabaseReason.AUTH, text) from None


def tls_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return a context for TLS 1.2 and later that verifies the server: by ``ca``, or else by the system's CAs."""
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Set by Python 3.13 and refuses the certificates of many a private CA, among them MariaDB's own.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context


def explain(error: Exception) -> ServerError:
    """Return our error for one of PyMySQL's or of the socket's: reason and code, and a short text."""
    if isinstance(error, ServerError):
        return error
    behind = getattr(error, "original_exception", None) or error.__context__ or error
    code = _code(error)
    if isinstance(behind, TimeoutError):
        return ServerError(DatabaseReason.TIMEOUT, "MariaDB did not answer in time", code)
    if isinstance(behind, OSError) and code not in _GONE:
        reason = DatabaseReason.OTHER if isinstance(behind, ssl.SSLError) else DatabaseReason.REFUSED
        return ServerError(reason, f"cannot connect to MariaDB: {behind}"[:_LONGEST_TEXT], code)
    if isinstance(error, pymysql.err.MySQLError):
        text = " ".join(str(part) for part in error.args if part not in {"", 0}) or "the connection was closed"
        return ServerError(_REASONS.get(code, DatabaseReason.OTHER), text[:_LONGEST_TEXT], code)
    # Not one of PyMySQL's own: the stream was no MariaDB's. Its text may hold anything, so only its kind is told.
    return ServerError(DatabaseReason.OTHER, f"the answer is not MariaDB's ({type(error).__name__})", code)


def _code(error: Exception) -> int:
    code = error.args[0] if error.args else None
    return code if isinstance(code, int) and isinstance(error, pymysql.err.MySQLError) else _NO_CODE


def _hang_up(live: pymysql.Connection[Cursor]) -> None:
    if live.open:
        with contextlib.suppress(pymysql.err.Error, OSError):
            live.close()


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
