"""The live status: a table on a terminal, a line for each change otherwise."""

from __future__ import annotations

import time
from dataclasses import dataclass

from demo.stage import BACKOFF, Stage
from lab import Page, Pod, Sidecar

PERIOD = 2.0


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
    """Show the status until an exception (a signal) ends it."""
    screen = stage.screen
    *_, victim = stage.trio.galera.nodes
    screen.title("Live")
    screen.write(
        f"  Try: kill -9 {victim.state.pid}   ({victim.name}; it is started again after {BACKOFF} s)",
        "  An e-mail says so after about 12 s, and another one when it is back. The command in it is for Kubernetes:",
        "  here run what stands behind --, with the options of the galeractl above.",
        "  Ctrl-C ends the demo and removes everything.",
        "",
    )
    last = ""
    while True:
        rows = [_row(stage, pod) for pod in stage.trio.pods]
        if screen.tty:
            screen.block(_table(rows, screen.seconds))
        else:
            line = ", ".join(f"{row.name} {row.state} (size {row.size})" for row in rows)
            if line != last:
                screen.say(line)
                last = line
        time.sleep(PERIOD)


def _row(stage: Stage, pod: Pod) -> Row:
    own = _page(pod.sidecar)
    seen = next((page for page in map(_page, stage.trio.sidecars) if page is not None), None)
    state, size, seqno = "no page", "-", "-"
    if own is not None:
        state = _state(own)
        size = _text(own.value("wsrep_cluster_size"))
        seqno = _text(own.value("wsrep_last_committed"))
    key = "-"
    if seen is not None:
        age = seen.value("galera_etcd_key_age_seconds", node=pod.name)
        present = seen.value("galera_etcd_key_present", node=pod.name)
        key = "-" if age is None else f"{age:.1f} s" if present else f"gone, last seen {age:.0f} s ago"
    run = pod.node.state
    return Row(pod.name, state, size, seqno, key, str(run.pid) if run.phase == "starting" else "ended")


def _state(page: Page) -> str:
    """What the database says of itself; of one that does not answer, why it waits or cannot be reached."""
    waits = page.one("galera_bootstrap_waiting", "reason")
    if waits is not None:
        return f"waits: {waits}"
    if page.value("galera_up") == 1:
        return page.one("wsrep_local_state_comment", "state") or "unknown"
    return page.one("galera_up_reason", "reason") or "unknown"


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
