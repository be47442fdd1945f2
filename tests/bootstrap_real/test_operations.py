"""What docs/operations.md tells people to do, done."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from galera_exporter.galeractl import cli
from lab import GaleraNode, scratch, wait_until
from lab.checks import Transfer
from lab.galera_config import give
from lab.site import Site
from lab.template import fill

pytestmark = pytest.mark.xdist_group("bootstrap-2")


@pytest.fixture
def site() -> Iterator[Site]:
    """Three pods that were never started, and etcd."""
    with scratch() as folder:
        made = Site(folder)
        try:
            made.etcd.start()
            yield made
        finally:
            made.close()


def galeractl(site: Site, *words: str) -> int:
    return cli.main([*words, "--cluster-name=lab", f"--etcd.endpoints={','.join(site.etcd.endpoints)}"], {})


def confirmed_in_one_epoch(site: Site) -> bool:
    return all(pod.confirmed for pod in site.pods) and len({pod.epoch for pod in site.pods}) == 1


def test_a_cluster_that_runs_is_adopted_and_then_moved_node_by_node_without_a_restart_of_the_whole(site: Site) -> None:
    plain = [GaleraNode(node.config) for node in site.nodes]
    try:
        for node in plain:
            fill(node, bootstrap=node is plain[0])
            node.start(new_cluster=node is plain[0])
            node.wait_synced()
        pids = [node.process.pid for node in plain if node.process]
        for pod in site.pods:
            pod.sidecar.start()
        wait_until(
            lambda: confirmed_in_one_epoch(site), 30, "all have one epoch", [pod.sidecar.log for pod in site.pods], 0.2
        )
        assert site.bootstrap["epoch"]["rule"] == "adopted"
        assert [node.process.pid for node in plain if node.process] == pids
        assert all(node.alive and node.synced for node in plain)
        for pod, node in zip(site.pods, plain, strict=True):
            node.stop()
            pod.mark()
            pod.node.start()
            pod.node.wait_synced()
            assert pod.transfer is Transfer.IST
    finally:
        for node in plain:
            node.kill()
    site.wait_serving()
    assert not any(pod.made_cluster for pod in site.pods)


def test_a_physical_backup_in_one_node_starts_a_cluster_that_lost_all_its_volumes(site: Site) -> None:
    site.bring_up()
    first, *others = site.pods
    node = first.node
    node.sql("CREATE DATABASE shop")
    node.sql("CREATE TABLE shop.orders (id INT PRIMARY KEY)")
    node.sql("INSERT INTO shop.orders VALUES (7)")
    backup = node.config.folder / "backup"
    backup.mkdir()
    command = ["mariadb-backup", f"--defaults-file={node.config.file}", f"--target-dir={backup}"]
    own = [f"--socket={node.socket}", "--user=root", "--galera-info"]
    for step in (["--backup", *own], ["--prepare"]):
        subprocess.run([*command, *step], check=True, capture_output=True, timeout=60)
    site.power_loss()
    for each in site.nodes:
        each.wipe()
    shutil.copytree(backup, node.datadir)
    give(node.datadir)
    for path in node.datadir.rglob("*"):
        give(path)
    site.start()
    for pod in site.pods:
        pod.wait_waiting("diverged")
    assert galeractl(site, "force-bootstrap", first.name, "--yes") == 3, "refused without --accept-data-loss"
    assert galeractl(site, "force-bootstrap", first.name, "--accept-data-loss", "--yes") == 0
    site.wait_serving(timeout=150)
    assert site.bootstrap["epoch"]["lossy"]
    for pod in others:
        assert pod.node.sql("SELECT id FROM shop.orders") == [{"id": 7}]
        assert pod.transfer is Transfer.SST


def test_a_database_that_was_started_by_hand_beside_the_cluster_is_told_by_all_and_leaves_by_the_runbook(
    site: Site,
) -> None:
    site.bring_up()
    stray, *others = site.pods
    stray.node.stop()
    by_hand = GaleraNode(stray.node.config)
    state = by_hand.datadir / "grastate.dat"
    state.write_text(state.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))
    try:
        by_hand.start(new_cluster=True)
        by_hand.wait_synced()
        for pod in site.pods:
            pod.sidecar.until(
                lambda page: page.value("galera_split_brain_suspected") == 1, 40, "suspects two components"
            )
            assert "split brain suspected" in pod.sidecar.get("/")
        assert all(pod.node.synced for pod in others), "Galera itself sees nothing wrong"
        by_hand.stop()
    finally:
        by_hand.kill()
    for pod in others:
        pod.sidecar.until(lambda page: page.value("galera_split_brain_suspected") == 0, 20, "sees one component")
    shutil.rmtree(stray.node.datadir)
    stray.mark()
    stray.node.start()
    site.wait_serving()
    assert stray.transfer is Transfer.SST
