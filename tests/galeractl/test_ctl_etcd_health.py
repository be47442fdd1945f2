"""``galeractl etcd-health`` against real members."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ctl import galeractl
from written import Registry

from lab import EtcdCluster, scratch, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("galeractl")]

DOCUMENT = {"level", "text", "faults", "quorum_read_milliseconds", "members"}
MEMBER = {
    "endpoint": str,
    "id": str,
    "name": str,
    "reachable": bool,
    "version": str,
    "leader": bool,
    "learner": bool,
    "raft_term": int,
    "raft_index": int,
    "raft_lag": int,
    "db_size_bytes": int,
    "latency_milliseconds": float,
    "alarms": list,
    "failure": str,
}


@pytest.fixture
def small() -> Iterator[EtcdCluster]:
    """One member with room for 64 KiB."""
    with scratch() as folder:
        etcd = EtcdCluster(1, folder, ("--quota-backend-bytes=65536",))
        try:
            etcd.start()
            yield etcd
        finally:
            etcd.close()


def test_three_members_with_a_leader_are_healthy(registry: Registry, etcd: EtcdCluster) -> None:
    done = galeractl("etcd-health", *registry.flags)
    assert done.code == 0
    assert "Healthy: 3 of 3 members answer, with one leader and no alarm." in done.out
    leader = etcd.leader().name
    roles = dict(re.findall(r"^(etcd-\d) +\S+ +(leader|follower) +3\.", done.out, re.MULTILINE))
    assert roles == {member.name: "leader" if member.name == leader else "follower" for member in etcd.members}


def test_one_endpoint_is_enough_to_find_all_members(etcd: EtcdCluster) -> None:
    done = galeractl("etcd-health", f"--etcd.endpoints={etcd.endpoints[1]}", "--output", "json")
    assert done.code == 0
    assert [member["name"] for member in done.json["members"]] == ["etcd-0", "etcd-1", "etcd-2"]


def test_the_json_has_the_documented_names_and_types(registry: Registry) -> None:
    document = galeractl("etcd-health", "--output", "json", *registry.flags).json
    assert set(document) == DOCUMENT
    for member in document["members"]:
        assert {name: type(value) for name, value in member.items()} == MEMBER
    assert sum(member["leader"] for member in document["members"]) == 1
    words = galeractl("etcd-health", "--help").out
    for name in (*DOCUMENT, *MEMBER):
        assert re.search(rf"\b{name}\b", words), f"--help does not explain {name}"


def test_a_killed_member_degrades_and_is_named(registry: Registry, etcd: EtcdCluster) -> None:
    etcd.members[1].kill()
    etcd.leader()
    done = galeractl("etcd-health", *registry.flags)
    assert done.code == 1
    assert "Degraded: 2 of 3 members answer; etcd-1 does not answer" in done.out
    assert re.search(r"^etcd-1 +http\S+ +no answer ", done.out, re.MULTILINE)


def test_a_frozen_member_costs_a_bounded_time(registry: Registry, etcd: EtcdCluster) -> None:
    etcd.members[2].freeze()
    wait_until(lambda: etcd.leader().name != "etcd-2", 20, "another member leads")
    done = galeractl("etcd-health", *registry.flags)
    assert done.code == 1
    assert "etcd-2 does not answer" in done.out
    assert done.seconds < 15


def test_without_a_quorum_it_is_down_and_the_rest_is_still_shown(registry: Registry, etcd: EtcdCluster) -> None:
    survivor = etcd.members[0]
    for member in etcd.members[1:]:
        member.kill()

    def seen() -> bool:
        done = galeractl("etcd-health", *registry.flags)
        assert done.code == 2
        return "Down: 1 of 3 members answer" in done.out and "etcd-0 knows no leader" in done.out

    wait_until(seen, 30, f"{survivor.name} alone is called down", interval=0.2)


def test_no_etcd_at_all_is_down_within_a_bounded_time() -> None:
    done = galeractl("etcd-health", "--etcd.endpoints=http://127.0.0.1:1", "--output", "json")
    assert done.code == 2
    assert done.json["members"][0]["reachable"] is False
    assert done.json["members"][0]["failure"]


def test_an_endpoint_of_another_etcd_is_told_apart(small: EtcdCluster, etcd: EtcdCluster) -> None:
    endpoints = f"{etcd.endpoints[0]},{small.endpoints[0]}"
    done = galeractl("etcd-health", f"--etcd.endpoints={endpoints}")
    assert done.code == 1
    assert f"{small.endpoints[0]} belongs to another etcd cluster" in done.out


def test_a_full_etcd_raises_an_alarm_that_is_shown(small: EtcdCluster, tmp_path: Path) -> None:
    value = tmp_path / "value"
    value.write_text("x" * 20_000)

    def full() -> bool:
        return "NOSPACE" in small.ctl("alarm", "list") or not small.ctl("put", "/fill", stdin=value.read_text())

    with pytest.raises(Exception, match="etcdctl"):
        wait_until(full, 30, "etcd is full")
    assert "NOSPACE" in small.ctl("alarm", "list")
    done = galeractl("etcd-health", f"--etcd.endpoints={small.endpoints[0]}")
    assert done.code == 1
    assert "etcd-0 raises NOSPACE" in done.out
    assert re.search(r"NOSPACE$", done.out, re.MULTILINE)


def test_an_account_that_is_not_let_in_is_told_so(small: EtcdCluster, tmp_path: Path) -> None:
    small.ctl("user", "add", "root:right")
    small.ctl("user", "grant-role", "root", "root")
    small.ctl("auth", "enable")
    secret = tmp_path / "password"
    secret.write_text("wrong-canary")
    flags = (f"--etcd.endpoints={small.endpoints[0]}", "--etcd.user=root", f"--etcd.password-file={secret}")
    done = galeractl("etcd-health", *flags)
    assert done.code == 2
    assert "wrong-canary" not in done.out + done.err
    assert "password" in done.out
    secret.write_text("right")
    done = galeractl("etcd-health", *flags)
    assert (done.code, done.err) == (0, "")
