"""The observer's loop: each second the pods, the write pod's label, the events. Scrapes are answered from memory."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.errors import KubernetesError, KubernetesReason
from galera_exporter.observer.choice import BLIND, Step, choose, step
from galera_exporter.observer.kube import Kubernetes
from galera_exporter.observer.loop import Loop
from galera_exporter.observer.notices import Narrator, Notice, waits
from galera_exporter.observer.pods import LABEL, PRIMARY, Pod, Workload
from galera_exporter.observer.recorder import Recorder
from galera_exporter.observer.registry import RegistryReader, Sight
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
    """None while the StatefulSet cannot be read."""
    pods: tuple[Pod, ...] = ()
    """Those of the StatefulSet; none while ``up`` is not so."""
    standings: Mapping[str, Standing] = field(default_factory=dict)
    """By pod."""
    waits: Mapping[str, Wait] = field(default_factory=dict)
    """Why a pod's node waits, by pod."""
    registered: frozenset[str] | None = None
    """Pods with a live key; None while etcd cannot be read."""
    changes: int = 0
    """How often this process gave the label to a pod."""
    failures: Mapping[KubernetesReason, int] = field(default_factory=dict)
    """Requests to Kubernetes that failed."""


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
        self._loop = Loop("keeper", self.turn, TICK, clock=clock)
        self._narrator = Narrator()
        self._workload_at = float("-inf")
        self._heard_at = clock()
        """When the registry last had a word of a node, or this process began."""
        self._said: dict[str, str] = {}
        self._not_ours: set[str] = set()
        """UIDs of pods beside the StatefulSet that have the label, and that this process may not change."""
        self._lock = threading.Lock()  # guards what follows: the loop writes, others read
        self._fine_at: float | None = None
        self._workload: Workload | None = None
        self._replicas: int | None = None
        self._pods: tuple[Pod, ...] = ()
        self._sight: Sight | None = None
        self._seen: Registered | None = None
        self._changes = 0

    @property
    def ready(self) -> bool:
        """Whether a turn ever went well."""
        with self._lock:
            return self._fine_at is not None

    def start(self) -> None:
        """Start the loop. Returns at once."""
        self._loop.start()

    def close(self) -> None:
        """End the loop, at the latest after two requests. The label stays where it is."""
        self._loop.close(10.0)
        self._kubernetes.close()

    def reading(self) -> Reading:
        """Return what is known now. Asks nobody."""
        registry_up = self._registry.up
        with self._lock:
            up = self._fine_at is not None and self._clock() - self._fine_at <= STALE
            pods = tuple(pod for pod in self._pods if pod.ordinal >= 0) if up else ()
            names = {pod.name for pod in pods}
            waiting = waits(None if self._sight is None else self._sight.snapshot, pods)
            return Reading(
                up=up,
                registry_up=registry_up,
                replicas=self._replicas if up else None,
                pods=pods,
                standings={pod.name: standing(pod, self._seen) for pod in pods},
                waits={name: wait for name, wait in waiting.items() if name in names},
                registered=None if self._seen is None else frozenset(names & self._seen.nodes.keys()),
                changes=self._changes,
                failures=dict(self._kubernetes.failures),
            )

    def turn(self) -> None:
        """Look once, and do what is to be done: labels first, then events."""
        try:
            workload = self._workload or self._read_workload()
            pods = self._labels(workload.selector)
        except KubernetesError as error:
            self._say("kubernetes", f"Kubernetes ({error.reason}): {error}")
            return
        with self._lock:
            self._fine_at = self._clock()
            self._pods = pods
        self._say("kubernetes", "Kubernetes answers", logging.INFO)
        self._refresh_workload()
        sight, seen = self._sight, self._seen
        notices = self._narrator.look(None if sight is None else sight.snapshot, seen, pods, self._clock())
        self._recorder.take(notices, pods)
        self._recorder.write()

    def _read_workload(self) -> Workload:
        workload = self._kubernetes.workload()
        with self._lock:
            self._workload, self._replicas = workload, workload.replicas
        self._workload_at = self._clock()
        return workload

    def _refresh_workload(self) -> None:
        """Look how many pods there should be. The label does without: which pods are looked at never changes."""
        if self._clock() - self._workload_at < WORKLOAD_AGE:
            return
        try:
            self._read_workload()
        except KubernetesError as error:
            self._workload_at = self._clock()
            with self._lock:
                self._replicas = None
            self._say("workload", f"the StatefulSet cannot be read ({error.reason}): {error}")
        else:
            self._said.pop("workload", None)

    def _labels(self, selector: str) -> tuple[Pod, ...]:
        """Bring the labels to where they belong; return the pods as last read.

        What is done rests on a read of this moment: the one from the API server's memory only tells
        whether there is something to do. The label is taken from one pod, and the pods are read anew
        before another one gets it.
        """
        pods = self._look(selector, newest=False)
        for _ in range(2):
            if not self._next(pods):
                break
            pods = self._look(selector, newest=True)
            what = self._next(pods)
            if not what:
                break
            self._carry_out(what, pods)
            pods = self._look(selector, newest=True)
        self._lament(pods)
        return pods

    def _look(self, selector: str, *, newest: bool) -> tuple[Pod, ...]:
        found = self._kubernetes.pods(selector, newest=newest)
        return tuple(pod for pod in found if pod.uid not in self._not_ours)

    def _next(self, pods: Sequence[Pod]) -> Step:
        sight = self._registry.sight()
        seen = None if sight is None else registered(sight.view, sight.snapshot)
        now = self._clock()
        if seen is not None and (seen.nodes or seen.reporting):
            self._heard_at = now
        with self._lock:
            self._sight, self._seen = sight, seen
        return step(pods, choose(pods, seen, blind=now - self._heard_at >= BLIND))

    def _carry_out(self, what: Step, pods: Sequence[Pod]) -> None:
        for pod in what.remove:
            why = standing(pod, self._seen).words or "is less fit than another pod, or has it beside another"
            if self._label(pod, primary=False):
                log.info("%s loses %s=%s: it %s", pod.name, LABEL, PRIMARY, why)
                text = f"The write Service no longer sends connections here: the pod {why}."
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
            if error.reason is KubernetesReason.FORBIDDEN and pod.ordinal < 0:
                # A Role may cover the StatefulSet's pods alone. Those must not go without for it.
                self._not_ours.add(pod.uid)
                log.warning("%s has %s=%s, is not a pod of the StatefulSet, and keeps it", pod.name, LABEL, PRIMARY)
            elif error.reason not in {KubernetesReason.CONFLICT, KubernetesReason.NOT_FOUND}:
                raise
            return False
        return True

    def _lament(self, pods: Sequence[Pod]) -> None:
        """Log why no pod has the label, once until that changes."""
        if any(pod.labelled for pod in pods):
            self._said.pop("nobody", None)
            return
        why = "; ".join(f"{pod.name} {standing(pod, self._seen).words}" for pod in pods) or "there are no pods"
        self._say("nobody", f"no pod may be the write pod: {why}")

    def _say(self, topic: str, text: str, level: int = logging.WARNING) -> None:
        """Log what is new about a topic."""
        if self._said.get(topic) != text:
            self._said[topic] = text
            log.log(level, "%s", text)
