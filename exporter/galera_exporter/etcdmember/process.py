"""The process: the member's rounds, its HTTP, and its end."""

from __future__ import annotations

import gc
import logging
import signal
import threading
from http import HTTPStatus

from galera_exporter import __version__
from galera_exporter import log as logs
from galera_exporter.etcdmember.member import Member
from galera_exporter.etcdmember.neighbours import STATE_PATH
from galera_exporter.etcdmember.settings import MemberSettings
from galera_exporter.settings import WebSettings
from galera_exporter.web.message import Response
from galera_exporter.web.protection import certificate
from galera_exporter.web.routing import Route
from galera_exporter.web.server import Server

log = logging.getLogger(__name__)

START_PATH = "/-/start"


def run(settings: MemberSettings) -> int:
    """Run until SIGTERM or SIGINT; return the exit status.

    Raises:
        ConfigError: the address to listen on cannot be had, or the certificate is none.
    """
    logs.configure(settings.log_level, settings.log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("galera-exporter %s etcd-member for %s of %s", __version__, settings.name, ", ".join(settings.hosts))
    member = Member(settings)
    ok = Response.text(HTTPStatus.OK, "ok")
    routes = {
        START_PATH: Route(member.start_page),
        STATE_PATH: Route(member.state_page),
        "/-/healthy": Route(lambda _: ok),
    }
    protection = certificate(settings.tls.cert, settings.tls.key) if settings.tls else None
    server = Server(WebSettings(listen=(settings.listen,)), routes, protection=protection)
    server.start()
    gc.collect()
    gc.freeze()
    try:
        pause = 0.0
        while not stop.wait(pause):
            pause = member.round()
    finally:
        server.close()
    log.info("ending")
    return 0
