"""Worker threads for the handlers: few at a time, and more only when all of them are stuck.

Four at a time are enough while handlers return; more would only make threads fight for
the interpreter. But a frozen database can hold every handler to its deadline, and then the
next scrape must not queue behind them. So when something waits and nothing was begun for
``PATIENCE``, all that waits is given to further threads, once.

The thread that rested last gets the next job: its stack and its part of the heap are
still in the caches.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

log = logging.getLogger(__name__)

PATIENCE: Final = 0.05
"""Seconds without progress after which the pool grows."""
IDLE: Final = 30.0
"""Seconds without work after which a thread above the core ends."""
STACK: Final = 512 * 1024
"""Bytes of address space for a thread's stack; the system's 8 MiB would count against a container's limit."""

Job = TypeVar("Job")


class WorkerPool(Generic[Job]):
    """Calls ``work`` with each job, ``core`` at a time, or up to ``most`` where those are stuck."""

    def __init__(self, work: Callable[[Job], None], *, core: int = 4, most: int = 64) -> None:
        self._work = work
        self._core = core
        self._most = most
        self._waiting: deque[Job] = deque()
        self._resting: list[queue.SimpleQueue[Job | None]] = []
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._closing = False
        self._short = False
        """Whether the system gave no thread at the last try."""
        self._begun = 0
        self._stuck_since: tuple[int, float] | None = None
        for _ in range(core):
            self._spawn(None)

    @property
    def size(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    def submit(self, job: Job) -> None:
        """Hand in a job."""
        with self._lock:
            if not self._resting or self._busy() >= self._core:
                self._waiting.append(job)
                return
            inbox = self._resting.pop()
        inbox.put(job)

    def tend(self, now: float) -> bool:
        """Give what waits to further threads if nothing moves.

        Return whether jobs wait, so that the caller comes again after ``PATIENCE``.
        """
        if not self._waiting:
            self._stuck_since = None
            return False
        if self._stuck_since is None or self._stuck_since[0] != self._begun:
            self._stuck_since = (self._begun, now)
        elif now - self._stuck_since[1] >= PATIENCE:
            self._stuck_since = None
            self._relieve()
        return True

    def close(self, timeout: float) -> None:
        """Let the threads end after what they do now; wait ``timeout`` seconds for all of them at most."""
        end = time.monotonic() + timeout
        with self._lock:
            self._closing = True
            threads = tuple(self._threads)
            for inbox in self._resting:
                inbox.put(None)
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _busy(self) -> int:
        return len(self._threads) - len(self._resting)

    def _relieve(self) -> None:
        """Give each waiting job to a resting or a new thread, as far as there may be any."""
        while True:
            with self._lock:
                if not self._waiting or self._busy() >= self._most:
                    return
                job = self._waiting.popleft()
                inbox = self._resting.pop() if self._resting else None
            if inbox is not None:
                inbox.put(job)
            elif not self._spawn(job):
                with self._lock:
                    self._waiting.appendleft(job)
                return

    def _spawn(self, job: Job | None) -> bool:
        """Start a thread, with its first job if there is one; return whether the system gave it."""
        inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        if job is not None:
            inbox.put(job)
        thread = threading.Thread(target=self._run, args=(inbox,), name="http-worker", daemon=True)
        with self._lock:
            self._threads.add(thread)
            if job is None:
                self._resting.append(inbox)
        before = threading.stack_size(STACK)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads: those that exist must do
            with self._lock:
                self._threads.discard(thread)
                if inbox in self._resting:
                    self._resting.remove(inbox)
            if not self._short:
                self._short = True
                log.warning("no more threads for HTTP workers; %d run", self.size)
            return False
        finally:
            threading.stack_size(before)
        self._short = False
        return True

    def _run(self, inbox: queue.SimpleQueue[Job | None]) -> None:
        while True:
            try:
                job = inbox.get(timeout=IDLE)
            except queue.Empty:
                if self._leave(inbox):
                    return
                continue
            if job is None:
                break
            self._begun += 1
            try:
                self._work(job)
            except Exception:  # a fault of ours must cost one answer, not one worker
                log.exception("an HTTP worker failed")
            with self._lock:
                if self._closing:
                    break
                if self._waiting and self._busy() <= self._core:
                    inbox.put(self._waiting.popleft())
                else:
                    self._resting.append(inbox)
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _leave(self, inbox: queue.SimpleQueue[Job | None]) -> bool:
        """Strike this resting thread off if it is above the core and has no job yet; return whether it shall end."""
        with self._lock:
            if len(self._threads) <= self._core or inbox not in self._resting:
                return False
            self._resting.remove(inbox)
            self._threads.discard(threading.current_thread())
            return True
