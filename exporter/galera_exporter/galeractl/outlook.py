"""What each node of the registry would do next, and why: the protocol's own decisions, made from etcd alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from galera_exporter.bootstrap.choice import candidates, evidence
from galera_exporter.bootstrap.decisions import Elect, GateDecision, Join, Resign, Start, Stop, Wait
from galera_exporter.bootstrap.lineage import newest_confirmed
from galera_exporter.bootstrap.protocol import foresee
from galera_exporter.bootstrap.state import Epoch, Held, LastKnown, Reason, Report, Snapshot
from galera_exporter.bootstrap.words import NODE, RULES, WORDS, headline
from galera_exporter.galeractl import loss
from galera_exporter.galeractl.exits import Exit
from galera_exporter.model import Position


@dataclass(frozen=True, slots=True)
class Row:
    """One node as etcd has it. ``activity`` is that of its report, or primary, running or away."""

    node: str
    activity: str
    held: Held | None
    """None: it does not say."""
    position: Position
    epoch: int
    flags: tuple[str, ...]
    age: float | None
    """Seconds since it last renewed its keys; None without a lease."""
    decision: GateDecision | Stop | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nodes that wait for the same."""

    nodes: tuple[str, ...]
    wait: Wait
    command: str
    """What shows more or resolves it, complete where it can be; empty: no command does."""
    costs: tuple[str, ...] = ()
    """What it would cost, where it costs data."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The whole cluster."""

    snapshot: Snapshot
    rows: tuple[Row, ...]
    waiting: tuple[Waiting, ...]
    level: Exit
    text: str

    @property
    def refused(self) -> tuple[str, ...]:
        """The nodes whose databases do not let their sidecars in."""
        return _refused(self.snapshot)


def outlook(snapshot: Snapshot, ages: Mapping[str, float], live: Mapping[str, Position]) -> Outlook:
    """Return what is so, and what follows; by node: ``ages`` in seconds, and where those that answer SQL are."""
    names = {*snapshot.reports, *snapshot.primary, *snapshot.nodes, *snapshot.owners}
    rows = tuple(
        _reporting(snapshot, snapshot.reports[node], ages.get(node))
        if node in snapshot.reports
        else _silent(snapshot, node, ages.get(node), live.get(node))
        for node in sorted(names)
    )
    waiting = _waiting(snapshot, rows)
    return Outlook(snapshot, rows, waiting, _level(snapshot, rows, waiting), _text(snapshot, rows, waiting))


def next_step(decision: GateDecision | Stop | None) -> str:
    """Say a decision in a few words."""
    text = "-"
    match decision:
        case Wait():
            text = f"waits: {decision.reason}"
        case Join():
            text = f"joins epoch {decision.epoch}{', by a full state transfer' * decision.fresh}"
        case Elect():
            text = f"elects itself: epoch {decision.epoch.number}, rule {decision.epoch.rule}"
        case Start():
            text = f"starts as the first of epoch {decision.epoch.number}"
        case Resign():
            text = "gives its election back"
        case Stop():
            text = "is stopped in order"
    return text


def beginning(epoch: Epoch) -> str:
    """Say what an epoch began with."""
    return f"from seqno {epoch.base} of epoch {epoch.parent}" if epoch.base >= 0 else "empty"


def _reporting(snapshot: Snapshot, report: Report, age: float | None) -> Row:
    decision = foresee(report, snapshot)
    known = (("safe", report.safe), ("tainted", report.tainted), ("refused", report.refused))
    flags = tuple(name for name, is_set in known if is_set)
    return Row(report.node, report.activity, report.held, report.position, report.epoch, flags, age, decision)


def _silent(snapshot: Snapshot, node: str, age: float | None, live: Position | None) -> Row:
    """A node that reports nothing: it runs, or only what is remembered of it is left."""
    known = snapshot.nodes.get(node, LastKnown(node, Position(), 0, ""))
    if node in snapshot.primary:  # then its epoch is the newest that was confirmed
        position, epoch = live or known.position, newest_confirmed(snapshot.history)
        return Row(node, "primary", None, position, epoch, (), age, None)
    activity = "running" if node in snapshot.owners else "away"
    flags = ("final",) if known.final else ()
    return Row(node, activity, None, live or known.position, known.epoch, flags, age, None)


