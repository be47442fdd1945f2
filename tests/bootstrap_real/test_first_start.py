"""Scenarios 1 to 4: the first start of a cluster, and an elected node that dies or falls asleep on the way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import pytest

from bootstrap_real.scenario import Scenario, check_elected_once, stays_so
from lab import Pod, wait_until
from lab.checks import Transfer, Watch
from lab.site import Site, at_once

pytestmark = pytest.mark.xdist_group("bootstrap-2")


@pytest.fixture
def empty(site: Site) -> Iterator[Site]:
    """The site with etcd alone: no pod runs, no volume has data, no key is there."""
    site.clear()
    yield site
    site.clear()


def start_with_delays(site: Site, seed: int) -> None:
    """Start all pods, each up to two seconds late, the sidecar and the database each for itself."""
    dice = random.Random(seed)

    def start(pod: Pod) -> None:
        starts: list[Callable[[], None]] = [pod.sidecar.start, pod.node.start]
        dice.shuffle(starts)
        for each, delay in zip(starts, delays[pod.name], strict=True):
            time.sleep(delay)
            each()

    delays = {pod.name: (dice.uniform(0, 1.5), dice.uniform(0, 0.5)) for pod in site.pods}
    at_once([lambda pod=pod: start(pod) for pod in site.pods])  # type: ignore[misc]  # mypy cannot infer such a lambda


def check_initial(site: Site, watch: Watch) -> None:
    """There was one election, and one new state UUID."""
    epoch = check_elected_once(site, 0, "initial")
    assert epoch["mode"] == "initial"
    assert epoch["parent"] == 0
    wait_until(lambda: watch.uuids, 10, "the watch has seen the Primary component", site.pods[0].logs)
    watch.check()
    assert watch.uuids == [epoch["uuid"]]


@pytest.mark.parametrize("seed", range(4))
def test_01_three_that_start_together_with_empty_volumes_elect_one(empty: Site, seed: int) -> None:
    """Five starts of the real servers, this and the next test; the simulation does the thousands.

    The transfers, which take half a minute, are awaited in the next test.
    """
    watch = Watch(empty.nodes)
    try:
        start_with_delays(empty, seed)
        wait_until(lambda: empty.bootstrap.get("phase") == "primary", 60, "confirmed", empty.pods[0].logs, 0.2)
        first = empty.pod(empty.bootstrap["epoch"]["node"])
        others = [pod for pod in empty.pods if pod is not first]
        wait_until(
            lambda: any("decision: join" in pod.log for pod in others), 40, "another is told to join", first.logs
        )
        assert first is empty.pods[0], "of equals the lowest ordinal"
        check_initial(empty, watch)
    finally:
        watch.stop()


def test_01_three_that_start_together_with_empty_volumes_become_one_cluster_by_ssts(empty: Site) -> None:
    watch = Watch(empty.nodes)
    try:
        start_with_delays(empty, seed=4)
        empty.wait_serving(timeout=120)
        check_initial(empty, watch)
        assert [pod.transfer for pod in empty.pods] == [Transfer.NONE, Transfer.SST, Transfer.SST]
    finally:
        watch.stop()


def test_02_two_of_three_with_empty_volumes_wait_for_the_third(empty: Site) -> None:
    late, *early = empty.pods
    empty.start(early)
    for pod in early:
        pod.wait_waiting("initial_members")
    stays_so(lambda: not empty.bootstrap, 4, "nobody is elected")
    empty.start()
    wait_until(lambda: empty.bootstrap.get("phase") == "primary", 60, "confirmed", late.logs, 0.2)
    assert check_elected_once(empty, 0, "initial")["node"] == late.name


@pytest.mark.parametrize("moment", ["elected", "initializing", "primary", "confirmed"])
def test_03_an_elected_node_that_dies_goes_on_and_there_is_no_second_winner(empty: Site, moment: str) -> None:
    site, first = empty, empty.pods[0]
    slow = first.node.init_dir / "20-slow.sql"
    slow.write_text("DO SLEEP(2);\n")
    watch = Watch(site.nodes)
    try:
        site.start()
        elected = site.wait_elected()
        assert elected["epoch"]["node"] == first.name
        if moment == "elected":
            assert elected["phase"] == "elected"
        elif moment == "initializing":
            wait_until(lambda: first.node.state.text == "runs the init SQL", 30, "runs the init SQL", first.logs, 0.02)
        elif moment == "primary":
            first.node.wait_phase("starting")
            assert first.sidecar.process is not None
            first.sidecar.process.freeze()
            first.node.wait_synced()
            assert site.bootstrap["phase"] == "elected", "Synced, and not confirmed"
        else:
            wait_until(lambda: site.bootstrap["phase"] == "primary", 40, "confirmed", first.logs, 0.05)
        first.power_loss()
        phase = site.bootstrap["phase"]
        assert phase == ("primary" if moment == "confirmed" else "elected")
        boot = first.node.state.boot_id
        first.start()
        first.node.wait_phase("starting", 90, after=boot)
        wait_until(lambda: site.bootstrap["phase"] == "primary" and first.confirmed, 60, "confirmed", first.logs, 0.2)
        assert {epoch["node"] for epoch in site.history.values()} == {first.name}
        assert not any(pod.made_cluster for pod in site.pods[1:])
        if moment != "confirmed":
            assert list(site.history) == [elected["epoch"]["number"]], "the same election goes on"
        assert first.node.sql("SELECT COUNT(*) AS n FROM mysql.user WHERE user = 'exporter'")[0]["n"] == 2
        watch.check(lineages=1 if moment in ("elected", "initializing", "confirmed") else 2)
    finally:
        watch.stop()
        slow.unlink()


@pytest.mark.parametrize("moment", ["elected", "primary"])
def test_04_an_elected_node_that_wakes_after_a_takeover_serves_nobody_and_joins(
    scenario: Scenario, moment: str
) -> None:
    site = scenario.site
    scenario.write()
    before = scenario.outage(at_rest=True)  # the others have what the sleeper has, or they would wait for it
    site.start()
    elected = site.wait_elected(before)
    assert elected["phase"] == "elected"
    sleeper = site.pod(elected["epoch"]["node"])
    others = [pod for pod in site.pods if pod is not sleeper]
    if moment == "primary":
        sleeper.node.wait_phase("starting")
        assert sleeper.sidecar.process is not None
        sleeper.sidecar.process.freeze()
        sleeper.node.wait_synced()
    sleeper.freeze()
    assert site.bootstrap["phase"] == "elected", "asleep before it was confirmed"
    others[0].wait_waiting("bootstrapper_absent")
    site.wait_serving(others)
    taken = site.bootstrap["epoch"]
    assert (taken["number"], taken["rule"]) == (before + 2, "T")
    assert "elected itself by rule T" in site.pod(taken["node"]).told
    sleeper.thaw()
    epochs: set[float | None] = set()
    deadline = time.monotonic() + 60
    while epochs != {before + 2} and time.monotonic() < deadline:
        page = sleeper.sidecar.metrics()
        if page.one("galera_bootstrap_phase", "phase") == "confirmed":
            epochs.add(page.value("galera_bootstrap_epoch"))
        assert epochs or not sleeper.serving or sleeper.confirmed, "clients are sent to it before it has joined"
        time.sleep(0.05)
    assert epochs == {before + 2}, "it is part of the epoch that was confirmed, and never was of its own"
    assert f"confirm: epoch {before + 1}" not in sleeper.told
    assert not site.history[before + 1]["confirmed"]
    site.wait_serving()
    assert f"joins epoch {before + 2}" in sleeper.told
    scenario.check()
