"""The platform: what dies is started again, and it is noted what does not run, and whether anybody had ended it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from chaos.clock import Clock
from chaos.history import Crash, Span
from lab import EtcdMember, Process
from lab.site import Site

_LOOK = 0.25
BACKOFF = 2.0
"""Seconds after which what has ended by itself is started again."""


class Kubelet:
    """Keeps the processes of a site running, but for those that are held."""

    def __init__(self, site: Site, clock: Clock) -> None:
        self._site = site
        self._clock = clock
        self._lock = threading.RLock()
        self._held: Counter[str] = Counter()
        self._ours: set[Process] = set()
        self._open: dict[str, float] = {}
        self._spans: list[Span] = []
        self._crashes: list[Crash] = []
        self._not_before: dict[str, float] = {}
        self._starts: Mapping[str, Callable[[], None]] = {
            **{f"{pod.name} sidecar": pod.sidecar.launch for pod in site.pods},
            **{f"{pod.name} database": pod.node.start for pod in site.pods},
            **{f"{member.name} process": self._starter(member.name) for member in site.etcd.members},
        }
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubelet", daemon=True)

    def start(self) -> None:
        """Begin to look after the processes, which run already."""
        self._thread.start()

    def stop(self) -> None:
        """Start nothing any more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(20)

    @property
    def spans(self) -> tuple[Span, ...]:
        """When what did not run, or was frozen; what still is not well ends now."""
        with self._lock:
            now = self._clock.now
            return (*self._spans, *(Span(what, began, now) for what, began in self._open.items()))

    @property
    def crashes(self) -> tuple[Crash, ...]:
        """What ended by itself. Databases are started again by their own container, and do not appear."""
        with self._lock:
            return tuple(self._crashes)

    def hold(self, *names: str) -> None:
        """Do not start these again; whoever holds them may end them."""
        with self._lock:
            for name in names:
                self._held[name] += 1
                process = self.process(name)
                if process is not None:
                    self._ours.add(process)
                self.down(name)

    def release(self, *names: str) -> None:
        """Start these again, where they do not run."""
        with self._lock:
            for name in names:
                self._held[name] -= 1

    def down(self, name: str) -> None:
        """Note that something does not run, or does not answer, from now on."""
        with self._lock:
            self._open.setdefault(name, self._clock.now)

    def up(self, name: str) -> None:
        """Note that it goes on."""
        with self._lock:
            began = self._open.pop(name, None)
            if began is not None:
                self._spans.append(Span(name, began, self._clock.now))

    def still_down(self, name: str) -> None:
        """Note that from now on it certainly does not run: until now it was ending."""
        self.up(name)
        self.down(name)

    def process(self, name: str) -> Process | None:
        """Return the process of this name, which may have ended."""
        host, _, part = name.partition(" ")
        if part == "process":
            return self._member(host).process
        pod = self._site.pod(host)
        return pod.sidecar.process if part == "sidecar" else pod.node.process

    def _run(self) -> None:
        while not self._stop.wait(_LOOK):
            for name in self._starts:
                with self._lock:
                    self._look(name)

    def _look(self, name: str) -> None:
        process = self.process(name)
        if self._held[name]:
            return
        if process is None or not process.alive:
            self._revive(name, process)
        elif process in self._ours:
            # It was held, and nobody ended it; or it was told to end and does not.
            self._ours.discard(process)
            self.up(name)

    def _revive(self, name: str, process: Process | None) -> None:
        now = self._clock.now
        if process is not None and process not in self._ours:
            self._ours.add(process)
            self._crashes.append(Crash(name, now, process.returncode or 0))
            self._not_before[name] = now + BACKOFF
            self.down(name)
        if now >= self._not_before.get(name, now):
            self._starts[name]()
            self.up(name)

    def _starter(self, name: str) -> Callable[[], None]:
        return lambda: self._site.etcd.start_member(self._member(name))

    def _member(self, name: str) -> EtcdMember:
        return next(member for member in self._site.etcd.members if member.name == name)
