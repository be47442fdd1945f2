"""The alerts on the registry and on the bundle's etcd: when each begins and ends, and what it must not speak of."""

from __future__ import annotations

import pytest

from alerts.story import Story, firing

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
