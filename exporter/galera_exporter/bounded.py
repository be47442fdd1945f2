"""Calls that may hang, such as reads of a dead disk, made bearable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Flight(Generic[T]):
    """One run of the call, and what came of it."""

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.done = threading.Event()
        self.value: list[T] = []
        self.error: Exception | None = None

    def fly(self, call: Callable[[], T]) -> None:
        try:
            self.value.append(call())
        except Exception as error:  # noqa: BLE001 - handed to the callers as it is
            self.error = error
        self.done.set()


class BoundedCall(Generic[T]):
    """Shares one run of ``call`` between its callers, and lets each go when its time is over.

    At most one run is in flight: one that hangs holds one thread, however many callers come.
    """

    def __init__(self, call: Callable[[], T], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._call = call
        self._clock = clock
        self._lock = threading.Lock()
        self._flight: _Flight[T] | None = None

    def __call__(self, max_age: float, timeout: float) -> T:
        """Return the result of a run that is no older than ``max_age``, or raise what it raised; both in seconds.

        Raises:
            TimeoutError: no result within ``timeout`` seconds.
        """
        with self._lock:
            flight = self._flight
            if flight is None or (flight.done.is_set() and self._clock() - flight.begun > max_age):
                flight = self._flight = _Flight(self._clock())
                # A daemon: a read that never returns must not keep the process from ending.
                threading.Thread(target=flight.fly, args=(self._call,), name="bounded-call", daemon=True).start()
        if not flight.done.wait(timeout):
            raise TimeoutError(f"no answer within {timeout:.1f} s")
        if flight.error is not None:
            raise flight.error.with_traceback(None)  # or it would grow by the frames of each caller
        return flight.value[0]
