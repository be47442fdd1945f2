"""A cluster that things happen to. Each deed is a verb, takes effect at once, and gives the cluster back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Self

from alerts import page
from alerts.clock import seconds
from alerts.group import Group, World
from alerts.keys import Registry
from alerts.model import TICK, Database, Node
from alerts.series import Key, key
from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.bootstrap.state import Reason


class Cluster(Group):
    """A group with 50 write sets a second; each node has its pod and its sidecar, and all a registry."""

    def __init__(self, world: World, name: str, size: int, *, expected: int | None, etcd: bool) -> None:
        super().__init__(world, name, size, expected=expected)
        self.registry: Registry | None = Registry() if etcd else None
        self._addresses = count(10 + size)
        self._rate = 50.0
        self._paused = 0.0
        self._failures = 0.0

    # Time

    def at(self, when: str) -> Self:
        """Let time pass until ``when``, counted from the story's begin."""
        self.world.reach(when)
        return self

    def tick(self) -> None:
        """Let one scrape interval of work be done."""
        primary = [n for n in self.nodes if n.primary and n.running and not n.arbitrator]
        for node in primary:
            node.last_primary = self.world.now
            node.seqno += round(self._rate * node.speed * TICK)
            node.cached_downto = max(node.cached_downto, node.seqno - node.gcache)
            if node.database is Database.RUNNING:
                sent = self._rate * TICK / len(primary)
                self._add(node, "wsrep_replicated", sent)
                self._add(node, "wsrep_received", self._rate * TICK)
                self._add(node, "wsrep_local_commits", sent * (1 - self._failures))
                self._add(node, "wsrep_local_cert_failures", sent * self._failures)
                self._add(node, "wsrep_flow_control_paused_ns", self._paused * TICK * 1e9)

    def page(self, wanted: frozenset[str]) -> Iterator[tuple[Key, float]]:
        """Yield what Prometheus records of this cluster at one scrape, of the ``wanted`` metrics."""
        now = self.world.now
        if self.registry is not None:
            self.registry.tick(self.nodes, now)
        for node in self.nodes:
            if node.arbitrator or not node.target:
                continue
            labels = {
                "namespace": "galera",
                "galera_cluster": self.name,
                "pod": node.name,
                "job": "galera/galera",
                "container": "exporter",
                "endpoint": "metrics",
                "instance": f"10.0.0.{node.address}:10104",
            }
            yield key("up", labels), float(node.scraped)
            if node.scraped:
                reading = None if self.registry is None else self.registry.reading(node, now)
                for row in page.rows(node, reading, now, bootstrap=self.registry is not None):
                    if row[0] in wanted:
                        for own, value in page.samples(row):
                            yield key(row[0], {**labels, **own}), value

    @staticmethod
    def _add(node: Node, variable: str, amount: float) -> None:
        node.counts[variable] = node.counts.get(variable, 0) + amount

    # Pods

    def deletes(self, *names: str) -> Self:
        """The pods end in order and are gone, with their targets."""
        self.stops(*names)
        for node in self.find(names):
            node.target = False
        return self

    def loses_machine(self, *names: str) -> Self:
        """Databases and sidecars are dead at once; the pods are still on Kubernetes' list."""
        self.kills(*names)
        for node in self.find(names):
            node.sidecar = False
        return self

    def creates(self, *names: str) -> Self:
        """The pods are there again, with new addresses; the databases do not run yet."""
        for node in self.find(names):
            node.target = node.sidecar = True
            self._begin(node)
            node.address = next(self._addresses)
        return self

    def kills_sidecar(self, *names: str) -> Self:
        """The sidecars die; the databases go on."""
        for node in self.find(names):
            node.sidecar = False
        return self

    def starts_sidecar(self, *names: str) -> Self:
        """The sidecars are back."""
        for node in self.find(names):
            node.sidecar = True
            self._begin(node)
        return self

    def _begin(self, node: Node) -> None:
        """The sidecar has seen and done nothing yet."""
        node.born, node.largest = self.world.now, 0
        node.decisions.clear()

    def crashes(self, name: str) -> Self:
        """The mariadbd dies and is started again, in the same pod: it is back after a minute."""
        self.kills(name)
        self.world.later("30s", self._joins, name, 30)
        return self

    def is_restarted(self, each: str = "3m", *, order: Iterable[str] | None = None) -> Self:
        """Restart all pods one after the other, each ``each`` long: gone, made anew, joined by IST, Synced."""
        for name in order or [node.name for node in reversed(self.nodes) if not node.arbitrator]:
            self.deletes(name)
            self.world.later("30s", self.creates, name)
            self.world.later("45s", self._joins, name, seconds(each) - 45)
            self.world.reach(f"{self.world.now + seconds(each)}s")
        return self

    def scales_to(self, size: int, *, told: bool = True) -> Self:
        """The pods with the highest numbers end in order and are gone; the other sidecars are ``told`` or are not."""
        for node in self.nodes[size:]:
            self.deletes(node.name)
        for node in self.nodes[:size]:
            node.expected = size if told else node.expected
        self.nodes = self.nodes[:size]
        return self

    # Work and settings

    def writes(self, each_second: float) -> Self:
        """So many write sets a second; 0: an idle cluster, which has no latencies either."""
        self._rate = each_second
        for node in self.nodes:
            node.latency = 0.001 if each_second else 0
        return self

    def is_paused(self, share: float) -> Self:
        """Flow control stops replication for this share of the time."""
        self._paused = share
        return self

    def fails_certification(self, share: float) -> Self:
        """This share of the local transactions fails."""
        self._failures = share
        return self

    def sets(self, *names: str, **facts: object) -> Self:
        """Set facts of nodes by the names that ``Node`` has for them; of all nodes where none is named."""
        for node in self.find(names or [node.name for node in self.nodes]):
            for fact, value in facts.items():
                if not hasattr(node, fact):
                    raise AttributeError(f"a node has no {fact}")
                setattr(node, fact, value)
        return self

    def configures(self, *names: str, options: Mapping[str, str]) -> Self:
        """Set server variables, or provider options: these have a dot in their name."""
        for node in self.find(names or [node.name for node in self.nodes]):
            node.options.update(options)
        return self

    def waits(self, reason: Reason, *names: str, for_nodes: tuple[str, ...] = ()) -> Self:
        """These nodes wait at the gate of the bootstrap protocol; all that are stopped where none is named."""
        for node in self.find(names) or [n for n in self.nodes if n.database is Database.STOPPED]:
            node.wait = Wait(reason, for_nodes)
        return self

    # etcd

    def loses_etcd(self, *names: str) -> Self:
        """No sidecar reaches etcd any more, or these do not."""
        self._registered.up = bool(names)
        self._registered.cut_off |= set(names)
        return self

    def finds_etcd(self) -> Self:
        """The etcd is back for all."""
        self._registered.up = True
        self._registered.cut_off.clear()
        return self

    def keys(self) -> Registry:
        """Return the registry, to break it."""
        return self._registered

    @property
    def _registered(self) -> Registry:
        if self.registry is None:
            raise ValueError(f"cluster {self.name} has no registry")
        return self.registry
