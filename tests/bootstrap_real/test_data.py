"""Scenarios 18 to 23: data that are damaged, interrupted, foreign, diverged, or given up."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bootstrap_real.scenario import Scenario, check_elected_once, check_not_elected, committed, stays_so
from lab import GaleraNode, Pod, Ports, wait_until
from lab.checks import Transfer
from lab.galera_config import NodeConfig, NodePorts, give
from lab.template import fill
from lab.wrapper import WrappedNode, read_fields

pytestmark = pytest.mark.xdist_group("bootstrap-2")

ZERO = "00000000-0000-0000-0000-000000000000"


def zero_but_safe(state: Path) -> None:
    """What Galera writes after a failed transfer: no UUID, and still safe."""
    state.write_text(f"# GALERA saved state\nversion: 2.1\nuuid:    {ZERO}\nseqno:   -1\nsafe_to_bootstrap: 1\n")


def zero_uuid(state: Path) -> None:
    """What a crash in the middle of a DDL leaves: InnoDB has a position, the file says corrupt."""
    state.write_text(f"# GALERA saved state\nversion: 2.1\nuuid:    {ZERO}\nseqno:   -1\nsafe_to_bootstrap: 0\n")


def no_bytes(state: Path) -> None:
    """What a full disk leaves."""
    state.write_bytes(b"")


def garbage(state: Path) -> None:
    """What a broken disk leaves."""
    state.write_bytes(b"\x00\xff\x13uuid: nonsense\nseqno: 99999\nsafe_to_bootstrap: 1\n" * 3)


def request(pod: Pod) -> dict[str, str]:
    """Return what the wrapper found of the data."""
    return read_fields(pod.node.handoff / "request")


def tamper(pod: Pod, how: Callable[[Path], None]) -> None:
    """Change the state file of a stopped node."""
    how(pod.node.datadir / "grastate.dat")


def wait_found(pod: Pod, grastate: str) -> None:
    """Wait until the wrapper has reported what it thinks of the state file: the fault took effect."""
    wait_until(lambda: request(pod).get("grastate") == grastate, 30, f"found {grastate}", pod.logs)


def test_18_a_grastate_that_says_that_the_data_are_broken_is_believed_also_where_it_says_safe(
    scenario: Scenario,
) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = scenario.outage(at_rest=True)
    tamper(pods[0], zero_but_safe)
    tamper(pods[1], zero_uuid)
    site.start()
    for pod in pods[:2]:
        wait_found(pod, "corrupt")
    site.wait_serving()
    assert check_elected_once(site, before, "A")["node"] == pods[2].name
    assert [pod.transfer for pod in pods] == [Transfer.SST, Transfer.SST, Transfer.NONE]
    scenario.check()


def test_18_where_a_grastate_says_nothing_the_position_in_innodb_counts(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = scenario.outage()
    tamper(pods[0], no_bytes)
    tamper(pods[1], garbage)
    site.start()
    for pod in pods[:2]:
        wait_found(pod, "unreadable")
    assert [request(pod)["source"] for pod in pods[:2]] == ["recover", "recover"]
    site.wait_serving()
    check_elected_once(site, before, "A")
    assert all(pod.transfer is not Transfer.SST for pod in pods)
    scenario.check()


def test_18_a_position_with_a_gtid_is_read(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.outage()
    gtid = {"wsrep_gtid_mode": "ON", "wsrep_gtid_domain_id": "7", "log_bin": "ON", "log_slave_updates": "ON"}
    for pod in pods:
        pod.node.config.options.update(gtid)
    try:
        site.start()
        site.wait_serving()
        scenario.write()
        before = scenario.outage()
        for pod in pods:
            pod.mark()
        site.start()
        site.wait_serving()
        check_elected_once(site, before, "A")
        for pod in pods:
            recovered = (pod.node.datadir / "recover.log").read_text()
            assert re.search(r"Recovered position: [0-9a-f-]+:\d+,\d+-\d+-\d+", recovered), recovered[-500:]
        assert all(re.fullmatch(r"[0-9a-f-]{36}:\d+", request(pod)["position"]) for pod in pods)
        scenario.check()
    finally:
        for pod in pods:
            pod.node.config.options.clear()
        # What a crash leaves to a binary log is not recovered without it: nobody is to crash now, and go on so.
        site.clear()


def receives(node: WrappedNode) -> bool:
    """Whether files of the transfer have arrived."""
    return any(node.datadir.glob(".sst/ibdata1*"))


def test_19_a_joiner_killed_three_times_in_its_sst_takes_a_whole_one_in_the_end(scenario: Scenario) -> None:
    site, joiner = scenario.site, scenario.pods[2]
    scenario.write()
    before = site.epoch
    joiner.power_loss()
    joiner.node.wipe()
    moments: list[tuple[str, Callable[[], bool]]] = [
        ("asks for it", lambda: "Proceeding with SST" in joiner.log),
        ("receives", lambda: receives(joiner.node)),
        ("moves the files", lambda: "Moving the backup" in joiner.log),
    ]
    for number, (what, moment) in enumerate(moments):
        joiner.mark()
        joiner.start()
        if number:
            wait_until(lambda: "decision: join" in joiner.log, 30, "is told to join", joiner.logs)
            assert request(joiner)["sst_interrupted"] == "1"
        wait_until(moment, 60, what, joiner.logs, 0.01)
        joiner.power_loss()
        assert (joiner.node.datadir / "sst_in_progress").exists(), f"killed while it {what}"
        wait_until(lambda: site.nodes[0].synced, 30, "the donor is back", site.pods[0].logs)
    joiner.mark()
    joiner.start()
    site.wait_serving()
    assert joiner.transfer is Transfer.SST
    assert request(joiner)["sst_interrupted"] == "1"
    left = request(joiner)["data"]
    assert left == "empty" or re.search(r"decision: join .* fresh=1", joiner.log), "what half came is not to be used"
    check_not_elected(site, before)
    scenario.check()


def test_20_a_node_that_is_forced_gives_up_what_others_have_and_those_take_an_sst(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    with scenario.lagging(pods[2]):
        ahead = committed(site.nodes[0])
        before = scenario.outage()
    site.start(pods[2:])
    # Where the others had the time to tell etcd what they had, it knows more than that they are missing.
    wait_until(lambda: pods[2].waiting in ("missing", "regressed"), 40, "waits for the others", pods[2].logs)
    lower = int(request(pods[2])["position"].rpartition(":")[2])
    assert lower < ahead
    token = site.order("force", pods[2].name, lossy=True)
    site.wait_serving(pods[2:])
    epoch = check_elected_once(site, before, "O")
    assert (epoch["node"], epoch["lossy"], epoch["base"]) == (pods[2].name, True, lower)
    assert f"override-used/{token}" in site.keys("override")
    # The others have the same state UUID, and seqnos that the cluster passes again: Galera would take them by IST.
    scenario.write(site.nodes[2:], rows=ahead - lower + 50)
    assert committed(site.nodes[2]) > ahead
    site.start(pods[:1])
    site.wait_serving([pods[0], pods[2]])
    site.start(pods[1:2])
    site.wait_serving()
    assert [pod.transfer for pod in pods[:2]] == [Transfer.SST, Transfer.SST]
    assert "its own data are replaced by a full state transfer" in pods[0].told
    scenario.check(lost=True)

    again = scenario.outage()
    for pod in pods:
        pod.mark()
    site.put(f"override/{token}", site.keys("override-used/")[f"override-used/{token}"])
    try:
        site.start()
        site.wait_serving()
        assert not check_elected_once(site, again, "A")["lossy"], "a used order that is given again has no effect"
    finally:
        site.drop(f"override/{token}")


def other_cluster(root: Path) -> GaleraNode:
    """Return a stopped node that was a cluster of its own, with another state UUID."""
    ports = Ports()
    try:
        own = NodePorts(*(ports.take() for _ in range(4)))
        node = GaleraNode(NodeConfig("stranger", root / "stranger", "elsewhere", own, (f"127.0.0.1:{own.group}",)))
        fill(node, bootstrap=True)
        (node.datadir / "grastate.dat").unlink()
        node.start(new_cluster=True)
        node.wait_synced()
        node.sql("CREATE DATABASE elsewhere")
        node.stop()
        return node
    finally:
        ports.close()


def test_21_a_volume_of_another_cluster_is_in_the_way_until_an_operator_discards_it(
    scenario: Scenario, lab_folder: Path
) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = scenario.outage(at_rest=True)
    stranger = other_cluster(lab_folder)
    pods[0].node.wipe()
    shutil.copytree(stranger.datadir, pods[0].node.datadir)
    give(pods[0].node.datadir)
    site.start()
    for pod in pods:
        pod.wait_waiting("uuid_conflict")
        assert pods[0].name in pod.told
    stays_so(lambda: site.epoch == before, 4, "no election")
    site.order("discard", pods[0].name)
    site.wait_serving()
    epoch = check_elected_once(site, before, "A")
    assert epoch["node"] != pods[0].name
    assert pods[0].transfer is Transfer.SST
    assert not site.nodes[0].sql("SHOW DATABASES LIKE 'elsewhere'")
    scenario.check()


def by_hand(pod: Pod, rows: int) -> int:
    """Start a node's database as no operator should, alone and as a new cluster, write rows, and return its seqno."""
    config = pod.node.config
    ports = Ports()
    try:
        own = NodePorts(*(ports.take() for _ in range(4)))
        alone = GaleraNode(NodeConfig(config.name, config.folder, config.cluster, own, (f"127.0.0.1:{own.group}",)))
        state = alone.datadir / "grastate.dat"
        found = re.search(r"uuid:\s+(\S+)\nseqno:\s+(\d+)", state.read_text())
        assert found is not None
        state.write_text(state.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))
        alone.start(new_cluster=True)
        alone.wait_synced()
        alone.sql("CREATE TABLE ledger.by_hand (id BIGINT PRIMARY KEY)")
        for number in range(rows):
            alone.sql("INSERT INTO ledger.by_hand VALUES (%s)", number)
        seqno = committed(alone)
        alone.stop()
        return seqno
    finally:
        ports.close()


