"""What one scrape costs: paced so that each reads the database, exporters in turn on the same servers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import pymysql
from pymysql.cursors import DictCursor

from bench.answer import PLAIN, PROMETHEUS
from bench.client import Client
from bench.stand import UP, Exporter, Site
from bench.usage import cpu_seconds

PERIOD = 1.25
"""Seconds between two scrapes of one sidecar: it shares a sample for up to 1 s between those who ask."""
SETTLE = 0.03
"""Seconds after an answer in which the CPU time still counts for it, such as a garbage collection."""
ASKINGS = {"Prometheus": PROMETHEUS, "plain text": PLAIN}


@dataclass(slots=True)
class Costs:
    """Scrapes of one kind of exporter, asked in one way."""

    seconds: list[float] = field(default_factory=list)
    """From the first byte of the request to the last one of the answer."""
    cpu: list[float] = field(default_factory=list)
    """CPU seconds of the exporter, less what it takes when idle."""
    shared: int = 0
    """Scrapes for which the database was not asked. They are not in the lists."""


class _Statements:
    """Counts the SHOW STATUS of a server, by one of its own."""

    def __init__(self, connection: pymysql.Connection[DictCursor]) -> None:
        self._cursor = connection.cursor()

    def count(self) -> int:
        self._cursor.execute("SHOW GLOBAL STATUS LIKE 'Com_show_status'")
        row = self._cursor.fetchone()
        return int(row["Value"]) if row else 0


def idle(exporters: Sequence[Exporter], seconds: float) -> dict[int, float]:
    """Leave exporters alone for some seconds and return the share of a core that each takes, by pid."""
    before = {exporter.pid: cpu_seconds(exporter.pid) for exporter in exporters}
    began = time.perf_counter()
    time.sleep(seconds)
    window = time.perf_counter() - began
    return {pid: (cpu_seconds(pid) - used) / window for pid, used in before.items()}


def paced(
    sites: Sequence[Site], rounds: int, idle_rates: dict[int, float], say: Callable[[str], object]
) -> dict[tuple[str, str], Costs]:
    """Scrape every exporter once each round; return the costs by kind of exporter and way of asking.

    The way of asking alternates from round to round, and so does who of a site comes first.
    """
    costs: dict[tuple[str, str], Costs] = {}
    with ExitStack() as stack:
        statements = {site.node.name: _Statements(stack.enter_context(site.node.connect())) for site in sites}
        clients = {
            exporter.pid: stack.enter_context(exporter.client()) for site in sites for exporter in site.exporters
        }
        began = time.perf_counter()
        for number in range(rounds):
            asking = tuple(ASKINGS)[number % len(ASKINGS)]
            for site in sites:
                exporters = site.exporters
                first = number // len(ASKINGS) % len(exporters)
                for exporter in (*exporters[first:], *exporters[:first]):
                    cost = costs.setdefault((exporter.kind, asking), Costs())
                    _scrape(exporter, clients[exporter.pid], asking, statements[site.node.name], idle_rates, cost)
            if number % 16 == 15:
                say(f"  {number + 1} of {rounds} rounds")
            time.sleep(max(0.0, began + (number + 1) * PERIOD - time.perf_counter()))
    return costs


def _scrape(
    exporter: Exporter,
    client: Client,
    asking: str,
    statements: _Statements,
    idle_rates: dict[int, float],
    cost: Costs,
) -> None:
    asked = statements.count()
    used, began = cpu_seconds(exporter.pid), time.perf_counter()
    answer, seconds = client.scrape(exporter.request(ASKINGS[asking]))
    time.sleep(SETTLE)
    used = cpu_seconds(exporter.pid) - used - idle_rates[exporter.pid] * (time.perf_counter() - began)
    if answer.status != 200 or UP[exporter.kind] not in answer.text():
        raise RuntimeError(f"{exporter.kind}: not a good page ({answer.status}):\n{answer.text()[:500]}")
    if statements.count() == asked + 1:
        cost.shared += 1
        return
    cost.seconds.append(seconds)
    cost.cpu.append(used)


def back_to_back(exporter: Exporter, count: int) -> Costs:
    """Scrape without a pause on one connection, as Prometheus asks; ``cpu`` has the mean of them all."""
    costs = Costs()
    asking = exporter.request(PROMETHEUS)
    with exporter.client() as client:
        used = cpu_seconds(exporter.pid)
        for _ in range(count):
            costs.seconds.append(client.scrape(asking)[1])
        costs.cpu.append((cpu_seconds(exporter.pid) - used) / count)
    return costs
