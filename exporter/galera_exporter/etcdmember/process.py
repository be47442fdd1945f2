"""The process: the member's rounds, its HTTP, and its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from galera_exporter import __version__, lifetime
from galera_exporter.etcdmember.accounts import Accounts
from galera_exporter.etcdmember.configfile import ConfigFile
from galera_exporter.etcdmember.member import Member
from galera_exporter.etcdmember.neighbours import STATE_PATH, Neighbour, Neighbourhood
from galera_exporter.etcdmember.settings import MemberSettings
from galera_exporter.etcdmember.volume import VolumeStore
from galera_exporter.registry.administration import Administration
from galera_exporter.settings import EtcdSettings, WebSettings
from galera_exporter.web.common import PROBE
from galera_exporter.web.protection import certificate
from galera_exporter.web.routing import Route
from galera_exporter.web.server import Server

log = logging.getLogger(__name__)

START_PATH = "/-/start"


def _member(settings: MemberSettings) -> Member:
    urls = {name: settings.client_url(name) for name in settings.hosts}
    neighbours = {name: Neighbour(settings, name, _access(settings, url)) for name, url in urls.items()}
    own = neighbours.pop(settings.name)
    access = _access(settings, *(urls[name] for name in (*settings.others, settings.name)))
    keeper = Administration(access)
    tend: Callable[[], None] | None = None
    if settings.auth is not None:
        tend = Accounts(settings.auth, keeper, Administration(replace(access, user="", password_file=None))).tend
    return Member(
        settings,
        VolumeStore(settings.data_dir),
        ConfigFile(settings),
        lambda: own.cluster(confirm=False),
        own.serves_clients,
        Neighbourhood(tuple(neighbours.values())).look,
        keeper,
        tend,
    )


def _access(settings: MemberSettings, *endpoints: str) -> EtcdSettings:
    tls, auth = settings.tls, settings.auth
    return EtcdSettings(
        endpoints=endpoints,
        user="root" if auth else "",
        password_file=auth.root_password_file if auth else None,
        tls_ca=tls.ca if tls else None,
        tls_cert=tls.cert if tls else None,
        tls_key=tls.key if tls else None,
    )


def run(settings: MemberSettings) -> int:
    """Run until SIGTERM or SIGINT; return the exit status.

    Raises:
        ConfigError: the address to listen on cannot be had, or the certificate is none.
    """
    stop = lifetime.begin(settings.log_level, settings.log_format)
    log.info("galera-exporter %s etcd-member for %s of %s", __version__, settings.name, ", ".join(settings.hosts))
    member = _member(settings)
    routes = {
        START_PATH: Route(member.start_page),
        STATE_PATH: Route(member.state_page),
        "/-/healthy": PROBE,
    }
    protection = certificate(settings.tls.cert, settings.tls.key) if settings.tls else None
    server = Server(WebSettings(listen=(settings.listen,)), routes, protection=protection)
    server.start()
    lifetime.serving(server, log)
    try:
        pause = 0.0
        while not stop.wait(pause):
            pause = member.round()
    finally:
        server.close()
    log.info("ending")
    return 0
