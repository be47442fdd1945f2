"""Nodes that are keys alone, beside real ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from bench.absent import Absent, Likeness
from bench.etcd_usage import Usage
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.records import Kind, classify, decode
from galera_exporter.settings import EtcdSettings
from lab import Trio, scratch, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("absent")]


@pytest.fixture(scope="module")
def trio() -> Iterator[Trio]:
    """Pods of their own: what the sidecars have once seen of a node that is gone, they go on waiting for."""
    with scratch() as folder:
        trio = Trio(folder)
        try:
            trio.start()
            yield trio
        finally:
            trio.close()


@pytest.fixture
def settings(trio: Trio) -> EtcdSettings:
    return EtcdSettings(endpoints=trio.etcd.endpoints, cluster="lab")


def test_real_sidecars_see_absent_nodes_as_registered_and_suspect_nothing(trio: Trio, settings: EtcdSettings) -> None:
    real = tuple(sidecar.name for sidecar in trio.sidecars)
    before = Usage.of(trio.etcd)
    with closing(Absent(settings, Likeness.read(settings, real[0]), real)) as absent:
        absent.grow(5)
        assert absent.members == (*real, "galera-3", "galera-4")
        page = trio.sidecars[0].until(
            lambda found: found.value("galera_registry_nodes") == 5, 15, "sees five registered nodes"
        )
        assert page.value("galera_registry_node_state", node="galera-4", state="synced") == 1
        assert page.value("galera_registry_node_in_view", node="galera-4") == 0
        assert page.value("galera_registry_keys_without_lease", node="galera-4") == 0
        seqno = page.value("galera_registry_node_seqno", node="galera-4") or 0
        page = trio.sidecars[0].until(
            lambda found: (found.value("galera_registry_node_seqno", node="galera-4") or 0) > seqno + 300,
            15,
            "sees two more heartbeats of an absent node",
        )
        assert page.value("galera_split_brain_suspected") == 0
        used = Usage.of(trio.etcd).since(before)
        assert used.puts > used.revisions, "a heartbeat is one revision, and more than one key"
    trio.sidecars[0].until(lambda found: found.value("galera_registry_nodes") == 3, 15, "sees them gone")


def test_an_absent_node_writes_the_keys_that_a_real_one_writes(trio: Trio, settings: EtcdSettings) -> None:
    real = tuple(sidecar.name for sidecar in trio.sidecars)
    with closing(Absent(settings, Likeness.read(settings, real[0]), real)) as absent:
        absent.grow(4)
        with closing(Etcd(settings)) as etcd:
            wait_until(lambda: {"live", "nodes", "primary"} <= _kinds(etcd, settings, real[0]), 15, "a real one's keys")
            assert _kinds(etcd, settings, "galera-3") == _kinds(etcd, settings, real[0])
            values = {pair.key.decode(): pair for pair in etcd.range(f"{settings.prefix}live/").pairs}
    own, other = (values[f"{settings.prefix}live/{name}"] for name in ("galera-3", real[0]))
    assert own.lease != 0
    records = decode(own.value, "galera-3"), decode(other.value, real[0])
    assert records[0] is not None
    assert records[1] is not None
    assert (records[0].conf_id, records[0].size) == (records[1].conf_id, records[1].size)
    assert records[0].members == (*real, "galera-3")


def test_an_absent_node_whose_lease_has_ended_comes_back(trio: Trio, settings: EtcdSettings) -> None:
    real = tuple(sidecar.name for sidecar in trio.sidecars)
    with closing(Absent(settings, Likeness.read(settings, real[0]), real)) as absent, closing(Etcd(settings)) as etcd:
        absent.grow(4)
        (before,) = etcd.range(f"{settings.prefix}live/galera-3").pairs
        etcd.revoke(before.lease)
        (after,) = wait_until(
            lambda: etcd.range(f"{settings.prefix}live/galera-3").pairs, 30, "the key is there again", interval=0.2
        )
        assert after.lease != before.lease


def test_who_is_not_registered_has_no_likeness(settings: EtcdSettings) -> None:
    with pytest.raises(LookupError, match="galera-9"):
        Likeness.read(settings, "galera-9")


def _kinds(etcd: Etcd, settings: EtcdSettings, node: str) -> set[str]:
    """Return the folders in which there is a key of a node."""
    keys = [pair.key for pair in etcd.range(settings.prefix).pairs if pair.key.endswith(f"/{node}".encode())]
    assert all(classify(settings.prefix, key)[0] is not Kind.FOREIGN for key in keys)
    return {key.decode().split("/")[-2] for key in keys}
