"""The time of a run."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the begin of the faults, on the monotonic clock; before ``begin`` they are negative or zero."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.wall = time.time()
        """The begin, as time.time()."""

    def begin(self) -> None:
        """Count from now on."""
        self._began = time.monotonic()
        self.wall = time.time()

    @property
    def now(self) -> float:
        """The present moment."""
        return self.at(time.monotonic())

    def at(self, monotonic: float) -> float:
        """Return a moment of the monotonic clock as one of the run."""
        return monotonic - self._began
