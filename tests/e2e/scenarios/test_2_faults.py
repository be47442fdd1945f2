"""Faults under load: each mends without a human, and nothing that was acknowledged is lost."""

from __future__ import annotations

import time

import pytest

from e2e.faults import delete_all, kill_mariadbd, lose_volumes
from e2e.release import Release
from e2e.report import Measure, save
from e2e.trial import trial
from lab.process import wait_until

_OUTAGE = 60


@pytest.mark.core
def test_all_pods_deleted_at_once_are_a_cluster_again(db: Release, measured: Measure) -> None:
    with trial(db) as running:
        begin = time.monotonic()
        delete_all(db)
        gone = time.monotonic()
        running.wait_writes()
        measured("no write acknowledged for", running.outage(begin), goal=_OUTAGE)
        measured("until the last of the old pods was gone", gone - begin)
        db.wait_ready()
        measured("until all are ready", time.monotonic() - begin)
        running.settle()


@pytest.mark.core
def test_a_rollout_restart_goes_node_by_node_and_writes_go_on(db: Release, measured: Measure) -> None:
    with trial(db) as running:
        begin = time.monotonic()
        revision = db.revision()
        db.kubectl("rollout", "restart", f"statefulset/{db.fullname}")
        least = 3

        def rolled() -> bool:
            nonlocal least
            least = min(least, sum(pod.ready for pod in db.pods()))
            return {pod.labels.get("controller-revision-hash") for pod in db.pods()} == {db.revision()} and db.ready()

        wait_until(lambda: db.revision() != revision, 30, "the StatefulSet has a new revision", interval=0.3)
        wait_until(rolled, 400, "all pods are restarted and ready", interval=0.3)
        measured("the whole restart", time.monotonic() - begin)
        assert least >= 2, "two nodes were away at once"
        running.settle()
        measured("longest pause of writes", running.outage(begin))
        measured("writes that failed", len(running.writer.failures), unit="")


@pytest.mark.core
def test_a_killed_mariadbd_comes_back_in_its_pod(db: Release, measured: Measure) -> None:
    with trial(db) as running:
        victim = db.write_pod()
        before = db.pod(victim)
        begin = time.monotonic()
        kill_mariadbd(db, victim)
        running.wait_writes()
        measured("no write acknowledged for", running.outage(begin), goal=_OUTAGE)
        running.settle()
        measured("until all are ready", time.monotonic() - begin)
        after = db.pod(victim)
        assert before is not None
        assert after is not None
        assert after.uid == before.uid
        assert after.restarts["mariadb"] == before.restarts["mariadb"] + 1


@pytest.mark.core
def test_a_node_whose_volume_is_lost_gets_its_data_from_the_others(db: Release, measured: Measure) -> None:
    with trial(db) as running:
        victim = db.pod_name(1)
        begin = time.monotonic()
        lose_volumes(db, victim)
        running.settle()
        measured("until all are ready", time.monotonic() - begin)
        measured("longest pause of writes", running.outage(begin))


@pytest.mark.core
def test_a_member_of_etcd_whose_volume_is_lost_is_replaced(db: Release, measured: Measure) -> None:
    with trial(db) as running:
        begin = time.monotonic()
        lose_volumes(db, db.member_name(2))
        running.settle()
        measured("until all are ready", time.monotonic() - begin)
        measured("longest pause of writes", running.outage(begin))
        said = db.galeractl("etcd-health")
        save("galeractl-etcd-health-after-a-lost-volume.txt", said)
        assert "Healthy: 3 of 3" in said
        assert all(sum(pod.restarts.values()) == 0 for pod in db.pods("observer"))
