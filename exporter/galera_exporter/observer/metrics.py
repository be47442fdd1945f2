"""The observer's page of metrics."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.registry import CollectorRegistry

from galera_exporter import __version__
from galera_exporter.metrics.exposition import Exposition
from galera_exporter.metrics.families import Row, one
from galera_exporter.observer.keeper import Reading


class ObserverPage:
    """Makes the page of /metrics. Safe to call from many threads."""

    def __init__(
        self,
        reading: Callable[[], Reading],
        reload_ok: Callable[[], bool | None],
        labels: Mapping[str, str],
    ) -> None:
        self._reading = reading
        self._reload_ok = reload_ok
        self._exposition = Exposition(labels)
        nowhere = CollectorRegistry()
        self._others = (ProcessCollector(registry=nowhere), PlatformCollector(registry=nowhere))

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the page and its content type."""
        form = self._exposition.format(accept)
        text = form.rows([*rows(self._reading()), *self._own()])
        others = [family for collector in self._others for family in collector.collect()]
        return text + form.others(others), form.content_type

    def _own(self) -> Iterator[Row]:
        yield "galera_exporter_build_info", (((__version__, platform.python_version()), 1.0),)
        if (reload_ok := self._reload_ok()) is not None:
            yield one("galera_exporter_web_config_last_reload_successful", reload_ok)


def rows(reading: Reading) -> Iterator[Row]:
    """What the observer knows. Of pods nothing is said while Kubernetes does not answer: no value is served stale."""
    yield one("galera_observer_up", reading.up)
    yield one("galera_observer_registry_up", reading.registry_up)
    yield "galera_observer_primary", tuple(((pod.name,), float(pod.labelled)) for pod in reading.pods)
    yield one("galera_observer_primary_changes_total", reading.changes)
    yield "galera_kube_pod_ready", tuple(((pod.name,), float(pod.ready)) for pod in reading.pods)
    yield one("galera_kube_replicas", reading.replicas)
    if reading.up:
        yield one("galera_kube_registered_pods", None if reading.registered is None else len(reading.registered))
    failures = tuple(((reason,), float(count)) for reason, count in reading.failures.items())
    yield "galera_kube_request_failures_total", failures
