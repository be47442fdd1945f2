"""Each alert on its own: when it begins and ends, and what it must not speak of.

A test ``test_<alert>_fires...`` shows it, ``test_<alert>_is_silent...`` one of its guards; the whole set of firing
alerts is compared all the same.
"""

from __future__ import annotations

import pytest

from alerts.cluster import Cluster
from alerts.model import Database, uuid_of
from alerts.promtool import RULES
from alerts.story import Story, alerting, firing
from galera_exporter.bootstrap.state import Reason
from galera_exporter.model import ZERO_UUID, NodeState

ALL = ("galera-0", "galera-1", "galera-2")

# The cluster


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


# Nodes


@pytest.mark.parametrize(("every", "fires"), [(12, "34m30s"), (4, "18m30s")])
def test_node_restarting_fires_where_a_node_crashes_and_always_comes_back(story: Story, every: int, fires: str) -> None:
    db = story.cluster(3)
    for minute in range(10, 70, every):
        db.at(f"{minute}m").crashes("galera-2")
    story.until("1h11m").fires(firing("GaleraNodeRestarting", "warning", fires, pod="galera-2"))


def test_node_restarting_is_silent_in_two_rolling_restarts_of_nodes_that_keep_their_address(story: Story) -> None:
    db = story.cluster(3)
    for minute in range(10, 40, 5):
        db.at(f"{minute}m").crashes(ALL[minute // 5 % 3])
    story.until("1h").is_silent()


def test_node_restarting_is_silent_in_many_rolling_restarts_of_pods(story: Story) -> None:
    db = story.cluster(3)
    for minute in (5, 19, 33, 47):
        db.at(f"{minute}m").is_restarted("3m")
    story.until("1h").is_silent()


def test_node_down_fires_where_a_database_hangs(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").hangs("galera-1")
    story.until("16m").fires(
        firing("GaleraNodeDown", "warning", "15m", pod="galera-1"),
    )


def test_node_down_is_silent_in_a_short_restart(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills("galera-1")
    db.at("11m").joins("galera-1", takes="3m")
    story.until("20m").is_silent()


def test_node_down_is_silent_in_a_state_transfer(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills("galera-1").joins_by_sst("galera-1", takes="14m")
    story.until("30m").is_silent()


def test_node_not_primary_fires_on_the_side_without_quorum(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").is_cut(["galera-0"], ["galera-1", "galera-2"])
    story.until("14m").fires(firing("GaleraNodeNotPrimary", "warning", "12m", pod="galera-0"))


def test_node_not_primary_is_silent_where_no_node_is(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").is_cut(["galera-0"], ["galera-1"], ["galera-2"])
    story.until("14m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_node_not_synced_fires_where_a_node_stays_joined(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").sets("galera-1", state=NodeState.JOINED)
    story.until("30m").fires(
        firing("GaleraNodeNotSynced", "warning", "25m", pod="galera-1"),
        firing("GaleraClusterDegraded", "warning", "25m"),
    )


def test_node_not_synced_is_silent_while_a_node_catches_up(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").stops("galera-1").joins("galera-1", takes="8m")
    story.until("30m").is_silent()


def test_node_inconsistent_fires_at_once(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").turns_inconsistent("galera-1")
    story.until("11m30s").fires(firing("GaleraNodeInconsistent", "critical", "10m", pod="galera-1"))


def test_node_inconsistent_fires_for_a_while_where_the_sidecar_stopped_it_unseen(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").is_found_inconsistent("galera-1").joins_by_sst("galera-1", takes="2m")
    story.until("40m").fires(firing("GaleraNodeInconsistent", "critical", "10m", "25m", pod="galera-1"))


def test_node_inconsistent_is_silent_on_other_states_that_are_not_synced(story: Story) -> None:
    db = story.cluster(3)
    for minute, state in enumerate((NodeState.JOINING, NodeState.JOINED, NodeState.DONOR, NodeState.SYNCED), 10):
        db.at(f"{minute}m").sets("galera-1", state=state)
    story.until("15m").is_silent()


def test_node_stuck_donor_fires_after_half_an_hour(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").sets("galera-1", donor=True)
    story.until("41m").fires(firing("GaleraNodeStuckDonor", "warning", "40m", pod="galera-1"))


def test_node_stuck_donor_is_silent_for_a_node_that_was_desynced_by_hand(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").sets("galera-1", donor=True, desynced=True)
    story.until("1h").is_silent()


def test_node_stuck_donor_is_silent_while_a_node_takes_a_transfer(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills("galera-2").joins_by_sst("galera-2", takes="50m", donor="galera-1")
    story.until("1h10m").fires(firing("GaleraClusterDegraded", "warning", "25m", "1h"))


def test_node_state_uuid_mismatch_fires_on_a_node_with_another_history(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").sets("galera-1", uuid=uuid_of("another"))
    # What it writes to etcd contradicts the others, too.
    story.until("14m").fires(
        firing("GaleraNodeStateUuidMismatch", "critical", "12m", pod="galera-1"),
        firing("GaleraSplitBrain", "critical", "12m30s"),
    )


def test_node_state_uuid_mismatch_is_silent_on_a_node_that_joins(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").sets("galera-1", uuid=uuid_of("another"), state=NodeState.JOINING)
    db.at("14m").sets("galera-1", uuid=uuid_of("db"), state=NodeState.SYNCED)
    story.until("20m").is_silent()


def test_sst_stuck_fires_after_four_hours(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills("galera-2").joins_by_sst("galera-2", takes="5h")
    story.every = 60
    story.until("4h20m").fires(
        firing("GaleraClusterDegraded", "warning", "25m"),
        firing("GaleraSstStuck", "warning", "4h10m", pod="galera-2"),
    )


def test_sst_stuck_is_silent_where_the_node_serves(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").sets("galera-1", marker=600.0, state=NodeState.JOINED, latency=0)
    db.at("20m").sets("galera-1", state=NodeState.SYNCED)
    story.every = 60
    story.until("4h20m").fires(firing("GaleraSstMarkerStale", "warning", "30m", pod="galera-1"))


def test_sst_marker_stale_fires_where_a_synced_node_keeps_its_marker(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").sets("galera-1", marker=600.0)
    story.until("30m").fires(firing("GaleraSstMarkerStale", "warning", "20m", pod="galera-1"))


def test_sst_marker_stale_is_silent_in_a_transfer(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills("galera-1").joins_by_sst("galera-1", takes="14m")
    story.until("30m").is_silent()


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


# Registry


def test_etcd_key_stale_fires_where_one_sidecar_alone_cannot_reach_etcd(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").loses_etcd("galera-1")
    # Of this node, and not of those whose keys it does not see any more.
    story.until("14m").fires(firing("GaleraEtcdKeyStale", "warning", "11m30s", pod="galera-1"))


def test_etcd_key_stale_is_silent_for_a_node_that_left_in_order(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").stops("galera-2")
    story.until("14m30s").is_silent()


@pytest.mark.parametrize("deed", ["hangs", "kills_sidecar"])
def test_etcd_key_stale_is_silent_where_no_key_can_be(story: Story, deed: str) -> None:
    getattr(story.cluster(3).at("10m"), deed)("galera-2")
    story.until("14m30s").is_silent()


def test_etcd_key_stale_is_silent_while_etcd_changes_its_leader(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").loses_etcd()
    db.at("10m45s").finds_etcd()
    story.until("20m").is_silent()


def test_registry_node_missing_fires_where_a_synced_node_cannot_write_its_key(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").keys().mute.add("galera-1")
    story.until("14m").fires(firing("GaleraRegistryNodeMissing", "warning", "12m30s", pod="galera-1"))


def test_registry_node_missing_is_silent_where_the_database_is_gone(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").stops("galera-1")
    story.until("14m30s").is_silent()


def test_registry_node_missing_is_silent_where_etcd_is(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").keys().mute.add("galera-1")
    db.at("11m").loses_etcd()
    story.until("17m").fires(firing("GaleraRegistryUnavailable", "warning", "16m"))


def test_registry_orphan_nodes_fires_on_a_key_of_nobody(story: Story) -> None:
    db = story.cluster(4)
    db.at("10m").keys().leave_behind("galera-3")
    db.deletes("galera-3").scales_to(3)
    story.until("41m").fires(
        firing("GaleraRegistryOrphanNodes", "info", "40m"),
    )


def test_registry_orphan_nodes_is_silent_where_a_node_was_scaled_away(story: Story) -> None:
    db = story.cluster(4)
    db.at("10m").deletes("galera-3").scales_to(3)
    story.until("1h").is_silent()


def test_registry_orphan_nodes_is_silent_for_a_node_that_takes_a_transfer(story: Story) -> None:
    db = story.cluster(5)
    db.at("10m").kills("galera-2").joins_by_sst("galera-2", takes="45m")
    story.until("50m").fires(firing("GaleraClusterDegraded", "warning", "25m"))


def test_registry_orphan_nodes_is_silent_for_a_node_that_is_cut_off(story: Story) -> None:
    db = story.cluster(5)
    db.at("10m").is_cut(["galera-0", "galera-1", "galera-2", "galera-3"], ["galera-4"])
    story.until("50m").fires(
        firing("GaleraNodeNotPrimary", "warning", "12m", pod="galera-4"),
        firing("GaleraClusterDegraded", "warning", "25m"),
    )


def test_registry_unavailable_fires_as_critical_where_the_cluster_needs_it(story: Story) -> None:
    db = story.cluster(5)
    db.at("10m").loses_etcd()
    db.at("15m").kills("galera-4")
    story.until("26m").fires(
        firing("GaleraRegistryUnavailable", "warning", "15m"),
        firing("GaleraNodeDown", "warning", "20m", pod="galera-4"),
        firing("GaleraRegistryUnavailable", "critical", "25m"),
    )


def test_registry_unavailable_is_silent_where_one_sidecar_is_cut_off(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").loses_etcd("galera-1")
    db.keys().flapping.add("galera-2")
    story.until("11m").is_silent()


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


# The bundle's etcd


def test_etcd_insufficient_members_fires_without_a_majority(story: Story) -> None:
    story.etcd(story.cluster(3)).at("10m").stops(0, 1)
    story.until("14m").fires(
        firing("GaleraEtcdNoLeader", "critical", "11m"), firing("GaleraEtcdInsufficientMembers", "critical", "13m")
    )


def test_etcd_insufficient_members_is_silent_where_one_of_three_is_down(story: Story) -> None:
    story.etcd(story.cluster(3)).at("10m").stops(0)
    story.until("20m").is_silent()


def test_etcd_no_leader_fires_where_no_member_has_one(story: Story) -> None:
    story.etcd(story.cluster(3)).at("10m").loses_leader(0, 1, 2)
    story.until("14m").fires(firing("GaleraEtcdNoLeader", "critical", "11m"))


def test_etcd_no_leader_is_silent_where_one_member_is_cut_off(story: Story) -> None:
    story.etcd(story.cluster(3)).at("10m").loses_leader(0)
    story.until("20m").is_silent()


def test_etcd_high_fsync_durations_fires_as_warning_and_as_critical(story: Story) -> None:
    etcd = story.etcd(story.cluster(3))
    etcd.at("10m").writes_slowly(0.4)
    etcd.at("30m").writes_slowly(1.5)
    pods = ("etcd-0", "etcd-1", "etcd-2")
    story.until("45m").fires(
        *(firing("GaleraEtcdHighFsyncDurations", "warning", "21m30s", pod=pod) for pod in pods),
        *(firing("GaleraEtcdHighFsyncDurations", "critical", "40m30s", pod=pod) for pod in pods),
    )


def test_etcd_high_fsync_durations_is_silent_on_a_disk_that_is_not_that_slow(story: Story) -> None:
    story.etcd(story.cluster(3)).at("10m").writes_slowly(0.2)
    story.until("40m").is_silent()


def test_etcd_database_quota_low_space_fires_near_the_quota(story: Story) -> None:
    story.etcd(story.cluster(3)).at("10m").fills(0.96)
    story.until("21m").fires(
        *(
            firing("GaleraEtcdDatabaseQuotaLowSpace", "critical", "20m", pod=pod)
            for pod in ("etcd-0", "etcd-1", "etcd-2")
        )
    )


def test_etcd_database_quota_low_space_is_silent_below(story: Story) -> None:
    story.etcd(story.cluster(3)).at("10m").fills(0.94)
    story.until("40m").is_silent()


def test_etcd_high_number_of_leader_changes_fires_where_the_leader_changes_all_the_time(story: Story) -> None:
    etcd = story.etcd(story.cluster(3))
    for minute in range(10, 15):
        etcd.at(f"{minute}m").changes_leader(1)
    story.until("20m").fires(firing("GaleraEtcdHighNumberOfLeaderChanges", "warning", "18m"))


def test_etcd_high_number_of_leader_changes_is_silent_in_a_rolling_restart(story: Story) -> None:
    story.etcd(story.cluster(3)).at("10m").is_restarted("30s")
    story.until("30m").is_silent()


def test_etcd_members_down_fires_where_one_does_not_come_back(story: Story) -> None:
    story.etcd(story.cluster(3)).at("10m").stops(0)
    story.until("31m").fires(firing("GaleraEtcdMembersDown", "warning", "30m"))


def test_etcd_members_down_is_silent_in_a_slow_rolling_restart(story: Story) -> None:
    story.etcd(story.cluster(3)).at("10m").is_restarted("5m")
    story.until("45m").is_silent()


def test_the_alerts_of_etcd_are_silent_on_an_etcd_of_others(story: Story) -> None:
    others = story.etcd(story.cluster(3), galera_cluster="", component="", namespace="kube-system")
    others.at("10m").stops(0, 1).fills(0.99).writes_slowly(3)
    story.until("40m").is_silent()


# All of them


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name.removeprefix("Galera"))


def test_every_alert_has_a_story_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    told = [name for name in globals() if name.startswith("test_")]
    names = sorted({rule["alert"] for rule in alerting(RULES)})
    lacking = [
        f"{name} {what}"
        for name in names
        for what in ("fires", "is_silent")
        if not any(test.startswith(f"test{_snake(name)}_{what}") for test in told)
    ]
    assert names
    assert not lacking
