"""The alerts on Kubernetes, the observer and the exporter: when each begins and ends, and what it must not speak of."""

from __future__ import annotations

import pytest

from alerts.story import Story, firing

ALL = ("galera-0", "galera-1", "galera-2")


# Kubernetes and the observer


def test_ready_pod_not_primary_fires_where_kubernetes_sends_clients_to_it(story: Story) -> None:
    db = story.cluster(3)
    story.observer(db)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2"]).sets("galera-2", ready_pod=True)
    story.until("13m").fires(
        firing("GaleraReadyPodNotPrimary", "critical", "11m", pod="galera-2"),
        firing("GaleraNodeNotPrimary", "warning", "12m", pod="galera-2"),
    )


def test_ready_pod_not_primary_is_silent_where_the_pod_is_not_ready(story: Story) -> None:
    db = story.cluster(3)
    story.observer(db)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2"])
    story.until("13m").fires(firing("GaleraNodeNotPrimary", "warning", "12m", pod="galera-2"))


def test_observer_down_fires_where_it_does_not_answer(story: Story) -> None:
    story.observer(story.cluster(3)).at("10m").dies()
    story.until("21m").fires(firing("GaleraObserverDown", "warning", "20m"))


def test_observer_down_fires_where_its_pod_finds_no_machine(story: Story) -> None:
    story.observer(story.cluster(3)).at("10m").goes()
    story.until("21m").fires(firing("GaleraObserverDown", "warning", "20m"))


def test_observer_down_is_silent_where_the_nodes_are_gone_too(story: Story) -> None:
    db = story.cluster(3)
    observer = story.observer(db)
    db.at("10m").deletes(*ALL)
    observer.goes()
    story.until("21m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_observer_down_is_silent_where_there_is_none(story: Story) -> None:
    story.cluster(3)
    story.until("30m").is_silent()


def test_no_write_endpoint_fires_where_no_pod_has_the_label(story: Story) -> None:
    story.observer(story.cluster(3)).at("10m").labels("")
    story.until("14m").fires(firing("GaleraNoWriteEndpoint", "critical", "11m"))


def test_no_write_endpoint_is_silent_where_no_node_is_primary(story: Story) -> None:
    db = story.cluster(3)
    observer = story.observer(db)
    db.at("10m").kills(*ALL)
    observer.labels("")
    story.until("14m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_no_write_endpoint_is_silent_where_the_observer_is(story: Story) -> None:
    observer = story.observer(story.cluster(3))
    observer.at("10m").labels("").at("10m30s").dies()
    story.until("15m").is_silent()


# The exporter


def test_exporter_down_fires_where_a_scrape_fails(story: Story) -> None:
    db = story.cluster(3, etcd=False)
    db.at("10m").kills_sidecar("galera-1")
    story.until("16m").fires(firing("GaleraExporterDown", "warning", "15m", pod="galera-1"))


def test_exporter_down_is_silent_for_a_pod_that_is_made_anew(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").deletes("galera-1")
    db.at("11m").creates("galera-1").joins("galera-1")
    story.until("25m").is_silent()


@pytest.mark.parametrize("collector", ["variables", "members", "datadir"])
def test_exporter_collector_failing_fires_after_ten_minutes(story: Story, collector: str) -> None:
    story.cluster(3).at("10m").sets("galera-1", failing={collector})
    fires = firing("GaleraExporterCollectorFailing", "warning", "20m", pod="galera-1", collector=collector)
    story.until("21m").fires(fires)


def test_exporter_collector_failing_is_silent_where_the_database_is_down(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills("galera-1")
    story.until("24m").fires(firing("GaleraNodeDown", "warning", "15m", pod="galera-1"))
