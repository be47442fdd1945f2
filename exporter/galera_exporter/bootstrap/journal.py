"""What the bootstrap part did and waits for: said in the log at each change, counted, and kept for pages."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from galera_exporter.bootstrap.decisions import Elect, GateDecision, Join, Resign, RunDecision, Start, Stop, Wait
from galera_exporter.bootstrap.reading import Action, BootstrapReading, NodePhase, action_of
from galera_exporter.bootstrap.state import Reason
from galera_exporter.model import Position

log = logging.getLogger("galera_exporter.bootstrap")

_PASSING = frozenset(
    {
        Reason.REPORTING,
        Reason.ELECTING,
        Reason.BOOTSTRAPPER_STARTING,
        Reason.PRIMARY_STARTING,
        Reason.NODES_STARTING,
        Reason.SURVIVORS_STOPPING,
    }
)
"""What is to be expected on the way, and ends by itself."""


class Journal:
    """One thread writes, any may call ``reading``."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._reading = BootstrapReading(NodePhase.IDLE, clock())
        self._counts: Counter[Action] = Counter()
        self._trouble = ""

    def reading(self) -> BootstrapReading:
        """Return where this node stands."""
        with self._lock:
            return replace(self._reading, decisions=dict(self._counts))

    def stands(self, phase: NodePhase, epoch: int, position: Position, boot_id: str, wait: Wait | None = None) -> None:
        """Take in where the node stands; a change is logged."""
        before = self._reading
        same_wait = (before.wait and (before.wait.reason, before.wait.nodes)) == (wait and (wait.reason, wait.nodes))
        changed = phase is not before.phase or not same_wait
        since = self._clock() if changed else before.since
        with self._lock:
            self._reading = replace(
                before, phase=phase, since=since, epoch=epoch, position=position, boot_id=boot_id, wait=wait
            )
        if phase is not before.phase:
            log.info("phase %s (epoch %d, position %s)", phase, epoch, position)
        if wait is not None and not same_wait:
            level = logging.INFO if wait.reason in _PASSING else logging.WARNING
            log.log(level, "waits: %s%s%s", wait.reason, _list(wait.nodes), f": {wait.text}" if wait.text else "")

    def carried_out(self, decision: GateDecision | RunDecision) -> None:
        """Count and log a decision that took effect."""
        action = action_of(decision)
        if action is None:
            return
        with self._lock:
            self._counts[action] += 1
        log.info("%s: %s", action, _words(decision))

    def failed(self, text: str) -> None:
        """Log what could not be done, once until something else fails or all goes well."""
        if text != self._trouble:
            self._trouble = text
            log.warning("%s", text)

    def fine(self) -> None:
        """Take in that nothing failed."""
        self._trouble = ""


def _words(decision: GateDecision | RunDecision) -> str:
    match decision:
        case Join(epoch=number, fresh=fresh):
            return f"joins epoch {number}" + (", its own data are replaced by a full state transfer" if fresh else "")
        case Start(epoch=epoch, initialize=initialize):
            # With the rule: an election whose reply was lost was not logged as one.
            base = "with an empty database" if initialize else f"at {epoch.base}"
            return f"starts epoch {epoch.number} {base}, elected by rule {epoch.rule}"
        case Elect(epoch=epoch):
            return (
                f"elected itself by rule {epoch.rule} for epoch {epoch.number}: "
                f"{epoch.uuid}:{epoch.base} of epoch {epoch.parent}{', lossy by order' if epoch.lossy else ''}"
            )
        case Stop(text=text):
            return text
        case Resign():
            return "its data are no longer those it was elected for"
        case _:
            return f"epoch {decision.epoch if isinstance(decision.epoch, int) else decision.epoch.number}"  # type: ignore[union-attr]  # Wait and Keep are never carried out


def _list(nodes: tuple[str, ...]) -> str:
    return f" ({', '.join(nodes)})" if nodes else ""
