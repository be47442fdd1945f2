"""Scenarios 5 to 11: the whole cluster is gone, and what is left of it decides how it comes back."""

from __future__ import annotations

import re

import pytest

from bootstrap_real.scenario import Scenario, check_elected_once, check_not_elected, stays_so
from lab import GaleraNode, Pod, wait_until
from lab.checks import Transfer
from lab.site import TTL, Site, at_once
from lab.wrapper import read_fields

pytestmark = pytest.mark.xdist_group("bootstrap-1")


def nobody_elected(scenario: Scenario, epoch: int, seconds: float = 4) -> None:
    """Hold for a while that the newest election is still that of ``epoch``."""
    stays_so(lambda: scenario.site.epoch == epoch, seconds, f"no election after epoch {epoch}")


def test_05_after_a_power_loss_under_load_the_most_advanced_node_is_elected_and_the_rest_join_by_ist(
    scenario: Scenario,
) -> None:
    site, pods = scenario.site, scenario.pods
    with scenario.lagging(pods[0]):
        before = scenario.outage()
    site.start()
    site.wait_serving()
    epoch = check_elected_once(site, before, "A")
    assert epoch["node"] != pods[0].name, "the one that lags has the lowest number, and is not the best"
    assert pods[0].transfer is Transfer.IST
    assert all(pod.transfer is not Transfer.SST for pod in pods)
    scenario.check()


def test_05_of_nodes_with_equal_positions_the_lowest_number_is_elected_and_nobody_needs_a_full_transfer(
    scenario: Scenario,
) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = scenario.outage(at_rest=True)
    site.start(reversed(pods))
    site.wait_serving()
    found = {read_fields(pod.node.handoff / "request")["position"] for pod in pods}
    assert len(found) == 1, f"equal positions: {found}"
    assert check_elected_once(site, before, "A")["node"] == pods[0].name
    assert all(pod.transfer is not Transfer.SST for pod in pods)
    scenario.check()


def test_05_a_joiner_whose_component_is_lost_before_it_has_a_state_does_not_keep_the_others_waiting(
    scenario: Scenario,
) -> None:
    """Galera waits there for ever and answers no SQL: as long as it may run, nobody is elected."""
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = scenario.outage(at_rest=True)
    logs = [log for pod in pods for log in pod.logs]
    for pod in pods:
        pod.mark()
    site.start()
    first = wait_until(lambda: elected(site, before), 60, "one is elected", logs, 0.02)
    joiner = wait_until(
        lambda: next((pod for pod in pods if pod is not first and "gcomm: connected" in pod.log), None),
        60,
        "one joins",
        logs,
        0.005,
    )
    first.freeze()
    wait_until(lambda: "Received NON-PRIMARY" in joiner.log, 30, "it has lost the component", logs)
    first.power_loss()
    first.start()
    wait_until(lambda: "is gone: it reports again" in joiner.told, 120, "it is stopped", logs)
    site.wait_serving(timeout=120)
    scenario.check()


def elected(site: Site, after: int) -> Pod | None:
    """Return the pod that made the epoch that came after another."""
    found = site.bootstrap["epoch"]
    return site.pod(found["node"]) if found["number"] > after and site.pod(found["node"]).confirmed else None


def stopped_at(node: GaleraNode) -> int:
    """Return the seqno with which a node ended in order; -1: it did not."""
    found = re.search(r"^seqno:\s+(-?\d+)$", (node.datadir / "grastate.dat").read_text(), re.MULTILINE)
    assert found is not None
    return int(found.group(1))


@pytest.mark.parametrize("count", [3, 2])
def test_06_stopped_all_at_once_they_come_back_and_two_need_not_wait_for_the_third(
    scenario: Scenario, count: int
) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = site.epoch
    at_once(pod.delete for pod in pods)
    assert all(stopped_at(node) > 0 for node in site.nodes), "each has written its position"
    # The first of them may have left with less than the others: who returns is who left last.
    back = sorted(pods, key=lambda pod: stopped_at(pod.node), reverse=True)[:count]
    site.start(back)
    site.wait_serving(back)
    # Galera may mark one as the last to leave; and the third may report before, or after, the others have elected.
    rule = site.bootstrap["epoch"]["rule"]
    assert rule in (("A", "F", "L") if count == 3 else ("F", "L"))
    check_elected_once(site, before, rule)
    site.start()
    scenario.check()
    assert all(pod.transfer is not Transfer.SST for pod in pods)


