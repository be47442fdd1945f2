"""What a member waits for: kept for the state page, and logged once per change, then once in a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from galera_exporter.etcdmember.decision import Reason, Wait
from galera_exporter.etcdmember.words import WORDS

log = logging.getLogger(__name__)

AGAIN: Final = 60.0
"""Seconds until a wait that comes and goes is logged anew, or one that lasts and has other details now."""
REMIND: Final = 300.0
"""Seconds between two equal lines about a wait that lasts."""

_Key = tuple[Reason, tuple[str, ...]]


class Journal:
    """The present wait. Written by one thread, read by any."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wait: Wait | None = Wait(Reason.LOOKING)
        self._since = clock()
        self._logged: dict[_Key, tuple[float, str]] = {}

    def waits(self, wait: Wait) -> None:
        """Note that nothing can be done because of this."""
        now = self._clock()
        before, key = self._wait, (wait.reason, wait.members)
        lasts = before is not None and (before.reason, before.members) == key
        if not lasts:
            self._since = now
        self._wait = wait
        at, text = self._logged.get(key, (float("-inf"), ""))
        if now - at < (REMIND if lasts and text == wait.text else AGAIN):
            return
        self._logged[key] = now, wait.text
        log.info("waits%s: %s", f" for {now - self._since:.0f} s" if lasts else "", _line(wait))

    def goes_on(self) -> None:
        """Note that there is nothing to wait for."""
        self._wait = None

    def fields(self) -> dict[str, Any] | None:
        """Return what the state page says of it; None where nothing is waited for."""
        wait = self._wait
        if wait is None:
            return None
        return {
            "reason": str(wait.reason),
            "meaning": WORDS[wait.reason],
            "members": list(wait.members),
            "detail": wait.text,
            "seconds": round(self._clock() - self._since),
        }


def _line(wait: Wait) -> str:
    members = f" ({', '.join(wait.members)})" if wait.members else ""
    detail = f": {wait.text}" if wait.text else ""
    return f"{wait.reason}: {WORDS[wait.reason]}{members}{detail}"
