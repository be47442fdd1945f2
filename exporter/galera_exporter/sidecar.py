"""The sidecar process: wires the rooms together, and ends them in order.

The only place with signals. Whatever fails in a room is that room's to bear: the process
ends on SIGTERM or SIGINT, and when it cannot listen.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import sys
import threading
from collections.abc import Mapping
from http import HTTPStatus

from galera_exporter import __version__
from galera_exporter import log as logs
from galera_exporter.bounded import BoundedCall
from galera_exporter.mariadb.connection import Connection
from galera_exporter.mariadb.datadir import read_datadir
from galera_exporter.mariadb.sampler import Sampler
from galera_exporter.metrics.collector import MetricsPage
from galera_exporter.model import DatadirFacts
from galera_exporter.node import MAX_AGE, Node
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.heartbeat import Heartbeat
from galera_exporter.settings import Config
from galera_exporter.web.message import Request, Response
from galera_exporter.web.pages import render_status
from galera_exporter.web.server import Handler, Server

log = logging.getLogger(__name__)


class Sidecar:
    """All rooms of one node's sidecar. ``start()`` returns once HTTP is served; ``close()`` ends all of it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._closing = contextlib.ExitStack()
        self._sampler = Sampler(Connection(config.mariadb), config.mariadb)
        self._node = Node(config, self._sampler, _datadir_reader(config))
        self._heartbeat = self._registry()
        self.server = Server(config.web, self._routes())
        self._page = MetricsPage(self._node, self._heartbeat, lambda: self.server.reload_ok)

    def start(self) -> None:
        """Start every room.

        Raises:
            OSError: an address to listen on is taken or is not this machine's.
            ConfigError: the web config file has faults.
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
        return Heartbeat(etcd, config.etcd, config.node, config.owner, self._node.describe, self._node.members)

    def _routes(self) -> Mapping[str, Mapping[str, Handler]]:
        ok = Response.text(HTTPStatus.OK, "ok")
        return {
            "/": {"GET": self._status},
            self._config.web.telemetry_path: {"GET": self._metrics},
            "/-/healthy": {"GET": lambda _: ok},
            "/-/ready": {"GET": lambda _: ok},
            "/-/reload": {"POST": self._reload},
        }

    def _metrics(self, request: Request) -> Response:
        body, content_type = self._page.render(request.headers.get("accept", ""), request.timeout)
        return Response(HTTPStatus.OK, {"Content-Type": content_type}, body)

    def _status(self, request: Request) -> Response:
        timeout = min(request.timeout, self._config.mariadb.timeout)
        database = self._node.database(timeout)
        facts = None
        with contextlib.suppress(OSError):  # the page says that there is none; the collector says why
            facts = self._node.datadir(MAX_AGE)
        registry = None if self._heartbeat is None else self._heartbeat.reading()
        return Response.html(render_status(self._config, database, registry, facts, self._node.expected))

    def _reload(self, _: Request) -> Response:
        return self.reload()

    def reload(self) -> Response:
        """Read the web config file again; the old one stays where the new one has faults."""
        faults = self.server.reload()
        if faults:
            return Response.text(HTTPStatus.INTERNAL_SERVER_ERROR, "not reloaded: " + "; ".join(faults))
        return Response.text(HTTPStatus.OK, "reloaded")


def _datadir_reader(config: Config) -> BoundedCall[DatadirFacts] | None:
    if config.datadir is None:
        return None
    path = config.datadir
    return BoundedCall(lambda: read_datadir(path), MAX_AGE)


def run(config: Config) -> int:
    """Run the sidecar until SIGTERM or SIGINT; SIGHUP reloads the web config. Return the exit status."""
    logs.configure(config.log_level, config.log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("galera-exporter %s for node %s of cluster %s", __version__, config.node, config.etcd.cluster)
    sidecar = Sidecar(config)
    try:
        sidecar.start()
    except OSError as error:
        sys.stderr.write(
            f"galera-exporter: cannot listen: {error}: free the port, or choose another --web.listen-address\n"
        )
        return 1
    signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=sidecar.reload, name="reload").start())
    for host, port in sidecar.server.addresses:
        log.info("listening on %s", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    # What start-up made lives as long as the process: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    stop.wait()
    log.info("ending")
    sidecar.close()
    return 0
