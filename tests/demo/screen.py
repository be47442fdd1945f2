"""What the demo shows: lines with the seconds since its start, and a block that is drawn again in place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TextIO


class Screen:
    """Writes to ``out``; safe to use from several threads. Only a terminal gets colours and redraws."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.out = out
        self.tty = out.isatty()
        self._clock = clock
        self._start = clock()
        self._lock = threading.RLock()
        self._block: Sequence[str] = ()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    def say(self, words: str, mark: str = " ") -> None:
        """Write a line with the time before it."""
        self.write(f"{self.seconds:7.1f} s {mark} {words}")

    def title(self, words: str) -> None:
        """Write a heading."""
        self.write("", f"\x1b[1m{words}\x1b[0m" if self.tty else words)

    def write(self, *lines: str) -> None:
        """Write lines as they are, above the block."""
        with self._lock:
            self._erase()
            self.out.write("".join(f"{line}\n" for line in lines))
            self._draw()
            self.out.flush()

    def block(self, lines: Sequence[str]) -> None:
        """Draw these lines in place of the last block."""
        with self._lock:
            self._erase()
            self._block = lines
            self._draw()
            self.out.flush()

    def _erase(self) -> None:
        if self._block:
            self.out.write(f"\x1b[{len(self._block)}F\x1b[J")

    def _draw(self) -> None:
        self.out.write("".join(f"{line}\n" for line in self._block))
