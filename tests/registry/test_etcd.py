"""The guard against real etcd members."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from etcd_cluster import EtcdCluster, eventually, fill, free_ports

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.registry.etcd import AmbiguousError, Etcd
from galera_exporter.registry.keyvalue import absent, delete, get, mod_is, prefix_end, put
from galera_exporter.settings import EtcdSettings

pytestmark = pytest.mark.servers


@contextmanager
def open_etcd(*endpoints: str, **options: object) -> Iterator[Etcd]:
    etcd = Etcd(EtcdSettings(endpoints=endpoints, **options))  # type: ignore[arg-type]  # any field of the settings
    try:
        yield etcd
    finally:
        etcd.close()


def key(settings: EtcdSettings, name: str) -> bytes:
    return f"{settings.prefix}{name}".encode()


def test_a_range_returns_the_pairs_below_the_prefix_with_their_revisions(etcd: Etcd, settings: EtcdSettings) -> None:
    lease = etcd.grant(30)
    written = etcd.transaction([], [put(key(settings, "b"), b"2", lease), put(key(settings, "a"), b"\xff\x00")])
    found = etcd.range(settings.prefix)
    assert [(pair.key, pair.value, pair.lease) for pair in found.pairs] == [
        (key(settings, "a"), b"\xff\x00", 0),
        (key(settings, "b"), b"2", lease),
    ]
    assert {pair.mod_revision for pair in found.pairs} == {written.revision}
    assert found.revision >= written.revision
    assert found.raft_term >= 1
    assert not found.more


def test_a_limit_cuts_the_range_and_says_so(etcd: Etcd, settings: EtcdSettings) -> None:
    etcd.transaction([], [put(key(settings, name), b"") for name in "abc"])
    found = etcd.range(settings.prefix, limit=2)
    assert [pair.key for pair in found.pairs] == [key(settings, "a"), key(settings, "b")]
    assert found.more


def test_a_transaction_whose_compare_fails_did_not_succeed_and_runs_the_other_branch(
    etcd: Etcd, settings: EtcdSettings
) -> None:
    name = key(settings, "x")
    first = etcd.transaction([absent(name)], [put(name, b"1")])
    assert first.succeeded
    second = etcd.transaction([absent(name)], [put(name, b"2")], [get(name)])
    assert not second.succeeded
    assert second.responses[0].pairs[0].value == b"1"


@pytest.mark.parametrize("there", [False, True])
def test_absent_over_a_range_holds_only_while_no_key_is_in_it(etcd: Etcd, settings: EtcdSettings, there: bool) -> None:  # noqa: FBT001  # a parameter of the test
    folder = key(settings, "primary/")
    if there:
        etcd.transaction([], [put(folder + b"n1", b"")])
    outcome = etcd.transaction([absent(folder, prefix_end(folder))], [put(key(settings, "won"), b"")])
    assert outcome.succeeded is not there


def test_each_compare_holds_and_fails_as_it_says(etcd: Etcd, settings: EtcdSettings) -> None:
    name = key(settings, "x")
    created = etcd.transaction([mod_is(name, 0)], [put(name, b"1")])
    assert created.succeeded
    assert etcd.transaction([mod_is(name, created.revision)], [put(name, b"2")]).succeeded
    assert not etcd.transaction([mod_is(name, created.revision)], []).succeeded
    assert not etcd.transaction([mod_is(name, 0)], []).succeeded


def test_delete_in_a_transaction_counts_the_keys(etcd: Etcd, settings: EtcdSettings) -> None:
    etcd.transaction([], [put(key(settings, name), b"") for name in "abcd"])
    outcome = etcd.transaction([], [delete(key(settings, "a"))])
    assert outcome.responses[0].deleted == 1
    every = settings.prefix.encode()
    outcome = etcd.transaction([], [delete(every, prefix_end(every)), delete(every, prefix_end(every))])
    assert [response.deleted for response in outcome.responses] == [3, 0]


def test_a_lease_is_granted_kept_and_revoked(etcd: Etcd, settings: EtcdSettings) -> None:
    lease = etcd.grant(30)
    etcd.transaction([], [put(key(settings, "x"), b"", lease)])
    assert etcd.keepalive(lease) == 30
    granted, remaining = etcd.time_to_live(lease)
    assert granted == 30
    assert 25 <= remaining <= 30
    etcd.revoke(lease)
    etcd.revoke(lease)
    assert etcd.range(settings.prefix).pairs == ()


@pytest.mark.parametrize("ask", [Etcd.keepalive, Etcd.time_to_live])
def test_a_lease_that_is_gone_is_an_error_though_etcd_answers_200(
    etcd: Etcd, ask: Callable[[Etcd, int], object]
) -> None:
    with pytest.raises(RegistryError) as caught:
        ask(etcd, 12345)
    assert caught.value.reason is RegistryReason.LEASE_EXPIRED


def test_a_write_under_a_lease_that_is_gone_was_not_applied(etcd: Etcd, settings: EtcdSettings) -> None:
    with pytest.raises(RegistryError, match="requested lease not found") as caught:
        etcd.transaction([], [put(key(settings, "x"), b"", 12345)])
    assert caught.value.reason is RegistryReason.LEASE_EXPIRED
    assert not isinstance(caught.value, AmbiguousError)


def test_members_and_their_state_are_shown(cluster: EtcdCluster, etcd: Etcd) -> None:
    members = etcd.members()
    assert sorted(url for member in members for url in member.client_urls) == sorted(cluster.endpoints)
    assert {member.name for member in members} == {"m0", "m1", "m2"}
    states = [etcd.endpoint_status(endpoint) for endpoint in cluster.endpoints]
    assert all(state.reachable and state.version and state.db_size > 0 and state.raft_index > 0 for state in states)
    assert all(state.latency is not None and 0 < state.latency < 2 for state in states)
    assert sum(state.leader for state in states) == 1
    assert {state.member_id for state in states} == {member.id for member in members}
    assert etcd.alarms() == ()


def test_the_state_of_an_endpoint_that_is_down_says_why(etcd: Etcd) -> None:
    state = etcd.endpoint_status(f"http://127.0.0.1:{free_ports(1)[0]}")
    assert not state.reachable
    assert state.reason is RegistryReason.UNREACHABLE
    assert state.detail == "Connection refused"


def test_where_nothing_listens_each_endpoint_is_named_with_what_happened() -> None:
    one, two = (f"http://127.0.0.1:{port}" for port in free_ports(2))
    with open_etcd(one, two) as etcd, pytest.raises(RegistryError) as caught:
        etcd.range("/")
    assert caught.value.reason is RegistryReason.UNREACHABLE
    assert str(caught.value) == f"{one}: Connection refused; {two}: Connection refused"


def test_a_host_without_an_address_is_unreachable() -> None:
    with open_etcd("http://etcd.invalid:2379") as etcd, pytest.raises(RegistryError) as caught:
        etcd.range("/")
    assert caught.value.reason is RegistryReason.UNREACHABLE


def test_without_endpoints_there_is_no_guard() -> None:
    with pytest.raises(ValueError, match="no etcd endpoint"):
        Etcd(EtcdSettings())


def test_proxies_and_netrc_of_the_environment_are_not_used(
    cluster: EtcdCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dead = f"http://127.0.0.1:{free_ports(1)[0]}"
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, dead)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    with open_etcd(*cluster.endpoints) as etcd:
        assert etcd.range("/nothing/").pairs == ()


def test_a_killed_member_costs_no_call_and_the_last_good_endpoint_is_kept(cluster: EtcdCluster) -> None:
    dead, alive, _ = cluster.endpoints
    with open_etcd(dead, alive) as etcd:
        etcd.range("/")
        cluster.members[0].kill()
        eventually(lambda: _reads(etcd), 10)
        started = time.monotonic()
        for _ in range(20):
            etcd.range("/")
        assert time.monotonic() - started < 10


def _reads(etcd: Etcd) -> bool:
    try:
        etcd.range("/")
    except RegistryError:
        return False
    return True


def test_a_stopped_member_costs_one_time_limit_then_the_next_one_is_asked_first(cluster: EtcdCluster) -> None:
    stopped, other = cluster.followers()
    with open_etcd(stopped.client, other.client, timeout=3.0) as etcd:
        etcd.range("/")
        stopped.pause()
        started = time.monotonic()
        etcd.range("/")
        first = time.monotonic() - started
        started = time.monotonic()
        etcd.range("/")
        second = time.monotonic() - started
    assert 2.9 < first < 5.5
    assert second < 2.5


def test_a_stopped_etcd_is_a_timeout_within_the_budget(cluster: EtcdCluster) -> None:
    for member in cluster.members:
        member.pause()
    with open_etcd(*cluster.endpoints, timeout=1.0) as etcd:
        started = time.monotonic()
        with pytest.raises(RegistryError, match="no answer in time") as caught:
            etcd.range("/")
        took = time.monotonic() - started
    assert caught.value.reason is RegistryReason.TIMEOUT
    assert took < 2.5 + 3


def test_after_the_leader_was_killed_writes_go_on_within_seconds(cluster: EtcdCluster, settings: EtcdSettings) -> None:
    with open_etcd(*cluster.endpoints) as etcd:
        etcd.range("/")
        cluster.leader().kill()
        started = time.monotonic()
        reasons = set()

        def writes() -> bool:
            try:
                etcd.transaction([], [put(key(settings, "x"), b"")])
            except RegistryError as error:
                reasons.add(error.reason)
                return False
            return True

        eventually(writes, 15)
    assert time.monotonic() - started < 15
    assert reasons <= {RegistryReason.NO_LEADER, RegistryReason.TIMEOUT, RegistryReason.UNREACHABLE}


def test_without_quorum_the_answer_is_no_leader_and_comes_at_once(cluster: EtcdCluster) -> None:
    one, two = cluster.followers()
    survivor = cluster.leader()
    one.kill()
    two.kill()
    with open_etcd(*cluster.endpoints) as etcd:
        reasons = []

        def no_leader() -> bool:
            started = time.monotonic()
            with pytest.raises(RegistryError) as caught:
                etcd.range("/")
            reasons.append((caught.value.reason, time.monotonic() - started))
            return caught.value.reason is RegistryReason.NO_LEADER and reasons[-1][1] < 0.5

        eventually(no_leader, 15)
        state = etcd.endpoint_status(survivor.client)
        assert state.reachable
        assert not state.leader
        with pytest.raises(RegistryError) as caught:
            etcd.grant(10)
        assert caught.value.reason is RegistryReason.NO_LEADER


@contextmanager
def deaf_relay(target: str) -> Iterator[str]:
    """An endpoint that passes requests on to a real member, and drops every answer."""
    host, port = target.removeprefix("http://").split(":")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        closing(socket.create_connection((host, int(port)))) as member,
    ):

        def pass_on() -> None:
            client, _ = server.accept()
            with client, suppress(OSError):
                while data := client.recv(65536):
                    member.sendall(data)

        worker = threading.Thread(target=pass_on)
        worker.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        worker.join(10)


def test_a_transaction_whose_answer_is_lost_is_ambiguous_and_was_applied(
    cluster: EtcdCluster, settings: EtcdSettings
) -> None:
    member, other = cluster.followers()
    name = key(settings, "x")
    with deaf_relay(member.client) as relay, open_etcd(relay, other.client, timeout=1.0) as etcd:
        with pytest.raises(AmbiguousError) as caught:
            etcd.transaction([absent(name)], [put(name, b"mine")])
        assert caught.value.reason is RegistryReason.TIMEOUT
        assert other.client not in str(caught.value), "it is not sent a second time"
    with open_etcd(other.client) as etcd:
        eventually(lambda: [pair.value for pair in etcd.range(settings.prefix).pairs] == [b"mine"], 10)


def test_a_transaction_that_was_never_sent_goes_to_the_next_endpoint(
    cluster: EtcdCluster, settings: EtcdSettings
) -> None:
    with open_etcd(f"http://127.0.0.1:{free_ports(1)[0]}", cluster.endpoints[1]) as etcd:
        assert etcd.transaction([], [put(key(settings, "x"), b"")]).succeeded


def test_a_transaction_refused_for_want_of_a_leader_was_not_applied(
    cluster: EtcdCluster, settings: EtcdSettings
) -> None:
    survivor = cluster.leader()
    for member in cluster.members:
        if member is not survivor:
            member.kill()
    with open_etcd(*cluster.endpoints) as etcd:
        eventually(lambda: etcd.endpoint_status(survivor.client).leader_id == 0, 15)
        with pytest.raises(RegistryError, match="no leader") as caught:
            etcd.transaction([], [put(key(settings, "x"), b"")])
    assert caught.value.reason is RegistryReason.NO_LEADER
    assert not isinstance(caught.value, AmbiguousError)


def test_a_wiped_etcd_shows_as_a_revision_that_goes_back(lone: Callable[..., EtcdCluster]) -> None:
    cluster = lone()
    with open_etcd(*cluster.endpoints) as etcd:
        for value in (b"1", b"2", b"3"):
            etcd.transaction([], [put(b"/x", value)])
        before = etcd.range("/").revision
        identity = etcd.cluster_id
        cluster.wipe()
        assert etcd.range("/").revision < before
        # The id is a hash of the members' addresses and the token: a wiped etcd keeps it.
        assert etcd.cluster_id == identity
        assert etcd.regressions == 1


def test_an_answer_of_another_cluster_is_refused_once_and_then_adopted(lone: Callable[..., EtcdCluster]) -> None:
    one, two = lone(), lone()
    with open_etcd(one.endpoints[0], two.endpoints[0]) as etcd:
        etcd.range("/")
        first = etcd.cluster_id
        one.close()
        with pytest.raises(RegistryError, match=r"before it was [0-9a-f]+") as caught:
            etcd.range("/")
        assert caught.value.reason is RegistryReason.WRONG_CLUSTER
        assert etcd.range("/").pairs == ()
        assert etcd.cluster_id != first
        assert etcd.regressions == 0


def test_when_the_quota_is_used_up_writes_are_no_space_and_reads_go_on(lone: Callable[..., EtcdCluster]) -> None:
    cluster = lone(flags=("--quota-backend-bytes", "65536"))
    with open_etcd(*cluster.endpoints) as etcd:
        lease = etcd.grant(60)
        refused = fill(etcd)
        assert refused.reason is RegistryReason.NO_SPACE
        assert "database space exceeded" in str(refused)
        assert not isinstance(refused, AmbiguousError)
        assert [alarm.kind for alarm in etcd.alarms()] == ["NOSPACE"]
        assert any("NOSPACE" in error for error in etcd.endpoint_status(cluster.endpoints[0]).errors)
        assert etcd.range("/fill/").pairs
        assert etcd.keepalive(lease) == 60
