"""Ctrl-C and its like, as an exception that comes once, so that cleaning up is never cut short."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked the command to end; like KeyboardInterrupt no ``except Exception`` stops it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Interruption:
    """Within it SIGINT, SIGTERM and SIGHUP raise Interrupted in the main thread, at most once.

    After the first signal, and after ``hold()``, a signal only calls ``patience``, which may tell the
    person at the keyboard what is being waited for. Use it in the main thread only.
    """

    def __init__(self, patience: Callable[[], None]) -> None:
        self._patience = patience
        self._armed = True
        self._former: dict[signal.Signals, signal._HANDLER] = {}
        self.number: int | None = None

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._former[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def hold(self) -> None:
        """Let no signal interrupt what follows."""
        self._armed = False

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        if not self._armed:
            self._patience()
            return
        self._armed = False
        raise Interrupted(number)
