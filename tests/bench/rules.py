"""How long Prometheus takes for all rules, by the number of clusters that it watches."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import yaml

from bench.fleet import NODES, RULES, STEP, Fleet, Sources
from bench.report import Row, Target
from bench.usage import resident_mib
from lab import Ports, Process, wait_until
from lab.page import Page
from lab.web import fetch, fetch_json

SIZES = (1, 10, 100, 1000)
HISTORY = "/history"
RECENT = 3000
"""Seconds of history that Prometheus still takes from a scrape: it refuses what is an hour older than the newest."""
LIMIT = Target(5000)
"""Milliseconds, for the largest fleet."""


@dataclass(frozen=True, slots=True)
class Round:
    """One evaluation of every group: seconds in all, and of each rule."""

    seconds: float
    rules: dict[str, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """Some rounds over one fleet."""

    size: int
    series: int
    rounds: tuple[Round, ...]
    resident: float
    """MiB, of Prometheus at the end."""
    alerts: dict[str, int]
    """How many of each are pending or firing."""

    @property
    def seconds(self) -> float:
        """Median of all rounds."""
        return median(each.seconds for each in self.rounds)

    @property
    def costliest(self) -> list[tuple[str, float]]:
        """The five rules that take most, and the median of each."""
        costs = {rule: median(each.rules[rule] for each in self.rounds) for rule in self.rounds[0].rules}
        return sorted(costs.items(), key=lambda cost: -cost[1])[:5]


def rows(folder: Path, sources: Sources, say: Callable[[str], object], sizes: tuple[int, ...] = SIZES) -> list[Row]:
    """Measure fleets of these sizes, one after the other, each in a Prometheus of its own below ``folder``."""
    found = [measure(folder / f"fleet-{size}", size, sources, say) for size in sizes]
    made = [
        Row(
            f"all rules, {_clusters(each.size)} of {len(NODES)} nodes",
            1e3 * each.seconds,
            "ms",
            target=LIMIT if each.size == SIZES[-1] else None,
        )
        for each in found
    ]
    for less, more in pairwise(found):
        made.append(Row(f"all rules, {more.size:,} clusters by {less.size:,}", more.seconds / less.seconds, "times"))
    last = found[-1]
    return [
        *made,
        *(
            Row(f"of them, with {last.size:,} clusters: {rule}", 1e3 * seconds, "ms")
            for rule, seconds in last.costliest
        ),
        Row(f"series of {last.size:,} clusters that the rules read", last.series, ""),
        Row(f"resident memory of Prometheus, {last.size:,} clusters", last.resident, "MiB"),
    ]


def measure(folder: Path, size: int, sources: Sources, say: Callable[[str], object], rounds: int = 5) -> Measured:
    """Return ``rounds`` rounds, after the first one, in a Prometheus that has one core and all history it needs."""
    folder.mkdir()
    fleet = Fleet(size, sources)
    say(f"rules: {_clusters(size)}, {fleet.series:,} series; six hours of history")
    now = time.time()
    _old(folder, fleet, now)
    say("rules: Prometheus, on one core")
    with (
        _served(fleet, now) as address,
        closing(Evaluator(folder, address, fleet.parts, STEP if size > 500 else 5, max(5, size // 25))) as prometheus,
    ):
        prometheus.start()
        found: list[Round] = []
        while len(found) <= rounds:
            found.append(prometheus.next_round())
            say(f"rules:   {1e3 * found[-1].seconds:,.1f} ms{'' if found[1:] else ', the first time: not counted'}")
        return Measured(size, fleet.series, tuple(found[1:]), resident_mib(prometheus.pid), prometheus.alerts())


class Evaluator:
    """A real Prometheus with the shipped rules on one core.

    ``interval``: seconds between two evaluations; ``patience``: seconds for a page of history.
    """

    def __init__(self, folder: Path, target: str, parts: int, interval: int, patience: int) -> None:
        self._ports = Ports()
        self.address = f"127.0.0.1:{self._ports.take()}"
        self.log = folder / "prometheus.log"
        self._interval = interval
        self._parts = parts
        self._seen = 0.0
        self._process: Process | None = None
        file = folder / "prometheus.yml"
        # All in one group: its rules take turns. Groups run at the same time, and on one core each would count the
        # time of all.
        groups = yaml.safe_load(RULES.read_text())["groups"]
        rules = folder / "rules.yml"
        rules.write_text(
            json.dumps({"groups": [{"name": "all", "rules": [rule for group in groups for rule in group["rules"]]}]})
        )
        config = {
            "global": {"scrape_interval": f"{STEP}s", "scrape_timeout": "14s", "evaluation_interval": f"{interval}s"},
            "rule_files": [str(rules)],
            "scrape_configs": [
                {
                    "job_name": "fleet",
                    "honor_labels": True,
                    "static_configs": [
                        {"targets": [target], "labels": {"__metrics_path__": f"/{part}", "instance": f"part-{part}"}}
                        for part in range(parts)
                    ],
                },
                {
                    "job_name": "history",
                    "honor_labels": True,
                    "static_configs": [{"targets": [target]}],
                    "metrics_path": HISTORY,
                    "scrape_interval": f"{patience}s",
                    "scrape_timeout": f"{patience}s",
                    # What rules record has no target.
                    "metric_relabel_configs": [
                        {"source_labels": ["__name__"], "regex": ".+:.+", "target_label": label, "replacement": ""}
                        for label in ("instance", "job")
                    ],
                },
            ],
        }
        file.write_text(json.dumps(config, indent=2))  # JSON is YAML too
        self._argv = [
            "prometheus",
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--log.level=warn",
        ]

    @property
    def pid(self) -> int:
        """Process id."""
        if self._process is None:
            raise RuntimeError("Prometheus was not started")
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it has all series of the fleet; what it evaluated before does not count."""
        self._process = Process(self._argv, log=self.log, env={**os.environ, "GOMAXPROCS": "1"})
        up = f'count(up{{job="fleet"}} == 1) == {self._parts}'
        wait_until(
            lambda: self._query(up), 600, "Prometheus has the history, and has scraped the fleet", [self.log], 0.5
        )
        self._seen = self._last()

    def next_round(self) -> Round:
        """Wait until all rules were evaluated again; raises RuntimeError where one has failed."""
        wait_until(
            lambda: self._last() != self._seen, 4 * self._interval + 60, "all rules are evaluated", [self.log], 0.5
        )
        self._seen = self._last()
        (group,) = fetch_json(f"http://{self.address}/api/v1/rules", 60)["data"]["groups"]
        costs = {}
        for rule in group["rules"]:
            if rule["health"] != "ok":
                raise RuntimeError(f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}")
            level = rule.get("labels", {}).get("severity", "recorded")
            costs[f"{rule['name']} ({level})"] = rule["evaluationTime"]
        return Round(group["evaluationTime"], costs)

    def alerts(self) -> dict[str, int]:
        """Return how many of each alert are pending or firing."""
        rows = self._query("count by (alertname) (ALERTS)")
        return {row["metric"]["alertname"]: int(row["value"][1]) for row in rows}

    def close(self) -> None:
        """Kill it and give its port back."""
        if self._process is not None:
            self._process.kill()
        self._ports.close()

    def _last(self) -> float:
        """Return when it last began. Of the metrics: the list of all alerts would cost as much as rules."""
        page = Page.parse(fetch(f"http://{self.address}/metrics", timeout=60))
        ((_, moment),) = page.series("prometheus_rule_group_last_evaluation_timestamp_seconds")
        return moment

    def _query(self, expression: str) -> list[dict[str, Any]]:
        url = f"http://{self.address}/api/v1/query?query={quote(expression)}"
        answer: list[dict[str, Any]] = fetch_json(url, 60)["data"]["result"]
        return answer


