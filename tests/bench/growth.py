"""What grows with the number of registered nodes: the page, the sidecar's cost, requests and bytes of etcd."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import fmean

from bench.absent import Absent, Likeness
from bench.answer import PLAIN, PROMETHEUS
from bench.etcd_usage import METHODS, Usage
from bench.report import Row, Target, percentile
from bench.scrapes import Costs, idle, paced
from bench.stand import SIDECAR, Site, page
from bench.usage import resident_mib
from galera_exporter.registry.heartbeat import LONGEST_BEAT
from galera_exporter.settings import EtcdSettings
from lab import EtcdCluster, Trio

NAME = "bench"
SIZES = (3, 5, 9, 50)
INTERVAL = 15.0
"""Seconds between two scrapes of a Prometheus."""
MEMORY = Target(40)
NODES = 3
KEPT = 2
"""Hours: the chart compacts each hour what is older than one."""
DAY = 86_400
COMMIT = 0.1
"""Seconds after which etcd puts on disk what it has taken."""
_KIB = 1024
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of it."""

    sizes: Sequence[int] = SIZES
    rounds: int = 24
    idle: float = 30.0
    """Seconds that sidecars are left alone at each size."""
    window: float = 60.0
    """Seconds in which etcd's requests are counted."""
    beats: int = 600
    """Heartbeats of each of three nodes, for the bytes that they take."""


