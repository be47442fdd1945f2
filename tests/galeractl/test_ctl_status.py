"""``galeractl status`` against a real etcd whose records the tests write."""

from __future__ import annotations

import json
import re
import signal
import time
from contextlib import closing
from dataclasses import replace

import pytest
from ctl import OnTerminal, Running, galeractl
from written import RECORD, UUID, Registry

from galera_exporter.galeractl.roster import Roster, agreed_members
from galera_exporter.model import ClusterStatus, NodeState, NodeView, Position
from galera_exporter.registry.records import live_key
from lab import EtcdCluster, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("galeractl")]

DOCUMENT = {
    "level", "text", "reasons", "source", "namespace", "cluster", "registry", "database", "nodes",
}  # fmt: skip
NODE = {
    "node": str,
    "present": bool,
    "key_age_seconds": float,
    "leased": bool,
    "state": str,
    "status": str,
    "uuid": str,
    "seqno": int,
    "behind": int,
    "position_source": str,
    "in_view": bool,
    "ready": bool,
    "size": int,
    "address": str,
    "version": str,
}


def test_three_serving_nodes_are_healthy(registry: Registry) -> None:
    registry.trio()
    done = galeractl("status", *registry.flags)
    assert done.code == 0
    assert "Healthy: 3 of 3 nodes" in done.out
    rows = re.findall(r"^(galera-\d) +synced +Primary +41 +status +\d+ s +yes +yes +3 ", done.out, re.MULTILINE)
    assert rows == ["galera-0", "galera-1", "galera-2"]
    assert "\x1b" not in done.out


def test_a_node_that_went_is_shown_with_its_last_words_and_degrades(registry: Registry) -> None:
    two = ("galera-0", "galera-1")
    for name in two:
        registry.live(replace(RECORD, node=name, owner=name, size=2, members=two))
    registry.gone(replace(RECORD, node="galera-2", position=Position(UUID, 30)))
    done = galeractl("status", *registry.flags)
    assert done.code == 1
    assert re.search(
        r"^galera-2 +gone \(synced\) +Primary +30 \(-11\) +status +gone +no +no +- ", done.out, re.MULTILINE
    )
    assert "Degraded: galera-2 is gone" in done.out


def test_without_a_primary_component_the_cluster_is_down(registry: Registry) -> None:
    for number in range(3):
        registry.live(
            replace(
                RECORD,
                node=f"galera-{number}",
                owner=str(number),
                status=ClusterStatus.NON_PRIMARY,
                state=NodeState.INITIALIZED,
                ready=False,
            )
        )
    done = galeractl("status", *registry.flags)
    assert done.code == 2
    assert "Down: no node is Primary" in done.out


def test_an_empty_registry_says_that_nothing_is_known(registry: Registry) -> None:
    done = galeractl("status", *registry.flags)
    assert done.code == 2
    assert "the registry has no node of this cluster" in done.out


def test_the_key_age_is_the_part_of_the_lease_that_has_run(registry: Registry) -> None:
    registry.live(RECORD)
    lease = registry.etcd.range(registry.settings.prefix + "live/").pairs[0].lease

    def age_and_time() -> tuple[float, float]:
        (node,) = roster.read().nodes
        assert node.age is not None
        return node.age, time.monotonic() - written

    with closing(Roster(registry.settings)) as roster:
        written = time.monotonic()
        registry.etcd.keepalive(lease)
        wait_until(lambda: age_and_time()[0] >= 3, 20, "the key grows older", interval=0.2)
        age, passed = age_and_time()
        assert passed - 1 <= age <= passed + 1.5
        written = time.monotonic()
        registry.etcd.keepalive(lease)
        age, passed = age_and_time()
        assert age <= passed + 1.5


def test_a_key_without_a_lease_is_called_so(registry: Registry) -> None:
    registry.trio()
    key = live_key(registry.settings.prefix, "galera-1")
    (pair,) = registry.etcd.range(key.decode()).pairs
    registry.put(key, pair.value)
    done = galeractl("status", "--output", "json", *registry.flags)
    assert [(node["leased"], node["key_age_seconds"] is None) for node in done.json["nodes"]] == [
        (True, False),
        (False, True),
        (True, False),
    ]
    assert "no lease" in galeractl("status", *registry.flags).out


def test_foreign_values_are_counted_and_never_steer_the_terminal(registry: Registry) -> None:
    registry.trio()
    prefix = registry.settings.prefix
    registry.put(f"{prefix}live/galera-\x1b[2J".encode(), b"\x00\xff binary")
    registry.put(f"{prefix}stray".encode(), b'{"schema": "\\u001b[31m"}')
    registry.put(f"{prefix}nodes/other".encode(), b"[" * 100_000)
    registry.live(replace(RECORD, node="galera-0", address="x:\u202e\x9b31m"))
    done = galeractl("status", *registry.flags)
    assert done.code == 0
    assert "Foreign keys below the prefix, which no sidecar wrote: " in done.out
    assert not re.search(r"[^\n -~]", done.out)


def test_the_json_has_the_documented_names_and_types(registry: Registry) -> None:
    registry.trio()
    document = galeractl("status", "--output", "json", *registry.flags).json
    assert set(document) == DOCUMENT
    assert (document["level"], document["source"], document["database"]) == ("healthy", "registry", None)
    assert set(document["registry"]) == {"up", "revision", "foreign_keys", "reason", "detail"}
    for node in document["nodes"]:
        assert {name: type(value) for name, value in node.items()} == NODE
    words = galeractl("status", "--help").out
    for name in (*DOCUMENT, *document["registry"], *NODE):
        assert re.search(rf"\b{name}\b", words), f"--help does not explain {name}"


