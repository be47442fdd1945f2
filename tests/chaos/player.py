"""Plays a schedule: each fault at its time, in a thread of its own, and notes what became of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chaos.acts import ACTS, WithheldError
from chaos.faults import RECIPES, Fault
from chaos.history import Outcome
from chaos.schedule import Schedule
from chaos.stage import EndedError, Stage
from lab.process import LabTimeoutError

_PATIENCE = 10.0
"""Seconds that a fault waits for what it touches, where an earlier one took longer than planned."""
_LONGEST = 240.0
"""Seconds that the healing of all faults may take: a stop in order, or the replacement of a member of etcd."""


class Player:
    """Breaks a stage as a schedule says."""

    def __init__(self, stage: Stage, schedule: Schedule, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._schedule = schedule
        self._say = say
        self._lock = threading.Lock()
        self._taken: set[str] = set()
        self._outcomes: list[Outcome] = []

    def play(self) -> tuple[Outcome, ...]:
        """Do all faults; returns when the last one is healed."""
        stage = self._stage
        threads = []
        for fault in self._schedule.faults:
            stage.pause(fault.at - stage.clock.now)
            thread = threading.Thread(target=self._one, args=(fault,), name=fault.text, daemon=True)
            thread.start()
            threads.append(thread)
        stage.pause(self._schedule.seconds - stage.clock.now)
        limit = time.monotonic() + _LONGEST
        for thread in threads:
            thread.join(max(0.1, limit - time.monotonic()))
            if thread.is_alive():
                raise RuntimeError(f"the harness could not heal a fault: {thread.name}")
        with self._lock:
            return tuple(sorted(self._outcomes, key=lambda outcome: outcome.began))

    def _one(self, fault: Fault) -> None:
        effects: list[str] = []
        withheld = error = ""
        began = self._stage.clock.now
        try:
            with self._claimed(fault):
                began = self._stage.clock.now
                self._tell(f"- {fault.text}, for {fault.duration:.0f} s")
                with ACTS[fault.kind](self._stage, fault, effects.append):
                    self._stage.pause(began + fault.duration - self._stage.clock.now)
        except WithheldError as reason:
            withheld = str(reason)
        except EndedError:
            withheld = "the run was ended"
        except (OSError, RuntimeError, LabTimeoutError, ValueError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        ended = self._stage.clock.now
        with self._lock:
            self._outcomes.append(Outcome(fault, began, ended, tuple(effects), withheld, error))
        what = error or withheld or "; ".join(effects) or "NO EFFECT SEEN"
        self._tell(f"+ {fault.text}: {what.splitlines()[0]}")

    @contextmanager
    def _claimed(self, fault: Fault) -> Iterator[None]:
        claims = RECIPES[fault.kind].claims(fault.targets)
        limit = time.monotonic() + _PATIENCE
        while not self._take(claims):
            if time.monotonic() > limit:
                raise WithheldError("an earlier fault of the same thing is not healed yet")
            self._stage.pause(0.2)
        try:
            yield
        finally:
            with self._lock:
                self._taken -= claims

    def _take(self, claims: frozenset[str]) -> bool:
        with self._lock:
            if not claims.isdisjoint(self._taken):
                return False
            self._taken |= claims
            return True

    def _tell(self, words: str) -> None:
        self._say(f"{self._stage.clock.now:6.1f} s {words}")