def _clusters(number: int) -> str:
    return f"{number:,} cluster{'' if number == 1 else 's'}"


def _old(folder: Path, fleet: Fleet, now: float) -> None:
    """Put what is older than RECENT into the data directory, as blocks: Prometheus takes nothing old from a scrape."""
    file = folder / "history.txt"
    with file.open("w") as out:
        for line in fleet.history(now, max(fleet.needs.windows.values()), RECENT):
            series, _, stamp = line.rpartition(" ")
            out.write(f"{series} {int(stamp) / 1000:.3f}\n")
        out.write("# EOF\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", file, folder / "data"],
        check=True,
        capture_output=True,
        timeout=600,
    )
    file.unlink()


@contextmanager
def _served(fleet: Fleet, began: float) -> Iterator[str]:
    """Serve the fleet's pages, and once before them the last of its history; yields host:port."""
    recent = "".join(fleet.history(began, RECENT, 0)).encode()
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b""
            if self.path == HISTORY:
                body = b"" if over.is_set() else recent
            elif over.is_set():
                body = fleet.page(int(self.path[1:]), time.time() - began)
            self.send_response(200 if body or over.is_set() else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            if self.path == HISTORY:
                over.set()

        def log_message(self, *_args: object) -> None:
            """Keep silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="fleet", daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