QUICK = Scale(sizes=(SIZES[0], SIZES[-1]), rounds=8, idle=9, window=12, beats=200)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a sidecar costs beside so many registered nodes."""

    nodes: int
    series: int
    text: int
    """Bytes of the page."""
    transferred: int
    """Bytes of the page as Prometheus gets it."""
    share: float
    """Of a core, when it is not scraped."""
    resident: float
    """MiB, of the largest of the sidecars."""
    scrapes: Costs = field(default_factory=Costs)

    def rows(self) -> list[Row]:
        """Return the rows of this size."""
        name, cpu = f"{self.nodes} registered nodes", fmean(self.scrapes.cpu)
        return [
            Row(f"{name}: series", self.series, ""),
            Row(f"{name}: page", self.text / _KIB, "KiB"),
            Row(f"{name}: page as Prometheus gets it", self.transferred / _KIB, "KiB"),
            Row(f"{name}: scrape p50", 1e3 * percentile(self.scrapes.seconds, 0.5), "ms"),
            Row(f"{name}: CPU per scrape", 1e3 * cpu, "ms"),
            Row(f"{name}: CPU when not scraped", 100 * self.share, "% of a core"),
            Row(f"{name}: CPU with a scrape each 15 s", 100 * (self.share + cpu / INTERVAL), "% of a core"),
            Row(f"{name}: resident", self.resident, "MiB", target=MEMORY),
        ]


def rows(folder: Path, say: Callable[[str], object], scale: Scale) -> list[Row]:
    """Measure with three real pods and absent ones, which start below ``folder``."""
    trio = Trio(folder, name=NAME)
    with closing(trio):
        trio.start(say)
        made = _requests(trio, scale.window, say)
        like = Likeness.read(EtcdSettings(endpoints=trio.etcd.endpoints, cluster=NAME), trio.sidecars[0].name)
        costs = _costs(trio, like, scale, say)
    made += [row for cost in costs for row in cost.rows()]
    return [*made, *slopes(costs), *_bytes(folder, like, scale.beats, say)]


def slopes(costs: Sequence[Cost]) -> list[Row]:
    """Return what each further node adds, between the smallest and the largest number of them."""
    least, most = costs[0], costs[-1]
    nodes = most.nodes - least.nodes
    if not nodes:
        return []
    return [
        Row("each further node: series", (most.series - least.series) / nodes, ""),
        Row("each further node: page", (most.text - least.text) / nodes / _KIB, "KiB"),
        Row("each further node: CPU when not scraped", 100 * (most.share - least.share) / nodes, "% of a core"),
    ]


def _requests(trio: Trio, window: float, say: Callable[[str], object]) -> list[Row]:
    made = []
    for state, pace in (("idle", 0.0), ("scraped each second", 1.0)):
        say(f"growth: requests to etcd in {window:g} s, {state}")
        before, began = Usage.of(trio.etcd), time.monotonic()
        ports = cycle([sidecar.port for sidecar in trio.sidecars])
        while (left := began + window - time.monotonic()) > 0:
            if pace:
                page(next(ports))
                left = min(left, pace / len(trio.sidecars))
            time.sleep(left)
        made += request_rows(state, Usage.of(trio.etcd).since(before), time.monotonic() - began, len(trio.sidecars))
    return made


def request_rows(state: str, used: Usage, seconds: float, nodes: int) -> list[Row]:
    """Return what one node asked of etcd in a minute."""
    share = 60 / seconds / nodes
    made = [
        Row(f"etcd, {state}: {METHODS.get(method, method)} of a node in a minute", count * share, "")
        for method, count in sorted(used.requests.items())
    ]
    return [
        *made,
        Row(f"etcd, {state}: requests of a node in a minute", sum(used.requests.values()) * share, ""),
        Row(f"etcd, {state}: revisions of a node in a minute", used.revisions * share, ""),
        Row(f"etcd, {state}: keys written of a node in a minute", used.puts * share, ""),
    ]


def _costs(trio: Trio, like: Likeness, scale: Scale, say: Callable[[str], object]) -> list[Cost]:
    settings = EtcdSettings(endpoints=trio.etcd.endpoints, cluster=NAME)
    sites = [Site(sidecar.node, sidecar, {}) for sidecar in trio.sidecars]
    exporters = [site.exporters[0] for site in sites]
    costs = []
    with closing(Absent(settings, like, tuple(sidecar.name for sidecar in trio.sidecars))) as absent:
        for size in scale.sizes:
            say(f"growth: {size} registered nodes")
            absent.grow(size)
            for sidecar in trio.sidecars:
                sidecar.until(
                    lambda found, size=size: found.value("galera_registry_nodes") == size,  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                    15,
                    f"sees {size} registered nodes",
                )
            time.sleep(2 * LONGEST_BEAT)  # whatever a change of their number sets off is over
            rates = idle(exporters, scale.idle)
            found = paced(sites, scale.rounds, rates, say)
            text = page(exporters[0].port, PLAIN).text()
            costs.append(
                Cost(
                    size,
                    sum(1 for line in text.splitlines() if line and not line.startswith("#")),
                    len(text.encode()),
                    len(page(exporters[0].port, PROMETHEUS).body),
                    fmean(rates.values()),
                    max(resident_mib(exporter.pid) for exporter in exporters),
                    found[SIDECAR, "Prometheus"],
                )
            )
    return costs


def _bytes(folder: Path, like: Likeness, beats: int, say: Callable[[str], object]) -> list[Row]:
    """Let three nodes beat as fast as they can, in an etcd of its own, again and again after a compaction."""
    say(f"growth: bytes of etcd, {NODES} nodes, {beats} heartbeats each, three times")
    cluster = EtcdCluster(1, folder / "bytes")
    with closing(cluster):
        cluster.start()
        with closing(Absent(EtcdSettings(endpoints=cluster.endpoints, cluster=NAME), like, ())) as absent:
            rounds = []
            for _ in range(3):
                before = Usage.of(cluster)
                for _ in range(beats):
                    absent.grow(NODES)  # those that are there beat
                time.sleep(2 * COMMIT)
                after = Usage.of(cluster)
                rounds.append(after.since(before))
                cluster.ctl("compact", "--physical", f"{after.revisions:.0f}", timeout=60)
    return byte_rows(rounds)


def byte_rows(rounds: Sequence[Usage]) -> list[Row]:
    """Return what heartbeats of NODES nodes add to etcd's database: at first, and in rounds after a compaction."""
    first, *later = rounds
    beat = first.in_use / first.revisions
    day = beat * DAY / LONGEST_BEAT / _MIB
    kept = NODES * day * KEPT / 24
    return [
        Row("etcd: database, of a heartbeat", beat / _KIB, "KiB"),
        Row("etcd: database, of a node in a day, without compaction", day, "MiB"),
        Row(f"etcd: database of {NODES} nodes, of the {KEPT} hours that the chart keeps", kept, "MiB"),
        Row(f"etcd: file, by {first.revisions:.0f} heartbeats", first.size / _MIB, "MiB"),
        *(
            Row(f"etcd: file, by {each.revisions:.0f} more after compaction {number}", each.size / _MIB, "MiB")
            for number, each in enumerate(later, start=1)
        ),
    ]
