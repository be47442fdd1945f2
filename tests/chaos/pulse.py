"""Whether the machine has time: a program that has almost nothing to do is asked for it each second.

Where even that takes long, the machine is too busy to say anything of a sidecar that is late.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

from chaos.clock import Clock
from chaos.history import Beat
from chaos.watching import Watcher

# About the work of a page of metrics: a millisecond or two.
_PROGRAM = """
import sys
for line in sys.stdin:
    sum(range(50_000))
    print(flush=True)
"""


class Pulse:
    """Asks, in a thread of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.beats: list[Beat] = []
        # It ends with its standard input, whatever way this process dies.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._watcher = Watcher(self._look, 0.5, "pulse")

    def stop(self) -> None:
        """Ask no more."""
        self._watcher.stop()
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()

    def _look(self) -> None:
        began = self._clock.now
        source, sink = self._process.stdout, self._process.stdin
        if source is None or sink is None:  # Popen opens them, as told above
            raise AssertionError(_PROGRAM)
        sink.write("\n")
        sink.flush()
        source.readline()
        self.beats.append(Beat(began, self._clock.now))
