"""``galeractl sync-test`` on a real Galera cluster."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from ctl import Done, Running, galeractl

from galera_exporter.galeractl.peer import Peer, parse_target
from galera_exporter.galeractl.replication import KOREAN, PREFIX, Operation, Replication
from galera_exporter.settings import MariadbSettings, Secret
from lab import GaleraNode, Trio, wait_until
from lab.template import OPERATOR_PASSWORD

DOCUMENT = {"level", "text", "database", "cleaned", "leftovers_removed", "faults", "nodes", "commits", "pairs"}
NODE = {"node", "address", "answered_by", "local_index", "version", "failure"}
COMMIT = {"operation", "node", "milliseconds", "failure"}
PAIR = {"writer", "reader", "ok", "milliseconds", "operations"}
OPERATION = {"operation", "milliseconds", "failure"}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "operator-password"
    path.write_text(OPERATOR_PASSWORD + "\n")
    return path


@pytest.fixture
def account(secret: Path) -> tuple[str, ...]:
    return ("--user", "operator", "--password-file", str(secret))


@pytest.fixture(autouse=True)
def _nothing_is_left(cluster: Trio) -> Iterator[None]:
    cluster.restore()
    cluster.wait_healthy()  # what the tests of before thawed may still be finding its place
    yield
    cluster.restore()
    for node in cluster.galera.nodes:
        left = databases(node)
        for name in left:
            node.sql(f"DROP DATABASE `{name}`")
        assert left == [], node.name


def databases(node: GaleraNode) -> list[str]:
    rows = node.sql("SELECT schema_name AS name FROM information_schema.schemata")
    return [row["name"] for row in rows if row["name"].startswith("galera_exporter_")]


def registry(cluster: Trio) -> tuple[str, ...]:
    return (f"--etcd.endpoints={','.join(cluster.etcd.endpoints)}", f"--cluster-name={cluster.galera.name}")


def nodes(cluster: Trio) -> tuple[str, str]:
    return ("--nodes", ",".join(node.address for node in cluster.galera.nodes))


def test_every_pair_of_a_healthy_cluster_is_in_step(cluster: Trio, account: tuple[str, ...]) -> None:
    done = galeractl("sync-test", *registry(cluster), *account)
    assert done.code == 0, done.out
    assert "Healthy: all 6 pairs of nodes are in step." in done.out
    assert KOREAN in done.out
    for number, node in enumerate(cluster.galera.nodes):
        answers = re.search(rf"^{node.name} +{node.address} +{node.name} +(\d) +answers$", done.out, re.MULTILINE)
        assert answers is not None
        assert answers[1] == node.status()["wsrep_local_index"]
        (row,) = re.findall(rf"^on {node.name} +(.*)$", done.out, re.MULTILINE)
        cells = row.split()
        assert re.fullmatch(r"\(\d+\.\d\)", cells.pop(number))
        assert all(0 <= float(cell) < 5000 for cell in cells)


def test_the_json_has_the_documented_names(cluster: Trio, account: tuple[str, ...]) -> None:
    document = galeractl("sync-test", "--output=json", *nodes(cluster), *account).json
    assert set(document) == DOCUMENT
    assert (document["level"], document["cleaned"], document["faults"]) == ("healthy", True, [])
    assert re.fullmatch(PREFIX + r"\d{10}_[0-9a-f]{8}", document["database"])
    assert [set(node) for node in document["nodes"]] == [NODE] * 3
    assert [node["answered_by"] for node in document["nodes"]] == [node.name for node in cluster.galera.nodes]
    assert [set(commit) for commit in document["commits"]] == [COMMIT] * 9
    assert [set(pair) for pair in document["pairs"]] == [PAIR] * 6
    for pair in document["pairs"]:
        assert [operation["operation"] for operation in pair["operations"]] == ["write", "change", "delete"]
        assert all(set(operation) == OPERATION for operation in pair["operations"])
        assert pair["milliseconds"] == max(operation["milliseconds"] for operation in pair["operations"])
    words = galeractl("sync-test", "--help").out
    for name in DOCUMENT | NODE | COMMIT | PAIR | OPERATION:
        assert re.search(rf"\b{name}\b", words), f"--help does not explain {name}"


def test_one_node_is_nothing_to_compare(cluster: Trio, account: tuple[str, ...]) -> None:
    done = galeractl("sync-test", "--nodes", cluster.galera.nodes[0].address, *account)
    assert done.code == 3
    assert "it takes two" in done.err


def test_a_node_that_cannot_be_reached_is_named(cluster: Trio, account: tuple[str, ...]) -> None:
    done = galeractl("sync-test", nodes(cluster)[0], nodes(cluster)[1] + ",127.0.0.1:1", *account)
    assert done.code == 1
    assert re.search(r"^127\.0\.0\.1:1 +127\.0\.0\.1:1 +- +- +.*refused", done.out, re.MULTILINE)
    assert "Degraded: 6 of 12 pairs of nodes are in step; failed: 127.0.0.1:1." in done.out


def test_a_wrong_password_is_named_on_each_node_and_shown_nowhere(cluster: Trio, secret: Path) -> None:
    secret.write_text("canary-wrong")
    done = galeractl("sync-test", *nodes(cluster), "--user", "operator", "--password-file", str(secret))
    assert done.code == 2
    assert done.out.count("Access denied for user 'operator'") == 3
    assert "canary" not in done.out + done.err


def test_an_account_without_rights_is_told_which_it_needs(cluster: Trio) -> None:
    password = str(cluster.sidecars[0].password_file)
    done = galeractl("sync-test", *nodes(cluster), "--user", "exporter", "--password-file", password)
    assert done.code == 2
    assert "GRANT CREATE, DROP, SELECT, INSERT, UPDATE, DELETE ON `galera\\_exporter\\_sync\\_test\\_%`.*" in done.out


def test_two_addresses_of_one_server_are_not_two_nodes(cluster: Trio, account: tuple[str, ...]) -> None:
    port = cluster.galera.nodes[0].port
    done = galeractl("sync-test", "--nodes", f"127.0.0.1:{port},localhost:{port}", *account)
    assert done.code == 2
    assert f"is the same server as 127.0.0.1:{port}" in done.out


def test_a_node_whose_key_is_gone_is_a_failure(cluster: Trio, account: tuple[str, ...]) -> None:
    prefix = f"/galera/v1/default/{cluster.galera.name}/"
    record = cluster.etcd.ctl("get", f"{prefix}nodes/galera-0", "--print-value-only").replace("galera-0", "galera-9")
    cluster.etcd.ctl("put", f"{prefix}nodes/galera-9", stdin=record.strip())
    try:
        done = galeractl("sync-test", *registry(cluster), *account)
    finally:
        cluster.etcd.ctl("del", f"{prefix}nodes/galera-9")
    assert done.code == 1
    assert re.search(r"^galera-9 .*gone from the registry", done.out, re.MULTILINE)
    assert "6 of 12 pairs" in done.out


def test_a_frozen_node_costs_a_bounded_time(cluster: Trio, account: tuple[str, ...]) -> None:
    frozen = cluster.galera.nodes[2]
    frozen.freeze()
    done = galeractl("sync-test", *nodes(cluster), *account, "--timeout=6")
    assert done.code == 1, done
    assert f"failed: {frozen.address}" in done.out
    assert "2 of 6 pairs of nodes are in step" in done.out
    assert done.seconds < 45


def peers(cluster: Trio, limit: float) -> list[Peer]:
    settings = MariadbSettings(user="operator", password=Secret(OPERATOR_PASSWORD))
    made = [Peer(parse_target(node.address, node.name), settings, limit) for node in cluster.galera.nodes]
    for peer in made:
        peer.connect()
    return made


def test_a_node_that_dies_halfway_fails_alone_and_the_rest_is_cleaned(
    cluster: Trio, monkeypatch: pytest.MonkeyPatch
) -> None:
    trio = peers(cluster, 8)
    victim = cluster.galera.nodes[2]
    run = Peer.run

    def kill_before_the_first_change(peer: Peer, statement: str, values: tuple[object, ...] = ()) -> None:
        if statement.startswith("UPDATE") and victim.alive:
            victim.kill()
        run(peer, statement, values)

    monkeypatch.setattr(Peer, "run", kill_before_the_first_change)
    replication = Replication(trio, 8)
    replication.run()
    trial = replication.trial
    settings = MariadbSettings(user="operator", password=Secret(OPERATOR_PASSWORD))
    assert replication.clean(lambda target: Peer(target, settings, 8))
    for peer in trio:
        peer.close()
    assert trial.delay("galera-0", "galera-1") is not None
    assert trial.delay("galera-1", "galera-0") is not None
    assert trial.delay("galera-0", "galera-2") is None
    assert [p.seconds is None for p in trial.passages if (p.writer, p.reader) == ("galera-0", "galera-2")] == [
        False,
        True,
    ]
    assert trio[2].failure
    assert [c for c in trial.commits if c.writer == "galera-2" and c.seconds is not None] == []
    for node in cluster.galera.nodes[:2]:
        assert databases(node) == []


def test_a_text_that_arrives_changed_is_not_taken_for_in_step(cluster: Trio, monkeypatch: pytest.MonkeyPatch) -> None:
    trio = peers(cluster, 1)
    rows = Peer.rows

    def spoil(peer: Peer, statement: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        found = rows(peer, statement, values)
        spoiled = peer.name == "galera-1" and statement.startswith("SELECT text")
        return [(str(text).replace("가", "?"),) for (text,) in found] if spoiled else found

    monkeypatch.setattr(Peer, "rows", spoil)
    replication = Replication(trio, 1)
    replication.run()
    settings = MariadbSettings(user="operator", password=Secret(OPERATOR_PASSWORD))
    assert replication.clean(lambda target: Peer(target, settings, 8))
    for peer in trio:
        peer.close()
    trial = replication.trial
    assert trial.delay("galera-0", "galera-1") is None
    assert trial.delay("galera-0", "galera-2") is not None
    first = next(p for p in trial.passages if p.reader == "galera-1")
    assert (first.operation, first.failure) == (Operation.WRITE, "not seen within 1 s")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_in_the_middle_it_removes_its_database(
    cluster: Trio, account: tuple[str, ...], number: signal.Signals
) -> None:
    first, second, _ = cluster.galera.nodes
    done: Done
    with second.connect() as connection, connection.cursor() as cursor:
        cursor.execute("FLUSH TABLES WITH READ LOCK")  # it applies nothing: the test waits for it
        running = Running("sync-test", *nodes(cluster), *account, "--timeout=5")
        wait_until(lambda: databases(first), 20, "the test database is there")
        done = running.end(number)
        cursor.execute("UNLOCK TABLES")
    assert done.code == 128 + number
    assert done.out == ""
    assert f"{number.name}: removing the test database" in done.err
    assert done.seconds < 20
    wait_until(lambda: not any(databases(node) for node in cluster.galera.nodes), 20, "no database is left")


def test_a_second_ctrl_c_does_not_cut_the_cleaning_short(cluster: Trio, account: tuple[str, ...]) -> None:
    first, second, _ = cluster.galera.nodes
    with second.connect() as connection, connection.cursor() as cursor:
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        running = Running("sync-test", *nodes(cluster), *account, "--timeout=5")
        wait_until(lambda: databases(first), 20, "the test database is there")
        running.process.send_signal(signal.SIGINT)
        assert running.process.stderr is not None
        running.process.stderr.readline()
        done = running.end(signal.SIGINT)
        cursor.execute("UNLOCK TABLES")
    assert done.code == 130
    assert "please wait" in done.err
    wait_until(lambda: not any(databases(node) for node in cluster.galera.nodes), 20, "no database is left")


def test_what_killed_runs_left_is_removed_after_an_hour_and_nothing_else(
    cluster: Trio, account: tuple[str, ...]
) -> None:
    node = cluster.galera.nodes[1]
    (row,) = node.sql("SELECT UNIX_TIMESTAMP() AS now")
    old = f"{PREFIX}{row['now'] - 3700}_0a1b2c3d"
    kept = [f"{PREFIX}{row['now'] - 3500}_0a1b2c3d", f"{PREFIX}{row['now'] - 9999}_mine", f"{PREFIX}notes"]
    for name in (old, *kept):
        node.sql(f"CREATE DATABASE `{name}`")
    try:
        done = galeractl("sync-test", "--output=json", *nodes(cluster), *account)
        assert done.json["leftovers_removed"] == [old]
        assert sorted(databases(node)) == sorted(kept)
    finally:
        for name in kept:
            node.sql(f"DROP DATABASE `{name}`")


def test_no_etcd_is_told_in_one_line(account: tuple[str, ...]) -> None:
    done = galeractl("sync-test", "--etcd.endpoints=http://127.0.0.1:1", *account)
    assert done.code == 2
    assert done.err.startswith("galeractl: etcd: ")
