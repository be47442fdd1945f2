"""The observer process: wires its rooms together, and ends them in order. Like the sidecar, it takes signals."""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import socket
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus

from galera_exporter import __version__
from galera_exporter import log as logs
from galera_exporter.observer.keeper import Keeper
from galera_exporter.observer.kube import Kubernetes
from galera_exporter.observer.metrics import ObserverPage
from galera_exporter.observer.page import render
from galera_exporter.observer.recorder import Recorder
from galera_exporter.observer.registry import RegistryReader
from galera_exporter.registry.etcd import Etcd
from galera_exporter.settings import Config
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
        self._page = ObserverPage(self._keeper.reading, self._reload_ok, config.labels)

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
        ok = Response.text(HTTPStatus.OK, "ok")
        return {
            "/": Route(self._status),
            self._config.web.telemetry_path: Route(self._metrics),
            "/-/healthy": Route(lambda _: ok, public=True),
            "/-/ready": Route(self._ready, public=True),
            "/-/reload": Route(self._reload, methods=("POST", "PUT")),
        }

    def _ready(self, _: Request) -> Response:
        if self._keeper.ready:
            return Response.text(HTTPStatus.OK, "ready")
        return Response.text(HTTPStatus.SERVICE_UNAVAILABLE, "not ready: the pods could not be read yet")

    def _metrics(self, request: Request) -> Response:
        body, content_type = self._page.render(request.headers.get("accept", ""))
        return Response(HTTPStatus.OK, {"Content-Type": content_type}, body)

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

    def _reload(self, _: Request) -> Response:
        if self.server.reload():
            return Response.text(HTTPStatus.OK, "reloaded")
        return Response.text(HTTPStatus.INTERNAL_SERVER_ERROR, "not reloaded: the log says why; the old one holds")

    def _reload_ok(self) -> bool | None:
        return None if self._config.web.config_file is None else self.server.reload_status.success


def observe(config: Config) -> int:
    """Run the observer until SIGTERM or SIGINT; SIGHUP reloads the web config. Return the exit status.

    Raises:
        ConfigError: no way to the Kubernetes API is known, an address cannot be had, the web config file has faults.
    """
    logs.configure(config.log_level, config.log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("galera-exporter %s, observer of %s/%s", __version__, config.etcd.namespace, config.observer.statefulset)
    observer = Observer(config)
    observer.start()
    signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=observer.server.reload, name="reload").start())
    for host, port in observer.server.addresses:
        log.info("listening on %s", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    gc.collect()
    gc.freeze()  # what start-up made lives as long as the process
    stop.wait()
    log.info("ending")
    observer.close()
    return 0