def _waiting(snapshot: Snapshot, rows: tuple[Row, ...]) -> tuple[Waiting, ...]:
    nodes: dict[Wait, list[str]] = {}
    for row in rows:
        if isinstance(row.decision, Wait):
            nodes.setdefault(row.decision, []).append(row.node)
    return tuple(
        _resolved(snapshot, Waiting(tuple(names), wait, WORDS[wait.reason].command)) for wait, names in nodes.items()
    )


def _resolved(snapshot: Snapshot, waiting: Waiting) -> Waiting:
    """Complete the command with a node's name, and say what it would cost."""
    wait = waiting.wait
    if wait.reason in {Reason.DIVERGED, Reason.UUID_CONFLICT}:
        return _beside(snapshot, waiting, [snapshot.reports[node] for node in wait.nodes])
    if wait.reason in {Reason.MISSING, Reason.REGRESSED}:
        best = max(candidates(evidence(snapshot, 0)), key=lambda each: each.rank, default=None)
        # Where nobody is here to begin with, the missing have to come.
        return replace(waiting, command="") if best is None else _forcing(snapshot, waiting, best.report)
    return waiting


def _beside(snapshot: Snapshot, waiting: Waiting, strange: Sequence[Report]) -> Waiting:
    """What to do about data beside the cluster's: discard them, unless they are all that there is."""
    if len(strange) == 1 and loss.sole(snapshot, strange[0]):
        return _forcing(snapshot, waiting, strange[0])
    lost = [each for report in strange if (each := loss.discarded(snapshot, report)) is not None]
    waiting = replace(waiting, costs=tuple(each.departure for each in lost))
    if not newest_confirmed(snapshot.history) or not lost:
        return waiting  # nothing tells which data are the cluster's: a person has to choose the node
    return replace(waiting, command=waiting.command.replace(NODE, lost[0].node))


def _forcing(snapshot: Snapshot, waiting: Waiting, report: Report) -> Waiting:
    costs = loss.costs(snapshot, report)
    lossy = " --accept-data-loss" * (bool(costs) or loss.reach(snapshot, report) is None)
    unknown = loss.unknown(snapshot, report)
    return replace(waiting, command=f"galeractl force-bootstrap {report.node}{lossy}", costs=(*costs, *unknown))


def _refused(snapshot: Snapshot) -> tuple[str, ...]:
    return tuple(sorted(node for node, report in snapshot.reports.items() if report.refused))


def _level(snapshot: Snapshot, rows: tuple[Row, ...], waiting: tuple[Waiting, ...]) -> Exit:
    person = bool(_refused(snapshot)) or any(not WORDS[each.wait.reason].passes for each in waiting)
    if snapshot.primary:
        return Exit.DEGRADED if person else Exit.HEALTHY
    reporting = any(row.node in snapshot.reports for row in rows)
    moving = any(isinstance(row.decision, Elect | Start | Stop | Resign) for row in rows)
    return Exit.DOWN if not reporting or (person and not moving) else Exit.DEGRADED


def _text(snapshot: Snapshot, rows: tuple[Row, ...], waiting: tuple[Waiting, ...]) -> str:
    if snapshot.primary:
        return (
            f"Primary component of epoch {newest_confirmed(snapshot.history)}: {', '.join(sorted(snapshot.primary))}."
        )
    if refused := _refused(snapshot):
        return (
            f"No Primary component that is seen: the database refuses the login of its sidecar: {', '.join(refused)}."
        )
    text = next(filter(None, map(_election, rows)), "")
    # Who waits for a person says more than who waits for him.
    waits = sorted(waiting, key=lambda each: WORDS[each.wait.reason].passes)
    if text or waits:
        return text or f"No Primary component: {headline(waits[0].wait)}."
    if snapshot.reports:
        return "No Primary component: nodes are on their way."
    if rows:
        return "No Primary component, and no node reports: start the pods, and look at the logs of their sidecars."
    return "etcd knows no node of this cluster."


def _election(row: Row) -> str:
    if isinstance(row.decision, Elect):
        epoch = row.decision.epoch
        return f"{row.node} elects itself (epoch {epoch.number}, {beginning(epoch)}), for {RULES[epoch.rule]}."
    if isinstance(row.decision, Start):
        return f"{row.node} is elected (epoch {row.decision.epoch.number}) and starts its database."
    return ""
