"""A fleet of clusters as Prometheus sees it: the series of one real cluster, many times, with labels of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab import Page, Sidecar, wait_until
from lab.web import fetch

RULES = Path(__file__).parents[2] / "alerts" / "prometheus" / "galera.rules.yaml"
NODES = ("galera-0", "galera-1", "galera-2")
MEMBERS = ("etcd-0", "etcd-1", "etcd-2")
DOWN_EVERY, DOWN_AT = 50, 7
"""Of the clusters with these numbers (7, 57, 107, ...) one node is down."""
STEP = 15
"""Seconds between two samples of a series: the default of the chart's PodMonitor."""
WRITES = 100.0
"""Write sets a second of each cluster."""
PART = 20
"""Clusters on one page."""
_MOVING = {
    "galera_ist_window_transactions": (900_000.0, 0.0),
    "wsrep_last_committed": (1_000_000.0, WRITES),
    "wsrep_local_cached_downto": (100_000.0, WRITES),
    "wsrep_replicated_total": (500_000.0, WRITES),
}
"""What writes do to series: a value, and its growth in a second. An idle cluster would spare Prometheus some work."""

_NAME = re.compile(r"\b(?:up|(?:galera|wsrep|etcd|kube)_[a-z_]+)\b(?!:)")
_RANGE = re.compile(r"([a-z_:0-9]+)(?:\{[^}]*\})?(?:\[|\s+offset\s+)(\d+)([smhd])")
_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Series = tuple[str, str, float]
"""Name, labels as text, value."""


@dataclass(frozen=True)
class Needs:
    """What rules read: the names of all series, and of how many seconds."""

    names: frozenset[str]
    windows: Mapping[str, int]

    @classmethod
    def read(cls, path: Path = RULES) -> Needs:
        """Find it in a rule file."""
        groups: list[dict[str, Any]] = yaml.safe_load(path.read_text())["groups"]
        text = "\n".join(
            line
            for group in groups
            for rule in group["rules"]
            for line in rule["expr"].splitlines()
            if not line.lstrip().startswith("#")
        )
        windows: dict[str, int] = {}
        for name, number, unit in _RANGE.findall(text):
            windows[name] = max(windows.get(name, 0), int(number) * _UNIT[unit])
        return cls(frozenset(_NAME.findall(text)), windows)


@dataclass(frozen=True)
class Sources:
    """Pages of a real cluster: of a healthy node, of one that lost another, of one whose database is dead, of etcd."""

    healthy: str
    survivor: str
    down: str
    etcd: str

    @classmethod
    def take(cls, healthy: str, survivor: Sidecar, dead: Sidecar, endpoint: str) -> Sources:
        """Scrape the rest, as soon as the survivor has seen the last of the dead node."""
        survivor.until(
            lambda page: (
                page.value("wsrep_cluster_size") == len(NODES) - 1
                and page.value("galera_etcd_key_present", node=dead.name) == 0
            ),
            30,
            "has seen the last of a dead node",
        )
        down = dead.until(lambda page: page.value("galera_up") == 0, 10, "sees that its database is dead").text
        etcd = wait_until(lambda: fetch(f"{endpoint}/metrics"), 10, "etcd's own metrics")
        return cls(healthy, survivor.get(), down, etcd)