def test_what_is_not_known_is_null(registry: Registry) -> None:
    registry.live(replace(RECORD, position=Position(), size=-1, address="", members=()))
    (node,) = galeractl("status", "--output", "json", *registry.flags).json["nodes"]
    for name in ("uuid", "seqno", "behind", "in_view", "size", "address"):
        assert node[name] is None, name


def test_without_etcd_and_mariadb_nothing_can_be_said_and_both_are_named() -> None:
    done = galeractl("status", "--etcd.endpoints=http://127.0.0.1:1", "--mariadb.address=127.0.0.1:1")
    assert done.code == 2
    assert "etcd does not serve (" in done.out
    assert "The local MariaDB: refused" in done.out
    assert "Unknown: the registry is unreachable" in done.out


def test_without_any_etcd_configured_it_says_so() -> None:
    done = galeractl("status", "--mariadb.address=127.0.0.1:1")
    assert done.code == 2
    assert "No etcd is configured (--etcd.endpoints)" in done.out
    document = galeractl("status", "--mariadb.address=127.0.0.1:1", "--output=json").json
    assert (document["registry"], document["source"], document["nodes"]) == (None, "none", [])
    assert document["database"]["reason"] == "refused"


def test_a_frozen_etcd_costs_a_bounded_time(registry: Registry, etcd: EtcdCluster) -> None:
    registry.trio()
    for member in etcd.members:
        member.freeze()
    done = galeractl("status", *registry.flags)
    assert done.code == 2
    assert done.seconds < 15
    for member in etcd.members:
        member.thaw()
    wait_until(etcd.healthy, 30, "etcd is well again")
    assert galeractl("status", *registry.flags).code == 0


def test_watch_redraws_a_terminal_in_colour_until_ctrl_c(registry: Registry) -> None:
    registry.trio()
    seen = OnTerminal("status", "--watch", "0.3", *registry.flags)
    seen.expect("Healthy: 3 of 3", times=3)
    seen.type("\x03")
    assert seen.end() == 0
    assert seen.text.count("\x1b[H") >= 3
    assert "\x1b[32mHealthy" in seen.text


def test_watch_shows_a_node_go_and_its_age_rise_and_ends_with_the_last_verdict(registry: Registry) -> None:
    registry.trio()
    seen = OnTerminal("status", "--watch", "0.3", *registry.flags, env={"NO_COLOR": "1"})
    seen.expect("Healthy: 3 of 3")
    (pair,) = registry.etcd.range(f"{registry.settings.prefix}live/galera-2").pairs
    registry.etcd.revoke(pair.lease)
    seen.expect("gone (synced)", times=4)
    ages = [int(age) for age in re.findall(r"gone, (\d+) s", seen.expect("gone, 2 s"))]
    assert ages == sorted(ages)
    seen.type("\x03")
    assert seen.end() == 1
    assert "\x1b[3" not in seen.text


def test_watch_appends_where_nobody_looks(registry: Registry) -> None:
    registry.trio()
    running = Running("status", "--watch=0.2", "--output=json", *registry.flags)
    assert running.process.stdout is not None
    lines = [json.loads(running.process.stdout.readline()) for _ in range(3)]
    assert [line["level"] for line in lines] == ["healthy"] * 3
    assert running.end(signal.SIGINT).code == 0


def test_watch_outlives_an_etcd_that_goes_and_comes(registry: Registry, etcd: EtcdCluster) -> None:
    registry.trio()
    running = Running("status", "--watch=0.2", "--output=json", *registry.flags)
    assert running.process.stdout is not None

    def source() -> str:
        assert running.process.stdout is not None
        return str(json.loads(running.process.stdout.readline())["source"])

    assert source() == "registry"
    etcd.stop()
    wait_until(lambda: source() == "none", 30, "etcd is missed")
    etcd.start()
    wait_until(lambda: source() == "registry", 30, "etcd is found again")
    running.end(signal.SIGINT)


def test_membership_is_that_of_most_primary_nodes_and_unknown_where_names_differ() -> None:
    def view(name: str, *members: str, status: ClusterStatus = ClusterStatus.PRIMARY, present: bool = True) -> NodeView:
        record = replace(RECORD, node=name, members=members, status=status)
        return NodeView(name, present, record, 1.0, leased=True, expirations=0)

    most = [view("a", "a", "b"), view("b", "a", "b"), view("c", "a", "b", "c")]
    assert agreed_members(most) == frozenset({"a", "b"})
    assert (
        agreed_members([view("a", "a", "b", present=False), view("b", "b", status=ClusterStatus.NON_PRIMARY)]) is None
    )
    assert agreed_members([view("pod-0", "node1", "node2")]) is None


def test_sync_test_names_what_it_cannot_reach_by_the_registry(registry: Registry) -> None:
    registry.live(RECORD)
    registry.live(replace(RECORD, node="galera-1", owner="1", address="no address"))
    registry.put(live_key(registry.settings.prefix, "galera-2"), b"unreadable", registry.etcd.grant(60))
    done = galeractl("sync-test", *registry.flags, "--timeout=2")
    assert done.code == 2
    assert re.search(r"^galera-0 +127\.0\.0\.1:1 .*refused", done.out, re.MULTILINE)
    assert re.search(r"^galera-1 +- .*'no address' is not an address of a node", done.out, re.MULTILINE)
    assert re.search(r"^galera-2 +- .*cannot be read, so its address is not known", done.out, re.MULTILINE)
    assert "Down: 0 of 6 pairs" in done.out
