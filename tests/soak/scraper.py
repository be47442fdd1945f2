"""Scrapes one sidecar each second, as long as it is told to."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final

from lab import Sidecar

INTERVAL: Final = 1.0
SLOW: Final = 5.0
"""Seconds that a page may take: the scrape's own timeout, which the lab tells the sidecar."""


@dataclass(slots=True)
class Scrapes:
    """What came of them."""

    pages: int = 0
    failed: int = 0
    late: int = 0
    slowest: float = 0.0
    words: str = ""
    """Of the last one that failed."""


class Scraper:
    """A thread of its own for each sidecar: one that hangs must not keep the others from being scraped."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.scrapes = Scrapes()
        self._sidecar = sidecar
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            due = max(due + INTERVAL, time.monotonic())
            began = time.monotonic()
            try:
                page = self._sidecar.get()
            except OSError as error:
                self.scrapes.failed += 1
                self.scrapes.words = str(error)
                continue
            took = time.monotonic() - began
            self.scrapes.pages += page.endswith("\n")
            self.scrapes.late += took > SLOW
            self.scrapes.slowest = max(self.scrapes.slowest, took)

    def close(self) -> None:
        """End it; the scrape that is under way is waited for."""
        self._ended.set()
        self._thread.join(2 * SLOW)
