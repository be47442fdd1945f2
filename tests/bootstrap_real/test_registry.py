"""Scenarios 12 to 14: etcd loses its data, its members, or its voice."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bootstrap_real.scenario import Scenario, check_elected_once, stays_so
from lab import scratch, wait_until
from lab.checks import Transfer
from lab.site import PREFIX, TTL, Site

pytestmark = pytest.mark.xdist_group("bootstrap-1")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Three pods and three etcd members."""
    with scratch() as folder:
        made = Site(folder, members=3)
        try:
            yield made
        finally:
            made.close()


def pids(site: Site) -> list[int]:
    """Return the process ids of the databases: the same numbers mean that none was restarted."""
    return [node.state.pid for node in site.nodes]


def wipe_keys(site: Site) -> None:
    """Delete all keys of the cluster."""
    assert int(site.etcd.ctl("del", "--prefix", PREFIX)) > 0


def test_12_keys_that_are_wiped_while_the_cluster_runs_come_back_and_nothing_is_restarted(scenario: Scenario) -> None:
    site = scenario.site
    scenario.write()
    before, running = site.bootstrap["epoch"], pids(site)
    wipe_keys(site)

    def back() -> bool:
        keys = site.keys()
        wanted = {f"{folder}{pod.name}" for folder in ("live/", "primary/", "nodes/") for pod in site.pods}
        return wanted <= keys.keys() and site.bootstrap.get("phase") == "primary"

    wait_until(back, 30, "all keys are back", [pod.sidecar.log for pod in site.pods], 0.2)
    assert site.bootstrap["epoch"] == before
    assert before.items() <= site.history[before["number"]].items()
    assert pids(site) == running
    scenario.check()


def test_12_after_a_wipe_in_an_outage_only_all_together_may_elect(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = site.epoch
    for pod in reversed(pods):
        pod.delete()
    wipe_keys(site)
    site.start(pods[:1])
    pods[0].wait_waiting("missing")
    stays_so(lambda: not site.bootstrap, 4, "the last to leave is not elected: etcd has forgotten that it was")
    site.start()
    site.wait_serving()
    check_elected_once(site, before, "A")
    scenario.check()


def test_13_without_etcd_the_cluster_serves_a_node_joins_and_an_outage_waits(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    writer = scenario.write()
    before, running = site.epoch, pids(site)
    site.etcd.stop()
    failures = writer.failures
    time.sleep(4 * TTL)
    writer.wait_acknowledged(50)
    assert writer.failures == failures, "steady: no write fails"
    assert pids(site) == running
    assert all(pod.confirmed for pod in pods)
    pods[2].node.kill_server()
    pods[2].node.wait_phase("exited")
    pods[2].node.wait_phase("starting")
    pods[2].node.wait_synced()
    assert "join: joins epoch" in pods[2].told
    assert pods[2].transfer is not Transfer.SST
    scenario.quiet()
    site.power_loss()
    for pod in pods:
        pod.start()
    for pod in pods:
        pod.wait_waiting("etcd_unavailable")
    stays_so(lambda: not any(node.status() for node in site.nodes), 4, "no database is started")
    site.etcd.start()
    site.wait_serving()
    check_elected_once(site, before, "A")
    scenario.check()


def test_13_an_etcd_that_dies_between_an_election_and_its_confirmation_leaves_one_lineage_and_no_server(
    scenario: Scenario,
) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = scenario.outage(at_rest=True)
    site.start()
    elected = site.wait_elected(before)
    first = site.pod(elected["epoch"]["node"])
    first.node.wait_phase("starting")
    assert first.sidecar.process is not None
    first.sidecar.process.freeze()
    first.node.wait_synced()
    assert site.bootstrap["phase"] == "elected", "Synced, and not confirmed"
    for member in site.etcd.members:
        member.kill()
    first.sidecar.process.thaw()
    stays_so(lambda: not any(pod.serving for pod in pods), 3 * TTL, "nobody serves an epoch that is not confirmed")
    assert not any(pod.made_cluster for pod in pods if pod is not first)
    site.etcd.start()
    site.etcd.wait_healthy()
    assert not site.history[elected["epoch"]["number"]]["confirmed"], "it died before"
    site.wait_serving()
    check_elected_once(site, before, "A")
    scenario.check()


def test_14_members_of_etcd_that_die_or_pause_cost_no_election_and_no_database(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    writer = scenario.write()
    before, running = site.bootstrap["epoch"], pids(site)
    etcd = site.etcd

    leader = etcd.leader()
    leader.kill()
    etcd.leader()
    time.sleep(TTL + 2)
    assert {f"primary/{pod.name}" for pod in pods} <= site.keys("primary/").keys()
    etcd.start()

    for member in etcd.members[:2]:
        member.kill()
    time.sleep(2 * TTL)
    assert not etcd.healthy()
    writer.wait_acknowledged(20)
    pods[2].node.kill_server()
    pods[2].node.wait_phase("exited")
    pods[2].node.wait_synced()
    etcd.start()
    site.wait_serving()

    for member in etcd.members:
        member.freeze()
    time.sleep(3 * TTL)
    for member in etcd.members:
        member.thaw()
    etcd.wait_healthy()
    wait_until(lambda: len(site.keys("primary/")) == 3, 30, "the keys are back", interval=0.2)

    assert site.bootstrap["epoch"] == before
    assert pids(site)[:2] == running[:2]
    scenario.check()