@dataclass
class Fleet:
    """``size`` clusters; ``page`` is what a scrape of some of them gives, ``history`` what was before."""

    size: int
    sources: Sources
    needs: Needs = field(default_factory=Needs.read)

    def __post_init__(self) -> None:
        pages = {
            name: _series(getattr(self.sources, name), self.needs.names) for name in ("healthy", "survivor", "down")
        }
        self._healthy = [(pod, pages["healthy"]) for pod in NODES]
        dead, *others = NODES
        self._degraded = [(dead, pages["down"]), *((pod, pages["survivor"]) for pod in others)]
        self._etcd = _series(self.sources.etcd, self.needs.names)
        parts = [range(first, min(first + PART, self.size)) for first in range(0, self.size, PART)]
        self._parts = [self._part([row for n in part for row in self._cluster(n, _degraded(n))]) for part in parts]
        self.series = sum(count for _, _, count in self._parts)

    @property
    def parts(self) -> int:
        """How many pages there are: Prometheus scrapes its targets one by one, not all at once."""
        return len(self._parts)

    @property
    def degraded(self) -> int:
        """How many of the clusters have a node that is down."""
        return sum(_degraded(number) for number in range(self.size))

    def page(self, part: int, seconds: float) -> bytes:
        """Return what a scrape of a part of the clusters gives after so many seconds."""
        still, moving, _ = self._parts[part]
        return (still + "".join(f"{name}{{{labels}}} {_grown(name, seconds)}\n" for name, labels in moving)).encode()

    @staticmethod
    def _part(rows: list[Series]) -> tuple[str, list[tuple[str, str]], int]:
        """Return the text that stays, the series that grow, and how many there are in all."""
        rows.sort(key=lambda row: row[0])  # the format wants all series of a name together
        still = "".join(f"{name}{{{labels}}} {value:g}\n" for name, labels, value in rows if name not in _MOVING)
        return still, [(name, labels) for name, labels, _ in rows if name in _MOVING], len(rows)

    def history(self, now: float, begin: int, end: int) -> Iterator[str]:
        """Yield all samples that any rule looks back on, from ``begin`` to ``end`` seconds before ``now`` (Unix time).

        Each line ends with its time in milliseconds. All clusters are healthy; growth reaches its beginning at ``now``.
        """
        for number in range(self.size):
            for name, labels, value in (*self._cluster(number, degraded=False), *self._recorded(number)):
                for ago in range(min(begin, self.needs.windows.get(name, 0)), end, -STEP):
                    shown = _grown(name, -ago) if name in _MOVING else f"{value:g}"
                    yield f"{name}{{{labels}}} {shown} {1000 * (now - ago):.0f}\n"

    def _cluster(self, number: int, degraded: bool) -> Iterator[Series]:  # noqa: FBT001 - a property of the cluster
        own = f'namespace="shop-{number:04}",galera_cluster="galera"'
        for pod, series in self._degraded if degraded else self._healthy:
            labels = f'{own},pod="{pod}",instance="10.1.{number // 250}.{number % 250}:10104",job="galera"'
            yield "up", labels, 1
            for name, more, value in series:
                yield name, f"{labels}{more}", value
            yield "galera_kube_pod_ready", f'{own},pod="{pod}"', 1
            yield "galera_observer_primary", f'{own},pod="{pod}"', float(pod == NODES[-1])
            yield "kube_pod_status_ready", f'namespace="shop-{number:04}",pod="{pod}",condition="true"', 1
        for pod in MEMBERS:
            labels = f'{own},pod="{pod}",component="etcd",job="etcd"'
            yield "up", labels, 1
            for name, more, value in self._etcd:
                yield name, f"{labels}{more}", value
        yield "up", f'{own},pod="observer",component="observer",job="observer"', 1
        yield "galera_observer_up", f'{own},pod="observer"', 1
        yield "galera_kube_replicas", f'{own},pod="observer"', len(NODES)

    def _recorded(self, number: int) -> Iterator[Series]:
        """Yield what rules have recorded, as far as others look back on it."""
        own = f'namespace="shop-{number:04}",galera_cluster="galera"'
        for name in self.needs.windows:
            if name.startswith("galera_cluster:"):
                yield name, own, len(NODES)
            elif name.startswith("galera_node:"):
                for pod in NODES:
                    yield name, f'{own},pod="{pod}"', 1


def _degraded(number: int) -> bool:
    return number % DOWN_EVERY == DOWN_AT


def _grown(name: str, seconds: float) -> str:
    begin, growth = _MOVING[name]
    return f"{begin + growth * seconds:.0f}"


def _series(text: str, wanted: frozenset[str]) -> Sequence[Series]:
    """Return the wanted series of a page, labels with a comma before each."""
    return [
        (name, "".join(f',{label}="{value}"' for label, value in sorted(labels)), value)
        for (name, labels), value in Page.parse(text).samples.items()
        if name in wanted
    ]
