"""Worker threads for the handlers: few, and more only when all of them are stuck.

Four are enough while handlers return; a pool that grows with the load would
only make threads fight for the interpreter. But a frozen database can hold every
handler to its deadline, and then the next scrape must not queue behind them.
So the pool grows when something waits and nothing was begun for ``PATIENCE``.
"""

from __future__ import annotations

import logging
import queue
import threading
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
    """Calls ``work`` with each job in one of ``core`` to ``most`` threads."""

    def __init__(self, work: Callable[[Job], None], *, core: int = 4, most: int = 64) -> None:
        self._work = work
        self._core = core
        self._most = most
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._begun = 0
        self._stuck_since: tuple[int, float] | None = None
        self._spawn(core)

    @property
    def size(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    def submit(self, job: Job) -> None:
        """Hand in a job."""
        self._jobs.put(job)

    def tend(self, now: float) -> bool:
        """Grow if nothing moves; return whether jobs wait, so that the caller comes again after ``PATIENCE``."""
        waiting = self._jobs.qsize()
        if not waiting:
            self._stuck_since = None
            return False
        if self._stuck_since is None or self._stuck_since[0] != self._begun:
            self._stuck_since = (self._begun, now)
        elif now - self._stuck_since[1] >= PATIENCE:
            self._spawn(min(waiting, self._most - self.size))
            self._stuck_since = None
        return True

    def close(self, timeout: float) -> None:
        """Let the threads end after what they do now; wait ``timeout`` seconds for each at most."""
        with self._lock:
            threads = tuple(self._threads)
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            thread.join(timeout)

    def _spawn(self, count: int) -> None:
        before = threading.stack_size(STACK)
        try:
            for _ in range(count):
                thread = threading.Thread(target=self._run, name="http-worker", daemon=True)
                with self._lock:
                    self._threads.add(thread)
                thread.start()
        except RuntimeError:  # the system gives no more threads: those that exist must do
            with self._lock:
                self._threads.discard(thread)
            log.warning("no more threads for HTTP workers; %d run", self.size)
        finally:
            threading.stack_size(before)

    def _run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE)
            except queue.Empty:
                if self._leave(spare=True):
                    return
                continue
            if job is None:
                self._leave(spare=False)
                return
            self._begun += 1
            try:
                self._work(job)
            except Exception:  # a fault of ours must cost one answer, not one worker
                log.exception("an HTTP worker failed")

    def _leave(self, *, spare: bool) -> bool:
        """Strike this thread off, with ``spare`` only if the core stays; return whether it shall end."""
        with self._lock:
            if spare and len(self._threads) <= self._core:
                return False
            self._threads.discard(threading.current_thread())
            return True
