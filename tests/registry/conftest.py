from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from etcd_cluster import EtcdCluster

from galera_exporter.registry.etcd import Etcd
from galera_exporter.settings import EtcdSettings

_numbers = itertools.count()


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    cluster = EtcdCluster(tmp_path_factory.mktemp("etcd"))
    cluster.start()
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(shared_cluster: EtcdCluster) -> EtcdCluster:
    """Three members, all well at the start of each test, whatever the last one did to them."""
    shared_cluster.heal()
    return shared_cluster


@pytest.fixture
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., EtcdCluster]]:
    """Start a cluster for one test: ``lone(size=1, flags=...)``."""
    started: list[EtcdCluster] = []

    def start(**options: Any) -> EtcdCluster:
        cluster = EtcdCluster(tmp_path_factory.mktemp("lone"), **{"size": 1, **options})
        started.append(cluster)
        cluster.start()
        cluster.heal()
        return cluster

    yield start
    for cluster in started:
        cluster.close()


@pytest.fixture
def settings(cluster: EtcdCluster) -> EtcdSettings:
    """Settings for the shared cluster, with a prefix that no other test has."""
    return EtcdSettings(endpoints=cluster.endpoints, namespace=f"test{next(_numbers)}", ttl=3)


@pytest.fixture
def etcd(settings: EtcdSettings) -> Iterator[Etcd]:
    etcd = Etcd(settings)
    yield etcd
    etcd.close()
