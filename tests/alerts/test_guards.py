"""One story for each guard of a rule that the other stories do not need: without the guard, it would end otherwise."""

from __future__ import annotations

from alerts.model import Database, uuid_of
from alerts.story import Story, firing
from galera_exporter.bootstrap.reading import Action
from galera_exporter.bootstrap.state import Reason
from galera_exporter.model import ZERO_UUID, NodeState

ALL = ("galera-0", "galera-1", "galera-2")

# What is recorded


def test_only_primary_nodes_say_how_large_the_cluster_is(story: Story) -> None:
    db = story.cluster(5)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2", "galera-3"], ["galera-4"]).forces("galera-4")
    others = ("galera-0", "galera-1", "galera-2", "galera-3")
    story.until("14m").fires(*(firing("GaleraNodeNotPrimary", "warning", "12m", pod=name) for name in others))


def test_only_primary_nodes_say_how_many_votes_there_are(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2"]).sets("galera-2", says={"wsrep_cluster_weight": "5"})
    story.until("27m").fires(
        firing("GaleraNodeNotPrimary", "warning", "12m", pod="galera-2"),
        firing("GaleraClusterDegraded", "warning", "25m"),
        firing("GaleraClusterNoFailureMargin", "critical", "25m"),
    )


def test_the_weight_of_a_node_that_is_cut_off_does_not_count(story: Story) -> None:
    db = story.cluster(5)
    db["galera-4"].weight = 2
    if view := db["galera-4"].view:
        view.__post_init__()
    db.at("10m").is_cut(["galera-0", "galera-1", "galera-2", "galera-3"], ["galera-4"])
    story.until("27m").fires(
        firing("GaleraNodeNotPrimary", "warning", "12m", pod="galera-4"),
        firing("GaleraClusterDegraded", "warning", "25m"),
    )


def test_kubernetes_knows_the_new_scale_before_the_sidecars_do(story: Story) -> None:
    db = story.cluster(5)
    story.observer(db)
    db.at("10m").scales_to(3, told=False)
    story.until("40m").is_silent()


def test_the_last_word_of_a_pod_that_went_with_prometheus_contradicts_nobody(story: Story) -> None:
    # galera-0 said "two" while galera-2 was away; then it, and Prometheus, were evicted.
    db = story.cluster(3)
    db.at("9m").deletes("galera-2")
    db.at("10m15s").deletes("galera-0")
    story.loses_prometheus("1m15s")
    db.at("10m30s").creates("galera-0", "galera-2").joins("galera-2", takes="30s").joins("galera-0", takes="45s")
    story.until("20m").is_silent()


def test_the_history_of_a_cluster_that_was_made_anew_without_prometheus_is_none_of_the_new_one(story: Story) -> None:
    db = story.cluster(1)
    db.at("10m15s").deletes("galera-0")
    story.loses_prometheus("1m15s")
    db.at("10m30s").creates("galera-0").begins("galera-0", uuid=uuid_of("another"))
    story.until("20m").is_silent()


# The cluster


def test_a_cluster_with_garbd_is_degraded_where_a_pod_cannot_be_scheduled(story: Story) -> None:
    db = story.cluster(2).has_arbitrator()
    story.etcd(db)
    db.at("10m").deletes("galera-1")
    story.until("30m").fires(firing("GaleraClusterDegraded", "warning", "25m"))


def test_a_node_that_was_of_no_use_and_is_scaled_away_is_not_missed(story: Story) -> None:
    db = story.cluster(4)
    db.at("10m").hangs("galera-3")
    db.at("24m").deletes("galera-3").scales_to(3)
    story.until("35m").fires(firing("GaleraNodeDown", "warning", "15m", "24m", pod="galera-3"))


def test_a_key_that_was_left_behind_is_no_missing_node_where_a_sidecar_is_lost(story: Story) -> None:
    db = story.cluster(4)
    db.at("10m").keys().leave_behind("galera-3")
    db.deletes("galera-3").scales_to(3)
    db.at("11m").kills_sidecar("galera-1")
    story.until("38m").fires(firing("GaleraExporterDown", "warning", "16m", pod="galera-1"))


def test_a_sidecar_that_is_lost_soon_after_scaling_down_is_no_missing_node(story: Story) -> None:
    db = story.cluster(4)
    db.at("10m").deletes("galera-3").scales_to(3)
    db.at("11m").kills_sidecar("galera-1")
    story.until("38m").fires(firing("GaleraExporterDown", "warning", "16m", pod="galera-1"))


def test_a_cluster_that_was_scaled_to_zero_is_not_missed(story: Story) -> None:
    db = story.cluster(3)
    story.observer(db)
    db.at("10m").scales_to(0)
    story.until("30m").is_silent()


def test_where_kube_state_metrics_is_gone_with_the_machines_nobody_says_that_it_was_uninstalled(story: Story) -> None:
    db = story.cluster(3)
    kubernetes = story.kube_state_metrics(db)
    db.at("10m").deletes(*ALL)
    kubernetes.dies()
    story.until("14m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_a_cluster_that_never_was_a_statefulset_was_not_uninstalled(story: Story) -> None:
    db = story.cluster(3)
    story.kube_state_metrics(db).statefulset = "another"
    db.at("10m").deletes(*ALL)
    story.until("14m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_the_observer_says_that_a_pod_serves_that_cannot_be_scraped(story: Story) -> None:
    db = story.cluster(3)
    story.observer(db)
    db.at("10m").kills_sidecar("galera-0", "galera-1").kills("galera-2").sets("galera-0", ready_pod=True)
    story.until("14m").is_silent()


def test_a_pod_that_cannot_be_scraped_and_is_not_ready_does_not_serve(story: Story) -> None:
    db = story.cluster(3)
    story.observer(db)
    story.kube_state_metrics(db)
    db.at("10m").loses_machine(*ALL)
    story.until("14m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_a_member_of_etcd_that_is_ready_and_cannot_be_scraped_serves_no_sql(story: Story) -> None:
    db = story.cluster(3)
    etcd = story.etcd(db)
    story.kube_state_metrics(db).others.add("etcd-0")
    db.at("10m").kills(*ALL)
    etcd.hides(0)
    story.until("14m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_a_prometheus_that_began_after_the_crash_sees_that_there_are_data(story: Story) -> None:
    story.cluster(3).kills(*ALL)
    story.until("5m").fires(firing("GaleraClusterNoPrimary", "critical", "2m"))


def test_a_first_start_that_leads_nowhere_is_told_after_half_an_hour(story: Story) -> None:
    db = story.cluster(3)
    for node in db.nodes:
        node.leave(in_order=False)
        node.epoch, node.uuid, node.seqno = 0, ZERO_UUID, -1
    db.waits(Reason.NODES_STARTING)
    story.until("35m").fires(firing("GaleraClusterNoPrimary", "critical", "32m"))


def test_without_the_protocol_nobody_is_safe_to_bootstrap_after_a_crash(story: Story) -> None:
    story.cluster(3, etcd=False).at("10m").kills(*ALL)
    story.until("17m").fires(
        firing("GaleraClusterNoPrimary", "critical", "12m"), firing("GaleraClusterNeedsBootstrap", "critical", "15m")
    )


def test_without_the_protocol_who_stopped_last_is_safe_to_bootstrap(story: Story) -> None:
    story.cluster(3, etcd=False).at("10m").stops(*ALL)
    story.until("17m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_with_the_protocol_the_marker_of_a_transfer_that_was_cut_off_is_no_recovery(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills(*ALL).sets("galera-2", marker=600.0).waits(Reason.MISSING, for_nodes=("galera-2",))
    story.until("17m").fires(
        firing("GaleraClusterNoPrimary", "critical", "12m"), firing("GaleraClusterNeedsBootstrap", "critical", "15m")
    )


def test_of_a_wait_that_passes_by_itself_no_person_is_told_in_an_old_cluster_either(story: Story) -> None:
    db = story.cluster(3)
    db.at("35m").kills(*ALL).waits(Reason.REPORTING)
    story.until("42m").fires(firing("GaleraClusterNoPrimary", "critical", "37m"))


def test_without_the_protocol_a_transfer_under_way_is_a_recovery(story: Story) -> None:
    db = story.cluster(3, etcd=False)
    db.at("10m").kills(*ALL).sets("galera-2", marker=600.0, database=Database.TRANSFER)
    story.until("17m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_a_node_that_waits_for_a_person_while_others_serve_is_a_node_that_is_down(story: Story) -> None:
    db = story.cluster(5)
    db.at("10m").kills("galera-4").waits(Reason.DIVERGED)
    story.until("20m").fires(firing("GaleraNodeDown", "warning", "15m", pod="galera-4"))


def test_nodes_that_wait_while_another_starts_are_a_recovery(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills(*ALL).waits(Reason.MISSING).sets("galera-0", database=Database.STARTING, wait=None)
    story.until("20m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_a_split_brain_shows_in_the_sizes_alone(story: Story) -> None:
    db = story.cluster(3, etcd=False)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2"]).forces("galera-2").kills_sidecar("galera-0")
    story.until("14m").fires(firing("GaleraSplitBrain", "critical", "12m"))


def test_a_split_brain_shows_in_the_number_of_primary_nodes_alone(story: Story) -> None:
    db = story.cluster(4, etcd=False)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2", "galera-3"])
    db.forces("galera-0", "galera-1").forces("galera-2", "galera-3")
    story.until("14m").fires(firing("GaleraSplitBrain", "critical", "12m"))


def test_a_split_brain_shows_in_the_histories_alone(story: Story) -> None:
    db = story.cluster(4, etcd=False)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2", "galera-3"])
    db.forces("galera-0", "galera-1").sets("galera-2", "galera-3", uuid=uuid_of("another"))
    db.forces("galera-2", "galera-3").kills_sidecar("galera-1", "galera-3")
    story.until("14m").fires(firing("GaleraSplitBrain", "critical", "12m"))


# Nodes


def test_a_transfer_that_its_own_sidecar_holds_for_dead_is_a_node_that_is_down(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills("galera-2").keys().mute.add("galera-2")
    db.joins_by_sst("galera-2", takes="1h")
    story.until("17m").fires(firing("GaleraNodeDown", "warning", "15m30s", pod="galera-2"))


def test_a_transfer_without_etcd_is_a_transfer(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills("galera-2")
    db.at("11m").loses_etcd().joins_by_sst("galera-2", takes="1h")
    story.until("18m").fires(firing("GaleraRegistryUnavailable", "warning", "16m"))


def test_in_an_idle_cluster_the_sidecar_knows_that_a_node_restarts(story: Story) -> None:
    db = story.cluster(3).writes(0)
    for minute in (10, 22, 34):
        db.at(f"{minute}m").crashes("galera-2")
    story.until("40m").fires(firing("GaleraNodeRestarting", "warning", "34m30s", pod="galera-2"))


def test_without_the_protocol_the_servers_counters_know_that_a_node_restarts(story: Story) -> None:
    db = story.cluster(3, etcd=False)
    for minute in (10, 22, 34):
        db.at(f"{minute}m").crashes("galera-2")
    story.until("40m").fires(firing("GaleraNodeRestarting", "warning", "35m", pod="galera-2"))


def test_a_node_that_is_elected_and_resigns_again_and_again_does_not_restart(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").kills(*ALL).waits(Reason.REPORTING)
    for minute in (11, 12, 13):
        db.at(f"{minute}m")["galera-0"].decisions[Action.RESIGN] += 1
    story.until("14m").fires(firing("GaleraClusterNoPrimary", "critical", "12m"))


def test_the_text_alone_says_that_a_node_is_inconsistent(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").turns_inconsistent("galera-1").sets("galera-1", says={"wsrep_local_state": "0"})
    story.until("11m30s").fires(firing("GaleraNodeInconsistent", "critical", "10m", pod="galera-1"))


def test_the_number_alone_says_that_a_node_is_inconsistent(story: Story) -> None:
    db = story.cluster(3)
    says = {"wsrep_local_state": "5", "wsrep_local_state_comment": "Initialized"}
    db.at("10m").turns_inconsistent("galera-1").sets("galera-1", says=says)
    story.until("11m30s").fires(firing("GaleraNodeInconsistent", "critical", "10m", pod="galera-1"))


def test_a_node_whose_replication_is_off_is_down_and_no_more(story: Story) -> None:
    db = story.cluster(5)
    db.at("10m").is_cut(["galera-0", "galera-1", "galera-2", "galera-3"], ["galera-4"])
    db.configures("galera-4", options={"wsrep_on": "OFF"})
    story.until("16m").fires(firing("GaleraNodeDown", "warning", "15m", pod="galera-4"))


def test_a_node_that_catches_up_is_not_stuck(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").sets("galera-1", state=NodeState.JOINED, seqno=500_000, speed=2.0)
    story.until("40m").fires(firing("GaleraClusterDegraded", "warning", "25m"))


def test_a_donor_of_a_joiner_that_answers_is_not_stuck(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").sets("galera-1", donor=True).sets("galera-2", state=NodeState.RECEIVING)
    story.until("45m").fires(
        firing("GaleraClusterDegraded", "warning", "25m"),
        firing("GaleraNodeNotSynced", "warning", "25m", pod="galera-2"),
    )


def test_a_stale_marker_excuses_no_donor(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").sets("galera-1", donor=True).sets("galera-2", marker=600.0)
    story.until("41m").fires(
        firing("GaleraSstMarkerStale", "warning", "20m", pod="galera-2"),
        firing("GaleraNodeStuckDonor", "warning", "40m", pod="galera-1"),
    )


# Replication


def test_the_cache_of_a_node_that_cannot_be_a_donor_helps_nobody(story: Story) -> None:
    db = story.cluster(5).sets(gcache=35 * 60 * 50).sets("galera-1", gcache=1_000_000, desynced=True)
    db.at("10m").deletes("galera-4")
    story.until("46m").fires(
        firing("GaleraClusterDegraded", "warning", "25m"),
        firing("GaleraDownNodeNeedsSst", "warning", "45m", pod="galera-4"),
    )


def test_a_node_that_is_up_and_cut_off_is_not_one_that_is_down(story: Story) -> None:
    db = story.cluster(5).sets(gcache=35 * 60 * 50)
    db.at("10m").is_cut(["galera-0", "galera-1", "galera-2", "galera-3"], ["galera-4"])
    story.until("50m").fires(
        firing("GaleraNodeNotPrimary", "warning", "12m", pod="galera-4"),
        firing("GaleraClusterDegraded", "warning", "25m"),
    )


def test_a_node_that_takes_the_transfer_is_not_told_to_need_one(story: Story) -> None:
    db = story.cluster(5).sets(gcache=35 * 60 * 50)
    db.at("10m").kills("galera-4")
    db.at("40m").deletes("galera-3")
    db.at("44m").joins_by_sst("galera-4", takes="1h")
    story.until("50m").fires(
        firing("GaleraNodeDown", "warning", "15m", "44m", pod="galera-4"),
        firing("GaleraClusterDegraded", "warning", "25m"),
    )


def test_the_window_of_a_node_that_cannot_be_a_donor_helps_nobody(story: Story) -> None:
    # Its cache never dropped anything, either.
    story.cluster(3).sets(gcache=17 * 60 * 50).sets("galera-1", gcache=9_000_000, desynced=True)
    story.until("40m").fires(firing("GaleraIstWindowShort", "warning", "30m30s"))


def test_a_cache_that_is_young_is_not_short(story: Story) -> None:
    db = story.cluster(3).writes(10).sets(cached_downto=1_000_000)
    db.at("20m").writes(50)
    story.until("1h").is_silent()


def test_a_latency_of_two_samples_says_nothing(story: Story) -> None:
    story.cluster(3).at("10m").sets("galera-1", says={"wsrep_evs_repl_latency": "1/2/3/0.5/2"})
    story.until("30m").is_silent()


# Registry


def test_a_node_that_is_cut_off_from_all_is_not_primary_and_its_key_is_not_missed(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2"]).loses_etcd("galera-2")
    story.until("16m").fires(firing("GaleraNodeNotPrimary", "warning", "12m", pod="galera-2"))


def test_a_sidecar_that_lost_its_key_and_then_etcd_cannot_tell_of_it(story: Story) -> None:
    db = story.cluster(3)
    db.at("10m").keys().mute.add("galera-1")
    db.at("10m45s").loses_etcd("galera-1")
    story.until("14m").fires(firing("GaleraEtcdKeyStale", "warning", "12m", pod="galera-1"))


def test_the_key_of_a_donor_is_missed_too(story: Story) -> None:
    db = story.cluster(3).sets("galera-1", desynced=True)
    db.at("10m").keys().mute.add("galera-1")
    story.until("14m").fires(firing("GaleraEtcdKeyStale", "warning", "11m30s", pod="galera-1"))


def test_without_etcd_a_pod_that_is_missing_makes_it_critical(story: Story) -> None:
    db = story.cluster(5)
    db.at("10m").loses_etcd()
    db.at("12m").deletes("galera-4")
    story.until("23m").fires(
        firing("GaleraRegistryUnavailable", "warning", "15m"), firing("GaleraRegistryUnavailable", "critical", "22m")
    )


def test_without_etcd_a_member_of_no_use_makes_it_critical(story: Story) -> None:
    db = story.cluster(5)
    db.at("10m").loses_etcd()
    db.at("12m").hangs("galera-4")
    story.until("23m").fires(
        firing("GaleraRegistryUnavailable", "warning", "15m"),
        firing("GaleraNodeDown", "warning", "17m", pod="galera-4"),
        firing("GaleraRegistryUnavailable", "critical", "22m"),
    )


# Others


def test_kube_state_metrics_says_that_a_pod_is_ready(story: Story) -> None:
    db = story.cluster(3)
    story.kube_state_metrics(db)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2"]).sets("galera-2", ready_pod=True)
    story.until("11m30s").fires(firing("GaleraReadyPodNotPrimary", "critical", "11m", pod="galera-2"))


def test_a_pod_of_the_same_name_in_another_cluster_says_nothing_of_this_one(story: Story) -> None:
    well, db = story.cluster(3, "well"), story.cluster(3)
    story.observer(well)
    story.observer(db)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2"])
    story.until("11m30s").is_silent()


def test_kube_state_metrics_says_that_a_pod_is_not_ready(story: Story) -> None:
    db = story.cluster(3)
    story.kube_state_metrics(db)
    db.at("10m").is_cut(["galera-0", "galera-1"], ["galera-2"])
    story.until("11m30s").is_silent()


def test_an_observer_may_answer_and_not_work(story: Story) -> None:
    observer = story.observer(story.cluster(3)).at("10m")
    observer.works = False
    story.until("21m").fires(firing("GaleraObserverDown", "warning", "20m"))


def test_an_observer_of_others_is_theirs(story: Story) -> None:
    story.observer(story.cluster(3), galera_cluster="").at("10m").dies()
    story.until("30m").is_silent()


def test_a_member_of_etcd_that_cannot_be_scraped_is_down(story: Story) -> None:
    story.etcd(story.cluster(3)).at("10m").hides(0)
    story.until("31m").fires(firing("GaleraEtcdMembersDown", "warning", "30m"))


def test_a_member_of_etcd_that_the_others_cannot_reach_is_down(story: Story) -> None:
    story.etcd(story.cluster(3)).at("10m").isolates(0)
    story.until("32m").fires(firing("GaleraEtcdMembersDown", "warning", "30m"))


def test_an_etcd_of_others_that_calls_itself_etcd_is_theirs(story: Story) -> None:
    others = story.etcd(story.cluster(3), galera_cluster="", namespace="kube-system")
    others.at("10m").stops(0, 1).fills(0.99).writes_slowly(3)
    for minute in range(11, 16):
        others.at(f"{minute}m").changes_leader(1)
    story.until("40m").is_silent()


def test_an_etcd_of_others_that_changes_its_leader_is_theirs(story: Story) -> None:
    others = story.etcd(story.cluster(3), component="")
    for minute in range(10, 15):
        others.at(f"{minute}m").changes_leader(1)
    story.until("25m").is_silent()
