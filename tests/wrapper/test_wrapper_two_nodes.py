"""A second node that joins: by IST from a start position, or by a full SST."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest
from decider import Decider, text

from lab import QUICK_EVS, scratch, wait_until
from lab.template import fill
from lab.wrapper import WrappedCluster

ROWS = "SELECT COUNT(*) AS n FROM kept.t"

pytestmark = pytest.mark.xdist_group("wrapper-pair")


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Decider, Decider]]:
    """Two nodes of one cluster; the first one stays Primary when the second one is gone."""
    with scratch() as folder:
        cluster = WrappedCluster(2, folder, provider_options=QUICK_EVS)
        first, second = map(Decider, cluster.nodes)
        try:
            for decider in (first, second):
                fill(decider.node, bootstrap=False)
                decider.node.start()
            first.restart()
            first.node.sql("SET GLOBAL wsrep_provider_options = 'pc.weight=3'")
            second.join(second.request()["position"])
            second.node.wait_synced(30)
            first.node.sql("CREATE DATABASE kept")
            first.node.sql("CREATE TABLE kept.t (i INT PRIMARY KEY AUTO_INCREMENT)")
            yield first, second
        finally:
            cluster.close()


@pytest.fixture
def pair(both: tuple[Decider, Decider]) -> tuple[Decider, Decider]:
    """Both nodes; the second one has crashed and has missed a row."""
    first, second = both
    first.node.sql("INSERT INTO kept.t VALUES ()")
    rows = first.node.sql(ROWS)
    wait_until(lambda: second.node.sql(ROWS) == rows, 10, "replicated", [second.node.log])
    second.node.stop()  # and made to look like a crash: the group would need seconds to notice a real one
    state = second.node.datadir / "grastate.dat"
    state.write_text(re.sub(r"seqno:\s+\d+", "seqno:   -1", state.read_text()))
    first.node.sql("INSERT INTO kept.t VALUES ()")
    return first, second


def caught_up(pair: tuple[Decider, Decider]) -> bool:
    return pair[0].node.sql(ROWS) == pair[1].node.sql(ROWS)


def transfer(second: Decider) -> str:
    """Return how the last join got its data."""
    log = text(second.node.log).rpartition("started mariadbd, pid")[2]
    if "Cleaning the existing datadir" in log:
        return "SST"
    return "IST" if "Prepared IST receiver" in log else "nothing"


def test_a_crashed_node_joins_by_ist_from_its_recovered_position(pair: tuple[Decider, Decider]) -> None:
    _, second = pair
    second.node.start()
    request = second.request()
    assert request["source"] == "recover"
    second.join(request["position"])
    second.node.wait_synced(30)
    assert transfer(second) == "IST"
    assert caught_up(pair)


def test_a_node_that_lost_its_grastate_joins_by_ist_too_when_the_sidecar_trusts_its_position(
    pair: tuple[Decider, Decider],
) -> None:
    _, second = pair
    (second.node.datadir / "grastate.dat").write_text("")
    second.node.start()
    second.join(second.request()["position"])
    second.node.wait_synced(30)
    assert transfer(second) == "IST"
    assert caught_up(pair)


def test_a_fresh_join_takes_an_sst_though_innodb_has_a_position_also_after_one_that_was_cut_off(
    pair: tuple[Decider, Decider],
) -> None:
    _, second = pair
    node = second.node
    node.start()
    second.request()
    second.join(fresh=True)
    wait_until((node.datadir / "sst_in_progress").exists, 20, "the SST begins", [node.log], 0.01)
    assert node.process is not None
    node.process.signal(signal.SIGTERM)
    assert node.process.wait(20) == 128 + signal.SIGKILL  # what it receives is not worth waiting for
    node.start()
    request = second.request()
    assert (request["sst_interrupted"], request["grastate"]) != ("0", "ok")
    second.join(request["position"], fresh=True)
    node.wait_synced(60)
    assert transfer(second) == "SST"
    assert caught_up(pair)
    assert (node.state_dir / "grastate.dat.discarded").exists()


def test_galera_keeps_a_run_of_another_election_out_of_the_group(pair: tuple[Decider, Decider]) -> None:
    first, second = pair
    second.node.start()
    position = second.request()["position"]
    second.decide(action="join", position=position, initialize=0, fresh=0, group="lab-2-4e5f6071")
    names = "'lab-1-0a1b2c3d'", "'lab-2-4e5f6071'"
    refused = [f"handshake failed, my group: {mine}, peer group: {theirs}" for mine, theirs in (names, names[::-1])]
    logs = [first.node.log, second.node.log]  # the one that was called says so
    wait_until(lambda: any(line in text(log) for line in refused for log in logs), 15, "Galera refuses it", logs)
    assert first.node.status()["wsrep_cluster_size"] == "1"
    second.node.kill()  # it would look for its group for half a minute
    second.node.start()
    second.join(second.request()["position"])
    second.node.wait_synced(30)
    wait_until(lambda: caught_up(pair), 10, "all rows are there", [second.node.log])
