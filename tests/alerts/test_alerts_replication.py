"""The alerts on replication and on the settings of servers: when each begins and ends, and what it must not tell."""

from __future__ import annotations

import pytest

from alerts.story import Story, firing

ALL = ("galera-0", "galera-1", "galera-2")


# Replication


def test_flow_control_paused_fires_as_warning_and_critical_at_sixty_percent(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").is_paused(0.6)
    story.until("25m").fires(
        firing("GaleraFlowControlPaused", "critical", "19m30s"), firing("GaleraFlowControlPaused", "warning", "21m")
    )


def test_flow_control_paused_is_silent_at_five_percent(story: Story) -> None:
    story.cluster(3).at("10m").is_paused(0.05)
    story.until("40m").is_silent()


def test_recv_queue_high_fires_near_the_limit_of_flow_control(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").sets("galera-1", queue=23)
    story.until("20m").fires(firing("GaleraRecvQueueHigh", "warning", "15m", pod="galera-1"))


def test_recv_queue_high_is_silent_below_it(story: Story) -> None:
    story.cluster(3).at("10m").sets("galera-1", queue=22)
    story.until("30m").is_silent()


def test_recv_queue_high_is_silent_for_a_donor(story: Story) -> None:
    story.cluster(3).at("10m").sets("galera-1", queue=5000, donor=True)
    story.until("30m").is_silent()


def test_ist_window_short_fires_where_the_best_donor_has_seventeen_minutes(story: Story) -> None:
    story.cluster(3).sets(gcache=17 * 60 * 50).sets("galera-1", gcache=10 * 60 * 50)
    story.until("40m").fires(firing("GaleraIstWindowShort", "warning", "30m30s"))


def test_ist_window_short_is_silent_where_one_node_has_a_long_one(story: Story) -> None:
    db = story.cluster(3)
    db.sets("galera-0", "galera-1", gcache=17 * 60 * 50)
    story.until("1h30m").is_silent()


def test_ist_window_short_is_silent_on_an_idle_cluster(story: Story) -> None:
    db = story.cluster(3)
    db.sets(gcache=100).writes(0)
    story.until("1h30m").is_silent()


def test_certification_failures_fires_at_three_percent(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").fails_certification(0.03)
    story.until("40m").fires(
        *(firing("GaleraCertificationFailures", "warning", "28m30s", pod=name) for name in ALL),
    )


def test_certification_failures_is_silent_at_one_percent(story: Story) -> None:
    story.cluster(3).at("10m").fails_certification(0.01)
    story.until("40m").is_silent()


def test_certification_failures_is_silent_where_there_is_next_to_no_traffic(story: Story) -> None:
    story.cluster(3).writes(0.05).at("10m").fails_certification(0.5)
    story.until("1h").is_silent()


def test_replication_latency_high_fires_above_a_quarter_of_the_suspect_timeout(story: Story) -> None:
    story.cluster(3).at("10m").sets("galera-1", latency=1.3)
    story.until("22m").fires(firing("GaleraReplicationLatencyHigh", "warning", "20m", pod="galera-1"))


def test_replication_latency_high_is_silent_below(story: Story) -> None:
    story.cluster(3).at("10m").sets("galera-1", latency=1.2)
    story.until("30m").is_silent()


def test_down_node_needs_sst_fires_as_soon_as_the_caches_have_forgotten_it(story: Story) -> None:
    db = story.cluster(5).sets(gcache=35 * 60 * 50)
    db.at("10m").deletes("galera-4")
    story.until("46m").fires(
        firing("GaleraClusterDegraded", "warning", "25m"),
        firing("GaleraDownNodeNeedsSst", "warning", "45m", pod="galera-4"),
    )


def test_down_node_needs_sst_is_silent_after_scaling_down(story: Story) -> None:
    db = story.cluster(3, expected=None)
    db.sets(gcache=35 * 60 * 50)
    db.at("10m").deletes("galera-2").scales_to(2)
    story.until("1h15m").is_silent()


def test_down_node_needs_sst_is_silent_for_a_pod_that_is_back_at_another_address(story: Story) -> None:
    db = story.cluster(3)
    db.sets(gcache=35 * 60 * 50)
    db.at("10m").deletes("galera-2")
    db.at("10m30s").creates("galera-2").joins("galera-2")
    story.until("1h15m").is_silent()


# Settings


@pytest.mark.parametrize("option", ["pc.ignore_sb", "pc.ignore_quorum"])
def test_unsafe_option_fires_half_an_hour_after_it_was_set(story: Story, option: str) -> None:
    story.cluster(3).at("10m").configures("galera-1", options={option: "true"})
    story.until("41m").fires(firing("GaleraUnsafeOption", "warning", "40m", pod="galera-1", option=option))


def test_unsafe_option_is_silent_on_pc_bootstrap_which_a_server_may_show_for_good(story: Story) -> None:
    db = story.cluster(3).configures(options={"version": "11.8.2-MariaDB"})
    db.at("10m").configures("galera-1", options={"pc.bootstrap": "true"})
    story.until("1h").is_silent()


def test_unsafe_option_fires_where_replication_is_off(story: Story) -> None:
    story.cluster(3).at("10m").configures("galera-1", options={"wsrep_on": "OFF"})
    story.until("41m").fires(
        firing("GaleraNodeDown", "warning", "15m", pod="galera-1"),
        firing("GaleraUnsafeOption", "warning", "40m", pod="galera-1", option="wsrep_on"),
    )


def test_durability_relaxed_fires_where_no_node_flushes_each_commit(story: Story) -> None:
    story.cluster(3).at("10m").configures(options={"innodb_flush_log_at_trx_commit": "2"})
    story.until("1h12m").fires(firing("GaleraDurabilityRelaxed", "info", "1h10m"))


def test_durability_relaxed_is_silent_where_one_node_does(story: Story) -> None:
    story.cluster(3).at("10m").configures("galera-0", "galera-1", options={"innodb_flush_log_at_trx_commit": "2"})
    story.until("1h30m").is_silent()
