"""One look at the cluster: by its registry, or where that says nothing by the local node's SQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from galera_exporter.errors import RegistryError
from galera_exporter.galeractl.roster import Roster
from galera_exporter.mariadb.collectors import Collectors
from galera_exporter.mariadb.connection import Connection
from galera_exporter.model import (
    ClusterView,
    DatabaseReading,
    NodeSample,
    NodeView,
    RegistryReading,
)
from galera_exporter.node import record_of
from galera_exporter.settings import Config, MariadbSettings
from galera_exporter.verdict import Verdict, judge


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look found. ``registry`` is None where none is configured, ``database`` where it was not asked."""

    registry: RegistryReading | None
    database: DatabaseReading | None
    nodes: tuple[NodeView, ...]
    verdict: Verdict

    @property
    def source(self) -> str:
        """Where the nodes come from: ``registry``, ``local`` (this node's SQL), or ``none``."""
        if self.registry is not None and self.registry.up:
            return "registry"
        return "local" if self.nodes else "none"


class Surveyor:
    """Looks at the cluster of ``config``, once or again and again."""

    def __init__(self, config: Config, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._roster = Roster(config.etcd, clock=clock) if config.etcd.endpoints else None

    def close(self) -> None:
        """Close the connections."""
        if self._roster is not None:
            self._roster.close()

    def look(self) -> Survey:
        """Read the registry; where there is none, or it does not answer, ask the local node."""
        registry = None if self._roster is None else _read(self._roster)
        if registry is not None and registry.up:
            return Survey(registry, None, registry.view.nodes, judge(None, registry, self._config.expected))
        database = ask(self._config.mariadb, clock=self._clock)
        nodes = () if database.sample is None else (self._local(database, database.sample),)
        return Survey(registry, database, nodes, judge(database, registry, self._config.expected))

    def _local(self, database: DatabaseReading, sample: NodeSample) -> NodeView:
        """The local node in the shape of a registry's; it has no key, as far as can be known."""
        variables = database.variables
        return NodeView(
            node=(variables.node_name if variables else "") or self._config.node,
            present=False,
            record=record_of(self._config, database, sample, self._config.expected),
            age=None,
            leased=False,
            expirations=0,
            in_view=sample.connected,
        )


def ask(settings: MariadbSettings, *, clock: Callable[[], float] = time.monotonic) -> DatabaseReading:
    """Read the local node once; takes a few times ``settings.timeout`` at most."""
    with closing(Connection(settings, clock=clock)) as connection:
        return Collectors(connection, settings.variables_interval, clock=clock).collect(clock())


def _read(roster: Roster) -> RegistryReading:
    try:
        return RegistryReading(up=True, view=roster.read())
    except RegistryError as error:
        return RegistryReading(up=False, view=ClusterView(), reason=error.reason, detail=str(error))
