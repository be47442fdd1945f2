"""Scenarios 15 to 17, 25, 29 and 31: some of the nodes fail, or their sidecars, or their clocks, while others go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap_real.scenario import Scenario, check_elected_once, check_not_elected, stays_so
from lab import scratch, wait_until
from lab.checks import Transfer
from lab.namespaces import Namespaces, namespaces_missing
from lab.site import BACKOFF, TTL, Site

pytestmark = pytest.mark.xdist_group("bootstrap-1")

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def test_15_a_survivor_without_quorum_takes_part_in_an_election_and_the_best_is_elected(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    writer = scenario.write()
    before = site.epoch
    site.power_loss(pods[1:])
    wait_until(lambda: pods[0].node.status().get("wsrep_cluster_status") == "non-Primary", 30, "alone", pods[0].logs)
    pods[0].wait_waiting("missing")
    assert "phase survivor" in pods[0].told
    acknowledged, failures = len(writer.ledger.entries), writer.failures
    wait_until(lambda: len(writer.failures) > len(failures), 10, "writes fail")
    assert len(writer.ledger.entries) == acknowledged
    scenario.quiet()
    site.start(pods[1:])
    site.wait_serving()
    check_elected_once(site, before, "A")
    assert "a new Primary component is about to be elected" in pods[0].told
    assert "the sidecar orders a stop" in pods[0].log
    assert all(pod.transfer is not Transfer.SST for pod in pods)
    scenario.check()


def test_17_a_bootstrapper_that_crashes_joins_the_others_and_its_decision_is_used_up(scenario: Scenario) -> None:
    site = scenario.site
    writer = scenario.write()
    before = site.epoch
    first = site.pod(site.bootstrap["epoch"]["node"])
    boot = first.node.state.boot_id
    first.mark()
    first.node.kill_server()
    first.node.wait_phase("starting", after=boot)
    assert first.log.count("[platform] the container ended with status 137") == 1, "killed, and started again"
    site.wait_serving()
    writer.wait_acknowledged(20)
    assert "decision: join" in first.log
    assert not first.made_cluster
    assert not (first.node.handoff / "decision").exists()
    assert first.transfer is not Transfer.SST
    check_not_elected(site, before)
    scenario.check()


def test_25_a_rolling_restart_under_load_elects_nobody_and_always_leaves_two_that_serve(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    before, running = site.bootstrap["epoch"], [node.state.pid for node in site.nodes]
    for pod in reversed(pods):
        others = [other for other in pods if other is not pod]
        writer = scenario.write([other.node for other in others])
        failures = writer.failures
        pod.delete()
        assert not pod.node.alive
        assert all(other.serving for other in others)
        pod.start()
        site.wait_serving()
        assert writer.failures == failures, "no write fails on those that stay"
        assert pod.transfer is not Transfer.SST
    assert not {node.state.pid for node in site.nodes} & set(running), "each was started anew"
    assert site.bootstrap["epoch"] == before
    assert not any(pod.made_cluster for pod in pods)
    scenario.check()


def test_31_sidecars_that_crash_again_and_again_cost_the_database_nothing(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    writer = scenario.write()
    before, running, failures = site.bootstrap["epoch"], [node.state.pid for node in site.nodes], writer.failures
    for _ in range(6):
        for pod in pods:
            pod.sidecar.kill()
        time.sleep(BACKOFF)
        for pod in pods:
            pod.sidecar.start()
    writer.wait_acknowledged(50)
    for pod in pods:  # and for longer than any key lives
        pod.sidecar.kill()
    time.sleep(2 * TTL)
    assert not site.keys("primary/")
    writer.wait_acknowledged(50)
    for pod in pods:
        pod.sidecar.start()
    site.wait_serving()
    assert writer.failures == failures
    assert [node.state.pid for node in site.nodes] == running
    assert site.bootstrap["epoch"] == before
    scenario.check()


def test_31_with_sidecars_of_two_versions_an_outage_ends_as_ever(scenario: Scenario) -> None:
    """The newer version writes fields that the present one does not know, in every value."""
    site, pods = scenario.site, scenario.pods
    scenario.write()
    newer = Path(__file__).with_name("newer")
    for pod in pods[:1]:
        pod.sidecar.stop()
        pod.sidecar.env["PYTHONPATH"] = str(newer)
        pod.sidecar.start()
    try:
        site.wait_serving()
        wait_until(lambda: "from_the_future" in site.keys("live/")[f"live/{pods[0].name}"], 15, "a newer record")
        before = scenario.outage()
        site.start()
        site.wait_serving()
        check_elected_once(site, before, "A")
        scenario.check()
    finally:
        pods[0].sidecar.stop()
        pods[0].sidecar.env.clear()
        pods[0].sidecar.start()


def test_31_what_a_newer_version_decided_and_this_one_cannot_read_is_not_guessed_at(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = scenario.outage()
    key = f"history/{before + 1}"
    site.put(key, {**site.history[before], "number": before + 1, "schema": 99})
    site.start()
    for pod in pods:
        pod.wait_waiting("unreadable_record")
        assert key in pod.told
    stays_so(lambda: site.bootstrap["epoch"]["number"] == before, 4, "no election")
    site.drop(key)
    site.wait_serving()
    check_elected_once(site, before, "A")
    scenario.check()


@pytest.fixture(scope="module")
def network() -> Iterator[Namespaces]:
    """Each pod and etcd on a host of its own."""
    made = Namespaces(["galera-0", "galera-1", "galera-2", "etcd-0", "client"])
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def apart(network: Namespaces) -> Iterator[Site]:
    """A site whose hosts can be cut off from one another."""
    with scratch() as folder:
        made = Site(folder, hosts=network.hosts)
        try:
            yield made
        finally:
            made.close()


@pytest.mark.skipif(bool(namespaces_missing()), reason=namespaces_missing())
@pytest.mark.parametrize("etcd_is_with", ["both", "minority"])
def test_16_a_minority_that_restarts_behind_a_partition_waits_and_the_majority_serves(
    apart: Site, network: Namespaces, etcd_is_with: str
) -> None:
    apart.bring_up()
    scenario = Scenario(apart)
    minority, majority = apart.pods[2], apart.pods[:2]
    try:
        scenario.write()
        before = apart.epoch
        for pod in majority:
            network.cut(minority.name, pod.name)
            if etcd_is_with == "minority":
                network.cut("etcd-0", pod.name)
        status = minority.node.status
        wait_until(lambda: status().get("wsrep_cluster_status") == "non-Primary", 30, "the minority is alone")
        writer = scenario.write([pod.node for pod in majority])
        minority.delete()
        minority.start()
        if etcd_is_with == "both":
            minority.wait_waiting("primary_unreachable")
        else:
            wait_until(lambda: not apart.keys("primary/"), 30, "the majority's keys are gone", interval=0.2)
            minority.wait_waiting("missing")
        stays_so(lambda: apart.epoch == before and not minority.node.status(), 6, "the minority waits")
        writer.wait_acknowledged(50)
        network.heal()
        apart.wait_serving()
        check_not_elected(apart, before)
        assert minority.transfer is Transfer.IST
        scenario.check()
    finally:
        network.heal()
        scenario.close()


@pytest.mark.skipif(bool(namespaces_missing()), reason=namespaces_missing())
def test_a_joiner_that_loses_sight_of_the_group_in_its_sst_is_started_again_and_joins(
    apart: Site, network: Namespaces
) -> None:
    """Galera throws its message away that it is done, and asks no more; found by random faults."""
    apart.bring_up()
    scenario = Scenario(apart)
    joiner, others = apart.pods[2], apart.pods[:2]
    try:
        scenario.write([pod.node for pod in others])
        joiner.delete()
        joiner.node.wipe()
        joiner.mark()
        joiner.start()
        wait_until(lambda: "Requesting state transfer: success" in joiner.log, 60, "it takes an SST", joiner.logs)
        for pod in others:
            network.cut(joiner.name, pod.name)
        wait_until(lambda: "Shifting JOINER -> OPEN" in joiner.log, 30, "it has lost sight of the group", joiner.logs)
        network.heal()
        rejected = "new State Transfer required"
        wait_until(lambda: rejected in joiner.log, 60, "the group does not take it for joined", joiner.logs)
        apart.wait_serving(timeout=150)
        assert "the sidecar orders a stop: Galera does not take it for joined" in joiner.log
        scenario.check()
    finally:
        network.heal()
        scenario.close()


@pytest.fixture(scope="module")
def wrong() -> Iterator[tuple[Site, Path]]:
    """A site, and the file that the wall clock of its last pod follows; its monotonic clock is right."""
    with scratch() as folder:
        clock = folder / "clock"
        clock.write_text("+0\n")
        env = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        made = Site(folder, env={"galera-2": env})
        try:
            yield made, clock
        finally:
            made.close()


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed: make setup does it")
def test_29_a_clock_that_jumps_by_an_hour_changes_nothing(wrong: tuple[Site, Path]) -> None:
    site, clock = wrong
    site.bring_up()
    scenario = Scenario(site)
    pods = site.pods
    try:
        writer = scenario.write()
        before, running, failures = site.bootstrap["epoch"], [node.state.pid for node in site.nodes], writer.failures
        for hours in (1, -1):
            clock.write_text(f"{hours:+d}h\n")
            seen = pods[2].node.sql("SELECT UNIX_TIMESTAMP(SYSDATE()) AS now")[0]["now"]
            assert abs(float(seen) - time.time() - 3600 * hours) < 60, "the fault took effect"
            stays_so(lambda: all(pod.confirmed for pod in pods), TTL + 2, "all are confirmed")
            writer.wait_acknowledged(20)
            assert len(site.keys("primary/")) == 3
        assert writer.failures == failures
        assert (site.bootstrap["epoch"], [node.state.pid for node in site.nodes]) == (before, running)
        ended = scenario.outage()
        site.start()
        clock.write_text("+1h\n")
        site.wait_serving()
        check_elected_once(site, ended, "A")
        scenario.check()
    finally:
        scenario.close()
