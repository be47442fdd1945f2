"""Lost volumes of etcd, beyond the one that mends by itself under load: the databases serve all the while."""

from __future__ import annotations

import json
import time
from functools import partial

from e2e.faults import lose_volumes
from e2e.release import Release
from e2e.report import Measure, save
from e2e.trial import trial
from lab.page import Page
from lab.process import wait_until

_LOOK = 0.5


def registered(release: Release) -> bool:
    """Whether every database pod sees the keys of all in etcd."""
    for pod in release.pods():
        page = Page.parse(release.metrics(pod.name))
        seen = [page.value("galera_etcd_key_present", node=other.name) for other in release.pods()]
        if page.value("galera_registry_up") != 1 or seen != [1] * release.replicas:
            return False
    return True


def cluster(release: Release) -> str:
    """Return the id of etcd's cluster where all members serve in the same one; empty else."""
    seen = set()
    for name in members(release):
        path = f"/api/v1/namespaces/{release.namespace}/pods/{name}:2378/proxy/-/state"
        state = json.loads(release.cluster.api.text(path))
        seen.add((state["cluster_id"] or "") if state["serving"] else "")
    return seen.pop() if len(seen) == 1 else ""


def is_another(release: Release, before: str) -> bool:
    """Whether another etcd serves, and every database pod sees the keys of all in it."""
    return cluster(release) not in {"", before} and registered(release)


def _waits(release: Release, member: str) -> bool:
    return "no_quorum" in release.logs(member, "member")


def members(release: Release) -> list[str]:
    """Return the pods of etcd."""
    return [release.member_name(ordinal) for ordinal in range(release.members)]


def test_when_two_members_of_etcd_lose_their_volumes_the_third_is_to_be_given_up_by_hand(
    db: Release, measured: Measure
) -> None:
    survivor, *lost = members(db)
    with trial(db) as running:
        before = cluster(db)
        begin = time.monotonic()
        lose_volumes(db, *lost)
        for name in lost:
            wait_until(partial(_waits, db, name), 90, f"{name} waits", interval=_LOOK)
        wait_until(lambda: Page.parse(db.metrics(db.pod_name(0))).value("galera_registry_up") == 0, 60, "nodes say so")
        running.wait_writes()
        said = db.galeractl("etcd-health")
        save("galeractl-etcd-health-without-a-quorum.txt", said)
        assert "Down: " in said
        # As docs/etcd.md says, where the two do not come back.
        given_up = time.monotonic()
        lose_volumes(db, survivor)
        wait_until(lambda: is_another(db, before), 150, "a new etcd knows all nodes", interval=1)
        measured("from giving up the third to all nodes registered anew", time.monotonic() - given_up)
        running.settle()
        measured("longest pause of writes", running.outage(begin), goal=10)
        measured("writes that failed", len(running.writer.failures), unit="")


def test_when_all_members_of_etcd_lose_their_volumes_a_new_one_begins_and_hears_all_again(
    db: Release, measured: Measure
) -> None:
    with trial(db) as running:
        before = cluster(db)
        begin = time.monotonic()
        lose_volumes(db, *members(db))
        wait_until(lambda: is_another(db, before), 150, "a new etcd knows all nodes", interval=1)
        measured("until all nodes are registered anew", time.monotonic() - begin)
        running.settle()
        measured("longest pause of writes", running.outage(begin), goal=10)
        measured("writes that failed", len(running.writer.failures), unit="")
