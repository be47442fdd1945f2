from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from protocol import Protocol
from written import Registry

from galera_exporter.registry.etcd import Etcd
from galera_exporter.settings import EtcdSettings
from lab import EtcdCluster, scratch

_numbers = itertools.count()


@pytest.fixture(scope="session")
def shared_etcd() -> Iterator[EtcdCluster]:
    with scratch() as folder:
        etcd = EtcdCluster(3, folder)
        try:
            etcd.start()
            yield etcd
        finally:
            etcd.close()


@pytest.fixture
def etcd(shared_etcd: EtcdCluster) -> Iterator[EtcdCluster]:
    """Three real members, well again after each test."""
    yield shared_etcd
    for member in shared_etcd.members:
        member.thaw()
    shared_etcd.start()


@pytest.fixture
def registry(etcd: EtcdCluster) -> Iterator[Registry]:
    settings = EtcdSettings(endpoints=etcd.endpoints, namespace=f"ctl{next(_numbers)}", timeout=2)
    client = Etcd(settings)
    yield Registry(client, settings)
    client.close()


@pytest.fixture
def protocol(registry: Registry) -> Protocol:
    return Protocol(registry)
