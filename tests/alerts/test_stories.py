"""What must be told from what: for each story, all alerts that fire, at every evaluation."""

from __future__ import annotations

import pytest

from alerts.model import uuid_of
from alerts.story import Story, firing
from galera_exporter.bootstrap.state import Reason


def test_a_cluster_that_is_well_is_silent(story: Story) -> None:
    db = story.cluster(3)
    story.etcd(db)
    story.observer(db)
    story.until("1h").is_silent()


def test_an_idle_cluster_is_silent(story: Story) -> None:
    db = story.cluster(3)
    db.at("1m").writes(0)
    story.until("2h").is_silent()


def test_a_rolling_restart_of_three_minutes_a_node_is_silent(story: Story) -> None:
    db = story.cluster(3)
    story.etcd(db)
    db.at("10m").is_restarted("3m")
    story.until("40m").is_silent()


def test_a_rolling_restart_of_five_nodes_is_silent(story: Story) -> None:
    story.cluster(5).at("10m").is_restarted("3m")
    story.until("45m").is_silent()


def test_a_rolling_restart_of_etcd_is_silent(story: Story) -> None:
    db = story.cluster(3)
    story.etcd(db).at("10m").is_restarted("1m")
    story.until("30m").is_silent()


def test_a_full_state_transfer_of_ten_minutes_is_silent(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills("galera-2")
    db.at("12m").joins_by_sst("galera-2", takes="10m", donor="galera-1")
    story.until("40m").is_silent()


def test_a_full_state_transfer_of_forty_minutes_is_a_degraded_cluster_and_no_node_that_is_down(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills("galera-2")
    db.at("12m").joins_by_sst("galera-2", takes="40m", donor="galera-1")
    story.until("1h10m").fires(firing("GaleraClusterDegraded", "warning", "25m", "52m"))


def test_a_backup_with_desync_for_forty_minutes_is_silent(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").sets("galera-2", desynced=True, queue=5000)
    db.at("50m").sets("galera-2", desynced=False, queue=0)
    story.until("1h10m").is_silent()


def test_a_donor_without_a_joiner_is_stuck(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").sets("galera-1", donor=True)
    db.at("50m").sets("galera-1", donor=False)
    story.until("1h").fires(firing("GaleraNodeStuckDonor", "warning", "40m", "50m", pod="galera-1"))


def test_one_killed_node_is_down_and_later_the_cluster_is_degraded_and_without_margin(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills("galera-2")
    db.at("40m").joins("galera-2", takes="1m")
    story.until("1h").fires(
        firing("GaleraNodeDown", "warning", "15m", "40m30s", pod="galera-2"),
        firing("GaleraClusterDegraded", "warning", "25m", "41m"),
        firing("GaleraClusterNoFailureMargin", "critical", "25m", "40m30s"),
    )


def test_of_a_partition_the_smaller_side_is_not_primary(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2"])
    db.at("40m").heals()
    story.until("50m").fires(
        firing("GaleraNodeNotPrimary", "warning", "12m", "40m", pod="galera-2"),
        firing("GaleraClusterDegraded", "warning", "25m", "40m"),
        firing("GaleraClusterNoFailureMargin", "critical", "25m", "40m"),
    )


def test_where_quorum_is_lost_everywhere_the_cluster_speaks_and_no_node(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").is_cut(["galera-0"], ["galera-1"], ["galera-2"])
    db.at("40m").heals()
    story.until("50m").fires(firing("GaleraClusterNoPrimary", "critical", "12m", "40m"))


def test_a_split_brain_of_two_and_one(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2"])
    db.at("11m").forces("galera-2")
    db.at("40m").heals()
    story.until("50m").fires(
        firing("GaleraSplitBrain", "critical", "13m", "40m"),
        firing("GaleraClusterDegraded", "warning", "25m", "40m"),
        firing("GaleraClusterNoFailureMargin", "critical", "25m", "40m"),
    )


def test_a_split_brain_of_two_and_two(story: Story) -> None:
    db = story.cluster(4)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2", "galera-3"])
    db.at("11m").forces("galera-0", "galera-1")
    db.forces("galera-2", "galera-3")
    db.at("20m").heals()
    story.until("30m").fires(firing("GaleraSplitBrain", "critical", "13m", "20m"))


def test_a_split_brain_of_two_histories(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").stops("galera-2")
    db.at("11m").begins("galera-2", uuid=uuid_of("another"))
    story.until("25m").fires(
        firing("GaleraSplitBrain", "critical", "13m"),
        firing("GaleraClusterDegraded", "warning", "25m"),
        firing("GaleraClusterNoFailureMargin", "critical", "25m"),
    )


def test_a_split_brain_with_garbd(story: Story) -> None:
    db = story.cluster(3).has_arbitrator()
    db.at("10m").is_cut(["galera-0", "garb"], ["galera-1", "galera-2"])
    db.at("11m").forces("galera-0", "garb").forces("galera-1", "galera-2")
    story.until("20m").fires(firing("GaleraSplitBrain", "critical", "13m"))


def test_all_have_crashed_and_nobody_is_safe_to_bootstrap(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills("galera-0", "galera-1", "galera-2")
    db.waits(Reason.MISSING, for_nodes=("galera-2",))
    db.at("40m").begins("galera-0")
    db.joins("galera-1", "galera-2", takes="1m")
    story.until("50m").fires(
        firing("GaleraClusterNoPrimary", "critical", "12m", "40m"),
        firing("GaleraClusterNeedsBootstrap", "critical", "15m", "40m"),
    )


def test_all_sql_answers_are_gone(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").hangs("galera-0").hangs("galera-1").hangs("galera-2")
    story.until("30m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_flow_control_at_twenty_percent_is_a_warning(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").is_paused(0.2)
    db.at("40m").is_paused(0)
    story.until("50m").fires(firing("GaleraFlowControlPaused", "warning", "23m", "42m30s"))


def test_an_ist_window_of_seventeen_minutes_is_short(story: Story) -> None:
    db = story.cluster(3)
    db.sets(gcache=17 * 60 * 50)
    story.until("1h30m").fires(firing("GaleraIstWindowShort", "warning", "30m30s"))


def test_a_dead_node_past_the_gcache_needs_a_full_transfer(story: Story) -> None:
    db = story.cluster(3)
    db.sets(gcache=40 * 60 * 50)
    db.at("10m").kills("galera-2")
    story.until("1h").fires(
        firing("GaleraNodeDown", "warning", "15m", pod="galera-2"),
        firing("GaleraClusterDegraded", "warning", "25m"),
        firing("GaleraClusterNoFailureMargin", "critical", "25m"),
        firing("GaleraDownNodeNeedsSst", "warning", "50m", pod="galera-2"),
    )


def test_etcd_is_down_and_the_cluster_is_well(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").loses_etcd()
    db.at("40m").finds_etcd()
    story.until("50m").fires(firing("GaleraRegistryUnavailable", "warning", "15m", "40m"))


def test_the_key_of_a_node_that_is_well_is_missing(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").keys().mute.add("galera-1")
    db.at("30m").keys().mute.clear()
    story.until("40m").fires(
        firing("GaleraRegistryNodeMissing", "warning", "12m30s", "30m", pod="galera-1"),
    )


def test_a_key_that_was_left_behind_is_an_orphan(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").keys().leave_behind("galera-2")
    db.deletes("galera-2").scales_to(2)
    story.until("1h").fires(firing("GaleraRegistryOrphanNodes", "info", "40m"))


def test_a_key_that_comes_and_goes_between_two_scrapes_is_silent(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").keys().flapping.add("galera-1")
    story.until("30m").is_silent()


@pytest.mark.parametrize("etcd", [True, False])
def test_a_cluster_of_one_node_is_silent(story: Story, *, etcd: bool) -> None:
    story.cluster(1, etcd=etcd)
    story.until("1h").is_silent()


def test_the_restart_of_a_cluster_of_one_node_is_silent(story: Story) -> None:
    db = story.cluster(1)
    db.at("10m").deletes("galera-0")
    db.at("10m30s").creates("galera-0")
    db.at("11m30s").begins("galera-0")
    story.until("30m").is_silent()


def test_scaling_from_five_to_three_is_silent(story: Story) -> None:
    db = story.cluster(5)
    db.at("10m").deletes("galera-4")
    db.at("11m").deletes("galera-3")
    db.at("12m").scales_to(3)
    story.until("2h").is_silent()


def test_two_nodes_and_garbd_are_well(story: Story) -> None:
    story.cluster(2).has_arbitrator()
    story.until("1h").is_silent()


def test_two_nodes_and_garbd_lose_a_node(story: Story) -> None:
    db = story.cluster(2).has_arbitrator()
    db.at("10m").kills("galera-1")
    story.until("40m").fires(
        firing("GaleraNodeDown", "warning", "15m", pod="galera-1"),
        firing("GaleraClusterDegraded", "warning", "25m"),
    )


def test_a_dead_sidecar_beside_a_database_that_is_well(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills_sidecar("galera-1")
    db.at("40m").starts_sidecar("galera-1")
    story.until("50m").fires(firing("GaleraExporterDown", "warning", "15m", "40m", pod="galera-1"))


def test_a_pod_that_cannot_be_scheduled(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").deletes("galera-2")
    story.until("1h").fires(
        firing("GaleraClusterDegraded", "warning", "25m"),
        firing("GaleraClusterNoFailureMargin", "critical", "25m"),
    )


def test_of_two_clusters_only_the_one_that_is_down_is_told(story: Story) -> None:
    story.cluster(3, "well")
    db = story.cluster(3)
    db.at("10m").kills("galera-0", "galera-1", "galera-2").waits(Reason.MISSING)
    story.until("30m").fires(
        firing("GaleraClusterNoPrimary", "critical", "12m"),
        firing("GaleraClusterNeedsBootstrap", "critical", "15m"),
    )
