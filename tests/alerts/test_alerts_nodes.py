"""The alerts on single nodes: when each begins and ends, and what it must not speak of."""

from __future__ import annotations

import pytest

from alerts.model import uuid_of
from alerts.story import Story, firing
from galera_exporter.model import NodeState

ALL = ("galera-0", "galera-1", "galera-2")


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
