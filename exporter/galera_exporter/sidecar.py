"""The sidecar process: wires the rooms together, and ends them in order.

Whatever fails in a room is that room's to bear: the process
ends on SIGTERM or SIGINT, and when it cannot listen.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import time
from collections.abc import Mapping
from http import HTTPStatus

from galera_exporter import __version__, lifetime
from galera_exporter.bootstrap.coordinator import Coordinator
from galera_exporter.bootstrap.handoff import Handoff
from galera_exporter.bootstrap.peers import PATH as PEER_PATH
from galera_exporter.bootstrap.peers import render as render_peer
from galera_exporter.bounded import BoundedCall
from galera_exporter.mariadb.connection import Connection
from galera_exporter.mariadb.datadir import read_datadir
from galera_exporter.mariadb.sampler import Sampler
from galera_exporter.metrics.collector import MetricsPage
from galera_exporter.model import DatadirFacts
from galera_exporter.node import Node
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.heartbeat import Heartbeat
from galera_exporter.registry.lease import Lease
from galera_exporter.serving import why_not
from galera_exporter.settings import Config
from galera_exporter.web.common import PROBE, exposition, reload
from galera_exporter.web.message import Request, Response
from galera_exporter.web.pages import Glance, render_status
from galera_exporter.web.routing import Route
from galera_exporter.web.server import Server

log = logging.getLogger(__name__)

_FILES_TIMEOUT = 1.0
"""Seconds that the status page waits for the data directory's files."""


class Sidecar:
    """All rooms of one node's sidecar. ``start()`` returns once HTTP is served; ``close()`` ends all of it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._closing = contextlib.ExitStack()
        self._sampler = Sampler(Connection(config.mariadb), config.mariadb)
        self._node = Node(config, self._sampler, _datadir_reader(config))
        self._coordinator: Coordinator | None = None
        self._heartbeat = self._registry()
        self.server = Server(config.web, self._routes())
        self._page = self._metrics_page()

    def start(self) -> None:
        """Start every room.

        Raises:
            ConfigError: an address to listen on is taken or is not this machine's.
        """
        with contextlib.ExitStack() as closing:
            self._sampler.start()
            closing.callback(self._sampler.close)
            if self._heartbeat is not None:
                self._heartbeat.start()
                closing.callback(self._heartbeat.close)
            self.server.start()
            closing.callback(self.server.close)
            self._closing = closing.pop_all()

    def close(self) -> None:
        """End the web server, then the heartbeat (which may give up the key), then the sampler."""
        self._closing.close()

    def _registry(self) -> Heartbeat | None:
        config = self._config
        if not config.etcd.endpoints:
            return None
        etcd = Etcd(config.etcd)
        lease = Lease(etcd, config.etcd.ttl)
        self._coordinator = self._bootstrap(etcd, lease)
        return Heartbeat(
            etcd,
            config.etcd,
            config.node,
            config.owner,
            self._node.describe,
            self._node.members,
            lease=lease,
            companion=self._coordinator,
        )

    def _bootstrap(self, etcd: Etcd, lease: Lease) -> Coordinator | None:
        return None if self._config.bootstrap.handoff_dir is None else Coordinator(self._node, etcd, lease)

    def _metrics_page(self) -> MetricsPage:
        reading = None if self._coordinator is None else self._coordinator.reading
        return MetricsPage(self._node, self._heartbeat, lambda: self.server.reload_ok, bootstrap=reading)

    def _routes(self) -> Mapping[str, Route]:
        coordinator = self._coordinator
        told = (
            {}
            if coordinator is None
            else {PEER_PATH: Route(lambda request: self._tell(coordinator, request), public=True)}
        )
        return told | {
            "/": Route(self._status),
            self._config.web.telemetry_path: Route(self._metrics, ahead=self._node.prefetch),
            "/-/healthy": PROBE,
            "/-/ready": PROBE,
            "/-/serving": Route(self._serving, public=True),
            "/-/reload": Route(lambda request: reload(self.server, request), methods=("POST", "PUT")),
        }

    def _serving(self, request: Request) -> Response:
        """Answer whether the database may get clients; the other probes are of this process alone."""
        sample = self._node.database(min(request.timeout, self._config.mariadb.timeout)).sample
        reason = why_not(sample, None if self._coordinator is None else self._coordinator.reading())
        if reason:
            return Response.text(HTTPStatus.SERVICE_UNAVAILABLE, f"not serving: {reason}")
        return Response.text(HTTPStatus.OK, "serving")

    def _tell(self, coordinator: Coordinator, request: Request) -> Response:
        """Answer the sidecar of another node. Public: that one has no password, and the group's view says as much."""
        body = render_peer(coordinator.peer(min(request.timeout, self._config.mariadb.timeout)))
        return Response(HTTPStatus.OK, {"Content-Type": "application/json"}, body)

    def _metrics(self, request: Request) -> Response:
        body, content_type = self._page.render(request.headers.get("accept", ""), request.timeout)
        return exposition(body, content_type)

    def _status(self, request: Request) -> Response:
        config = self._config
        timeout = min(request.timeout, config.mariadb.timeout)
        database = self._node.database(timeout)
        facts = None
        with contextlib.suppress(OSError):  # the page says that there are none; the collector's log says why
            facts = self._node.datadir(_FILES_TIMEOUT)
        glance = Glance(
            cluster=config.etcd.cluster,
            node=config.node,
            expected=config.expected,
            now=time.time(),
            monotonic=time.monotonic(),
            version=__version__,
            database=database,
            registry=None if self._heartbeat is None else self._heartbeat.reading(),
            datadir=facts,
            bootstrap=None if self._coordinator is None else self._coordinator.reading(),
            telemetry_path=config.web.telemetry_path,
            reload_ok=self.server.reload_ok,
        )
        return Response.html(render_status(glance))


def _datadir_reader(config: Config) -> BoundedCall[DatadirFacts | None] | None:
    """Look into the data directory, or else have the database's start script tell of it."""
    if (path := config.datadir) is not None:
        return BoundedCall(lambda: read_datadir(path))
    if config.bootstrap.handoff_dir is not None:
        return BoundedCall(Handoff(config.bootstrap.handoff_dir).datadir)
    return None


def run(config: Config) -> int:
    """Run the sidecar until SIGTERM or SIGINT; SIGHUP reloads the web config. Return the exit status.

    Raises:
        ConfigError: an address to listen on cannot be had, or the web config file has faults.
    """
    stop = lifetime.begin(config.log_level, config.log_format)
    log.info("galera-exporter %s for node %s of cluster %s", __version__, config.node, config.etcd.cluster)
    sidecar = Sidecar(config)
    sidecar.start()
    lifetime.serving(sidecar.server, log)
    # A scrape makes some thousand short-lived tuples and no cycles: by default it would pay for several collections.
    gc.set_threshold(20_000, 10, 10)
    stop.wait()
    log.info("ending")
    sidecar.close()
    return 0
