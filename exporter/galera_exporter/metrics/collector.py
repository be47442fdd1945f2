"""One scrape: readings of all rooms within the scraper's deadline, to one page.

A room that fails costs its own metrics and no others: its
``galera_exporter_collector_success`` is 0, the page is served.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Iterable

from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.registry import CollectorRegistry

from galera_exporter import __version__
from galera_exporter.bootstrap.reading import BootstrapReading
from galera_exporter.metrics import families
from galera_exporter.metrics.exposition import Exposition
from galera_exporter.metrics.families import Row
from galera_exporter.model import CollectorRun, DatabaseReading, NodeVariables
from galera_exporter.node import FILES_MAX_AGE, MAX_AGE, Node
from galera_exporter.registry.heartbeat import Heartbeat

log = logging.getLogger(__name__)

_FILES_SHARE = 0.1
"""Part of the time that a database which hangs must leave for its files: they are what is known of it then."""


class MetricsPage:
    """Makes the page of /metrics. Safe to call from many threads."""

    def __init__(
        self,
        node: Node,
        heartbeat: Heartbeat | None,
        reload_ok: Callable[[], bool | None],
        *,
        bootstrap: Callable[[], BootstrapReading] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._heartbeat = heartbeat
        self._reload_ok = reload_ok
        self._bootstrap = bootstrap
        self._clock = clock
        self._exposition = Exposition(node.config.labels)
        nowhere = CollectorRegistry()
        self._process = ProcessCollector(registry=nowhere)
        self._platform = PlatformCollector(registry=nowhere)
        self._failing: dict[str, str] = {}
        self._variable_rows: tuple[NodeVariables, int, tuple[Row, ...]] | None = None

    def render(self, accept: str, timeout: float) -> tuple[bytes, str]:
        """Return the page and its content type, within about ``timeout`` seconds whatever the servers do."""
        began = self._clock()
        self._node.prefetch()
        # MariaDB works on the status now; meanwhile everything that does not need it. Files first: reading them lets
        # the sampler's thread send its statement.
        process = (*self._process.collect(), *self._platform.collect())
        form = self._exposition.format(accept)
        rest: list[Row] = []
        rest_runs: dict[str, CollectorRun] = {}
        if self._heartbeat is not None:
            heartbeat = self._heartbeat
            rest_runs["registry"] = self._collect("registry", rest, lambda: self._registry(heartbeat))
        if self._bootstrap is not None:
            bootstrap = self._bootstrap
            rest_runs["bootstrap"] = self._collect("bootstrap", rest, lambda: families.bootstrap(bootstrap()))
        end = form.rows(rest) + form.others(process)
        kept = timeout * _FILES_SHARE if self._node.reads_datadir else 0.0
        reading = self._node.database(max(timeout - kept - (self._clock() - began), 0.05))
        rows = list(families.database(reading))
        runs = dict(reading.runs)
        self._add_database(rows, runs, reading)
        if self._node.reads_datadir:
            left = max(timeout - (self._clock() - began), 0.05)
            max_age = FILES_MAX_AGE if reading.up else MAX_AGE
            runs["datadir"] = self._collect("datadir", rows, lambda: self._datadir(max_age, left))
        rows.extend(self._own({**runs, **rest_runs}))
        return form.rows(rows) + end, form.content_type

    def _add_database(self, rows: list[Row], runs: dict[str, CollectorRun], reading: DatabaseReading) -> None:
        config = self._node.config
        parts: dict[str, Callable[[], Iterable[Row]]] = {}
        if (sample := reading.sample) is not None:
            parts["status"] = lambda: (
                *families.status(sample, queue_stats=config.queue_stats),
                *families.raw_status(sample, export=config.raw_variables),
            )
        if sample is not None and (variables := reading.variables) is not None:
            parts["variables"] = lambda: self._variables(variables, sample.cluster_size)
        if sample is not None and (members := reading.members) is not None:
            parts["members"] = lambda: families.members(members)
        for name, make in parts.items():
            made = self._collect(name, rows, make)
            if not made.success:
                runs[name] = made
        if self._node.expected:
            rows.append(families.one("galera_expected_cluster_size", self._node.expected))

    def _variables(self, variables: NodeVariables, cluster_size: int) -> tuple[Row, ...]:
        known = self._variable_rows
        if known is None or known[0] is not variables or known[1] != cluster_size:
            known = self._variable_rows = (variables, cluster_size, tuple(families.variables(variables, cluster_size)))
        return known[2]

    def _datadir(self, max_age: float, timeout: float) -> Iterable[Row]:
        facts = self._node.datadir(timeout, max_age=max_age)
        return families.datadir(facts) if facts is not None else ()

    def _registry(self, heartbeat: Heartbeat) -> Iterable[Row]:
        yield from families.registry(heartbeat.reading())
        yield from families.heartbeat(heartbeat.counts())

    def _collect(self, name: str, rows: list[Row], make: Callable[[], Iterable[Row]]) -> CollectorRun:
        began = self._clock()
        try:
            rows.extend(make())
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            if self._failing.get(name) != text:
                self._failing[name] = text
                log.warning("collector %s fails: %s", name, text, exc_info=not isinstance(error, OSError))
            return CollectorRun(success=False, seconds=self._clock() - began)
        if self._failing.pop(name, None):
            log.info("collector %s works again", name)
        return CollectorRun(success=True, seconds=self._clock() - began)

    def _own(self, runs: dict[str, CollectorRun]) -> Iterable[Row]:
        yield "galera_exporter_collector_success", tuple(((name,), float(run.success)) for name, run in runs.items())
        yield "galera_exporter_collector_duration_seconds", tuple(((name,), run.seconds) for name, run in runs.items())
        yield "galera_exporter_build_info", (((__version__, platform.python_version()), 1.0),)
        if (reload_ok := self._reload_ok()) is not None:
            yield families.one("galera_exporter_web_config_last_reload_successful", reload_ok)
