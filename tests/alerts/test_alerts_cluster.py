"""The alerts on a cluster as a whole: when each begins and ends, and what it must not speak of."""

from __future__ import annotations

import pytest

from alerts.cluster import Cluster
from alerts.model import Database
from alerts.story import Story, firing
from galera_exporter.bootstrap.state import Reason
from galera_exporter.model import ZERO_UUID

ALL = ("galera-0", "galera-1", "galera-2")


def test_cluster_no_primary_fires_where_all_databases_were_killed(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills(*ALL)
    story.until("14m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_cluster_no_primary_fires_where_machines_are_lost_and_one_sidecar_is_left(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").loses_machine("galera-0", "galera-1")
    db.kills("galera-2")
    story.until("14m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_cluster_no_primary_fires_for_a_cluster_of_one_node(story: Story) -> None:
    db = story.cluster(1)
    db.at("10m").kills("galera-0")
    story.until("17m").fires(firing("GaleraClusterNoPrimary", "critical", "15m"))


def test_cluster_no_primary_fires_without_a_registry(story: Story) -> None:
    db = story.cluster(3, etcd=False)
    db.at("10m").kills(*ALL)
    story.until("14m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def never_started(db: Cluster) -> Cluster:
    """Give the cluster empty volumes; no database runs."""
    for node in db.nodes:
        node.leave(in_order=False)
        node.epoch, node.uuid, node.seqno, node.stopped_at = 0, ZERO_UUID, -1, -1
    return db


def test_cluster_no_primary_is_silent_while_the_cluster_starts_for_the_first_time(story: Story) -> None:
    db = never_started(story.cluster(3))
    db.at("15s").waits(Reason.NODES_STARTING)
    db.at("8m").begins("galera-0").sets(epoch=1)
    db.joins_by_sst("galera-1", takes="1m").at("9m").joins_by_sst("galera-2", takes="1m")
    story.until("20m").is_silent()


def test_cluster_no_primary_fires_where_no_sidecar_answers_and_nothing_is_known(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills_sidecar(*ALL)
    story.until("14m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_cluster_no_primary_fires_where_all_pods_are_gone_and_their_statefulset_is_not(story: Story) -> None:
    db = story.cluster(3)
    story.kube_state_metrics(db)
    db.at("10m").deletes(*ALL)
    story.until("14m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_cluster_no_primary_is_silent_where_the_cluster_was_uninstalled(story: Story) -> None:
    db = story.cluster(3)
    kubernetes = story.kube_state_metrics(db)
    db.at("10m").deletes(*ALL)
    kubernetes.uninstalled()
    story.until("30m").is_silent()


def test_cluster_no_primary_is_silent_where_only_scraping_is_broken(story: Story) -> None:
    db = story.cluster(3)
    story.kube_state_metrics(db)
    db.at("10m").kills_sidecar(*ALL).sets(ready_pod=True)
    story.until("16m").fires(*(firing("GaleraExporterDown", "warning", "15m", pod=pod) for pod in ALL))


def test_cluster_no_primary_is_silent_where_one_sidecar_is_left(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills_sidecar("galera-0", "galera-1")
    story.until("14m").is_silent()


def test_split_brain_fires_where_two_sides_are_primary(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2"]).forces("galera-2")
    story.until("14m").fires(firing("GaleraSplitBrain", "critical", "12m"))


def test_split_brain_is_silent_where_prometheus_and_a_node_were_evicted_together(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m15s").deletes("galera-2")
    story.loses_prometheus("1m15s")
    db.at("15m").creates("galera-2").joins("galera-2")
    story.until("25m").is_silent()


def test_split_brain_is_silent_while_a_view_changes_between_two_scrapes(story: Story) -> None:
    db = story.cluster(3)
    for minute in (10, 11, 12, 13):
        db.at(f"{minute}m").is_cut(["galera-0", "galera-1"], ["galera-2"]).forces("galera-2")
        db.at(f"{minute}m30s").heals()
    story.until("20m").is_silent()


def test_state_uuid_undefined_fires_on_a_primary_component_without_a_history(story: Story) -> None:
    db = story.cluster(1)
    db.at("10m").kills("galera-0")
    db["galera-0"].uuid = ZERO_UUID
    db.at("10m30s").begins("galera-0", uuid=ZERO_UUID)
    story.until("14m").fires(firing("GaleraStateUuidUndefined", "critical", "11m30s", pod="galera-0"))


def test_state_uuid_undefined_is_silent_on_nodes_that_are_empty_and_not_primary(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2"])
    db["galera-2"].uuid = ZERO_UUID
    if view := db["galera-2"].view:
        view.uuid = ZERO_UUID
    story.until("14m").fires(firing("GaleraNodeNotPrimary", "warning", "12m", pod="galera-2"))


def test_cluster_degraded_fires_where_a_member_is_not_ready(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").hangs("galera-2")
    story.until("26m").fires(
        firing("GaleraNodeDown", "warning", "15m", pod="galera-2"),
        firing("GaleraClusterDegraded", "warning", "25m"),
    )


def test_cluster_degraded_is_silent_where_a_sidecar_is_lost(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills_sidecar("galera-1")
    story.until("40m").fires(
        firing("GaleraExporterDown", "warning", "15m", pod="galera-1"),
    )


def test_cluster_degraded_fires_without_an_expected_size(story: Story) -> None:
    db = story.cluster(5, expected=None)
    db.at("10m").kills("galera-4")
    story.until("26m").fires(
        firing("GaleraNodeDown", "warning", "15m", pod="galera-4"), firing("GaleraClusterDegraded", "warning", "25m")
    )


def test_cluster_no_failure_margin_fires_where_one_node_has_half_of_the_votes(story: Story) -> None:
    db = story.cluster(3)
    db["galera-0"].weight = 2
    if view := db["galera-0"].view:
        view.__post_init__()
    story.until("20m").fires(firing("GaleraClusterNoFailureMargin", "critical", "10m"))


def test_cluster_no_failure_margin_is_silent_where_five_have_lost_one(story: Story) -> None:
    db = story.cluster(5)
    db.at("10m").kills("galera-4")
    story.until("26m").fires(
        firing("GaleraNodeDown", "warning", "15m", pod="galera-4"), firing("GaleraClusterDegraded", "warning", "25m")
    )


@pytest.mark.parametrize("size", [1, 2])
def test_cluster_no_failure_margin_is_silent_for_clusters_that_never_had_one(story: Story, size: int) -> None:
    story.cluster(size)
    story.until("40m").is_silent()


def test_cluster_membership_flapping_fires_where_a_node_is_lost_and_found_all_the_time(story: Story) -> None:
    db = story.cluster(3)
    for minute in range(10, 20):
        db.at(f"{minute}m").changes_view("galera-2")
    story.until("24m").fires(firing("GaleraClusterMembershipFlapping", "warning", "18m"))


def test_cluster_membership_flapping_is_silent_in_a_full_rolling_restart(story: Story) -> None:
    story.cluster(3).at("10m").is_restarted("2m")
    story.until("30m").is_silent()


def test_cluster_needs_bootstrap_fires_where_a_person_must_decide(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills(*ALL).waits(Reason.DIVERGED)
    story.until("20m").fires(
        firing("GaleraClusterNoPrimary", "critical", "12m"), firing("GaleraClusterNeedsBootstrap", "critical", "15m")
    )


def test_cluster_needs_bootstrap_is_silent_while_a_recovery_is_in_progress(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills(*ALL).waits(Reason.REPORTING)
    db.at("11m").waits(Reason.BOOTSTRAPPER_STARTING)
    db["galera-0"].wait, db["galera-0"].database = None, Database.STARTING
    story.until("30m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_cluster_needs_bootstrap_fires_where_a_first_start_lacks_a_member_for_long(story: Story) -> None:
    db = story.cluster(3)
    never_started(db).sets("galera-2", target=False)
    db.waits(Reason.INITIAL_MEMBERS, "galera-0", "galera-1", for_nodes=("galera-2",))
    story.until("38m").fires(
        firing("GaleraClusterNoPrimary", "critical", "32m"), firing("GaleraClusterNeedsBootstrap", "critical", "35m")
    )


def test_cluster_needs_bootstrap_is_silent_where_the_last_pod_of_a_first_start_takes_its_time(story: Story) -> None:
    db = story.cluster(3)
    never_started(db).sets("galera-2", target=False)
    db.waits(Reason.INITIAL_MEMBERS, "galera-0", "galera-1", for_nodes=("galera-2",))
    db.at("20m").creates("galera-2")
    db.at("21m").begins("galera-0").joins_by_sst("galera-1", takes="1m").at("22m").joins_by_sst("galera-2", takes="1m")
    story.until("40m").is_silent()
