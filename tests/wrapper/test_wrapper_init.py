"""The first start of a cluster: system tables, init SQL, and every way in which that can be cut off."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest
from decider import NOWHERE, Decider, Make, text

from lab import wait_until
from lab.template import fill
from lab.wrapper import WrappedNode

SLOW = "CREATE DATABASE half;\nSELECT SLEEP(60);\nCREATE DATABASE whole;\n"


def databases(node: WrappedNode) -> set[str]:
    return {next(iter(row.values())) for row in node.sql("SHOW DATABASES")}


def marker(node: WrappedNode) -> Path:
    return node.datadir / "init-incomplete"


def begin(decider: Decider) -> None:
    """Start and let it initialize."""
    decider.node.start()
    assert decider.request()["data"] in ("empty", "incomplete")
    decider.bootstrap(initialize=True)


@pytest.fixture
def halfway(make: Make) -> Decider:
    """A node in the middle of its init SQL."""
    decider = make(init=SLOW)
    begin(decider)
    node = decider.node
    wait_until((node.datadir / "half").exists, 30, "the init SQL has begun", [node.log])
    assert node.state.phase == "initializing"
    return decider


def test_a_first_start_makes_tables_and_accounts_and_is_incomplete_until_it_is_confirmed(make: Make) -> None:
    decider = make()
    node = decider.node
    (node.init_dir / "20-second.sql").write_text("CREATE TABLE second.t (i INT PRIMARY KEY);\n")
    (node.init_dir / "15-first.sql").write_text("CREATE DATABASE second;\n")
    (node.init_dir / "README").write_text("no SQL")
    begin(decider)
    node.wait_synced(30)
    assert "second" in databases(node)
    assert node.sql("SHOW GRANTS FOR exporter@'127.0.0.1'")
    assert node.status()["wsrep_cluster_size"] == "1"
    assert marker(node).exists()
    decider.confirm()
    wait_until(lambda: not marker(node).exists(), 5, "the marker is gone", [node.log])
    node.kill_server()
    assert node.process is not None
    assert node.process.wait(10) == 137
    node.start()
    request = decider.request()
    assert (request["data"], request["source"]) == ("data", "recover")
    assert request["position"] != NOWHERE


def test_a_first_start_that_made_a_cluster_keeps_it_though_the_wrapper_saw_no_confirmation(make: Make) -> None:
    decider = make()
    node = decider.node
    begin(decider)
    node.wait_synced(30)
    node.sql("CREATE DATABASE precious")
    status = node.status()
    node.kill()
    assert marker(node).exists()
    node.start()
    request = decider.request()
    assert (request["data"], request["source"]) == ("data", "recover")
    assert request["position"] == f"{status['wsrep_local_state_uuid']}:{status['wsrep_last_committed']}"
    assert not marker(node).exists()


def test_a_first_start_that_made_no_cluster_is_made_anew(make: Make) -> None:
    decider = make()
    node = decider.node
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", node.config.ports.group))
        stranger.listen()
        begin(decider)
        assert node.process is not None
        assert node.process.wait(30) != 0  # Galera finds its port taken
    assert "started mariadbd" in text(node.log)
    begin(decider)
    assert "recovered position: 00000000-0000-0000-0000-000000000000:-1" in text(node.log)
    node.wait_synced(30)


def test_an_error_in_the_init_sql_is_fatal_and_shown_and_all_is_made_anew(make: Make) -> None:
    decider = make(init="CREATE DATABASE half;\nCREATE DATABASE;\nCREATE DATABASE after;\n")
    node = decider.node
    begin(decider)
    assert node.process is not None
    assert node.process.wait(30) == 70
    assert "ERROR 1064 (42000) at line 2" in text(node.log)
    assert node.state.text == f"the init SQL failed: {node.init_dir}/10-lab.sql"
    assert (node.datadir / "half").exists()
    assert marker(node).exists()

    (node.init_dir / "10-lab.sql").write_text("CREATE DATABASE mended;\n")
    begin(decider)
    node.wait_synced(30)
    assert "mended" in databases(node)
    assert "half" not in databases(node)


def test_a_power_cut_within_the_init_sql_leaves_incomplete_data_that_are_made_anew(halfway: Decider) -> None:
    node = halfway.node
    node.kill()
    (node.init_dir / "10-lab.sql").write_text("CREATE DATABASE mended;\n")
    node.start()
    request = halfway.request()
    assert (request["data"], request["position"], request["source"]) == ("incomplete", NOWHERE, "none")
    halfway.bootstrap(initialize=True)
    node.wait_synced(30)
    assert "mended" in databases(node)
    assert "half" not in databases(node)


def test_incomplete_data_are_thrown_away_before_a_join(halfway: Decider) -> None:
    node = halfway.node
    node.kill()
    node.start()
    halfway.request()
    halfway.join(fresh=True)
    node.wait_phase("starting")
    assert not marker(node).exists()
    assert not (node.datadir / "mysql").exists()


def test_sigterm_within_the_init_sql_ends_all_of_it(halfway: Decider) -> None:
    process = halfway.node.process
    assert process is not None
    process.signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert halfway.node.state.exit == 0
    assert marker(halfway.node).exists()


def test_sigterm_while_the_tables_are_made_ends_it_afterwards(make: Make) -> None:
    decider = make()
    begin(decider)
    node = decider.node
    wait_until((node.datadir / "mysql").exists, 30, "mariadb-install-db works", [node.log], 0.01)
    assert node.process is not None
    node.process.signal(signal.SIGTERM)
    assert node.process.wait(30) == 0
    assert marker(node).exists()


@pytest.mark.parametrize(("held", "initialize"), [("data", True), ("empty", False)])
def test_a_decision_that_does_not_fit_the_data_destroys_nothing(make: Make, *, held: str, initialize: bool) -> None:
    decider = make()
    if held == "data":
        fill(decider.node, bootstrap=False)
    decider.node.start()
    assert decider.request()["data"] == held
    before = sorted(decider.node.datadir.rglob("*"))
    decider.bootstrap(initialize=initialize)
    assert decider.node.process is not None
    assert decider.node.process.wait(10) == 70
    assert f"does not fit data={held}" in decider.node.state.text
    assert sorted(decider.node.datadir.rglob("*")) == before
