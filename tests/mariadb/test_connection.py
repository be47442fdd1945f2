"""The connection to a real server, and to things that are none."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from pymysql.err import InterfaceError, InternalError, OperationalError

from galera_exporter.errors import DatabaseReason
from galera_exporter.mariadb.connection import Connection, ServerError, explain
from galera_exporter.mariadb.status import STATUS
from galera_exporter.settings import MariadbSettings, Secret
from lab import GaleraNode, wait_until

Stopped = Callable[[], AbstractContextManager[None]]

CANARY = "canary-비밀-password"


@pytest.fixture
def connection(settings: MariadbSettings) -> Iterator[Connection]:
    with closing(Connection(settings)) as made:
        yield made


def failure(connection: Connection, statement: str = "SELECT 1") -> ServerError:
    with pytest.raises(ServerError) as caught:
        connection.query(statement)
    return caught.value


def recovered(connection: Connection) -> bool:
    """Whether it answers; it may still be in its back-off."""
    try:
        return connection.query("SELECT 1") == (("1",),)
    except ServerError:
        return False


@contextmanager
def listener(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port on which ``serve`` handles each connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    serve(peer)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def test_all_cells_are_texts(connection: Connection) -> None:
    assert connection.query("SELECT 1, 2.5, NULL, '한글'") == (("1", "2.5", None, "한글"),)


def test_the_session_is_set_up_so_that_it_cannot_wait_long(connection: Connection) -> None:
    found = connection.query(
        "SELECT @@wsrep_sync_wait, @@lock_wait_timeout, @@max_statement_time, @@autocommit, @@character_set_client"
    )
    assert found == (("0", "1", "0.800000", "1", "utf8mb4"),)


def test_one_connection_serves_all_queries(connection: Connection) -> None:
    first = connection.query("SELECT CONNECTION_ID()")
    for _ in range(20):
        connection.query(STATUS)
    assert connection.query("SELECT CONNECTION_ID()") == first
    assert connection.opened == 1


def test_an_error_answer_keeps_the_connection(connection: Connection) -> None:
    first = connection.query("SELECT CONNECTION_ID()")
    error = failure(connection, "SELECT * FROM no_such_schema.no_such_table")
    assert error.code in {1044, 1142, 1146}
    assert connection.query("SELECT CONNECTION_ID()") == first


def test_the_connection_names_the_exporter(connection: Connection, single_node: GaleraNode) -> None:
    connection.query("SELECT 1")
    with closing(single_node.connect()) as admin, admin.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) AS n FROM information_schema.processlist WHERE user = 'exporter'")
        assert cursor.fetchone() == {"n": 1}


def test_a_unix_socket_wins_over_host_and_port(settings: MariadbSettings, single_node: GaleraNode) -> None:
    with closing(Connection(replace(settings, host="192.0.2.1", port=1, socket=single_node.socket))) as made:
        assert made.query("SELECT 1") == (("1",),)


def test_a_socket_that_is_not_there_is_refused_without_a_leak(settings: MariadbSettings, tmp_path: Path) -> None:
    error = failure(Connection(replace(settings, socket=tmp_path / "none.sock")))
    assert error.reason is DatabaseReason.REFUSED
    assert "No such file" in str(error)


def test_a_port_on_which_nothing_listens_is_refused(settings: MariadbSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = failure(Connection(replace(settings, port=port)))
    assert error.reason is DatabaseReason.REFUSED
    assert "refused" in str(error)


def test_a_wrong_password_is_auth_and_shows_nowhere(settings: MariadbSettings) -> None:
    error = failure(Connection(replace(settings, password=Secret(CANARY))))
    assert (error.reason, error.code) == (DatabaseReason.AUTH, 1045)
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert CANARY not in f"{error!r} {error} {settings!r}"


def test_an_account_that_is_locked_or_has_an_expired_password_is_auth(
    settings: MariadbSettings, single_node: GaleraNode
) -> None:
    for clause in ("ACCOUNT LOCK", "ACCOUNT UNLOCK PASSWORD EXPIRE"):
        single_node.sql("CREATE OR REPLACE USER kept@'127.0.0.1' IDENTIFIED BY 'x'")
        single_node.sql(f"ALTER USER kept@'127.0.0.1' {clause}")
        error = failure(Connection(replace(settings, user="kept", password=Secret("x"))))
        assert error.reason is DatabaseReason.AUTH
    single_node.sql("DROP USER kept@'127.0.0.1'")


def test_a_password_outside_latin_1_works(settings: MariadbSettings, single_node: GaleraNode) -> None:
    single_node.sql("CREATE OR REPLACE USER korean@'127.0.0.1' IDENTIFIED BY %s", CANARY)
    with closing(Connection(replace(settings, user="korean", password=Secret(CANARY)))) as made:
        assert made.query("SELECT 1") == (("1",),)
    single_node.sql("DROP USER korean@'127.0.0.1'")


def test_a_rotated_password_file_needs_no_restart(
    settings: MariadbSettings, single_node: GaleraNode, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("old\n")
    single_node.sql("CREATE OR REPLACE USER rotated@'127.0.0.1' IDENTIFIED BY 'old'")
    chosen = replace(settings, user="rotated", password=Secret("ignored"), password_file=file)
    with closing(Connection(chosen)) as made:
        first = made.query("SELECT CONNECTION_ID()")
        single_node.sql("ALTER USER rotated@'127.0.0.1' IDENTIFIED BY 'new'")
        single_node.sql(f"KILL {first[0][0]}")
        assert failure(made).reason is DatabaseReason.AUTH
        file.write_text("new\n")
        wait_until(lambda: recovered(made), 5, "the new password is used")
    single_node.sql("DROP USER rotated@'127.0.0.1'")


def test_a_password_file_that_is_not_there_is_auth_and_names_the_file(
    settings: MariadbSettings, tmp_path: Path
) -> None:
    error = failure(Connection(replace(settings, password_file=tmp_path / "none")))
    assert error.reason is DatabaseReason.AUTH
    assert str(tmp_path / "none") in str(error)


def test_too_many_connections_of_the_account_have_their_own_reason(
    settings: MariadbSettings, single_node: GaleraNode
) -> None:
    single_node.sql("CREATE OR REPLACE USER few@'127.0.0.1' IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 1")
    chosen = replace(settings, user="few", password=Secret("x"))
    with closing(Connection(chosen)) as first, closing(Connection(chosen)) as second:
        first.query("SELECT 1")
        error = failure(second)
        assert (error.reason, error.code) == (DatabaseReason.TOO_MANY_CONNECTIONS, 1226)
        first.close()
        wait_until(lambda: recovered(second), 5, "the place is free")
    single_node.sql("DROP USER few@'127.0.0.1'")


def test_too_many_connections_of_the_server_have_the_same_reason(
    settings: MariadbSettings, single_node: GaleraNode
) -> None:
    single_node.sql("SET GLOBAL max_connections = 10")
    others = [single_node.connect()]
    try:
        # One more than the limit, for an administrator has a place of his own. Earlier logins may still count.
        with suppress(OperationalError):
            others.extend(single_node.connect() for _ in range(10))
        error = failure(Connection(settings))
        assert (error.reason, error.code) == (DatabaseReason.TOO_MANY_CONNECTIONS, 1040)
    finally:
        for other in others[1:]:
            other.close()
        with closing(others[0]), others[0].cursor() as cursor:
            cursor.execute("SET GLOBAL max_connections = 60")


def test_a_connection_that_the_server_closed_is_replaced_within_the_query(
    connection: Connection, single_node: GaleraNode
) -> None:
    first = connection.query("SELECT CONNECTION_ID()")
    single_node.sql(f"KILL {first[0][0]}")
    second = connection.query("SELECT CONNECTION_ID()")
    assert second != first
    assert connection.opened == 2


def test_an_idle_connection_that_the_server_gave_up_is_replaced_within_the_query(
    connection: Connection, single_node: GaleraNode
) -> None:
    before = single_node.sql("SELECT @@GLOBAL.wait_timeout AS seconds")[0]["seconds"]
    single_node.sql("SET GLOBAL wait_timeout = 1")
    try:
        first = connection.query("SELECT CONNECTION_ID()")
        threads = f"SELECT 1 FROM information_schema.processlist WHERE id = {first[0][0]}"  # noqa: S608 - a number
        assert single_node.sql(threads)
        wait_until(lambda: not single_node.sql(threads), 10, "the server closes what is idle")
        assert connection.query("SELECT CONNECTION_ID()") != first
        assert connection.opened == 2
    finally:
        single_node.sql(f"SET GLOBAL wait_timeout = {before}")


def test_a_socket_that_another_server_has_put_in_its_place_is_used(
    settings: MariadbSettings, single_node: GaleraNode
) -> None:
    with closing(Connection(replace(settings, socket=single_node.socket))) as made:
        made.query("SELECT 1")
        file = single_node.socket.stat()
        single_node.kill()
        assert failure(made).reason is DatabaseReason.REFUSED
        single_node.start(new_cluster=True)
        wait_until(lambda: recovered(made), 60, "the new socket is used", single_node.logs)
        assert made.opened == 2
        assert (single_node.socket.stat().st_ino, single_node.socket.stat().st_ctime_ns) != (
            file.st_ino,
            file.st_ctime_ns,
        )


def test_a_statement_that_takes_too_long_is_a_timeout(connection: Connection) -> None:
    began = time.monotonic()
    first = connection.query("SELECT CONNECTION_ID()")
    many = ", ".join(f"information_schema.collations AS c{n}" for n in range(6))
    error = failure(connection, f"SELECT COUNT(*) FROM {many}")  # noqa: S608 - no input in it
    assert (error.reason, error.code) == (DatabaseReason.TIMEOUT, 1969)
    assert time.monotonic() - began < 15
    assert connection.query("SELECT CONNECTION_ID()") == first


def test_a_stopped_server_is_a_timeout_and_works_again_when_it_goes_on(
    connection: Connection, stopped: Stopped
) -> None:
    connection.query("SELECT 1")
    with stopped():
        for _ in range(2):  # on the old connection, and on one that never gets its greeting
            began = time.monotonic()
            assert failure(connection).reason is DatabaseReason.TIMEOUT
            assert time.monotonic() - began < 10
    wait_until(lambda: recovered(connection), 5, "the server goes on")


def test_a_restarted_server_is_found_again(connection: Connection, single_node: GaleraNode) -> None:
    connection.query("SELECT 1")
    single_node.kill()
    assert failure(connection).reason is DatabaseReason.REFUSED
    single_node.start(new_cluster=True)
    wait_until(lambda: recovered(connection), 60, "the server is back", single_node.logs)
    assert connection.opened == 2


def test_connects_without_tls_build_no_tls_context(settings: MariadbSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyMySQL would build one for each connect, unless it is told not to."""
    contexts: list[object] = []
    monkeypatch.setattr(ssl, "create_default_context", lambda *_args, **_rest: contexts.append(None))
    monkeypatch.setattr(ssl, "SSLContext", lambda *_args, **_rest: contexts.append(None))
    for _ in range(3):
        with closing(Connection(settings)) as made:
            assert made.query("SELECT 1") == (("1",),)
    assert not contexts


