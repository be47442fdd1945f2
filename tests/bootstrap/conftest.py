from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from galera_exporter.settings import EtcdSettings
from lab import EtcdCluster, scratch

_numbers = itertools.count()


@pytest.fixture(scope="session")
def shared_etcd() -> Iterator[EtcdCluster]:
    with scratch() as folder:
        etcd = EtcdCluster(1, folder)
        try:
            etcd.start()
            yield etcd
        finally:
            etcd.close()


@pytest.fixture
def settings(shared_etcd: EtcdCluster) -> Iterator[EtcdSettings]:
    """The settings of a registry that no other test has."""
    yield EtcdSettings(endpoints=shared_etcd.endpoints, namespace=f"test{next(_numbers)}", ttl=5, timeout=1)
    for member in shared_etcd.members:
        member.thaw()
    shared_etcd.start()
