"""What a run showed, for a person (Markdown) and for a program (JSON)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from chaos.history import History, Outcome
from chaos.promises import BUSY, PROMISES, not_judged
from chaos.run import Result

_NOTICED = 1.0
"""Seconds without an acknowledged row that count as an outage."""
HEAD = (
    "| seed | faults | with effect | longest outage | outage | back after | elections | rows | lost | broken |",
    "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
)


def summary(result: Result) -> dict[str, Any]:
    """Return the figures of a run."""
    history = result.history
    gaps = outages(history)
    ending = history.ending
    return {
        "seed": result.schedule.seed,
        "seconds": result.schedule.seconds,
        "faults": len(history.outcomes),
        "effective": sum(bool(outcome.effects) and not outcome.error for outcome in history.outcomes),
        "withheld": sum(bool(outcome.withheld) for outcome in history.outcomes),
        "harness_errors": [outcome.error for outcome in history.outcomes if outcome.error],
        "outage_seconds": round(sum(ended - began for began, ended in gaps), 1),
        "longest_outage_seconds": round(max((ended - began for began, ended in gaps), default=0.0), 1),
        "back_seconds": None if ending.served is None else round(ending.served - ending.healed, 1),
        "elections": len(history.grants),
        "scrapes": len(history.scrapes),
        "scrapes_not_judged": len(not_judged(history)),
        "busy_share": round(
            sum(beat.ended - beat.began >= BUSY for beat in history.beats) / (len(history.beats) or 1), 3
        ),
        "acknowledged": len(history.acknowledged),
        "lost": max((len(rows) for rows in ending.missing.values()), default=0) if ending.served is not None else None,
        "etcd_crashes": sum(crash.what.endswith("process") for crash in history.crashes),
        "alerts": sorted({firing.alert for firing in history.firings}),
        "broken": sorted({each.promise for each in result.broken}),
    }


def outages(history: History) -> list[tuple[float, float]]:
    """Return the times in which no row was acknowledged by any node."""
    return [(a, b) for a, b in pairwise([0.0, *history.acknowledged]) if b - a > _NOTICED]


def row(figures: Mapping[str, Any]) -> str:
    """Return the row of a run in the table of runs."""
    back = "never" if figures["back_seconds"] is None else f"{figures['back_seconds']:.0f} s"
    lost = "not known" if figures["lost"] is None else figures["lost"]
    cells = (
        figures["seed"],
        figures["faults"],
        figures["effective"],
        f"{figures['longest_outage_seconds']:.0f} s",
        f"{figures['outage_seconds']:.0f} s",
        back,
        figures["elections"],
        f"{figures['acknowledged']:,}",
        lost,
        ", ".join(figures["broken"]) or "none",
    )
    return f"| {' | '.join(map(str, cells))} |"


def write(result: Result, output: Path) -> None:
    """Write ``report.md`` and ``report.json``."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "report.md").write_text("\n".join([*_lines(result), ""]))
    history = result.history
    found = {
        **summary(result),
        "broken_promises": [
            {"promise": each.promise, "moment": round(each.moment, 1), "text": each.text} for each in result.broken
        ],
        "schedule": [_fault(outcome) for outcome in history.outcomes],
        "outages": [[round(began, 1), round(ended, 1)] for began, ended in outages(history)],
        "firings": [[each.alert, each.pod, round(each.began, 1), round(each.ended, 1)] for each in history.firings],
        "restarted": list(history.ending.restarted),
        "grants": [[each.epoch, each.token, each.node, each.revision] for each in history.grants],
    }
    (output / "report.json").write_text(json.dumps(found, indent=1) + "\n")


def _fault(outcome: Outcome) -> dict[str, Any]:
    fault = outcome.fault
    return {
        "kind": fault.kind.name,
        "targets": list(fault.targets),
        "at": fault.at,
        "duration": fault.duration,
        "amount": fault.amount,
        "began": round(outcome.began, 1),
        "ended": round(outcome.ended, 1),
        "effects": list(outcome.effects),
        "withheld": outcome.withheld,
        "error": outcome.error,
    }


def _lines(result: Result) -> Iterable[str]:
    history, schedule = result.history, result.schedule
    yield f"# Seed {schedule.seed}, {schedule.seconds:g} s of faults"
    yield ""
    yield from (*HEAD, row(summary(result)), "")
    yield "## Promises"
    yield ""
    yield from ("| promise | kept |", "| --- | --- |")
    for promise in PROMISES:
        times = [each for each in result.broken if each.promise == promise.name]
        yield f"| {promise.text} | {'yes' if not times else f'**no**, {len(times)} times'} |"
    yield ""
    for each in result.broken:
        yield f"- {each.moment:.1f} s, {each.promise}: {each.text}"
    yield ""
    yield "## Faults"
    yield ""
    yield from ("| from | to | fault | effect |", "| ---: | ---: | --- | --- |")
    for outcome in history.outcomes:
        yield f"| {outcome.began:.1f} | {outcome.ended:.1f} | {outcome.fault.text} | {_effect(outcome)} |"
    yield ""
    yield "## What was seen"
    yield ""
    yield from _seen(history)


def _effect(outcome: Outcome) -> str:
    if outcome.error:
        return f"error of the harness: {outcome.error.splitlines()[0]}"
    if outcome.withheld:
        return f"withheld: {outcome.withheld}"
    return "; ".join(outcome.effects) or "none was seen"


def _seen(history: History) -> Iterable[str]:
    unjudged = len(not_judged(history))
    if unjudged:
        yield f"- {unjudged} of {len(history.scrapes)} scrapes were not judged: the machine was too busy"
    for began, ended in outages(history):
        yield f"- {began:.1f} s to {ended:.1f} s: no row was acknowledged"
    for grant in history.grants:
        yield f"- epoch {grant.epoch} was given to {grant.node} (token {grant.token}, revision {grant.revision})"
    for name in history.ending.restarted:
        yield f"- {name} was kept a donor by Galera, and was restarted after its alert, as the runbook says"
    for crash in history.crashes:
        yield f"- {crash.moment:.1f} s: {crash.what} ended by itself, status {crash.status}"
    for firing in history.firings:
        span = f"{firing.began:.0f} s to {firing.ended:.0f} s"
        yield f"- {span}: {firing.alert} ({firing.severity}) {firing.pod}".rstrip()


def table(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the table of all runs."""
    return [*HEAD, *(row(figures) for figures in sorted(runs, key=lambda each: each["seed"]))]
