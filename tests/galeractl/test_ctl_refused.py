"""A real database that does not let its sidecar in, and ``galeractl explain`` beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ctl import galeractl

from lab import EtcdCluster, Pod, Sidecar, wait_until
from lab.pod import bootstrap_flags, introduce
from lab.template import EXPORTER_PASSWORD, fill
from lab.wrapper import WrappedCluster

pytestmark = pytest.mark.servers


@pytest.fixture
def refused(lab_folder: Path) -> Iterator[Pod]:
    """A pod that is its whole cluster, with data, and with another password than the data have."""
    etcd, nodes = EtcdCluster(1, lab_folder), WrappedCluster(1, lab_folder)
    (node,) = nodes.nodes
    flags = {**bootstrap_flags(node), "etcd.ttl": "5"}
    pod = Pod(node, Sidecar(node, lab_folder, etcd=etcd.endpoints, expected=1, flags=flags))
    introduce([pod])
    pod.sidecar.set_password("of another install")
    try:
        etcd.start()
        fill(node, bootstrap=False)
        pod.start()
        yield pod
    finally:
        pod.sidecar.close()
        nodes.close()
        etcd.close()


def test_an_elected_database_that_refuses_its_sidecar_is_told_until_the_password_is_right(refused: Pod) -> None:
    flags = (f"--etcd.endpoints={refused.sidecar.flags['etcd.endpoints']}", "--cluster-name=lab")

    def told() -> bool:
        return galeractl("explain", "--output", "json", *flags).json["refused"] == [refused.name]

    wait_until(told, 60, "explain tells of it", refused.logs, 0.5)
    done = galeractl("explain", *flags)
    assert done.code == 2
    assert "the database refuses the login of its sidecar: galera-0" in done.out
    assert "More: docs/operations.md#the-sidecars-login-is-refused" in done.out
    refused.sidecar.set_password(EXPORTER_PASSWORD)
    wait_until(lambda: refused.confirmed, 60, "the election is confirmed", refused.logs, 0.2)
    done = galeractl("explain", *flags)
    assert done.code == 0
    assert "refuses" not in done.out
