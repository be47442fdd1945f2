"""The benchmark's phases, in order, and the rows they give."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, median

from bench.answer import PLAIN, PROMETHEUS, request
from bench.client import Client
from bench.load import Load, put_load
from bench.report import Row, Target, percentile
from bench.scrapes import ASKINGS, Costs, back_to_back, idle, paced
from bench.stand import (
    DOWN,
    PEER_BOTH,
    PEER_STATUS,
    SIDECAR,
    UP,
    Exporter,
    Site,
    Stand,
    page,
    peer_restarted,
    restarted,
    up,
)
from bench.usage import cpu_seconds, resident_mib
from lab import wait_until

SCRAPERS = 64
SCRAPE_INTERVAL = 15.0
DEADLINES = (10.0, 5.0, 1.0)
STALE = 1.2
"""Seconds after which no reading of a database that has just stopped is fresh."""
CPU = Target(0.2, of_peer=True)
P50 = Target(0.25, of_peer=True)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything."""

    rounds: int = 64
    requests: int = 100_000
    refused_requests: int = 20_000
    scrapes: int = 1_000
    peer_requests: int = 3_000
    idle: float = 15.0
    """Seconds; five heartbeats."""
    restarts: int = 5


def run(stand: Stand, scale: Scale, say: Callable[[str], object]) -> list[Row]:
    """Measure everything on a stand that is up; the first node's database is dead afterwards."""
    rows: list[Row] = []
    say(f"start: {scale.restarts} times")
    rows += _starts(stand.sites[-1], scale.restarts)
    stand.trio.wait_healthy()
    say(f"idle: {scale.idle:g} s")
    exporters = [exporter for site in stand.sites for exporter in site.exporters]
    rates = idle(exporters, scale.idle)
    say(f"one scrape, fresh sample: {scale.rounds} rounds on {len(stand.sites)} servers, exporters in turn")
    costs = paced(stand.sites, scale.rounds, rates, say)
    rows += _paced(costs)
    rows += _at_rest(exporters, rates, costs[SIDECAR, "Prometheus"])
    site = stand.sites[0]
    say(f"back to back: {scale.scrapes} scrapes of the sidecar and of the peer with {PEER_STATUS}")
    rows += _resident(site, scale.scrapes)
    rows += _pages(site)
    say(f"{SCRAPERS} scrapers, {scale.requests} requests")
    rows += _load(site, scale)
    say("resident memory after that")
    sidecar = site.exporters[0]
    rows.append(Row(f"resident after {scale.requests} requests", resident_mib(sidecar.pid), "MiB"))
    rows += _stopped(site, scale, say)
    return rows


def _starts(site: Site, count: int) -> list[Row]:
    own = [restarted(site) for _ in range(count)]
    peer = [peer_restarted(site) for _ in range(count)]
    return [
        Row("start to first good page, median", median(own), "s", median(peer), Target(0.5)),
        Row("start to first good page, slowest", max(own), "s", max(peer)),
    ]


def _paced(costs: dict[tuple[str, str], Costs]) -> list[Row]:
    rows = []
    for asking in ASKINGS:
        own = costs[SIDECAR, asking]
        for peer in (PEER_STATUS, PEER_BOTH):
            other = costs[peer, asking]
            aim = peer == PEER_STATUS
            name = f"asked as {asking}, peer with {peer}" if asking == "Prometheus" else f"{asking}, peer with {peer}"
            rows += [
                Row(f"scrape p50, {name}", *_times(own, 0.5, other), P50 if aim else None),
                Row(f"scrape p99, {name}", *_times(own, 0.99, other)),
                Row(
                    f"CPU per scrape, {name}",
                    1e3 * fmean(own.cpu),
                    "ms",
                    1e3 * fmean(other.cpu),
                    CPU if aim else None,
                ),
            ]
    own = costs[SIDECAR, "Prometheus"]
    rows.append(Row("scrapes behind a p99", len(own.seconds), "", len(costs[PEER_STATUS, "Prometheus"].seconds)))
    rows.append(
        Row("scrapes left out: the sample was shared", sum(costs[SIDECAR, each].shared for each in ASKINGS), "")
    )
    return rows


def _times(own: Costs, share: float, other: Costs) -> tuple[float, str, float]:
    return 1e3 * percentile(own.seconds, share), "ms", 1e3 * percentile(other.seconds, share)


def _at_rest(exporters: list[Exporter], rates: dict[int, float], scrape: Costs) -> list[Row]:
    own = fmean(rates[exporter.pid] for exporter in exporters if exporter.kind == SIDECAR)
    return [
        Row("CPU when not scraped (etcd each 1 s, heartbeat each 3 s)", 100 * own, "% of a core"),
        Row(
            "CPU with a scrape each 15 s",
            100 * (own + fmean(scrape.cpu) / SCRAPE_INTERVAL),
            "% of a core",
            target=Target(0.5),
        ),
    ]


