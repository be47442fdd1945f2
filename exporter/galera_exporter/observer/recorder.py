"""Writes notices as Kubernetes events, each once, whichever observer comes first; one that lasts is renewed."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from galera_exporter.errors import KubernetesError, KubernetesReason
from galera_exporter.observer.kube import Kubernetes
from galera_exporter.observer.notices import Notice
from galera_exporter.observer.pods import Pod

log = logging.getLogger(__name__)

COMPONENT: Final = "galera-observer"
_KEPT: Final = 100
"""Notices that wait for an API that does not answer."""
_AT_ONCE: Final = 5
"""Events of one turn: the write pod's label does not wait for more."""
_LONGEST: Final = 1000
"""Characters of a message; Kubernetes takes 1,024."""
_LATER: Final = frozenset(
    {KubernetesReason.UNREACHABLE, KubernetesReason.TIMEOUT, KubernetesReason.THROTTLED, KubernetesReason.SERVER}
)


class Recorder:
    """Keeps what could not be written yet. For one thread at a time."""

    def __init__(
        self, kubernetes: Kubernetes, namespace: str, instance: str, *, wall: Callable[[], float] = time.time
    ) -> None:
        self._kubernetes = kubernetes
        self._namespace = namespace
        self._instance = instance
        self._wall = wall
        self._queue: deque[tuple[Notice, Pod, float]] = deque(maxlen=_KEPT)
        self._counts: dict[str, int] = {}
        self._fault: KubernetesReason | None = None

    def take(self, notices: Iterable[Notice], pods: Sequence[Pod]) -> None:
        """Take notices in; one of a node that has no pod has nowhere to go."""
        by_name = {pod.name: pod for pod in pods}
        for notice in notices:
            if notice.pod in by_name:
                self._queue.append((notice, by_name[notice.pod], self._wall()))

    def write(self) -> None:
        """Write some of them; a failure is logged once, and what may pass is tried again next time."""
        for _ in range(min(_AT_ONCE, len(self._queue))):
            notice, pod, moment = self._queue.popleft()
            try:
                self._write(notice, pod, moment)
            except KubernetesError as error:
                if error.reason is not self._fault:
                    self._fault = error.reason
                    log.warning("events cannot be written (%s): %s", error.reason, error)
                if error.reason in _LATER:
                    self._queue.appendleft((notice, pod, moment))
                    return
            else:
                self._fault = None

    def _write(self, notice: Notice, pod: Pod, moment: float) -> None:
        name = f"{pod.name}.{hashlib.sha256(f'{pod.uid} {notice.key}'.encode()).hexdigest()[:16]}"
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
        count = self._counts.get(name, 0) + 1
        try:
            if count > 1:
                self._renew(name, notice, stamp, {"count": count})
            else:
                self._kubernetes.create_event(self._event(name, notice, pod, stamp))
        except KubernetesError as error:
            if error.reason is KubernetesReason.NOT_FOUND and count > 1:
                self._kubernetes.create_event(self._event(name, notice, pod, stamp))
                count = 1
            elif error.reason is not KubernetesReason.CONFLICT:
                raise
            elif notice.lasting:  # an observer before this one wrote it; how often is not known
                self._renew(name, notice, stamp, {})
        if notice.lasting:
            self._counts[name] = count
            if len(self._counts) > _KEPT:
                del self._counts[next(iter(self._counts))]

    def _renew(self, name: str, notice: Notice, stamp: str, more: Mapping[str, int]) -> None:
        self._kubernetes.update_event(name, {"message": notice.text[:_LONGEST], "lastTimestamp": stamp, **more})

    def _event(self, name: str, notice: Notice, pod: Pod, stamp: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": self._namespace},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": pod.name,
                "namespace": self._namespace,
                "uid": pod.uid,
            },
            "type": "Warning" if notice.warning else "Normal",
            "reason": notice.reason,
            "message": notice.text[:_LONGEST],
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._instance,
        }