def test_after_a_failed_connect_the_next_tries_wait_and_then_go_on() -> None:
    now = 100.0
    connects: list[float] = []

    def refuse(_: socket.socket) -> None:
        connects.append(now)

    with listener(refuse) as port:
        made = Connection(MariadbSettings(port=port, timeout=1.0), clock=lambda: now)
        for _ in range(600):  # a minute, in steps of a tenth
            assert failure(made).reason is DatabaseReason.OTHER
            now += 0.1
    gaps = [later - earlier for earlier, later in pairwise(connects)]
    assert len(connects) >= 50
    assert max(gaps) <= 1.1
    assert min(gaps[10:]) >= 0.4


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00\x00\x00\x00",
        b"\xff" * 64,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x05\x00\x00\x00\x0aabc",
        b"\x4a\x00\x00\x01\x0a" + b"x" * 74,
        b"\x17\x00\x00\x00\xff\x10\x04Too many connections",
    ],
)
def test_what_is_no_mariadb_fails_with_a_reason(stream: bytes) -> None:
    def serve(peer: socket.socket) -> None:
        peer.sendall(stream)
        peer.shutdown(socket.SHUT_WR)

    with listener(serve) as port:
        error = failure(Connection(MariadbSettings(port=port, timeout=1.0)))
    expected = DatabaseReason.TOO_MANY_CONNECTIONS if b"Too many" in stream else DatabaseReason.OTHER
    assert error.reason is expected
    assert str(error)


