"""The loop with real etcd members, and what faults do to it."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from etcd_cluster import EtcdCluster, Member, eventually, fill
from test_records import RECORD

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.model import NodeRecord, NodeView, RegistryReading
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.heartbeat import Heartbeat
from galera_exporter.registry.keyvalue import Pair, delete, put
from galera_exporter.registry.records import decode, encode, live_key, nodes_key
from galera_exporter.settings import EtcdSettings

pytestmark = pytest.mark.servers


@dataclass
class Node:
    """A node as its sidecar sees it: ``record`` is None while the database is silent."""

    settings: EtcdSettings
    name: str = "a"
    owner: str = "pod-1"
    record: NodeRecord | None = None
    members: frozenset[str] | None = None
    etcd: Etcd = field(init=False)
    heartbeat: Heartbeat = field(init=False)

    def __post_init__(self) -> None:
        self.speak()
        self.etcd = Etcd(self.settings)
        self.heartbeat = Heartbeat(self.etcd, self.settings, self.name, self.owner, self.describe, lambda: self.members)

    def speak(self) -> None:
        self.record = replace(RECORD, node=self.name, owner=self.owner, ttl=self.settings.ttl)

    def describe(self) -> NodeRecord | None:
        return self.record

    def start(self) -> Node:
        self.heartbeat.start()
        return self

    def close(self) -> None:
        self.heartbeat.close()
        self.etcd.close()

    def reading(self) -> RegistryReading:
        return self.heartbeat.reading()

    def registered(self) -> bool:
        return self.reading().registered

    def sees(self, name: str) -> NodeView | None:
        return next((node for node in self.reading().view.nodes if node.node == name), None)

    def failures(self) -> dict[RegistryReason, int]:
        return {reason: count for reason, count in self.heartbeat.counts().failures.items() if count}


@pytest.fixture
def nodes(settings: EtcdSettings) -> Iterator[Callable[..., Node]]:
    made: list[Node] = []

    def make(**options: object) -> Node:
        made.append(Node(**{"settings": settings, **options}))  # type: ignore[arg-type]  # any field of Node
        return made[-1]

    yield make
    for node in made:
        node.close()


def pair_at(etcd: Etcd, key: bytes) -> Pair | None:
    return next((pair for pair in etcd.range(key.decode()).pairs if pair.key == key), None)


def test_a_node_registers_at_once_under_its_lease_and_leaves_a_last_record(
    nodes: Callable[..., Node], settings: EtcdSettings, etcd: Etcd
) -> None:
    started = time.time()
    node = nodes().start()
    eventually(node.registered, 5)
    live = pair_at(etcd, live_key(settings.prefix, "a"))
    last = pair_at(etcd, nodes_key(settings.prefix, "a"))
    assert live is not None
    assert last is not None
    assert decode(live.value, "a") == node.record == decode(last.value, "a")
    assert last.lease == 0
    granted, _ = etcd.time_to_live(live.lease)
    assert granted == settings.ttl
    eventually(lambda: node.sees("a"), 5)
    reading = node.reading()
    assert reading.up
    assert (reading.reason, reading.detail) == (None, "")
    assert reading.last_success is not None
    assert reading.last_success >= started
    assert reading.heartbeat_last_success is not None
    assert reading.request_seconds is not None
    assert 0 < reading.request_seconds < 2
    counts = node.heartbeat.counts()
    assert counts.writes == counts.buckets[-1] >= 1
    assert counts.seconds > 0
    assert node.failures() == {}


def test_the_key_is_written_every_third_of_the_ttl(settings: EtcdSettings) -> None:
    now = [100.0]
    long = replace(settings, ttl=9)
    etcd = Etcd(long)
    record = replace(RECORD, node="a", owner="pod-1")
    heartbeat = Heartbeat(etcd, long, "a", "pod-1", lambda: record, lambda: None, clock=lambda: now[0])
    written = []
    for tick in range(10):
        heartbeat.tick()
        written.append(heartbeat.counts().writes)
        now[0] = 101.0 + tick + 0.001 * (tick % 3)  # a real loop wakes a little late, and not always as late
    assert written == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]
    etcd.close()


def test_before_the_first_read_the_reading_says_so(nodes: Callable[..., Node]) -> None:
    reading = nodes().reading()
    assert not reading.up
    assert reading.detail == "etcd was not read yet"
    assert reading.view.nodes == ()


def test_each_node_sees_all_nodes_and_their_ages_stay_below_the_ttl(
    nodes: Callable[..., Node], settings: EtcdSettings
) -> None:
    several = [nodes(name=name).start() for name in "abc"]
    for node in several:
        eventually(lambda node=node: len([seen for seen in node.reading().view.nodes if seen.present]) == 3, 10)
    oldest = 0.0
    deadline = time.monotonic() + 1.5 * settings.ttl
    while time.monotonic() < deadline:
        for node in several:
            for seen in node.reading().view.nodes:
                assert seen.present
                assert seen.expirations == 0
                assert seen.age is not None
                oldest = max(oldest, seen.age)
        time.sleep(0.1)
    assert 0 < oldest < settings.ttl


def test_the_key_of_a_silent_database_expires_and_comes_back_with_it(
    nodes: Callable[..., Node], settings: EtcdSettings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        node, witness = nodes().start(), nodes(name="b").start()
        eventually(lambda: (seen := witness.sees("a")) and seen.present)
        node.record = None
        eventually(lambda: (seen := witness.sees("a")) and not seen.present, settings.ttl + 6)
        gone = witness.sees("a")
        assert gone is not None
        assert gone.age is not None
        assert gone.age >= settings.ttl - 1.5
        assert gone.expirations == 1
        assert gone.record is not None
        eventually(lambda: not node.registered(), 5)
        node.speak()
        eventually(lambda: (seen := witness.sees("a")) and seen.present, 6)
    assert node.failures() == {}
    lines = [record.getMessage() for record in caplog.records if "node a" in record.getMessage()]
    assert lines == [
        "node a is registered",
        f"the database gives no sign of life: the key of node a is left to expire within {settings.ttl} s",
        "the key of node a has gone from etcd",
        "node a is registered",
    ]


def test_a_key_deleted_by_hand_is_back_within_two_ticks(
    nodes: Callable[..., Node], settings: EtcdSettings, etcd: Etcd
) -> None:
    node = nodes().start()
    eventually(node.registered)
    eventually(lambda: (seen := node.sees("a")) and seen.present)
    etcd.transaction([], [delete(live_key(settings.prefix, "a"))])
    eventually(lambda: pair_at(etcd, live_key(settings.prefix, "a")), 2.5)
    assert node.failures() == {}
    eventually(lambda: (seen := node.sees("a")) and seen.expirations == 1, 5)


def test_a_revoked_lease_is_replaced_and_the_key_is_back_within_two_ticks(
    nodes: Callable[..., Node], settings: EtcdSettings, etcd: Etcd
) -> None:
    node = nodes().start()
    eventually(node.registered)
    before = pair_at(etcd, live_key(settings.prefix, "a"))
    assert before is not None
    etcd.revoke(before.lease)
    assert pair_at(etcd, live_key(settings.prefix, "a")) is None
    eventually(lambda: pair_at(etcd, live_key(settings.prefix, "a")), 2.5)
    after = pair_at(etcd, live_key(settings.prefix, "a"))
    assert after is not None
    assert after.lease not in {0, before.lease}
    assert node.failures() == {}


def test_the_key_of_another_owner_is_left_alone_and_taken_when_it_has_gone(
    nodes: Callable[..., Node], settings: EtcdSettings, etcd: Etcd, caplog: pytest.LogCaptureFixture
) -> None:
    first = nodes(owner="pod-1").start()
    eventually(first.registered)
    with caplog.at_level(logging.WARNING):
        second = nodes(owner="pod-2").start()
        eventually(lambda: second.failures().get(RegistryReason.DUPLICATE, 0) >= 3)
    assert not second.registered()
    reading = second.reading()
    assert reading.up
    assert reading.reason is RegistryReason.DUPLICATE
    assert "is held by pod-1, we are pod-2" in reading.detail
    for make in (live_key, nodes_key):
        pair = pair_at(etcd, make(settings.prefix, "a"))
        assert pair is not None
        assert decode(pair.value, "a") == first.record
    assert first.registered()
    assert len([record for record in caplog.records if "pod-2" in record.getMessage()]) == 1
    first.record = None
    eventually(second.registered, settings.ttl + 6)
    assert second.reading().reason is None


def test_a_restarted_sidecar_takes_its_key_over_and_nobody_sees_it_go(
    nodes: Callable[..., Node], settings: EtcdSettings
) -> None:
    witness = nodes(name="b").start()
    first = nodes().start()
    eventually(lambda: (seen := witness.sees("a")) and seen.present)
    first.heartbeat.close()
    second = nodes().start()
    eventually(second.registered, 2)
    deadline = time.monotonic() + settings.ttl + 2
    while time.monotonic() < deadline:
        seen = witness.sees("a")
        assert seen is not None
        assert seen.present
        assert seen.expirations == 0
        time.sleep(0.1)


@pytest.mark.parametrize("alive", [True, False])
def test_at_the_end_the_key_goes_at_once_only_where_the_database_has_gone(
    nodes: Callable[..., Node],
    settings: EtcdSettings,
    etcd: Etcd,
    alive: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    node = nodes().start()
    eventually(node.registered)
    if not alive:
        node.record = None
    node.heartbeat.close()
    assert (pair_at(etcd, live_key(settings.prefix, "a")) is not None) is alive
    assert pair_at(etcd, nodes_key(settings.prefix, "a")) is not None


def test_junk_without_an_owner_in_the_own_key_is_written_over(
    nodes: Callable[..., Node], settings: EtcdSettings, etcd: Etcd
) -> None:
    etcd.transaction([], [put(live_key(settings.prefix, "a"), b"10.0.0.1")])
    node = nodes().start()
    eventually(node.registered, 5)
    pair = pair_at(etcd, live_key(settings.prefix, "a"))
    assert pair is not None
    assert pair.lease != 0


def test_foreign_content_is_counted_and_hurts_nothing(
    nodes: Callable[..., Node], settings: EtcdSettings, etcd: Etcd
) -> None:
    prefix = settings.prefix
    strays = [put(f"{prefix}stray/{number}".encode(), b"x") for number in range(1000)]
    for start in range(0, 1000, 100):
        etcd.transaction([], strays[start : start + 100])
    newer = json.loads(encode(replace(RECORD, node="newer")))
    values = {
        "binary": bytes(range(256)),
        "json": b'{"a": [1, 2, {"b": null}]}',
        "large": b"x" * (1 << 20),
        "newer": json.dumps(newer | {"schema": 9, "node": "newer"}).encode(),
    }
    for name, value in values.items():
        etcd.transaction([], [put(live_key(prefix, name), value)])
    node = nodes().start()
    eventually(lambda: node.sees("a"), 5)
    view = node.reading().view
    assert view.foreign == 1003
    assert {seen.node: seen.record is not None for seen in view.nodes} == {
        "a": True,
        "binary": False,
        "json": False,
        "large": False,
        "newer": True,
    }
    assert [seen.node for seen in view.nodes if not seen.leased] == ["binary", "json", "large", "newer"]
    assert node.reading().up
    assert node.registered()


def test_when_all_of_etcd_is_stopped_readings_go_on_and_all_is_well_again_afterwards(
    nodes: Callable[..., Node], cluster: EtcdCluster, settings: EtcdSettings
) -> None:
    node = nodes(settings=replace(settings, timeout=0.5)).start()
    eventually(lambda: node.sees("a"))
    for member in cluster.members:
        member.pause()
    eventually(lambda: not node.reading().up)
    reading = node.reading()
    assert reading.reason is RegistryReason.TIMEOUT
    assert "no answer in time" in reading.detail
    ages, took = [], []
    for _ in range(20):
        started = time.monotonic()
        seen = node.sees("a")
        took.append(time.monotonic() - started)
        assert seen is not None
        assert seen.age is not None
        ages.append(seen.age)
        time.sleep(0.05)
    assert sorted(took)[len(took) // 2] < 0.1, "a reading does not wait for etcd"
    assert ages == sorted(ages)
    assert ages[-1] - ages[0] > 0.8
    eventually(lambda: RegistryReason.TIMEOUT in node.failures())
    for member in cluster.members:
        member.resume()
    eventually(lambda: node.reading().up and node.registered(), 15)


def test_when_all_of_etcd_is_killed_it_is_unreachable_and_is_found_again(
    nodes: Callable[..., Node], cluster: EtcdCluster, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        node = nodes().start()
        eventually(node.registered)
        cluster.close()
        eventually(lambda: node.failures().get(RegistryReason.UNREACHABLE, 0) >= 3)
        assert node.reading().reason is RegistryReason.UNREACHABLE
        cluster.heal()
        eventually(lambda: node.reading().up and node.registered(), 10)
    lines = [record.getMessage() for record in caplog.records if "unreachable" in record.getMessage()]
    assert len(lines) == 1
    assert all(endpoint in lines[0] for endpoint in cluster.endpoints)


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_one_dead_member_of_three_costs_no_key(
    nodes: Callable[..., Node], cluster: EtcdCluster, settings: EtcdSettings, fault: str
) -> None:
    long = replace(settings, ttl=6)
    first, second = (each.client for each in cluster.followers())
    node = nodes(settings=replace(long, endpoints=(first, second))).start()
    witness = nodes(name="b", settings=replace(long, endpoints=(second,))).start()
    eventually(lambda: (seen := witness.sees("a")) and seen.present)
    member = next(each for each in cluster.members if each.client == first)
    getattr(member, fault)()
    writes = node.heartbeat.counts().writes
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        seen = witness.sees("a")
        assert seen is not None
        assert seen.present
        assert seen.expirations == 0
        time.sleep(0.1)
    assert node.heartbeat.counts().writes >= writes + 2


def test_after_the_leader_was_killed_all_is_well_within_seconds(
    nodes: Callable[..., Node], cluster: EtcdCluster, settings: EtcdSettings
) -> None:
    node = nodes(settings=replace(settings, ttl=6)).start()
    eventually(lambda: node.sees("a"))
    cluster.leader().kill()
    before = node.heartbeat.counts().writes
    eventually(lambda: node.heartbeat.counts().writes >= before + 2, 20)
    seen = node.sees("a")
    assert seen is not None
    assert seen.expirations == 0


def test_a_leader_that_changes_again_and_again_while_leases_are_kept_costs_no_lease_and_no_key(
    nodes: Callable[..., Node], cluster: EtcdCluster, etcd: Etcd, settings: EtcdSettings
) -> None:
    node = nodes(settings=replace(settings, ttl=10)).start()
    eventually(lambda: node.sees("a"))
    lease, term = etcd.grant(30), etcd.range("/").raft_term
    kept, refused, moved = 0, set(), []
    ending = threading.Event()

    def move() -> None:
        while len(moved) < 10 and not ending.is_set():
            leader = cluster.leader()
            target = next(member for member in cluster.members if member is not leader)
            with suppress(AssertionError):  # on a busy machine another may lead by now
                cluster.ctl("move-leader", node_id(cluster, target), endpoint=leader.client)
                moved.append(target.name)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        while mover.is_alive():
            try:
                assert etcd.keepalive(lease) == 30
                kept += 1
            except RegistryError as error:
                refused.add(error.reason)
    finally:
        ending.set()
        mover.join(30)
    assert len(moved) == 10
    assert etcd.range("/").raft_term >= term + 10, "each time it was another leader's term"
    assert kept > 10
    assert refused <= {RegistryReason.NO_LEADER, RegistryReason.TIMEOUT}, "never: the lease is gone"
    assert etcd.keepalive(lease) == 30
    assert node.registered()
    assert set(node.failures()) <= {RegistryReason.NO_LEADER, RegistryReason.TIMEOUT}
    seen = node.sees("a")
    assert seen is not None
    assert seen.expirations == 0


def node_id(cluster: EtcdCluster, member: Member) -> str:
    """Return the id of a member as etcdctl takes it."""
    rows = (line.split(", ") for line in cluster.ctl("member", "list").splitlines())
    return next(row[0] for row in rows if row[2] == member.name)


def test_a_compaction_with_a_defragmentation_hides_no_key_and_ends_none(
    nodes: Callable[..., Node], cluster: EtcdCluster, etcd: Etcd, settings: EtcdSettings
) -> None:
    node = nodes().start()
    eventually(lambda: node.sees("a"))
    old = etcd.range(settings.prefix).revision
    eventually(lambda: node.heartbeat.counts().writes >= 3, 10)
    now = etcd.range(settings.prefix).revision
    cluster.ctl("compact", "--physical", str(now))
    cluster.ctl("defrag")
    with pytest.raises(AssertionError, match="required revision has been compacted"):
        cluster.ctl("get", f"--rev={old}", "/")
    writes = node.heartbeat.counts().writes
    eventually(lambda: node.heartbeat.counts().writes >= writes + 2, 10)
    assert node.reading().up
    seen = node.sees("a")
    assert seen is not None
    assert seen.present
    assert seen.expirations == 0
    assert node.reading().view.revision > now


def test_a_minute_without_quorum_is_no_leader_and_ends_no_key(nodes: Callable[..., Node], cluster: EtcdCluster) -> None:
    node = nodes().start()
    eventually(lambda: node.sees("a"))
    survivor = cluster.leader()
    for member in cluster.members:
        if member is not survivor:
            member.kill()
    lost = time.monotonic()
    eventually(lambda: node.reading().reason is RegistryReason.NO_LEADER)
    while time.monotonic() < lost + 60:
        assert not node.reading().up
        time.sleep(0.5)
    seen = node.sees("a")
    assert seen is not None
    assert seen.age is not None
    assert seen.age > 58
    assert seen.present
    assert set(node.failures()) <= {RegistryReason.NO_LEADER, RegistryReason.TIMEOUT, RegistryReason.UNREACHABLE}
    cluster.heal()
    eventually(lambda: node.reading().up and node.registered(), 10)
    # Without a leader nothing expires, and a new leader starts every lease anew.
    eventually(lambda: (seen := node.sees("a")) and seen.age is not None and seen.age < 3, 10)
    seen = node.sees("a")
    assert seen is not None
    assert seen.expirations == 0


def test_after_etcd_lost_its_data_the_node_registers_again(
    nodes: Callable[..., Node], lone: Callable[..., EtcdCluster]
) -> None:
    cluster = lone()
    node = nodes(settings=EtcdSettings(endpoints=cluster.endpoints, ttl=3)).start()
    eventually(node.registered)
    eventually(lambda: node.heartbeat.counts().writes >= 5)
    before = node.reading().view.revision
    cluster.wipe()
    eventually(lambda: node.reading().up and node.registered() and node.reading().view.revision < before, 10)
    seen = node.sees("a")
    assert seen is not None
    assert seen.present
    assert seen.expirations >= 1


def test_without_space_the_key_stays_by_its_lease_and_the_reason_is_shown(
    nodes: Callable[..., Node], lone: Callable[..., EtcdCluster]
) -> None:
    cluster = lone(flags=("--quota-backend-bytes", "65536"))
    node = nodes(settings=EtcdSettings(endpoints=cluster.endpoints, ttl=3)).start()
    eventually(node.registered)
    etcd = cluster.client()
    assert fill(etcd).reason is RegistryReason.NO_SPACE
    assert [alarm.kind for alarm in etcd.alarms()] == ["NOSPACE"]
    eventually(lambda: node.failures().get(RegistryReason.NO_SPACE, 0) >= 5, 30)
    reading = node.reading()
    assert reading.up
    assert reading.registered
    assert reading.reason is RegistryReason.NO_SPACE
    cluster.ctl("del", "--prefix", "/fill")
    revision = etcd.range("/").revision
    etcd.close()
    cluster.ctl("compact", str(revision))
    cluster.ctl("defrag")
    cluster.ctl("alarm", "disarm")
    eventually(lambda: node.reading().reason is None, 10)


def test_a_fault_in_describe_is_counted_and_logged_once_and_ends_nothing(
    nodes: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    node = nodes()
    faults = [ZeroDivisionError("one"), ZeroDivisionError("two")]

    def describe() -> NodeRecord | None:
        if faults:
            raise faults.pop()
        return node.record

    node.heartbeat._describe = describe
    with caplog.at_level(logging.INFO):
        node.start()
        eventually(node.registered, 15)
    assert node.failures() == {RegistryReason.OTHER: 2}
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_a_loop_that_hangs_is_not_taken_for_an_etcd_that_is_up(settings: EtcdSettings) -> None:
    now = [100.0]
    etcd = Etcd(settings, clock=lambda: now[0])
    heartbeat = Heartbeat(etcd, settings, "a", "pod-1", lambda: None, lambda: None, clock=lambda: now[0])
    heartbeat.tick()
    assert heartbeat.reading().up
    now[0] += 60.0
    reading = heartbeat.reading()
    assert not reading.up
    assert (reading.reason, reading.detail) == (RegistryReason.TIMEOUT, "the last read of etcd was 60 s ago")
    etcd.close()


def test_the_end_does_not_wait_for_the_next_tick_and_not_for_ever(
    nodes: Callable[..., Node], cluster: EtcdCluster, settings: EtcdSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        for name in ("TICK", "LONGEST_BEAT"):
            patch.setattr(f"galera_exporter.registry.heartbeat.{name}", 20.0)
        node = nodes(settings=replace(settings, ttl=60)).start()
    eventually(node.registered)
    started = time.monotonic()
    node.heartbeat.close()
    assert time.monotonic() - started < 10
    other = nodes(name="b", settings=replace(settings, timeout=0.5)).start()
    eventually(other.registered)
    other.record = None
    for member in cluster.members:
        member.pause()
    started = time.monotonic()
    other.heartbeat.close()
    assert time.monotonic() - started < 2 * other.etcd.budget + 5
    assert threading.active_count() < 20


PAUSED = """
import sys, time
from dataclasses import replace
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.heartbeat import Heartbeat
from galera_exporter.settings import EtcdSettings
from test_records import RECORD
settings = EtcdSettings(endpoints=tuple(sys.argv[1].split(",")), namespace=sys.argv[2], ttl=3)
record = replace(RECORD, node="a", owner="pod-1")
heartbeat = Heartbeat(Etcd(settings), settings, "a", "pod-1", lambda: record, lambda: None)
heartbeat.start()
sys.stdin.read()
"""


def test_a_process_that_was_paused_past_its_ttl_gets_a_new_lease(
    nodes: Callable[..., Node], settings: EtcdSettings, etcd: Etcd
) -> None:
    witness = nodes(name="b").start()
    root = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", PAUSED, ",".join(settings.endpoints), settings.namespace],
        stdin=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *sys.path])},
    )
    try:
        eventually(lambda: (seen := witness.sees("a")) and seen.present)
        before = pair_at(etcd, live_key(settings.prefix, "a"))
        process.send_signal(signal.SIGSTOP)
        eventually(lambda: (seen := witness.sees("a")) and not seen.present, 10)
        process.send_signal(signal.SIGCONT)
        eventually(lambda: (seen := witness.sees("a")) and seen.present, 5)
        after = pair_at(etcd, live_key(settings.prefix, "a"))
        assert before is not None
        assert after is not None
        assert before.lease != after.lease
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_over_many_outages_no_lease_thread_or_descriptor_is_left_behind(
    nodes: Callable[..., Node], lone: Callable[..., EtcdCluster]
) -> None:
    cluster = lone()
    node = nodes(settings=EtcdSettings(endpoints=cluster.endpoints, ttl=3, timeout=0.5)).start()
    eventually(node.registered)

    def held() -> tuple[int, int]:
        return threading.active_count(), sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = held()
    for _ in range(5):
        cluster.close()
        eventually(lambda: not node.reading().up)
        cluster.heal()
        eventually(lambda: node.reading().up and node.registered())
    assert held() <= (before[0], before[1] + 2)
    leases = cluster.ctl("lease", "list").split()
    assert "1" in leases[1], leases
