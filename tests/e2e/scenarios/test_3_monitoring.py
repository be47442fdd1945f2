"""Prometheus and Alertmanager, made by the Prometheus operator from what the chart gives it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from e2e.faults import kill_mariadbd
from e2e.kube.cluster import Cluster
from e2e.monitoring import Monitoring
from e2e.release import Release
from e2e.report import Measure, save
from e2e.trial import trial
from lab.process import wait_until

pytestmark = pytest.mark.core

# As shipped, but it does not take five minutes.
_RULES = {"GaleraNodeDown": {"warning": {"for": "10s"}}}
_SCRAPED = 90.0


@pytest.fixture(scope="module")
def monitoring(cluster: Cluster) -> Iterator[Monitoring]:
    """The operator and what it made; the same for all tests here."""
    made = Monitoring(cluster)
    try:
        yield made
    finally:
        made.close()


def test_an_upgrade_that_adds_monitoring_restarts_nothing_and_all_targets_are_up(
    db: Release, monitoring: Monitoring, measured: Measure
) -> None:
    before = {pod.uid for pod in db.all_pods()}
    begin = time.monotonic()
    db.upgrade(
        metrics={
            "podMonitor": {"enabled": True, "interval": "5s", "scrapeTimeout": "4s"},
            "prometheusRule": {"enabled": True, "rules": _RULES},
        }
    )
    monitoring.wait_up()
    wanted = {f"{pod.name}:10104" for pod in db.pods()}
    wanted |= {f"{pod.name}:2381" for pod in db.pods("etcd")}
    wanted |= {f"{pod.name}:10105" for pod in db.pods("observer")}

    def scraped() -> bool:
        targets = monitoring.targets(db.namespace)
        return set(targets) == wanted and set(targets.values()) == {"up"}

    wait_until(scraped, _SCRAPED, f"exactly these targets are up: {sorted(wanted)}", interval=1)
    measured("helm upgrade to all targets up, the operator's start included", time.monotonic() - begin)
    wait_until(lambda: set(monitoring.rules().values()) == {"ok"}, _SCRAPED, "all rules are loaded", interval=1)
    assert len(monitoring.rules()) > 30
    assert {pod.uid for pod in db.all_pods()} == before, "the upgrade restarted pods"


def test_a_database_that_hangs_is_an_alert_delivered_and_taken_back(
    db: Release, monitoring: Monitoring, measured: Measure
) -> None:
    with trial(db) as running:
        victim = next(pod.name for pod in db.pods() if pod.name != db.write_pod())
        begin = time.monotonic()
        kill_mariadbd(db, victim, "STOP")
        try:
            fired = wait_until(
                lambda: monitoring.receiver.find("GaleraNodeDown", "firing", begin, pod=victim),
                100,
                "the alert is delivered",
                interval=0.5,
            )
        finally:
            kill_mariadbd(db, victim, "CONT")
        measured("until the alert was delivered (for: 10s, scraped every 5 s)", fired.received - begin)
        assert fired.labels["galera_cluster"] == db.fullname
        assert fired.labels["namespace"] == db.namespace
        wait_until(
            lambda: monitoring.receiver.find("GaleraNodeDown", "resolved", begin, pod=victim),
            120,
            "the alert is taken back",
            interval=0.5,
        )
        running.settle()
        measured("longest pause of writes", running.outage(begin))
        lines = [
            f"{seen.status:8} {seen.name} {seen.labels.get('pod', '')}: {seen.annotations.get('summary')}"
            for seen in monitoring.receiver.seen
        ]
        save("notifications.txt", "\n".join(lines))
