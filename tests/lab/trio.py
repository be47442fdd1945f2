"""The whole thing: one etcd cluster, and three pods that make one Galera cluster by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pymysql

from lab.etcd import EtcdCluster
from lab.page import Page
from lab.pod import Pod, bootstrap_flags, introduce
from lab.process import LabTimeoutError, excerpt, wait_until
from lab.sidecar import Sidecar
from lab.template import fill
from lab.wrapper import WrappedCluster

# A dead node is out of the view after 3 s instead of 5 s; the ratios are the defaults'. Not sooner: on a machine that
# runs several clusters on two cores a server may be silent for 2 s, and two that lose sight of each other may elect.
QUICK_EVS: Mapping[str, str] = {
    "evs.keepalive_period": "PT0.5S",
    "evs.inactive_check_period": "PT0.25S",
    "evs.suspect_timeout": "PT3S",
    "evs.inactive_timeout": "PT9S",
    "evs.install_timeout": "PT4.5S",
}


class Trio:
    """Three etcd members, three nodes, three sidecars below ``root`` (a folder of ``lab.scratch``).

    The nodes start empty, and two of them take an SST (about 13 s each, 10 of them a sleep of the donor's
    script); ``filled``: all have the same data from the beginning, and nobody needs one. ``backoff``:
    seconds after which a node whose mariadbd has crashed is started again.
    """

    def __init__(
        self,
        root: Path,
        *,
        name: str = "lab",
        filled: bool = True,
        options: Mapping[str, str] | None = None,
        provider_options: Mapping[str, str] | None = None,
        flags: Mapping[str, str] | None = None,
        backoff: float = 1.0,
    ) -> None:
        self.etcd = EtcdCluster(3, root)
        self.galera = WrappedCluster(
            3, root, name=name, options=options, provider_options=provider_options, backoff=backoff
        )
        self._filled = filled
        self.pods = tuple(
            Pod(
                node,
                Sidecar(
                    node,
                    root,
                    etcd=self.etcd.endpoints,
                    cluster=name,
                    flags={**bootstrap_flags(node), **(flags or {})},
                ),
            )
            for node in self.galera.nodes
        )
        introduce(self.pods)
        self.sidecars = tuple(pod.sidecar for pod in self.pods)

    def start(self, step: Callable[[str], object] = lambda _words: None) -> None:
        """Start everything and wait until all is healthy; ``step`` is told what begins."""
        step("etcd: 3 members")
        self.etcd.start()
        if self._filled:
            for node in self.galera.nodes:
                fill(node, bootstrap=False)
        step(f"{len(self.pods)} pods at once, each a node with {'equal' if self._filled else 'no'} data and a sidecar")
        for pod in self.pods:
            pod.start()
        self.wait_healthy(180)

    def pages(self) -> list[Page]:
        """Scrape all three sidecars."""
        return [sidecar.metrics() for sidecar in self.sidecars]

    def wait_healthy(self, timeout: float = 90) -> None:
        """Wait until every sidecar sees a healthy cluster and registry."""
        logs = [log for pod in self.pods for log in pod.logs]
        wait_until(
            lambda: all(map(self._healthy, self.pages())), timeout, "all sidecars show a healthy trio", logs, 0.2
        )

    def _healthy(self, page: Page) -> bool:
        return (
            page.value("galera_up") == 1
            and page.value("wsrep_cluster_size") == len(self.galera.nodes)
            and page.value("wsrep_local_state") == 4  # Synced
            and page.value("galera_bootstrap_phase", phase="confirmed") == 1
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
        for pod in self.pods:
            pod.thaw()
        for pod in self.pods:
            pod.start()
        for node in self.galera.nodes:
            with suppress(OSError, pymysql.MySQLError):  # one that does not answer yet has forgotten it
                node.sql("SET GLOBAL wsrep_desync = OFF")
        try:
            self.galera.wait_synced()  # the pages may still show what was before
        except LabTimeoutError as error:
            told = map(excerpt, (sidecar.log for sidecar in self.sidecars))
            raise LabTimeoutError("\n".join([str(error), *told])) from error
        self.wait_healthy()

    def close(self) -> None:
        """End everything."""
        for sidecar in self.sidecars:
            sidecar.close()
        self.galera.close()
        self.etcd.close()