def test_22_a_branch_with_the_same_uuid_that_galera_would_accept_is_refused_until_it_is_discarded(
    scenario: Scenario,
) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    scenario.quiet()
    before = site.epoch
    for pod in reversed(pods):
        pod.delete()
    site.start(pods[:1])
    site.wait_serving(pods[:1])
    check_elected_once(site, before, "L")
    astray = by_hand(pods[1], 20)
    scenario.write(site.nodes[:1], rows=100)
    assert committed(site.nodes[0]) > astray, "by their numbers alone, they are in the cluster's past"
    site.start()
    pods[1].wait_waiting("diverged")
    stays_so(lambda: not pods[1].node.status(), 4, "the diverged node is not started")
    site.wait_serving([pods[0], pods[2]])
    site.order("discard", pods[1].name)
    site.wait_serving()
    assert pods[1].transfer is Transfer.SST
    assert not site.nodes[1].sql("SHOW TABLES FROM ledger LIKE 'by_hand'")
    scenario.check()


def test_23_a_node_that_galera_finds_inconsistent_is_stopped_and_takes_an_sst(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    scenario.quiet()
    before = site.epoch
    site.nodes[0].sql("CREATE TABLE ledger.victim (id INT PRIMARY KEY, n INT)")
    site.nodes[0].sql("INSERT INTO ledger.victim VALUES (1, 1)")
    with closing(site.nodes[2].connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION wsrep_sync_wait = 1")
        cursor.execute("SELECT n FROM ledger.victim")
        assert [row["n"] for row in cursor.fetchall()] == [1]
        cursor.execute("SET SESSION wsrep_on = OFF")
        cursor.execute("DELETE FROM ledger.victim")
    site.nodes[0].sql("UPDATE ledger.victim SET n = 2 WHERE id = 1")
    wait_until(lambda: "inconsistent" in pods[2].log.lower(), 30, "Galera finds it inconsistent", pods[2].logs)
    site.wait_serving()
    assert "the sidecar orders a stop" in pods[2].log
    assert pods[2].transfer is Transfer.SST
    check_not_elected(site, before)
    scenario.check()
