"""One fault on a running site: who writes meanwhile, who watches, and what must hold in the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pymysql

from lab import LabTimeoutError, Pod, wait_until
from lab.checks import Watch, check_equal
from lab.mariadb import GaleraNode
from lab.site import Record, Site
from lab.wrapper import read_fields
from lab.writer import Ledger, Writer


class Scenario:
    """Watches a site from the first moment on; ``check`` is what every scenario ends with."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.pods = site.pods
        self.ledger = Ledger()
        self.watch = Watch(site.nodes)
        self._writer: Writer | None = None
        self._reached = 0

    def write(self, nodes: Sequence[GaleraNode] = (), rows: int = 50) -> Writer:
        """Begin to write on some nodes (none: all), and return once so many rows are acknowledged."""
        self.quiet()
        writer = self._writer = Writer(nodes or self.site.nodes, self.ledger)
        writer.start()
        writer.wait_acknowledged(rows)
        return writer

    def quiet(self) -> None:
        """Write no more."""
        if self._writer is not None:
            self._writer.stop()
            self._writer = None

    @contextmanager
    def lagging(self, pod: Pod, rows: int = 100) -> Iterator[None]:
        """In the block a node has received rows that it has not applied: it is at least ``rows`` transactions behind.

        FLUSH TABLES WITH READ LOCK holds its appliers; desynced, it asks nobody to wait for it.
        """
        others = [other.node for other in self.pods if other is not pod]
        pod.node.sql("SET GLOBAL wsrep_desync = ON")
        connection = pod.node.connect(timeout=60)
        try:
            with connection.cursor() as cursor:
                cursor.execute("FLUSH TABLES WITH READ LOCK")
            self.write(others, rows)
            behind = committed(others[0]) - committed(pod.node)
            assert behind >= rows - 10, f"{pod.name} should lag, and is {behind} transactions behind"
            yield
        finally:
            with suppress(OSError, pymysql.MySQLError):
                connection.close()

    def outage(self, *, at_rest: bool = False) -> int:
        """Cut the power of all pods while they write, and return the epoch that this ended.

        ``at_rest``: once they have written, and all have applied all. For a scenario that throws
        one node's disk away: of a commit that the others had received, and not applied, it was the only one.
        """
        epoch = self.site.epoch
        if at_rest:
            self.quiet()
            self._reached = wait_until(self._applied, 30, "all nodes have applied all")
        self.site.power_loss()
        self.quiet()
        assert not any(pod.node.alive or pod.sidecar.alive for pod in self.pods)
        assert not any(pod.node.status() for pod in self.pods)
        return epoch

    def _applied(self) -> int:
        """Return the seqno that all nodes have committed; 0 while they differ, or one does not answer."""
        seqnos = {int(node.status().get("wsrep_last_committed", 0)) for node in self.site.nodes}
        return seqnos.pop() if len(seqnos) == 1 else 0

    def check(self, *, lineages: int = 1, lost: bool = False) -> None:
        """All three serve as one cluster, with equal data; no acknowledged row is missing unless ``lost``."""
        self.quiet()
        self.site.wait_serving()
        self.watch.stop()
        self.watch.check(lineages)
        if not lost:
            self._check_complete()
        check_equal(self.site.nodes)

    def _check_complete(self) -> None:
        """Fail where an acknowledged row is missing, and say which of them, on whom, and what each node began with."""
        entries = self.ledger.entries
        found = {node.name: self.ledger.missing(node) for node in self.site.nodes}
        rows = [
            f"row {number} of {len(entries)}, acknowledged by {entry.node}, is not on {', '.join(without)}"
            for number, entry in enumerate(entries, 1)
            if (without := [name for name, missing in found.items() if entry.row in missing])
        ]
        if rows:
            began = [f"{pod.name} began with {read_fields(pod.node.handoff / 'request')}" for pod in self.pods]
            recovered = [f"{pod.name} recovered: {_tail(pod.node.datadir / 'recover.log')}" for pod in self.pods]
            rest = f"all had committed seqno {self._reached} at rest (0: they were not at rest)"
            raise AssertionError("\n".join([*rows, *began, *recovered, rest, f"epochs: {self.site.history}"]))

    def close(self) -> None:
        """End what runs."""
        self.quiet()
        self.watch.stop()


def _tail(log: Path) -> str:
    return log.read_text()[-3000:] if log.exists() else "without a log"


def committed(node: GaleraNode) -> int:
    """Return the seqno of a node's last commit."""
    return int(node.status()["wsrep_last_committed"])


def check_elected_once(site: Site, after: int, rule: str) -> Record:
    """The one election since epoch ``after`` was by this rule; its node made the cluster, and said why."""
    new = _elections(site, after)
    assert len(new) == 1, f"elections since epoch {after}: {new}"
    epoch = new[0]
    assert epoch["rule"] == rule
    assert epoch["confirmed"]
    assert [pod.name for pod in site.pods if pod.made_cluster] == [epoch["node"]]
    told = site.pod(str(epoch["node"])).told
    assert re.search(rf"start: starts epoch {epoch['number']} .*, elected by rule {rule}$", told, re.MULTILINE), told
    return epoch


def check_not_elected(site: Site, after: int) -> None:
    """Nobody was elected since epoch ``after``; else say who, by which rule, and what all nodes told."""
    if site.epoch != after:
        told = "\n".join(f"--- {pod.name}\n{pod.told}\n{pod.log[-3000:]}" for pod in site.pods)
        raise AssertionError(f"elections since epoch {after}: {_elections(site, after)}\n{told}")


def _elections(site: Site, after: int) -> list[Record]:
    return [epoch for number, epoch in sorted(site.history.items()) if number > after]


def stays_so(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Fail as soon as the predicate ``holds`` is false within so many seconds."""
    try:
        wait_until(lambda: not holds(), seconds, what, interval=0.2)
    except LabTimeoutError:
        return
    raise AssertionError(f"does not last: {what}")