def test_a_server_that_accepts_and_never_greets_is_a_timeout() -> None:
    with listener(lambda peer: peer.recv(1)) as port:
        began = time.monotonic()
        error = failure(Connection(MariadbSettings(port=port, timeout=0.3)))
    assert error.reason is DatabaseReason.TIMEOUT
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    ("error", "reason", "code"),
    [
        (OperationalError(1040, "Too many connections"), DatabaseReason.TOO_MANY_CONNECTIONS, 1040),
        (OperationalError(1203, "x"), DatabaseReason.TOO_MANY_CONNECTIONS, 1203),
        (OperationalError(1226, "x"), DatabaseReason.TOO_MANY_CONNECTIONS, 1226),
        (OperationalError(1044, "x"), DatabaseReason.AUTH, 1044),
        (OperationalError(1698, "x"), DatabaseReason.AUTH, 1698),
        (OperationalError(4151, "x"), DatabaseReason.AUTH, 4151),
        (OperationalError(1969, "x"), DatabaseReason.TIMEOUT, 1969),
        (OperationalError(2013, "Lost connection"), DatabaseReason.OTHER, 2013),
        (InterfaceError(0, ""), DatabaseReason.OTHER, 0),
        (InternalError("Packet sequence number wrong"), DatabaseReason.OTHER, -1),
        (ConnectionRefusedError(111, "Connection refused"), DatabaseReason.REFUSED, -1),
        (TimeoutError("timed out"), DatabaseReason.TIMEOUT, -1),
        (ValueError(CANARY), DatabaseReason.OTHER, -1),
    ],
)
def test_each_error_has_a_reason_and_a_text_without_secrets(
    error: Exception, reason: DatabaseReason, code: int
) -> None:
    found = explain(error)
    assert (found.reason, found.code) == (reason, code)
    assert str(found)
    assert CANARY not in str(found)