def _resident(site: Site, count: int) -> list[Row]:
    exporters = [exporter for exporter in site.exporters if exporter.kind != PEER_BOTH]
    costs = {exporter.kind: back_to_back(exporter, count) for exporter in exporters}
    memory = {exporter.kind: resident_mib(exporter.pid) for exporter in exporters}
    own, other = costs[SIDECAR], costs[PEER_STATUS]
    return [
        Row(f"resident after {count} scrapes, registry on", memory[SIDECAR], "MiB", memory[PEER_STATUS], Target(40)),
        Row("back to back p50, sidecar's sample shared", *_times(own, 0.5, other)),
        Row("back to back p99, sidecar's sample shared", *_times(own, 0.99, other)),
        Row("back to back CPU, sidecar's sample shared", 1e3 * own.cpu[0], "ms", 1e3 * other.cpu[0]),
    ]


def _pages(site: Site) -> list[Row]:
    rows = []
    own, *peers = site.exporters
    for peer in peers:
        texts = [page(exporter.port, PLAIN).text() for exporter in (own, peer)]
        series = [sum(1 for line in text.splitlines() if line and not line.startswith("#")) for text in texts]
        packed = [len(page(exporter.port, PROMETHEUS).body) / 1024 for exporter in (own, peer)]
        aim = Target(350) if peer.kind == PEER_STATUS else None
        rows += [
            Row(f"series, peer with {peer.kind}", series[0], "", series[1], aim),
            Row(f"page, peer with {peer.kind}", len(texts[0]) / 1024, "KiB", len(texts[1]) / 1024),
            Row(f"page with gzip, peer with {peer.kind}", packed[0], "KiB", packed[1]),
        ]
    return rows


def _load(site: Site, scale: Scale) -> list[Row]:
    own, peer, *_ = site.exporters
    asking = request(PROMETHEUS)
    used = cpu_seconds(own.pid)
    load = put_load(own.port, asking, UP[SIDECAR], scrapers=SCRAPERS, total=scale.requests)
    used = cpu_seconds(own.pid) - used
    other = put_load(peer.port, asking, UP[peer.kind], scrapers=SCRAPERS, total=scale.peer_requests, limit=30)
    name = f"{SCRAPERS} scrapers"
    return [
        *_load_rows(name, load, scale.requests, other),
        Row(f"{name}: CPU per request", 1e3 * used / max(1, load.answered), "ms"),
    ]


def _load_rows(name: str, load: Load, total: int, peer: Load | None = None) -> list[Row]:
    others: list[float | None] = [None] * 4
    if peer is not None:
        times = [1e3 * percentile(peer.latencies, share) for share in (0.5, 0.99)]
        others = [peer.rate, float(peer.errors.total()), *times]
    failed = load.errors + Counter({"not sent in time": total - load.answered})  # + drops what is 0
    kinds = "".join(f", {kind}: {count}" for kind, count in failed.most_common(3))
    return [
        Row(f"{name}: requests a second", load.rate, "/s", others[0], Target(1000, least=True)),
        Row(f"{name}: errors of {total}{kinds}", failed.total(), "", others[1], Target(0)),
        Row(f"{name}: p50", 1e3 * percentile(load.latencies, 0.5), "ms", others[2]),
        Row(f"{name}: p99", 1e3 * percentile(load.latencies, 0.99), "ms", others[3], Target(100)),
        Row(f"{name}: slowest", 1e3 * max(load.latencies, default=math.nan), "ms"),
    ]


def _stopped(site: Site, scale: Scale, say: Callable[[str], object]) -> list[Row]:
    own, peer, *_ = site.exporters
    rows = []
    say("the database stopped (SIGSTOP): scrape times against deadlines")
    for deadline in DEADLINES:
        site.node.freeze()
        time.sleep(STALE)
        first = _stopped_scrape(own, deadline)
        again = _stopped_scrape(own, deadline)
        rows.append(
            Row(
                f"database stopped: slower of two scrapes, deadline {deadline:g} s",
                max(first, again),
                "s",
                _stopped_scrape(peer, deadline),
                Target(deadline),
            )
        )
        site.node.thaw()
        site.node.wait_synced()
        wait_until(lambda: up(own.port, UP[SIDECAR]), 15, "the sidecar sees its database again", [site.sidecar.log])
    say(f"the database stopped (SIGSTOP): {SCRAPERS} scrapers, {scale.requests} requests")
    site.node.freeze()
    time.sleep(STALE)
    rows += _silent_load("database stopped", own, scale.requests)
    say(f"the database killed: {SCRAPERS} scrapers, {scale.refused_requests} requests")
    site.node.kill()
    time.sleep(STALE)
    rows += _silent_load("database refused", own, scale.refused_requests)
    return rows


def _silent_load(name: str, own: Exporter, total: int) -> list[Row]:
    load = put_load(own.port, request(PROMETHEUS), DOWN[SIDECAR], scrapers=SCRAPERS, total=total)
    return _load_rows(f"{name}, {SCRAPERS} scrapers", load, total)


def _stopped_scrape(exporter: Exporter, deadline: float) -> float:
    """Return the seconds of a scrape that says that the database is down; inf if none comes 5 s past the deadline."""
    with Client(exporter.port, deadline + 5) as client:
        try:
            answer, seconds = client.scrape(request(PROMETHEUS, deadline))
        except OSError:
            return math.inf
    good = answer.status == 200 and DOWN[exporter.kind] in answer.text()
    return seconds if good else math.inf
