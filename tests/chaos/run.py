"""One run: from a seed to its history and a report."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pymysql

from chaos.acts import restart
from chaos.elections import grants
from chaos.faults import PODS
from chaos.history import Ending, Firing, History
from chaos.player import Player
from chaos.promises import Broken, broken
from chaos.schedule import Schedule
from chaos.stage import Stage
from chaos.volume import own_mounts
from lab import LabTimeoutError, scratch, wait_until
from lab.checks import checksums

BOUND = 240.0
"""Seconds from the last healing until all serve: three joins one after the other, one of them a whole state transfer,
after an election that waits for a vanished node (15 s here), on a busy machine."""
CALM = 120.0
"""Seconds from then until no alert is firing."""
_STEP = 1.0
_STUCK = "GaleraNodeStuckDonor"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """What a run showed."""

    schedule: Schedule
    history: History
    broken: tuple[Broken, ...]
    seconds: float
    """All of it, with start and end."""


def run(schedule: Schedule, output: Path, say: Say) -> Result:
    """Play a schedule against the real thing; logs of a run that broke a promise are kept below ``output``."""
    began = time.monotonic()
    with scratch("galera-chaos-") as folder:
        own_mounts()
        with closing(Stage(folder, schedule)) as stage:
            say("starts 3 etcd members, 3 pods, Prometheus")
            try:
                stage.start()
                say(f"all serve; {len(schedule.faults)} faults in {schedule.seconds:g} s")
                stage.watch(schedule.seconds + BOUND + CALM + 300)
                history = _history(stage, Player(stage, schedule, say), say)
            except BaseException:
                _keep(stage.logs, folder, output)
                raise
            found = broken(history)
            if found or any(outcome.error for outcome in history.outcomes):
                _keep(stage.logs, folder, output)
    return Result(schedule, history, tuple(found), time.monotonic() - began)


def _history(stage: Stage, player: Player, say: Say) -> History:
    outcomes = player.play()
    healed = stage.clock.now
    say(f"{healed:6.1f} s all is healed")
    restarted: list[str] = []
    served = _served(stage, restarted, say)
    say(f"{stage.clock.now:6.1f} s " + ("NOT all serve" if served is None else "all serve"))
    calm = [] if served is None else _firing_at_last(stage)
    say(f"{stage.clock.now:6.1f} s " + (f"alerts fire: {', '.join(calm)}" if calm else "no alert fires"))
    stage.quiet()
    missing, data = ({}, {}) if served is None else _data(stage)
    stage.unwatched()
    reasons = {} if served is not None else _reasons(stage)
    ending = Ending(healed, served, BOUND, missing, data, tuple(calm), reasons, tuple(restarted))
    return History(
        outcomes=outcomes,
        samples=tuple(sample for watcher in stage.watchers for sample in watcher.samples),
        scrapes=tuple(scrape for scraper in stage.scrapers for scrape in scraper.scrapes),
        spans=stage.kubelet.spans,
        crashes=stage.kubelet.crashes,
        grants=grants(stage.site.etcd),
        firings=_firings(stage),
        acknowledged=tuple(sorted(stage.clock.at(entry.moment) for entry in stage.ledger.entries)),
        ending=ending,
        beats=() if stage.pulse is None else tuple(stage.pulse.beats),
    )


def _served(stage: Stage, restarted: list[str], say: Say) -> float | None:
    """Wait until all serve; return when.

    Galera keeps a donor a donor for ever that lost the group while its transfer ended. That is told by an alert, and
    what its runbook says is done here, once for each node, as a person would.
    """
    end = stage.clock.now + BOUND
    with suppress(LabTimeoutError):
        stage.site.etcd.wait_healthy(60)
    while stage.clock.now < end:
        with suppress(LabTimeoutError):
            stage.site.wait_serving(timeout=min(5.0, end - stage.clock.now))
            return stage.clock.now
        for pod in stage.site.pods:
            if pod.name not in restarted and f"{_STUCK} {pod.name}" in _firing(stage):
                say(f"{stage.clock.now:6.1f} s {_STUCK} fires: {pod.name} is restarted, as its runbook says")
                restarted.append(pod.name)
                restart(stage, pod)
    return None


def _firing(stage: Stage) -> list[str]:
    found = [alert["labels"] for alert in stage.prometheus.alerts() if alert["state"] == "firing"]
    return sorted({f"{labels['alertname']} {labels.get('pod', '')}".strip() for labels in found})


def _firing_at_last(stage: Stage) -> list[str]:
    with suppress(LabTimeoutError):
        wait_until(lambda: not _firing(stage), CALM, "no alert fires", interval=1)
        return []
    return _firing(stage)


def _data(stage: Stage) -> tuple[dict[str, frozenset[int]], dict[str, dict[str, int]]]:
    nodes = stage.site.nodes
    stage.site.wait_serving(timeout=60)
    missing = {node.name: frozenset(stage.ledger.missing(node)) for node in nodes}
    return missing, {node.name: checksums(node) for node in nodes}


def _reasons(stage: Stage) -> dict[str, str]:
    found = {}
    for pod in stage.site.pods:
        with suppress(OSError, pymysql.MySQLError):
            waiting = pod.waiting
            status = pod.node.status()
            words = f"{status.get('wsrep_cluster_status', 'no SQL')}, {status.get('wsrep_local_state_comment', '')}"
            found[pod.name] = f"waits: {waiting}" if waiting else words
    return {pod: found.get(pod, "its sidecar does not answer") for pod in PODS}


def _firings(stage: Stage) -> tuple[Firing, ...]:
    start = stage.clock.wall
    rows = stage.prometheus.over_time('ALERTS{alertstate="firing"}', start, time.time(), _STEP)
    return tuple(
        Firing(labels["alertname"], labels["severity"], labels.get("pod", ""), span[0] - start, span[1] - start)
        for labels, moments in rows
        for span in _unbroken(moments)
    )


def _unbroken(moments: Iterable[float]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for moment in moments:
        if found and moment - found[-1][1] <= 1.5 * _STEP:
            found[-1] = (found[-1][0], moment)
        else:
            found.append((moment, moment))
    return found


def _keep(logs: Iterable[Path], root: Path, output: Path) -> None:
    kept = output / "logs"
    for log in logs:
        if log.exists():
            target = kept / log.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, target)
