"""The tour's last act: the power fails with nodes behind, two come back and wait, the third has the rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pymysql

from demo.stage import Stage, title
from demo.story import Expect, Story
from lab import Pod
from lab.checks import Transfer, check_equal
from lab.writer import Writer

ROWS = 100
_GATE = 40
"""Seconds until a node that was killed waits in the gate: recovery, the end of the keys it had, and a slow machine."""
_RECOVERY = 90
_PAGES = ("GaleraClusterNoPrimary", "GaleraClusterNeedsBootstrap")


def outage(stage: Stage, story: Story) -> None:
    """Play power loss, wait and recovery; raises StoryError at the first expectation that fails."""
    last, middle, first = stage.trio.pods
    writer = Writer([first.node])
    try:
        seqnos = _power_loss(stage, story, writer)
    finally:
        writer.stop()
    epoch = _wait(stage, story, seqnos)
    back = time.monotonic()
    with stage.voices.aloud():
        _recovery(stage, story, epoch)
    promised = writer.ledger.entries
    seconds, since = time.monotonic() - back, time.monotonic() - promised[-1].moment
    story.fact(
        f"all serve again {seconds:.0f} s after {first.name} came back, {since:.0f} s after the last acknowledged row",
        holds=all(pod.node.synced for pod in stage.trio.pods),
    )
    for pod, expected in ((first, Transfer.NONE), (middle, Transfer.IST), (last, Transfer.IST)):
        got = "needed nothing" if pod.transfer is Transfer.NONE else f"caught up by {pod.transfer}"
        story.fact(f"{pod.name}: {got}, by its log", holds=pod.transfer is expected)
    for pod in stage.trio.pods:
        lost = len(writer.ledger.missing(pod.node))
        story.fact(f"{pod.name}: {lost} of {len(promised)} acknowledged rows lost", holds=lost == 0)
    check_equal(stage.trio.galera.nodes)
    story.fact("all tables have equal checksums on all nodes", holds=True)


def _power_loss(stage: Stage, story: Story, writer: Writer) -> dict[str, int]:
    """Return the last seqno that each node had applied."""
    last, middle, first = stage.trio.pods
    story.step(f"{first.name} takes rows; {last.name}, then {middle.name} are held up and fall behind")
    writer.start()
    with ExitStack() as held:
        for pod in (last, middle):
            held.enter_context(_held_up(pod))
            writer.wait_acknowledged(ROWS)
        seqnos = {pod.name: int(pod.node.status()["wsrep_last_committed"]) for pod in stage.trio.pods}
        for pod in stage.trio.pods:
            story.see(Expect(pod.sidecar, "wsrep_last_committed", ">=", seqnos[pod.name]), within=20)
        behind = seqnos[first.name] - seqnos[middle.name]
        story.fact(
            f"{len(writer.ledger.entries)} rows are acknowledged; the last {behind} transactions are applied on "
            f"{first.name} alone",
            holds=seqnos[last.name] + ROWS / 2 < seqnos[middle.name] < seqnos[first.name] - ROWS / 2,
        )
        story.step("Power loss: kill -9 of all nodes and all sidecars")
        for pod in stage.trio.pods:
            pod.power_loss()
            pod.mark()
    writer.stop()
    story.fact(
        f"nothing runs; {len(writer.ledger.entries)} rows were acknowledged in all",
        holds=not any(pod.node.alive or pod.sidecar.alive for pod in stage.trio.pods),
    )
    return seqnos


@contextmanager
def _held_up(pod: Pod) -> Iterator[None]:
    """Hold the appliers of a node; desynced, it asks nobody to wait for it."""
    pod.node.sql("SET GLOBAL wsrep_desync = ON")
    connection = pod.node.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("FLUSH TABLES WITH READ LOCK")
        yield
    finally:
        with suppress(OSError, pymysql.MySQLError):
            connection.close()


def _wait(stage: Stage, story: Story, seqnos: dict[str, int]) -> int:
    """Return the epoch of the data, which nobody may have changed."""
    last, middle, missing = stage.trio.pods
    story.step(f"{last.name} and {middle.name} come back, {missing.name} does not")
    with stage.voices.aloud():
        for pod in (last, middle):
            pod.start()
        for pod in (last, middle):
            story.see(
                Expect(pod.sidecar, "galera_bootstrap_waiting", "==", 1, {"reason": "missing"}),
                Expect(pod.sidecar, "galera_bootstrap_waiting_for", "==", 1, {"node": missing.name}),
                Expect(pod.sidecar, "galera_bootstrap_position_seqno", "<", seqnos[missing.name]),
                Expect(pod.sidecar, "galera_up", "==", 0),
                within=_GATE,
            )
        for alert in _PAGES:
            story.hear(title(f"FIRING critical: {alert}"), _GATE)
    explained = stage.galeractl("explain")
    story.fact(
        f"galeractl explain names {missing.name}, and the exit status 2 says: down, a person is needed",
        holds=explained.returncode == 2 and f"is missing: {missing.name}" in explained.stdout,
    )
    story.fact(
        "nobody was elected, and no database was started",
        holds=not any("elected itself" in pod.told or "started mariadbd" in pod.log for pod in (last, middle)),
    )
    return last.epoch


def _recovery(stage: Stage, story: Story, epoch: int) -> None:
    first = stage.trio.pods[-1]
    story.step(f"{first.name} comes back: it has the newest data, and the others join it")
    first.start()
    story.find(
        f"{first.name}: elected itself by rule A, all nodes had reported",
        lambda: "elected itself by rule A" in first.told,
        _GATE,
    )
    for pod in reversed(stage.trio.pods):
        story.see(
            Expect(pod.sidecar, "galera_bootstrap_epoch", "==", epoch + 1),
            Expect(pod.sidecar, "galera_bootstrap_phase", "==", 1, {"phase": "confirmed"}),
            Expect(pod.sidecar, "wsrep_local_state", "==", 4),
            Expect(pod.sidecar, "wsrep_cluster_size", "==", len(stage.trio.pods)),
            within=_RECOVERY,
        )
    for alert in _PAGES:
        story.hear(title(f"RESOLVED critical: {alert}"), _RECOVERY)
