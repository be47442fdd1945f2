"""What platform teams, machines and cables do to a cluster, each under a writer on the write Service."""

from __future__ import annotations

import time

import pytest

from e2e.faults import node_of, unplugged, without_etcd
from e2e.kube.cluster import ready_nodes
from e2e.kube.machine import CommandError
from e2e.release import Release
from e2e.report import Measure, save
from e2e.trial import trial
from lab.page import Page
from lab.process import wait_until

_MOVES = 30
_LOOK = 0.5
_ONE_MACHINE = ["--ignore-daemonsets", "--delete-emptydir-data"]


@pytest.fixture
def own(db: Release) -> Release:
    """The release, where the machines are this project's own."""
    if not db.cluster.nodes:
        pytest.skip("its machines are not ours: no cable to pull")
    return db


@pytest.mark.core
def test_the_write_service_leaves_a_pod_that_is_deleted_for_another(db: Release, measured: Measure) -> None:
    with trial(db) as running:
        old = db.write_pod()
        begin = time.monotonic()
        db.delete_pod(old)
        wait_until(lambda: db.write_pod() not in {"", old}, _MOVES, "another pod is the write pod", interval=0.1)
        measured("until the Service points at another pod", time.monotonic() - begin, goal=_MOVES)
        running.settle()
        measured("longest pause of writes", running.outage(begin), goal=_MOVES)
        measured("writes that failed", len(running.writer.failures), unit="")


def test_a_pod_that_is_deleted_by_force_comes_back(db: Release, measured: Measure) -> None:
    with trial(db) as running:
        begin = time.monotonic()
        db.delete_pod(db.write_pod(), grace=0)
        running.settle()
        measured("until all are ready", time.monotonic() - begin)
        measured("longest pause of writes", running.outage(begin), goal=60)


def test_a_drained_machine_costs_one_node_and_a_second_is_not_given_away(own: Release, measured: Measure) -> None:
    with trial(own) as running:
        begin = time.monotonic()
        victim = own.pod(own.write_pod())
        assert victim is not None
        other = next(pod.node for pod in own.pods() if pod.node != victim.node)
        try:
            own.cluster.kubectl("drain", victim.node, *_ONE_MACHINE, "--timeout=150s", timeout=180)
            measured("the drain", time.monotonic() - begin)
            assert sum(pod.ready for pod in own.pods()) == 2
            assert sum(pod.ready for pod in own.pods("etcd")) == 2
            with pytest.raises(CommandError, match="disruption budget"):
                own.cluster.kubectl("drain", other, *_ONE_MACHINE, "--timeout=10s", timeout=60)
            assert sum(pod.ready for pod in own.pods()) == 2
            assert sum(pod.ready for pod in own.pods("etcd")) == 2
        finally:
            for name in (victim.node, other):
                own.cluster.kubectl("uncordon", name)
        running.settle()
        measured("until all are ready", time.monotonic() - begin)
        measured("longest pause of writes", running.outage(begin), goal=60)


def test_scaled_to_0_and_back_to_3_the_cluster_goes_on_where_it_was(db: Release, measured: Measure) -> None:
    with trial(db) as running:
        db.scale(0)
        wait_until(lambda: not db.pods(), 180, "all database pods are gone", interval=_LOOK)
        assert db.write_pod() == ""
        begin = time.monotonic()
        db.scale(3)
        running.wait_writes()
        measured("from 0 to the first write", time.monotonic() - begin)
        running.settle()
        measured("until all are ready", time.monotonic() - begin)


@pytest.mark.core
def test_a_machine_that_is_cut_off_from_the_others_is_done_without(own: Release, measured: Measure) -> None:
    with trial(own) as running:
        observers = {pod.node for pod in own.pods("observer")}
        # The write pod's machine, and the observer's where they are the same: the worst of the three.
        victim = own.write_pod()
        pod = own.pod(victim)
        assert pod is not None
        node = node_of(own, pod.node)
        begin = time.monotonic()
        with unplugged(node):
            running.wait_writes()
            measured(
                f"no write acknowledged for{' (the observer was cut off, too)' * (node.name in observers)}",
                running.outage(begin),
            )
            wait_until(lambda: own.write_pod() not in {"", victim}, 90, "another is the write pod", interval=_LOOK)
            alone = next(each for each in running.nodes if each.name == victim)
            wait_until(
                lambda: alone.status().get("wsrep_cluster_status") == "non-Primary", 60, "alone it is no Primary"
            )
            wait_until(lambda: node.name not in ready_nodes(own.cluster.api), 90, "Kubernetes misses it", interval=1)
            said = own.galeractl("status", pod=next(p.name for p in own.pods() if p.name != victim))
            save("galeractl-status-while-a-machine-is-cut-off.txt", said)
            assert "Degraded: " in said
        mended = time.monotonic()
        running.settle()
        measured("until all are ready again", time.monotonic() - mended)


@pytest.mark.core
def test_a_node_that_does_not_reach_etcd_serves_on(own: Release, measured: Measure) -> None:
    with trial(own) as running:
        victim = own.write_pod()
        before = own.pod(victim)
        begin = time.monotonic()
        with without_etcd(own, victim):
            wait_until(
                lambda: Page.parse(own.metrics(victim)).value("galera_registry_up") == 0,
                40,
                "it says so",
                interval=_LOOK,
            )
            measured("until it says that it does not reach etcd", time.monotonic() - begin)
            others = [pod.name for pod in own.pods() if pod.name != victim]
            wait_until(
                lambda: Page.parse(own.metrics(others[0])).value("galera_etcd_key_present", node=victim) == 0,
                40,
                "the others miss its key",
                interval=_LOOK,
            )
            measured("until the others miss its key", time.monotonic() - begin)
            client = next(each for each in running.nodes if each.name == victim)
            assert client.status()["wsrep_cluster_status"] == "Primary"
            assert client.status()["wsrep_cluster_size"] == "3"
            running.wait_writes()
        wait_until(
            lambda: Page.parse(own.metrics(victim)).value("galera_registry_up") == 1, 40, "it is back", interval=_LOOK
        )
        running.settle()
        after = own.pod(victim)
        assert before is not None
        assert after is not None
        assert (after.uid, after.restarts) == (before.uid, before.restarts), "nothing was restarted"
        measured("longest pause of writes", running.outage(begin), goal=_MOVES)
        measured("writes that failed", len(running.writer.failures), unit="")