def packet(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


@pytest.mark.parametrize("method", [b"mysql_clear_password", b"dialog"])
def test_a_server_that_asks_for_the_password_itself_does_not_get_it(method: bytes) -> None:
    capabilities = 0x000FA205  # protocol 4.1, secure connection, plugin auth, transactions
    greeting = (
        b"\x0a5.5.5-10.11.6-MariaDB\0\x01\0\0\0abcdefgh\0"
        + (capabilities & 0xFFFF).to_bytes(2, "little")
        + b"\x2d\x02\0"
        + (capabilities >> 16).to_bytes(2, "little")
        + b"\x15"
        + b"\0" * 10
        + b"abcdefghijkl\0mysql_native_password\0"
    )
    received = b""

    def serve(peer: socket.socket) -> None:
        nonlocal received
        peer.settimeout(5)
        with suppress(OSError):
            peer.sendall(packet(0, greeting))
            received += peer.recv(65536)
            peer.sendall(packet(2, b"\xfe" + method + b"\0\x05Password: "))
            received += peer.recv(65536)

    with listener(serve) as port:
        settings = MariadbSettings(port=port, user="exporter", password=Secret("canary-password"))
        with closing(Connection(settings)) as made:
            error = failure(made)
    assert error.reason is DatabaseReason.AUTH
    assert "clear text" in str(error)
    assert b"exporter" in received
    assert b"canary-password" not in received
