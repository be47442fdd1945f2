"""The observer process: wires its rooms together, and ends them in order."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Mapping
from http import HTTPStatus

from galera_exporter import __version__, lifetime
from galera_exporter.observer.keeper import Keeper
from galera_exporter.observer.kube import Kubernetes
from galera_exporter.observer.metrics import ObserverPage
from galera_exporter.observer.page import render
from galera_exporter.observer.recorder import Recorder
from galera_exporter.observer.registry import RegistryReader
from galera_exporter.registry.etcd import Etcd
from galera_exporter.settings import Config
from galera_exporter.web.common import PROBE, exposition, reload
from galera_exporter.web.message import Request, Response
from galera_exporter.web.routing import Route
from galera_exporter.web.server import Server

log = logging.getLogger(__name__)


class Observer:
    """All rooms of the observer. ``start()`` returns once HTTP is served; ``close()`` ends all of it.

    Raises ConfigError where it is not known how to reach the Kubernetes API.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._closing = contextlib.ExitStack()
        kubernetes = Kubernetes(config.observer, config.etcd.namespace)
        self._registry = RegistryReader(Etcd(config.etcd), config.etcd.prefix)
        recorder = Recorder(kubernetes, config.etcd.namespace, socket.gethostname())
        self._keeper = Keeper(kubernetes, self._registry, recorder)
        self.server = Server(config.web, self._routes())
        self._page = ObserverPage(self._keeper.reading, lambda: self.server.reload_ok, config.labels)

    def start(self) -> None:
        """Start every room.

        Raises:
            ConfigError: an address to listen on is taken or is not this machine's.
        """
        with contextlib.ExitStack() as closing:
            self._registry.start()
            closing.callback(self._registry.close)
            self._keeper.start()
            closing.callback(self._keeper.close)
            self.server.start()
            closing.callback(self.server.close)
            self._closing = closing.pop_all()

    def close(self) -> None:
        """End the web server, then the loops. The label stays where it is."""
        self._closing.close()

    def _routes(self) -> Mapping[str, Route]:
        return {
            "/": Route(self._status),
            self._config.web.telemetry_path: Route(self._metrics),
            "/-/healthy": PROBE,
            "/-/ready": Route(self._ready, public=True),
            "/-/reload": Route(lambda request: reload(self.server, request), methods=("POST", "PUT")),
        }

    def _ready(self, _: Request) -> Response:
        if self._keeper.ready:
            return Response.text(HTTPStatus.OK, "ready")
        return Response.text(HTTPStatus.SERVICE_UNAVAILABLE, "not ready: the pods could not be read yet")

    def _metrics(self, request: Request) -> Response:
        body, content_type = self._page.render(request.headers.get("accept", ""))
        return exposition(body, content_type)

    def _status(self, _: Request) -> Response:
        config = self._config
        page = render(
            self._keeper.reading(),
            namespace=config.etcd.namespace,
            statefulset=config.observer.statefulset,
            now=time.time(),
            telemetry_path=config.web.telemetry_path,
        )
        return Response.html(page)


def observe(config: Config) -> int:
    """Run the observer until SIGTERM or SIGINT; SIGHUP reloads the web config. Return the exit status.

    Raises:
        ConfigError: no way to the Kubernetes API is known, an address cannot be had, the web config file has faults.
    """
    stop = lifetime.begin(config.log_level, config.log_format)
    log.info("galera-exporter %s, observer of %s/%s", __version__, config.etcd.namespace, config.observer.statefulset)
    observer = Observer(config)
    observer.start()
    lifetime.serving(observer.server, log)
    stop.wait()
    log.info("ending")
    observer.close()
    return 0
