"""What a run of the simulation did: one table, and the proof that every fault, rule and reason occurred."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from galera_exporter.bootstrap.state import Reason, Rule
from sim import events

NEVER = frozenset({Reason.UNREADABLE_RECORD})
"""The simulation's store takes values as they are; how bytes are read is the records' own test."""
RULES = tuple(rule for rule in Rule if rule is not Rule.ADOPTED)


@dataclass
class Run:
    """Counts over many schedules."""

    schedules: int = 0
    steps: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Run) -> None:
        """Take in what another part of the run did."""
        self.schedules += other.schedules
        self.steps += other.steps
        self.counts.update(other.counts)
        self.violations += other.violations


def missing(run: Run) -> list[str]:
    """Return the faults, rules and reasons that never occurred: a run without them shows little."""
    wanted = [event.name for event in events.EVENTS]
    wanted += [f"rule {rule}" for rule in RULES]
    wanted += [reason for reason in Reason if reason not in NEVER]
    return [name for name in wanted if not run.counts[name]]


def table(run: Run) -> Iterator[str]:
    """Yield the lines of the table."""
    per_step = run.seconds / run.steps * 1e6 if run.steps else 0.0
    yield f"schedules   {run.schedules:>12,}"
    yield f"steps       {run.steps:>12,}   and the calm after each schedule"
    yield f"seconds     {run.seconds:>12.1f}   {per_step:.1f} us a step, all processes together"
    yield f"violations  {len(run.violations):>12,}"
    yield ""
    yield from _part("elections by rule", {f"rule {rule}": run.counts[f"rule {rule}"] for rule in RULES})
    yield from _part("faults and other events", {event.name: run.counts[event.name] for event in events.EVENTS})
    yield from _part("waits", {reason: run.counts[reason] for reason in Reason if reason not in NEVER})
    known = {f"rule {rule}" for rule in RULES} | {event.name for event in events.EVENTS} | set(Reason)
    yield from _part("what else happened", {name: run.counts[name] for name in sorted(run.counts.keys() - known)})


def _part(title: str, counts: dict[str, int]) -> Iterator[str]:
    yield title
    names = list(counts)
    for start in range(0, len(names), 3):
        yield "  " + "".join(f"{name:<28}{counts[name]:>9,}   " for name in names[start : start + 3]).rstrip()
    yield ""
