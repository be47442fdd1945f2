"""Everything the benchmark starts: the trio of the lab, and two set-ups of the peer beside each node."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.answer import PROMETHEUS, Answer, request
from bench.client import Client
from bench.peer import ACCOUNT, BOTH, STATUS, Peer
from lab import GaleraNode, Process, Sidecar, Trio, wait_until
from lab.sidecar import environment

SIDECAR = "sidecar"
PEER_STATUS = "global_status"
PEER_BOTH = "global_status and global_variables"
UP = {SIDECAR: "\ngalera_up 1", PEER_STATUS: "\nmysql_up 1", PEER_BOTH: "\nmysql_up 1"}
"""What the page of an exporter says while its database answers."""
DOWN = {SIDECAR: "\ngalera_up 0", PEER_STATUS: "\nmysql_up 0", PEER_BOTH: "\nmysql_up 0"}


@dataclass(frozen=True, slots=True)
class Door:
    """How to get in where TLS and basic auth are on: what to trust, and headers of each request."""

    context: ssl.SSLContext | None = None
    headers: str = ""


OPEN = Door()
"""Without TLS and auth."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """One process that serves /metrics."""

    kind: str
    pid: int
    port: int
    door: Door = OPEN

    def client(self) -> Client:
        """Return a client that has not connected yet."""
        return Client(self.port, context=self.door.context)

    def request(self, headers: str) -> bytes:
        """Return a request that is let in."""
        return request(headers + self.door.headers)


@dataclass(frozen=True, slots=True)
class Site:
    """One database server and the exporters beside it."""

    node: GaleraNode
    sidecar: Sidecar
    peers: dict[str, Peer]
    door: Door = OPEN
    """Of all its exporters."""

    @property
    def exporters(self) -> tuple[Exporter, ...]:
        """The sidecar first, and the peers that run."""
        found = [Exporter(SIDECAR, _pid(self.sidecar.process), self.sidecar.port, self.door)]
        for kind, peer in self.peers.items():
            if peer.process is not None and peer.process.alive:
                found.append(Exporter(kind, peer.process.pid, peer.port, self.door))
        return tuple(found)


class Stand:
    """Three etcd, three mariadbd, three sidecars, six peers, below ``root`` (a folder of ``lab.scratch``)."""

    def __init__(self, root: Path) -> None:
        self._stack = ExitStack()
        # Each scrape of the peer is a connection: 64 at once must fit.
        self.trio = Trio(root, name="bench", options={"max_connections": "200"})
        self._stack.callback(self.trio.close)
        self.sites = tuple(Site(sidecar.node, sidecar, self._peers(sidecar, root)) for sidecar in self.trio.sidecars)

    def _peers(self, sidecar: Sidecar, root: Path) -> dict[str, Peer]:
        peers = {}
        for number, (kind, flags) in enumerate({PEER_STATUS: STATUS, PEER_BOTH: BOTH}.items()):
            peers[kind] = Peer(sidecar.node, root, str(number), flags)
            self._stack.callback(peers[kind].close)
        return peers

    def start(self, say: Callable[[str], object]) -> None:
        """Start all and wait until every exporter shows its database."""
        self.trio.start(say)
        say("the peer: two set-ups beside each node")
        for statement in ACCOUNT:
            self.sites[0].node.sql(statement)
        for site in self.sites:
            for peer in site.peers.values():
                peer.start()
            for exporter in site.exporters:
                wait_until(
                    lambda exporter=exporter: up(exporter.port, UP[exporter.kind]),  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                    15,
                    f"{exporter.kind} of {site.node.name} shows its database",
                    [site.sidecar.log, *(peer.log for peer in site.peers.values())],
                )

    def close(self) -> None:
        """End everything."""
        self._stack.close()


def restarted(site: Site) -> float:
    """Stop the sidecar of a site, start it again, and return the seconds until its page shows the database."""
    site.sidecar.stop()
    began = time.perf_counter()
    site.sidecar.process = Process(site.sidecar.argv, log=site.sidecar.log, env=environment())
    return _until_up(began, site.sidecar.port, UP[SIDECAR], site.sidecar.log)


def peer_restarted(site: Site) -> float:
    """Do the same with the peer that reads the status only."""
    peer = site.peers[PEER_STATUS]
    if peer.process is not None:
        peer.process.stop()
    began = time.perf_counter()
    peer.start()
    return _until_up(began, peer.port, UP[PEER_STATUS], peer.log)


def up(port: int, sign: str) -> bool:
    """Whether the page can be had now and has ``sign``; raises OSError."""
    return sign in page(port).text()


def page(port: int, headers: str = PROMETHEUS, deadline: float = 10) -> Answer:
    """Scrape once, on a connection of its own; raises OSError."""
    with Client(port, deadline + 5) as client:
        return client.scrape(request(headers, deadline))[0]


def _until_up(began: float, port: int, sign: str, log: Path) -> float:
    wait_until(lambda: up(port, sign), 15, "the first good page", [log], 0.005)
    return time.perf_counter() - began


def _pid(process: Process | None) -> int:
    if process is None:
        raise RuntimeError("the sidecar was not started")
    return process.pid
