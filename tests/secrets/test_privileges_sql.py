"""What the accounts in MariaDB are granted is needed, and what they are not granted is denied: on a real server."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pymysql
import pytest

from galera_exporter.errors import DatabaseReason
from galera_exporter.galeractl.peer import GRANT_HINT, Peer, Target
from galera_exporter.galeractl.replication import PREFIX, Operation, Replication
from galera_exporter.mariadb.collectors import Collectors
from galera_exporter.mariadb.connection import Connection
from galera_exporter.settings import MariadbSettings, Secret
from lab import GaleraNode

ROOT = Path(__file__).parents[2]
PASSWORD = "canary-of-this-test"
DENIED = {1044, 1045, 1095, 1142, 1143, 1227}
"""Database, GRANT itself, session of another, table, column, global privilege."""

_names = (f"trial_{number}" for number in itertools.count())
Account = Callable[..., MariadbSettings]


@pytest.fixture
def account(single_node: GaleraNode) -> Iterator[Account]:
    """Make accounts of the server by the grants that they get; each is dropped at the end of the test."""
    made: list[str] = []

    def make(*grants: str) -> MariadbSettings:
        made.append(next(_names))
        user = f"{made[-1]}@'127.0.0.1'"
        single_node.sql(f"CREATE USER {user} IDENTIFIED BY '{PASSWORD}' WITH MAX_USER_CONNECTIONS 3")
        for grant in grants:
            single_node.sql(f"{grant} TO {user}")
        return MariadbSettings(port=single_node.port, user=made[-1], password=Secret(PASSWORD))

    yield make
    for name in made:
        single_node.sql(f"DROP USER {name}@'127.0.0.1'")


def documented() -> list[str]:
    """Return the grants of docs/configuration.md, without their grantee."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    return re.findall(r"^(GRANT .*) TO exporter@localhost;$", text, re.MULTILINE)


def hinted() -> list[str]:
    """Return the privileges that sync-test asks for, and the databases that they are for."""
    found = re.search(r"GRANT (.*) ON (\S+) TO", GRANT_HINT)
    assert found
    return [*found[1].split(", "), found[2]]


def attempts(settings: MariadbSettings, statement: str) -> int:
    """Return the number of the error that a statement gives this account; 0: none."""
    connection = pymysql.connect(
        host=settings.host, port=settings.port, user=settings.user, password=settings.password.reveal()
    )
    with connection, connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except pymysql.MySQLError as error:
            return int(error.args[0])
    return 0


def test_the_grant_that_is_documented_is_the_one_that_is_needed(account: Account) -> None:
    assert documented() == ["GRANT SELECT ON mysql.wsrep_cluster_members"]
    for grants, known in ((documented(), True), ([], False)):
        connection = Connection(account(*grants))
        reading = Collectors(connection, 60).collect(100.0)
        connection.close()
        assert reading.up, "the status needs no grant"
        assert reading.variables is not None, "nor do the variables"
        assert (reading.members is not None) is known
        assert reading.runs["members"].success is known


NOT_GRANTED = {
    "read passwords": "SELECT * FROM mysql.global_priv",
    "read accounts": "SELECT user FROM mysql.user",
    "write the table that it reads": "DELETE FROM mysql.wsrep_cluster_members",
    "make a database": "CREATE DATABASE trial",
    "make an account": "CREATE USER other@localhost",
    "give a right": "GRANT USAGE ON *.* TO CURRENT_USER()",
    "set a global variable": "SET GLOBAL wsrep_desync = 1",
    "switch off replication of a session": "SET SESSION wsrep_on = 0",
    "flush": "FLUSH TABLES WITH READ LOCK",
    "desync by a lock of backups": "BACKUP STAGE START",
    "end a session of another": "KILL 1",
    "end the server": "SHUTDOWN",
    "read the binary log": "SHOW BINLOG EVENTS",
    "read a replica's state": "SHOW ALL SLAVES STATUS",
    "read the engine's state": "SHOW ENGINE INNODB STATUS",
    "write a file": "SELECT 1 INTO OUTFILE '/tmp/galera-exporter-trial'",
    "load a plugin": "INSTALL SONAME 'ha_blackhole'",
}


