"""One node with its sidecar on a host of its own, and etcd on three others: what stands between them can be broken."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import EtcdCluster, GaleraCluster, GaleraNode, Page, Sidecar
from lab.namespaces import Host, Namespaces

PREFIX = "/galera/v1/default/lab/"
TTL = 5
"""Seconds; the shortest that users may set: a test that waits for a key to end has to wait for real."""
KEPT = 10
"""Seconds; the default, for a key that must not end: on a machine that is busy for seconds it must not either."""
POD = "pod"
ETCD = ("etcd-0", "etcd-1", "etcd-2")
CLIENT = "client"
_IN_TIME = 2.0
"""Seconds that a page may take while etcd is out of reach; Prometheus would wait for 5."""


class Stand:
    """``network`` joins the hosts; ``sidecar`` registers ``node``, alone in its cluster, in ``etcd``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.network = Namespaces([POD, *ETCD, CLIENT])
        self.etcd = EtcdCluster(3, root, hosts=[self.network[name] for name in ETCD], client=self.network[CLIENT])
        self._galera = GaleraCluster(1, root, hosts=[self.host])
        self.node: GaleraNode = self._galera.nodes[0]
        self.sidecar = self.beside(self.etcd.endpoints, ttl=TTL)

    @property
    def host(self) -> Host:
        """Where the node and its sidecar are."""
        return self.network[POD]

    def beside(self, endpoints: Sequence[str], *, ttl: int = KEPT, under: Sequence[str] = ()) -> Sidecar:
        """Return another sidecar of the same node, which does not run yet. Who makes it closes it."""
        return Sidecar(self.node, self.root, etcd=endpoints, expected=1, flags={"etcd.ttl": str(ttl)}, under=under)

    @contextmanager
    def instead(self, other: Sidecar) -> Iterator[Sidecar]:
        """In the block another sidecar runs for the node, and is registered; the usual one comes back afterwards."""
        self.sidecar.stop()
        try:
            other.start()
            wait_registered(other)
            yield other
        finally:
            other.stop()
            other.close()
            self.sidecar.start()

    def start(self) -> None:
        """Start all, and wait until the node is registered."""
        self.etcd.start()
        self._galera.bootstrap()
        self.sidecar.start()
        wait_registered(self.sidecar)

    def restore(self) -> None:
        """Undo what a test did, and wait until all is well."""
        self.network.heal()
        self.etcd.start()
        self.etcd.wait_healthy()
        wait_registered(self.sidecar)

    @property
    def key(self) -> bool:
        """Whether etcd has the node's key."""
        return bool(self.etcd.keys(f"{PREFIX}live/"))

    def answered_by(self) -> set[str]:
        """Return the hosts of etcd to which the pod has a connection."""
        with self.host.entered():
            # Of the namespace that the calling thread is in.
            rows = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
        peers = {_endpoint(row.split()[2]) for row in rows if row.split()[3] == _ESTABLISHED}
        return {name for name, member in zip(ETCD, self.etcd.members, strict=True) if place(member.endpoint) in peers}

    def reaches(self, endpoint: str) -> bool:
        """Whether a connection from the pod to an endpoint of etcd is made.

        Raises:
            TimeoutError: not within a second.
            ConnectionError: it is refused.
        """
        with self.host.entered():
            socket.create_connection(place(endpoint), timeout=1).close()
        return True

    def close(self) -> None:
        """End everything."""
        self.sidecar.close()
        self._galera.close()
        self.etcd.close()
        self.network.close()


_ESTABLISHED = "01"  # net/tcp_states.h


def place(endpoint: str) -> tuple[str, int]:
    """Return host and port of an endpoint."""
    host, _, port = endpoint.removeprefix("http://").partition(":")
    return host, int(port)


def _endpoint(text: str) -> tuple[str, int]:
    """Read an address of /proc/net/tcp: bytes of the address in the machine's order, and the port."""
    address, _, port = text.partition(":")
    return socket.inet_ntoa(int(address, 16).to_bytes(4, "little")), int(port, 16)


def wait_registered(sidecar: Sidecar, timeout: float = 30) -> Page:
    """Wait until the sidecar says that all is well."""
    return sidecar.until(
        lambda page: (
            page.value("galera_up") == 1
            and page.value("galera_registry_up") == 1
            and page.value("galera_registry_self_registered") == 1
        ),
        timeout,
        "is registered, and sees the database and etcd",
    )


@contextmanager
def in_time(sidecar: Sidecar) -> Iterator[list[Page]]:
    """In the block pages are asked for all the time: each comes in time, and has the database's values."""
    pages: list[Page] = []
    slowest = 0.0
    faults: list[BaseException] = []
    ending = threading.Event()

    def scrape() -> None:
        nonlocal slowest
        try:
            while not ending.wait(0.2):
                began = time.monotonic()
                pages.append(sidecar.metrics())
                slowest = max(slowest, time.monotonic() - began)
        except (OSError, ValueError) as error:
            faults.append(error)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield pages
    finally:
        ending.set()
        thread.join(20)
    assert not faults, f"a page did not come: {faults}"
    assert pages
    assert slowest < _IN_TIME, f"a page took {slowest:.1f} s"
    assert all(page.value("galera_up") == 1 for page in pages), "the database answers all the time"
