"""What sync-test saw, as a page for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from galera_exporter.galeractl.command import milliseconds
from galera_exporter.galeractl.exits import Exit
from galera_exporter.galeractl.peer import Peer
from galera_exporter.galeractl.replication import KOREAN, Trial
from galera_exporter.galeractl.terminal import Cell, Terminal, printable


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended, judged."""

    peers: Sequence[Peer]
    trial: Trial
    cleaned: bool

    @property
    def pairs(self) -> list[tuple[str, str, float | None]]:
        """Writer, reader, and the longest delay in seconds, for all pairs."""
        names = [peer.name for peer in self.peers]
        return [(a, b, self.trial.delay(a, b)) for a in names for b in names if a != b]

    @property
    def passed(self) -> int:
        """How many pairs are in step."""
        return sum(delay is not None for _, _, delay in self.pairs)

    @property
    def level(self) -> Exit:
        """Down without any pair in step, degraded without all of them, or with a database left behind."""
        if not self.passed:
            return Exit.DOWN
        whole = self.passed == len(self.pairs) and self.cleaned and not self.trial.faults
        return Exit.HEALTHY if whole else Exit.DEGRADED

    @property
    def text(self) -> str:
        """The verdict in words."""
        failed = [peer.name for peer in self.peers if peer.failure]
        because = f"; failed: {', '.join(failed)}" if failed else ""
        left = "" if self.cleaned else f"; the database {self.trial.database} could not be removed"
        count = f"{self.passed} of {len(self.pairs)} pairs of nodes are in step"
        if self.level is Exit.HEALTHY:
            return f"Healthy: all {count.partition(' of ')[2]}."
        head = "Degraded" if self.passed else "Down"
        return f"{head}: {count}{because}{left}."


def page(terminal: Terminal, outcome: Outcome) -> str:
    """Return who answered, the matrix of delays, what failed, and the verdict."""
    trial = outcome.trial
    nodes: list[list[Cell | str]] = []
    for peer in outcome.peers:
        who = peer.identity
        nodes.append(
            [
                peer.name,
                peer.target.address if peer.target.port else "-",
                who.node_name if who else "-",
                str(who.local_index) if who else "-",
                Cell(peer.failure or "answers", "bad" if peer.failure else "good"),
            ]
        )
    lines = [terminal.table(("NODE", "ADDRESS", "ANSWERED BY", "LOCAL INDEX", "RESULT"), nodes), ""]
    if trial.commits:
        lines += [_matrix(terminal, trial, [peer.name for peer in outcome.peers]), ""]
    lines += [f"Failed: {printable(text)}" for text in _failures(trial)]
    lines += [f"Removed what a killed run had left: {printable(name)}" for name in trial.leftovers]
    verdict = terminal.paint(outcome.text, ("good", "fair", "bad")[outcome.level])
    if outcome.level is Exit.HEALTHY:
        verdict += f' The text "{KOREAN}" arrived as it was written; the test database is removed.'
    return "\n".join([*lines, verdict]) + "\n"


def _matrix(terminal: Terminal, trial: Trial, names: Sequence[str]) -> str:
    rows = [[Cell(f"on {writer}", "head"), *(_delay(trial, writer, reader) for reader in names)] for writer in names]
    return "\n".join(
        (
            "Milliseconds after the commit until another node shows it: the longest of write, change and delete.",
            "In parentheses: the longest commit on the node itself.",
            "",
            terminal.table(("COMMIT", *(f"SEEN ON {name}" for name in names)), rows),
        )
    )


def _delay(trial: Trial, writer: str, reader: str) -> Cell:
    if writer == reader:
        seconds = trial.commit(writer)
        return Cell("-" if seconds is None else f"({seconds * 1000:.1f})", "dim")
    seconds = trial.delay(writer, reader)
    return Cell("failed", "bad") if seconds is None else Cell(f"{seconds * 1000:.1f}")


def _failures(trial: Trial) -> list[str]:
    commits = [f"{c.operation} on {c.writer}: {c.failure}" for c in trial.commits if c.failure]
    passages = [f"{p.operation} on {p.writer}, read on {p.reader}: {p.failure}" for p in trial.passages if p.failure]
    return [*trial.faults, *commits, *passages]


def document(outcome: Outcome) -> dict[str, Any]:
    """Return the JSON that ``galeractl sync-test --help`` documents."""
    trial = outcome.trial
    return {
        "level": outcome.level.name.lower(),
        "text": outcome.text,
        "database": trial.database,
        "cleaned": outcome.cleaned,
        "leftovers_removed": trial.leftovers,
        "faults": trial.faults,
        "nodes": [
            {
                "node": peer.name,
                "address": peer.target.address if peer.target.port else None,
                "answered_by": peer.identity.node_name if peer.identity else None,
                "local_index": peer.identity.local_index if peer.identity else None,
                "version": peer.identity.version if peer.identity else None,
                "failure": peer.failure,
            }
            for peer in outcome.peers
        ],
        "commits": [
            {"operation": c.operation, "node": c.writer, "milliseconds": milliseconds(c.seconds), "failure": c.failure}
            for c in trial.commits
        ],
        "pairs": [
            {
                "writer": writer,
                "reader": reader,
                "ok": delay is not None,
                "milliseconds": milliseconds(delay),
                "operations": [
                    {"operation": p.operation, "milliseconds": milliseconds(p.seconds), "failure": p.failure}
                    for p in trial.passages
                    if (p.writer, p.reader) == (writer, reader)
                ],
            }
            for writer, reader, delay in outcome.pairs
        ],
    }
