"""What is seen when a MariaDB node fails, moves data, or is held up."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab import Page, Sidecar, Trio, wait_until

TTL = 10


ENUMS = {"wsrep_cluster_status": "status", "wsrep_local_state_comment": "state", "wsrep_evs_state": "state"}


def database_values(page: Page) -> set[str]:
    """Names of the series that only a live database can give: the enums stay, and say unknown."""
    for name, label in ENUMS.items():
        assert page.value("galera_up") == 1 or page.one(name, label) == "unknown"
    return {name for name, _ in page.samples if name.startswith("wsrep_")} - set(ENUMS)


@pytest.fixture
def victim(cluster: Trio) -> Sidecar:
    return cluster.sidecars[2]


@pytest.fixture
def witness(cluster: Trio) -> Sidecar:
    return cluster.sidecars[0]


def test_a_killed_node_is_missed_by_size_and_key_and_comes_back(victim: Sidecar, witness: Sidecar) -> None:
    name = victim.name
    before = witness.metrics().value("galera_registry_key_expirations_total", node=name) or 0
    victim.node.kill()
    page = victim.until(lambda page: page.value("galera_up") == 0, 10, "sees its database gone")
    assert page.value("galera_up_reason", reason="refused") == 1
    assert database_values(page) == set()
    assert page.value("galera_registry_up") == 1, "its sidecar goes on"

    page = witness.until(lambda page: page.value("galera_etcd_key_present", node=name) == 0, 25, "sees the key gone")
    age = page.value("galera_etcd_key_age_seconds", node=name)
    assert age is not None
    assert age > TTL - 1.5
    witness.until(
        lambda page: (page.value("galera_etcd_key_age_seconds", node=name) or 0) > max(TTL, age), 5, "age rises on"
    )
    page = witness.metrics()
    assert page.value("wsrep_cluster_size") == 2
    assert page.value("galera_registry_node_in_view", node=name) == 0
    assert page.value("galera_registry_key_expirations_total", node=name) == before + 1
    assert page.value("galera_registry_node_seqno", node=name) is not None, "what it said last is still known"
    witness.wait(lambda: "galera-2 is down (its sidecar reports)" in witness.get("/"), 15, "says so on its status page")

    victim.node.start()
    victim.until(lambda page: page.value("galera_up") == 1, 60, "has its database again")
    page = witness.until(lambda page: page.value("galera_etcd_key_present", node=name) == 1, 30, "sees the key again")
    assert (page.value("galera_etcd_key_age_seconds", node=name) or 0) < TTL
    witness.until(lambda page: page.value("wsrep_cluster_size") == 3, 30, "size 3")


def test_a_node_that_is_frozen_for_half_a_minute_is_a_timeout_and_its_page_comes_in_time_all_the_while(
    cluster: Trio, victim: Sidecar, witness: Sidecar
) -> None:
    pid = cluster.pods[2].node.state.pid
    victim.node.freeze()
    frozen = time.monotonic()
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    victim.until(lambda page: page.value("galera_up") == 0, 15, "sees that nothing answers")
    while time.monotonic() < frozen + 30:
        began = time.monotonic()
        page = victim.metrics()  # an HTTP error would raise
        assert time.monotonic() - began < 5, "the page keeps the scrape's deadline"
        assert page.value("galera_up") == 0
        assert page.one("galera_up_reason", "reason") in ("timeout", "busy")
        assert database_values(page) == set(), "no stale value"
        assert page.value("galera_exporter_collector_success", collector="datadir") == 1
        time.sleep(0.5)
    assert witness.metrics().value("galera_etcd_key_present", node=victim.name) == 0, "its key says that it answers"
    victim.node.thaw()
    victim.until(lambda page: page.value("galera_up") == 1, 60, "recovers by itself")
    assert cluster.pods[2].node.state.pid == pid, "nobody has ended it"


def test_a_node_that_freezes_with_the_marker_of_its_last_transfer_is_not_taken_for_a_joiner(
    cluster: Trio, victim: Sidecar, witness: Sidecar
) -> None:
    marker = cluster.pods[2].node.datadir / "sst_in_progress"  # each join makes it, one by IST too
    marker.touch()
    try:
        victim.until(lambda page: page.value("galera_sst_in_progress") == 1, 30, "sees the marker")
        victim.node.freeze()
        victim.until(lambda page: page.value("galera_up") == 0, 15, "sees that nothing answers")
        page = witness.until(
            lambda page: page.value("galera_etcd_key_present", node=victim.name) == 0, 25, "sees the key gone"
        )
        assert page.value("galera_registry_node_state", node=victim.name, state="synced") == 1, "what it said last"
        assert victim.metrics().value("galera_sst_in_progress") == 1, "all the while"
    finally:
        victim.node.thaw()
        marker.unlink()


def test_a_stopped_node_keeps_its_position_on_the_page_from_its_files(victim: Sidecar) -> None:
    committed = victim.metrics().value("wsrep_last_committed")
    assert committed is not None
    victim.node.stop()
    # Not at once: a page may show what was read up to a second ago, while the server ended.
    page = victim.until(
        lambda page: (
            page.value("galera_up_reason", reason="refused") == 1 and (page.value("galera_grastate_seqno") or -1) >= 0
        ),
        10,
        "sees its database gone, and where it stood",
    )
    assert page.value("galera_up") == 0
    assert (page.value("galera_grastate_seqno") or 0) >= committed
    assert page.value("galera_grastate_safe_to_bootstrap") == 0


def test_a_desynced_node_says_so_on_its_own_page_and_in_the_registry(victim: Sidecar, witness: Sidecar) -> None:
    name = victim.name
    victim.node.sql("SET GLOBAL wsrep_desync = ON")
    page = victim.until(lambda page: page.value("wsrep_desync_count") == 1, 10, "is desynced")
    assert page.one("wsrep_local_state_comment", "state") == "donor_desynced"
    assert page.value("wsrep_local_state") == 2
    witness.until(
        lambda page: page.value("galera_registry_node_state", node=name, state="donor_desynced") == 1, 15, "is told"
    )
    victim.node.sql("SET GLOBAL wsrep_desync = OFF")
    victim.until(lambda page: page.value("wsrep_local_state") == 4, 10, "is in sync")
    witness.until(lambda page: page.value("galera_registry_node_state", node=name, state="synced") == 1, 15, "is told")


def test_a_joiner_in_sst_answers_no_sql_and_is_shown_by_its_files(
    cluster: Trio, victim: Sidecar, witness: Sidecar
) -> None:
    victim.node.kill()
    witness.until(lambda page: page.value("wsrep_cluster_size") == 2, 20, "misses the node")
    victim.node.wipe()
    victim.node.start()
    page = victim.until(lambda page: page.value("galera_sst_in_progress") == 1, 30, "sees the SST")
    assert page.value("galera_up") == 0
    began = page.value("galera_sst_start_timestamp_seconds")
    assert began is not None
    assert abs(time.time() - began) < 60
    assert database_values(page) == set()
    victim.until(lambda page: page.value("galera_sst_received_bytes") is not None, 30, "counts what it receives")
    others = cluster.sidecars[:2]
    wait_until(
        lambda: sorted(other.metrics().value("wsrep_local_state") or 0 for other in others) == [2, 4],
        10,
        "one of the others is the donor",
        [other.log for other in others],
    )
    assert all(other.metrics().value("galera_up") == 1 for other in others)
    victim.until(lambda page: page.value("galera_up") == 1, 60, "is up")
    victim.until(lambda page: page.value("galera_sst_in_progress") == 0, 30, "has ended the SST")


def test_a_restarted_sidecar_finds_its_key_and_nobody_sees_a_flap(cluster: Trio) -> None:
    name = cluster.sidecars[1].name
    witness = cluster.sidecars[0]
    before = witness.metrics().value("galera_registry_key_expirations_total", node=name)
    began = cluster.sidecars[1].metrics().value("process_start_time_seconds")
    cluster.sidecars[1].kill()
    cluster.sidecars[1].start()
    assert cluster.sidecars[1].metrics().value("process_start_time_seconds") != began
    cluster.sidecars[1].until(lambda page: page.value("galera_registry_self_registered") == 1, 10, "is registered")
    end = time.monotonic() + TTL + 3  # the lease of the killed process would have expired by then
    while time.monotonic() < end:
        page = witness.metrics()
        assert page.value("galera_etcd_key_present", node=name) == 1
        assert page.value("galera_registry_key_expirations_total", node=name) == before
        time.sleep(0.5)


def test_losing_two_nodes_leaves_a_third_that_says_non_primary(cluster: Trio) -> None:
    survivor = cluster.sidecars[0]
    for node in cluster.galera.nodes[1:]:
        node.kill()
    page = survivor.until(
        lambda page: page.value("wsrep_cluster_status", status="non-Primary") == 1, 30, "is alone without quorum"
    )
    assert page.value("wsrep_ready") == 0
    assert page.value("galera_up") == 1, "SQL answers"
    survivor.until(
        lambda page: sum(value for _, value in page.series("galera_etcd_key_present")) == 1, 25, "sees two keys gone"
    )
    survivor.wait(lambda: "Down" in survivor.get("/"), 10, "says on its status page that the cluster is down")
