"""The observer's loop: each second the pods, the write pod's label, the events. Scrapes are answered from memory."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from galera_exporter.errors import KubernetesError, KubernetesReason
from galera_exporter.observer.choice import BLIND, Step, choose, step
from galera_exporter.observer.kube import Kubernetes
from galera_exporter.observer.notices import Narrator, Notice
from galera_exporter.observer.pods import LABEL, PRIMARY, Pod, Workload
from galera_exporter.observer.recorder import Recorder
from galera_exporter.observer.registry import RegistryReader
from galera_exporter.observer.standing import Registered, Standing, registered, standing

log = logging.getLogger(__name__)

TICK: Final = 1.0
"""Seconds between two looks at the pods."""
WORKLOAD_AGE: Final = 10.0
"""Seconds between two looks at the StatefulSet, which changes when somebody scales it."""
STALE: Final = 10.0
"""Seconds after which what Kubernetes said is no longer shown."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the observer knows now, for the pages."""

    up: bool
    """The pods were read, and what was to be changed was changed, within the last seconds."""
    registry_up: bool
    replicas: int | None = None
    pods: tuple[Pod, ...] = ()
    """Those of the StatefulSet; none while ``up`` is not so."""
    standings: Mapping[str, Standing] = field(default_factory=dict)
    """By pod."""
    registered: frozenset[str] | None = None
    """Pods with a live key; None while etcd cannot be read."""
    changes: int = 0
    """How often this process gave the label to a pod."""
    failures: Mapping[KubernetesReason, int] = field(default_factory=dict)


class Keeper:
    """Keeps the label on one pod between ``start`` and ``close``, on a thread of its own."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        registry: RegistryReader,
        recorder: Recorder,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kubernetes = kubernetes
        self._registry = registry
        self._recorder = recorder
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._narrator = Narrator()
        self._workload: Workload | None = None
        self._workload_at = float("-inf")
        self._heard_at = clock()
        """When the registry last said something of a node, or this process began."""
        self._said = ""
        self._lock = threading.Lock()  # guards what follows: the loop writes, others read
        self._fine_at = float("-inf")
        self._pods: tuple[Pod, ...] = ()
        self._seen: Registered | None = None
        self._changes = 0
        self._failures: Counter[KubernetesReason] = Counter(dict.fromkeys(KubernetesReason, 0))
        self.ready = False
        """Whether the pods were ever read."""

    def start(self) -> None:
        """Start the loop. Returns at once."""
        self._thread.start()

    def close(self) -> None:
        """End the loop, at the latest after a few requests. The label stays where it is."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(10.0)
        self._kubernetes.close()

    def reading(self) -> Reading:
        """Return what is known now. Asks nobody."""
        registry_up = self._registry.up
        with self._lock:
            up = self._clock() - self._fine_at <= STALE
            pods = tuple(pod for pod in self._pods if pod.ordinal >= 0) if up else ()
            return Reading(
                up=up,
                registry_up=registry_up,
                replicas=self._workload.replicas if up and self._workload is not None else None,
                pods=pods,
                standings={pod.name: standing(pod, self._seen) for pod in pods},
                registered=None
                if self._seen is None
                else frozenset(pod.name for pod in pods if pod.name in self._seen.nodes),
                changes=self._changes,
                failures=dict(self._failures),
            )

    def turn(self) -> None:
        """Look once, and do what is to be done: labels first, then events."""
        try:
            pods = self._labels()
        except KubernetesError as error:
            with self._lock:
                self._failures[error.reason] += 1
            self._told(f"Kubernetes ({error.reason}): {error}", logging.WARNING)
            if error.reason is KubernetesReason.NOT_FOUND:
                self._workload_at = float("-inf")
            return
        with self._lock:
            self._fine_at = self._clock()
            self._pods = pods
            self.ready = True
        self._told("Kubernetes answers", logging.INFO)
        self._events(pods)

    def _labels(self) -> tuple[Pod, ...]:
        """Bring the labels to where they belong; return the pods as last read."""
        now = self._clock()
        if self._workload is None or now - self._workload_at >= WORKLOAD_AGE:
            self._workload = self._kubernetes.workload()
            self._workload_at = now
        selector = self._workload.selector
        pods = self._kubernetes.pods(selector, newest=False)
        # Two steps at most: the label is taken from one, the pods are read anew, and another gets it.
        for _ in range(2):
            if not self._next(pods):
                break
            pods = self._kubernetes.pods(selector, newest=True)
            what = self._next(pods)
            if not what:
                break
            self._take(what, pods)
            pods = self._kubernetes.pods(selector, newest=True)
        return pods

    def _next(self, pods: Sequence[Pod]) -> Step:
        sight = self._registry.sight()
        seen = None if sight is None else registered(sight.view, sight.snapshot)
        now = self._clock()
        if seen is not None and seen.nodes:
            self._heard_at = now
        with self._lock:
            self._seen = seen
        return step(pods, choose(pods, seen, blind=now - self._heard_at >= BLIND))

    def _take(self, what: Step, pods: Sequence[Pod]) -> None:
        for pod in what.remove:
            words = standing(pod, self._seen).words or "another pod is fitter"
            if self._label(pod, primary=False):
                log.info("%s loses %s=%s: it %s", pod.name, LABEL, PRIMARY, words)
                text = f"The write Service no longer sends connections here: it {words}."
                self._recorder.take([Notice(pod.name, "WritePodLeft", text, f"left {pod.version}")], pods)
        if what.add is not None and self._label(what.add, primary=True):
            with self._lock:
                self._changes += 1
            log.info("%s gets %s=%s", what.add.name, LABEL, PRIMARY)
            text = "The write Service sends its connections here from now on."
            self._recorder.take([Notice(what.add.name, "WritePod", text, f"write {what.add.version}")], pods)

    def _label(self, pod: Pod, *, primary: bool) -> bool:
        """Change the label; False where the pod has changed meanwhile, or is gone: the next look sees it."""
        try:
            self._kubernetes.label(pod, primary=primary)
        except KubernetesError as error:
            if error.reason not in {KubernetesReason.CONFLICT, KubernetesReason.NOT_FOUND}:
                raise
            return False
        return True

    def _events(self, pods: Sequence[Pod]) -> None:
        sight = self._registry.sight()
        snapshot = None if sight is None else sight.snapshot
        self._recorder.take(self._narrator.look(snapshot, self._seen, pods, self._clock()), pods)
        self._recorder.write()

    def _told(self, text: str, level: int) -> None:
        """Log a change, once."""
        if text != self._said:
            self._said = text
            log.log(level, "%s", text)

    def _run(self) -> None:
        while not self._stop.is_set():
            began = self._clock()
            try:
                self.turn()
            except Exception as error:
                # The loop outlives every fault of a part that it calls.
                text = f"{type(error).__name__}: {error}"
                if text != self._said:
                    self._said = text
                    log.exception("a turn failed; the observer goes on")
            self._stop.wait(max(0.0, began + TICK - self._clock()))
