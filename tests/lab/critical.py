"""Signals that arrive while a process is being started wait until it is on the books."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_later() -> Iterator[None]:
    """Hold back SIGINT, SIGTERM and SIGHUP until the block ends; they then do what they would have done.

    Without it a Ctrl-C inside ``subprocess.Popen`` loses a server that has just been started. Handlers,
    not a signal mask: the mask would pass to the server.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python runs handlers in the main thread only
        return
    pending: list[signal.Signals] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        pending.append(signal.Signals(number))

    before = {number: signal.getsignal(number) for number in _NUMBERS}
    held = {number: handler for number, handler in before.items() if callable(handler) or handler == signal.SIG_DFL}
    for number in held:
        signal.signal(number, remember)
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for arrived in pending:
            signal.raise_signal(arrived)