def test_06_stopped_one_after_the_other_the_last_comes_back_alone(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = site.epoch
    for pod in reversed(pods):
        pod.delete()
    assert "safe_to_bootstrap: 1" in (pods[0].node.datadir / "grastate.dat").read_text()
    site.start(pods[:1])
    site.wait_serving(pods[:1])
    check_elected_once(site, before, "L")
    site.start()
    scenario.check()
    assert all(pod.transfer is not Transfer.SST for pod in pods)


def test_06_one_stopped_first_and_two_later_the_two_come_back_without_the_first(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = site.epoch
    pods[0].delete()
    scenario.write(site.nodes[1:])
    at_once(pod.delete for pod in pods[1:])
    site.start(pods[1:])
    site.wait_serving(pods[1:])
    # Galera may mark one of two that stop together as the last to leave; then that is proof enough.
    rule = site.bootstrap["epoch"]["rule"]
    assert rule in ("L", "F")
    check_elected_once(site, before, rule)
    site.start()
    scenario.check()
    assert pods[0].transfer is Transfer.IST


@pytest.mark.parametrize("way", ["return", "order"])
def test_07_while_one_stays_away_nobody_is_elected_until_it_returns_or_an_operator_says_so(
    scenario: Scenario, way: str
) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    # The order elects one that may lack what only the others had received; what all have, it has.
    before = scenario.outage(at_rest=way == "order")
    site.start(pods[:2])
    for pod in pods[:2]:
        pod.wait_waiting("missing")
        assert pods[2].name in pod.told
    nobody_elected(scenario, before)
    if way == "return":
        site.start()
        site.wait_serving()
        check_elected_once(site, before, "A")
    else:
        site.order("force", pods[0].name, lossy=True)
        site.wait_serving(pods[:2])
        check_elected_once(site, before, "O")
        site.start()
    scenario.check()


def test_08_a_node_that_had_left_cleanly_before_is_not_waited_for(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    pods[2].delete()
    assert site.keys("nodes/")[f"nodes/{pods[2].name}"]["final"] is True
    scenario.write(site.nodes[:2])
    before = scenario.outage()
    site.start(pods[:2])
    site.wait_serving(pods[:2])
    check_elected_once(site, before, "F")
    site.start()
    scenario.check()
    assert pods[2].transfer is Transfer.IST


def test_09_who_left_cleanly_comes_back_only_with_etcd(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = site.epoch
    pods[2].delete()
    assert site.keys("nodes/")[f"nodes/{pods[2].name}"]["final"] is True
    site.etcd.stop()
    pods[2].start()
    pods[2].wait_waiting("etcd_unavailable")
    stays_so(lambda: not pods[2].node.state.pid, 2.5 * TTL, "others could count on its clean end")
    site.etcd.start()
    site.wait_serving()
    assert site.keys("nodes/")[f"nodes/{pods[2].name}"]["final"] is False
    check_not_elected(site, before)
    scenario.check()


def test_09_a_clean_stop_that_is_no_longer_true_does_not_count(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    label = pods[2].node.state_dir / "state.json"
    before_it_left = label.read_text()
    pods[2].delete()
    label.write_text(before_it_left)  # put back from a copy: it does not know that etcd was told of the end
    site.etcd.stop()
    pods[2].start()
    pods[2].node.wait_synced()
    assert "joins epoch" in pods[2].told, "it joined without etcd"
    scenario.write()
    before_name = pods[2].name
    site.power_loss()
    scenario.quiet()
    site.etcd.start()
    assert site.keys("nodes/")[f"nodes/{before_name}"]["final"] is True, "etcd has not heard of its return"
    before = site.epoch
    site.start(pods[:2])
    for pod in pods[:2]:
        pod.wait_waiting("missing")
    nobody_elected(scenario, before)
    site.start()
    site.wait_serving()
    check_elected_once(site, before, "A")
    scenario.check()


def test_10_a_node_that_lost_its_volume_takes_an_sst_from_those_that_serve(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    writer = scenario.write()
    before = site.epoch
    pods[0].power_loss()
    pods[0].node.wipe()
    pods[0].start()
    site.wait_serving()
    writer.wait_acknowledged(20)
    assert pods[0].transfer is Transfer.SST
    check_not_elected(site, before)
    assert not any(pod.made_cluster for pod in pods)
    scenario.check()


def test_10_a_node_that_lost_its_volume_in_an_outage_is_not_elected(scenario: Scenario) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = scenario.outage(at_rest=True)
    pods[0].node.wipe()
    site.start()
    site.wait_serving()
    epoch = check_elected_once(site, before, "A")
    assert epoch["node"] != pods[0].name
    assert pods[0].transfer is Transfer.SST
    scenario.check()


def test_11_when_all_volumes_are_lost_nobody_begins_an_empty_cluster_unless_an_operator_says_so(
    scenario: Scenario,
) -> None:
    site, pods = scenario.site, scenario.pods
    scenario.write()
    before = scenario.outage()
    for node in site.nodes:
        node.wipe()
    site.start()
    for pod in pods:
        pod.wait_waiting("data_loss_guard")
    nobody_elected(scenario, before)
    site.order("initial", lossy=True)
    site.wait_elected(before)
    wait_until(lambda: site.bootstrap["phase"] == "primary", 60, "the empty cluster is confirmed", pods[0].logs, 0.2)
    epoch = check_elected_once(site, before, "O")
    assert epoch["mode"] == "initial"
    assert len(scenario.watch.uuids) <= 2
