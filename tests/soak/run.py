"""One run: samples, scrapes and troubles side by side, and what came of them."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pymysql

from lab import Pod, Trio
from soak.plot import plot
from soak.samples import Log, Sample, changes, read
from soak.scraper import Scraper
from soak.troubles import schedule
from soak.verdict import faults, table

_SAMPLING: Final = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, in seconds."""

    seconds: float
    """In all."""
    warm_up: float
    """At the beginning; this does not count."""
    every: float
    """From one trouble to the next."""
    stretch: float
    """What is compared: so much after the warm-up, and so much at the end."""


class Soak:
    """One run over a trio that is healthy."""

    def __init__(self, trio: Trio, output: Path, plan: Plan, say: Callable[[str], object]) -> None:
        self._trio = trio
        self._output = output
        self._plan = plan
        self._say = say
        self._troubles: list[tuple[float, str]] = []
        self._ended = threading.Event()
        self._wrong: list[str] = []
        self._unread = 0

    def run(self) -> int:
        """Sample, scrape and trouble for the whole time, and say what was seen."""
        self._began = time.monotonic()
        scrapers = {pod.name: Scraper(pod.sidecar) for pod in self._trio.pods}
        sampler = threading.Thread(target=self._sample, daemon=True)
        sampler.start()
        try:
            self._trouble()
        finally:
            self._ended.set()
            sampler.join(30)
            for scraper in scrapers.values():
                scraper.close()
        return self._report(read(self._output / "samples.csv"), scrapers)

    @property
    def _now(self) -> float:
        return time.monotonic() - self._began

    def _trouble(self) -> None:
        """One trouble after the other, at its time."""
        for number, (trouble, turn) in enumerate(schedule(), start=1):
            due = number * self._plan.every
            if max(due, self._now) > self._plan.seconds - self._plan.every / 2:
                break
            time.sleep(max(0.0, due - self._now))
            began = self._now
            try:
                words = trouble(self._trio, turn)
                self._trio.wait_healthy()
            except (AssertionError, OSError, RuntimeError, pymysql.MySQLError, subprocess.SubprocessError) as error:
                words = f"{trouble.__name__} went wrong: {error}"
                self._wrong.append(words)
                self._trio.restore()
            self._troubles.append((began, words))
            self._say(f"{began / 60:5.1f} min: {words}; healthy after {self._now - began:.1f} s")
        time.sleep(max(0.0, self._plan.seconds - self._now))

    def _sample(self) -> None:
        with (self._output / "samples.csv").open("w", newline="") as file:
            log = Log(file)
            while not self._ended.wait(_SAMPLING - self._now % _SAMPLING):
                moment = self._now
                try:
                    leases = len(self._trio.etcd.ctl_json("lease", "list")["leases"])
                    counts = [(pod, _connections(pod)) for pod in self._trio.pods]
                except (OSError, pymysql.MySQLError, subprocess.SubprocessError):
                    self._unread += 1  # a server is away: its side of the figures cannot be had now
                    continue
                for pod, connections in counts:
                    if pod.sidecar.process is not None:
                        with suppress(OSError):  # it has ended: the scrapes that fail tell it
                            log.add(Sample.take(moment, pod.name, pod.sidecar.process.pid, connections, leases))

    def _report(self, samples: Sequence[Sample], scrapers: Mapping[str, Scraper]) -> int:
        scrapes = {node: scraper.scrapes for node, scraper in scrapers.items()}
        found = list(changes(samples, self._plan.warm_up, self._plan.stretch))
        wrong = [*self._wrong, *faults(found, scrapes)]
        text = "\n".join(
            [
                (
                    f"{self._plan.seconds / 60:g} minutes, {len(self._troubles)} troubles, {len(samples):,} samples "
                    f"({self._unread} moments without, while a server was away)."
                ),
                "",
                table(found, scrapes, {node: _cpu(samples, node) for node in scrapes}),
                "",
                *(f"- {fault}" for fault in wrong),
                *([] if wrong else ["Nothing grew, failed or came late."]),
                "",
                *(f"- {moment / 60:.1f} min: {words}" for moment, words in self._troubles),
                "",
            ]
        )
        (self._output / "report.md").write_text(text)
        (self._output / "soak.svg").write_text(plot(samples, self._troubles, self._plan.warm_up))
        return 1 if wrong else 0


def _connections(pod: Pod) -> int:
    """Return how many connections the sidecar has; one for each moment in which its server answers."""
    rows = pod.node.sql("SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE USER = 'exporter'")
    return int(rows[0]["n"])


def _cpu(samples: Sequence[Sample], node: str) -> float:
    own = [sample for sample in samples if sample.node == node]
    return 100 * (own[-1].cpu - own[0].cpu) / (own[-1].seconds - own[0].seconds)
