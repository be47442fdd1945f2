"""The live status: a table on a terminal, a line for each change otherwise."""

from __future__ import annotations

import time
from dataclasses import dataclass

from demo.stage import Stage
from lab import Page, Sidecar

PERIOD = 2.0
RETURN_AFTER = 30.0
"""Seconds after which a node that someone killed is started again."""


@dataclass(frozen=True, slots=True)
class Row:
    """One node, by its own page and by the registry as another sidecar shows it."""

    name: str
    state: str
    size: str
    seqno: str
    key: str
    pid: str


def live(stage: Stage) -> None:
    """Show the status until an exception (a signal) ends it; bring back nodes that were killed."""
    screen = stage.screen
    victim = stage.trio.galera.nodes[-1]
    if victim.process is not None:
        screen.title("Live")
        screen.write(
            f"  Try: kill -9 {victim.process.pid}   ({victim.name}; it is started again after {RETURN_AFTER:g} s)",
            "  Ctrl-C ends the demo and removes everything.",
            "",
        )
    dead_since: dict[str, float] = {}
    last = ""
    while True:
        rows = [_row(stage, sidecar) for sidecar in stage.trio.sidecars]
        if screen.tty:
            screen.block(_table(rows, screen.seconds))
        else:
            line = ", ".join(f"{row.name} {row.state} (size {row.size})" for row in rows)
            if line != last:
                screen.say(line)
                last = line
        _bring_back(stage, dead_since)
        time.sleep(PERIOD)


def _row(stage: Stage, sidecar: Sidecar) -> Row:
    node = sidecar.node
    own = _page(sidecar)
    seen = next((page for page in map(_page, stage.trio.sidecars) if page is not None), None)
    state, size, seqno = "no page", "-", "-"
    if own is not None:
        state = own.one("wsrep_local_state_comment", "state") or own.one("galera_up_reason", "reason") or "unknown"
        size = _text(own.value("wsrep_cluster_size"))
        seqno = _text(own.value("wsrep_last_committed"))
    key = "-"
    if seen is not None:
        age = seen.value("galera_etcd_key_age_seconds", node=node.name)
        present = seen.value("galera_etcd_key_present", node=node.name)
        key = "-" if age is None else f"{age:.1f} s" if present else f"gone, last seen {age:.0f} s ago"
    pid = str(node.process.pid) if node.process is not None and node.alive else "ended"
    return Row(node.name, state, size, seqno, key, pid)


def _page(sidecar: Sidecar) -> Page | None:
    try:
        return sidecar.metrics()
    except OSError:
        return None


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _table(rows: list[Row], seconds: float) -> list[str]:
    lines = [f"  {'NODE':10} {'STATE':26} {'SIZE':>4} {'SEQNO':>8}  {'KEY AGE':26} PID"]
    lines += [f"  {r.name:10} {r.state:26} {r.size:>4} {r.seqno:>8}  {r.key:26} {r.pid}" for r in rows]
    return [*lines, f"  running for {seconds:.0f} s"]


def _bring_back(stage: Stage, dead_since: dict[str, float]) -> None:
    for node in stage.trio.galera.nodes:
        if node.alive:
            dead_since.pop(node.name, None)
        elif time.monotonic() - dead_since.setdefault(node.name, time.monotonic()) > RETURN_AFTER:
            stage.screen.say(f"{node.name} is started again")
            node.start()
