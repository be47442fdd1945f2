"""The whole thing: one etcd cluster, one Galera cluster, and a sidecar beside each node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pymysql

from lab.etcd import EtcdCluster
from lab.galera import GaleraCluster
from lab.page import Page
from lab.process import wait_until
from lab.sidecar import Sidecar

# A dead node is out of the view after 2 s instead of 5 s; the ratios are the defaults'.
QUICK_EVS: Mapping[str, str] = {
    "evs.keepalive_period": "PT0.5S",
    "evs.inactive_check_period": "PT0.25S",
    "evs.suspect_timeout": "PT2S",
    "evs.inactive_timeout": "PT6S",
    "evs.install_timeout": "PT3S",
}


class Trio:
    """Three etcd members, three nodes, three sidecars below ``root`` (a folder of ``lab.scratch``)."""

    def __init__(
        self,
        root: Path,
        *,
        name: str = "lab",
        sst: bool = False,
        options: Mapping[str, str] | None = None,
        provider_options: Mapping[str, str] | None = None,
        flags: Mapping[str, str] | None = None,
    ) -> None:
        self.etcd = EtcdCluster(3, root)
        self.galera = GaleraCluster(3, root, name=name, sst=sst, options=options, provider_options=provider_options)
        self._transfer = "mariabackup SST" if sst else "IST"
        self.sidecars = tuple(
            Sidecar(node, root, etcd=self.etcd.endpoints, cluster=self.galera.name, flags=flags)
            for node in self.galera.nodes
        )

    def start(self, step: Callable[[str], object] = lambda _words: None) -> None:
        """Start everything and wait until all is healthy; ``step`` is told what begins."""
        step("etcd: 3 members")
        self.etcd.start()
        first, *others = self.galera.nodes
        step(f"{first.name}: bootstraps the cluster")
        self.galera.bootstrap()
        for node in others:
            step(f"{node.name}: joins by {self._transfer}")
            self.galera.join(node)
            try:
                self.galera.wait_joined(node)
            except RuntimeError:
                # On a busy machine a donor may give up; a supervisor would start the joiner again too.
                step(f"{node.name}: the {self._transfer} failed; once more")
                node.kill()
                node.wipe()
                self.galera.join(node)
                self.galera.wait_joined(node)
        for sidecar in self.sidecars:
            step(f"sidecar of {sidecar.name}")
            sidecar.start()
        step("every sidecar sees three healthy nodes")
        self.wait_healthy()

    def pages(self) -> list[Page]:
        """Scrape all three sidecars."""
        return [sidecar.metrics() for sidecar in self.sidecars]

    def wait_healthy(self, timeout: float = 60) -> None:
        """Wait until every sidecar sees a healthy cluster and registry."""
        logs = [sidecar.log for sidecar in self.sidecars]
        wait_until(
            lambda: all(map(self._healthy, self.pages())), timeout, "all sidecars show a healthy trio", logs, 0.2
        )

    def _healthy(self, page: Page) -> bool:
        return (
            page.value("galera_up") == 1
            and page.value("wsrep_cluster_size") == len(self.galera.nodes)
            and page.value("wsrep_local_state") == 4  # Synced
            and page.value("galera_registry_up") == 1
            and all(
                page.value("galera_etcd_key_present", node=node.name) == 1
                and page.value("galera_registry_node_state", node=node.name, state="synced") == 1
                and page.value("galera_registry_node_in_view", node=node.name) == 1
                for node in self.galera.nodes
            )
        )

    def restore(self) -> None:
        """Undo what a test did: thaw, start what is dead, reset what was set, and wait until all is healthy."""
        for member in self.etcd.members:
            member.thaw()
        self.etcd.start()
        self._restore_galera()
        for sidecar in self.sidecars:
            if sidecar.process is not None:
                sidecar.process.thaw()
            if not sidecar.alive:
                sidecar.start()
        self.wait_healthy()

    def _restore_galera(self) -> None:
        for node in self.galera.nodes:
            node.thaw()
        if any(node.alive and node.status().get("wsrep_cluster_status") == "Primary" for node in self.galera.nodes):
            for node in self.galera.nodes:
                if not node.alive:
                    node.start()
                    self.galera.wait_joined(node)
        else:
            self.galera.rebuild()
        for node in self.galera.nodes:
            with suppress(pymysql.MySQLError):
                node.sql("SET GLOBAL wsrep_desync = OFF")
        self.galera.wait_synced()

    def close(self) -> None:
        """End everything."""
        for sidecar in self.sidecars:
            sidecar.close()
        self.galera.close()
        self.etcd.close()
