"""What is not mended without a person's word, or without etcd: all wait, and say so where one looks."""

from __future__ import annotations

import re
import time

from e2e.clients import make_account
from e2e.faults import lose_volumes
from e2e.release import Release
from e2e.report import Measure, save
from e2e.trial import trial
from lab.page import Page
from lab.process import wait_until

_LOOK = 0.5


def waiting(release: Release, reason: str) -> bool:
    """Whether every sidecar's metrics name this reason."""
    pages = [Page.parse(release.metrics(pod.name)) for pod in release.pods()]
    return [page.value("galera_bootstrap_waiting", reason=reason) for page in pages] == [1] * release.replicas


def told(release: Release, words: str) -> bool:
    """Whether an event on a database pod says that it waits, in these words."""
    return any(
        event["reason"] == "BootstrapWaits" and words in event["message"]
        for pod in release.pods()
        for event in release.events(pod.name)
    )


def elections(release: Release) -> int:
    """Return the number of the newest election in etcd."""
    return max(map(int, re.findall(r"- epoch (\d+) by", release.galeractl("explain"))))


def test_when_all_nodes_end_while_etcd_is_away_they_wait_for_it_and_go_on(db: Release, measured: Measure) -> None:
    members = f"/apis/apps/v1/namespaces/{db.namespace}/statefulsets/{db.fullname}-etcd"
    with trial(db) as running:
        db.cluster.api.merge(members, {"spec": {"replicas": 0}})
        try:
            wait_until(lambda: not db.pods("etcd"), 120, "etcd is gone", interval=_LOOK)
            running.wait_writes()  # who runs needs no etcd
            begin = time.monotonic()
            old = {pod.uid for pod in db.pods()}
            for pod in db.pods():
                db.delete_pod(pod.name)
            wait_until(
                lambda: not old & {pod.uid for pod in db.pods()} and waiting(db, "etcd_unavailable"),
                150,
                "all nodes wait for etcd",
                interval=_LOOK,
            )
            wait_until(lambda: told(db, "etcd does not answer"), 90, "an event tells it", interval=_LOOK)
            said = db.galeractl("explain")
            save("galeractl-explain-without-etcd.txt", said)
            assert "etcd" in said
            assert not any(pod.ready for pod in db.pods())
        finally:
            back = time.monotonic()
            db.cluster.api.merge(members, {"spec": {"replicas": db.members}})
        running.wait_writes()
        measured("from etcd's start to the first write", time.monotonic() - back)
        running.settle()
        measured("until all are ready", time.monotonic() - back)
        measured("no write acknowledged for", running.outage(begin))


def test_when_all_nodes_lose_their_volumes_nothing_begins_without_an_order(db: Release, measured: Measure) -> None:
    before = elections(db)
    lose_volumes(db, *(db.pod_name(ordinal) for ordinal in range(db.replicas)))
    wait_until(lambda: waiting(db, "data_loss_guard"), 120, "all nodes wait for an order", interval=_LOOK)
    wait_until(lambda: told(db, "the cluster had data"), 60, "an event tells it", interval=_LOOK)
    said = db.galeractl("explain")
    save("galeractl-explain-after-all-volumes-were-lost.txt", said)
    assert "galeractl reset --accept-data-loss" in said
    save("kubectl-get-events-after-all-volumes-were-lost.txt", db.kubectl("get", "events", "--sort-by=.lastTimestamp"))
    assert not any(pod.ready for pod in db.pods())
    assert db.write_pod() == ""
    begin = time.monotonic()
    save("galeractl-reset.txt", db.galeractl("reset", "--accept-data-loss", "--yes"))
    db.wait_ready()
    measured("from the order to three synced nodes, empty", time.monotonic() - begin)
    make_account(db)
    assert elections(db) == before + 1
