"""A turn each second on a thread of its own, which outlives every fault of what it calls."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Loop:
    """Calls ``turn`` each ``seconds`` between ``start`` and ``close``; ``name`` is that of its thread."""

    def __init__(
        self, name: str, turn: Callable[[], None], seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._turn = turn
        self._seconds = seconds
        self._clock = clock
        self._fault = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start it. Returns at once."""
        self._thread.start()

    def close(self, timeout: float) -> None:
        """End it; wait for the turn that is under way, ``timeout`` seconds at most."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.is_set():
            began = self._clock()
            try:
                self._turn()
            except Exception as error:
                text = f"{type(error).__name__}: {error}"
                if text != self._fault:
                    self._fault = text
                    log.exception("a turn of %s failed; the observer goes on", self._name)
            self._stop.wait(max(0.0, began + self._seconds - self._clock()))