@pytest.mark.parametrize("deed", NOT_GRANTED)
def test_the_exporters_account_may_not(account: Account, deed: str) -> None:
    assert attempts(account(*documented()), NOT_GRANTED[deed]) in DENIED


def test_the_exporters_account_sees_no_session_of_others_and_no_database(
    account: Account, single_node: GaleraNode
) -> None:
    settings = account(*documented())
    connection = Connection(settings)
    sessions = connection.query("SELECT DISTINCT user FROM information_schema.processlist")
    databases = connection.query("SHOW DATABASES")
    others = {row["User"] for row in single_node.sql("SHOW PROCESSLIST")} - {settings.user}
    connection.close()
    assert others
    assert sessions == ((settings.user,),)
    assert {name for (name,) in databases} == {"information_schema", "mysql"}


def trial(settings: MariadbSettings) -> tuple[set[Operation], str]:
    """Run sync-test's trial on this one node; return what was committed, and why the node failed."""

    def connected() -> Peer:
        peer = Peer(Target("one", settings.host, settings.port), settings, 5)
        peer.connect()
        return peer

    peer = connected()
    replication = Replication([peer], 5)
    try:
        replication.run()
    finally:
        replication.clean(lambda target: Peer(target, settings, 5))
        peer.close()
    return {commit.operation for commit in replication.trial.commits if not commit.failure}, peer.failure


def test_sync_test_works_with_the_privileges_that_it_asks_for(account: Account) -> None:
    *privileges, databases = hinted()
    assert trial(account(f"GRANT {', '.join(privileges)} ON {databases}")) == ({*Operation}, "")


@pytest.mark.parametrize("lacking", ["CREATE", "INSERT", "UPDATE", "DELETE", "SELECT"])
def test_sync_test_needs_each_privilege_that_it_asks_for(
    account: Account, single_node: GaleraNode, lacking: str
) -> None:
    *privileges, databases = hinted()
    privileges.remove(lacking)
    settings = account(f"GRANT {', '.join(privileges)} ON {databases}")
    done, failure = trial(settings)
    # On one node nobody reads: that SELECT is needed shows where UPDATE and DELETE look for their row.
    assert done < {*Operation}
    assert re.match(r"(1044|1142|1143)\b", failure)
    assert "the account needs GRANT" in failure or "1143" in failure
    assert left(single_node) == []


def test_sync_test_needs_drop_to_leave_nothing_behind(account: Account, single_node: GaleraNode) -> None:
    *privileges, databases = hinted()
    privileges.remove("DROP")
    trial(account(f"GRANT {', '.join(privileges)} ON {databases}"))
    (name,) = left(single_node)
    single_node.sql(f"DROP DATABASE `{name}`")


def left(node: GaleraNode) -> list[str]:
    rows = node.sql("SELECT schema_name AS name FROM information_schema.schemata")
    return [row["name"] for row in rows if row["name"].startswith(PREFIX)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE DATABASE trial",
        "CREATE DATABASE galera_exporter_other",
        "CREATE DATABASE galeraXexporterXsyncXtestX1",  # an underscore is no pattern
        "SELECT * FROM mysql.global_priv",
        "SELECT * FROM mysql.wsrep_cluster_members",
        "SET GLOBAL wsrep_desync = 1",
        "KILL 1",
    ],
)
def test_the_account_of_sync_test_may_do_nothing_else(account: Account, statement: str) -> None:
    *privileges, databases = hinted()
    assert attempts(account(f"GRANT {', '.join(privileges)} ON {databases}"), statement) in DENIED


def test_an_account_without_a_grant_is_no_failed_login(account: Account) -> None:
    settings = account()
    connection = Connection(settings)
    assert Collectors(connection, 60).collect(100.0).reason is DatabaseReason.OK
    connection.close()
