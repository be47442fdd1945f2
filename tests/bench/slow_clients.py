"""TLS and basic auth, and an honest scrape beside clients that hold connections and do not go on."""

from __future__ import annotations

import base64
import json
import select
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median

import bcrypt

from bench.answer import PROMETHEUS
from bench.client import connect
from bench.report import Row, Target, percentile
from bench.scrapes import back_to_back, idle, paced
from bench.stand import PEER_BOTH, PEER_STATUS, SIDECAR, UP, Door, Exporter, Site, Stand
from bench.usage import resident_mib
from lab import Process, wait_until
from lab.sidecar import environment

HALF_OPEN = 500
SILENT = 50
HALF = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
HELLO = b"\x16\x03\x01\x02\x00\x01"
"""The first bytes of a TLS hello."""
SOURCES = [f"127.0.1.{number}" for number in range(1, 9)]
"""A server may let one address have only so many connections."""
NAME, PASSWORD = "prometheus", "scrape-secret"
COST = 10
"""Of bcrypt, as in the documentation of the exporter-toolkit."""
LIMIT = Target(1)
MEMORY = Target(45)
CONTAINER = Target(64)
"""MiB: what the chart requests for the sidecar."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of it."""

    rounds: int = 32
    scrapes: int = 1000
    honest: int = 20
    """Honest scrapes beside one crowd of slow clients."""
    crowds: int = 3


QUICK = Scale(rounds=6, scrapes=200, honest=10, crowds=1)


@dataclass(frozen=True, slots=True)
class Crowd:
    """What honest scrapes took beside one crowd, in seconds, and how many of it were still connected after them."""

    seconds: list[float]
    held: int


def rows(folder: Path, say: Callable[[str], object], scale: Scale) -> list[Row]:
    """Measure with exporters that start below ``folder``."""
    with closing(Stand(folder)) as stand:
        stand.start(say)
        stand.trio.wait_healthy()
        made = _crowded(f"{HALF_OPEN} half-open requests", stand.sites[0], scale, say, silent=0)
        say("TLS and basic auth: sidecar and peers are started again")
        door = lock(folder)
        sites = [secured(site, folder, door) for site in stand.sites]
        made += _secured(sites, scale, say)
        name = f"TLS and basic auth, {HALF_OPEN} half-open requests and {SILENT} silent clients"
        made += _crowded(name, sites[0], scale, say, silent=SILENT)
        resident = resident_mib(sites[0].exporters[0].pid)
        return [*made, Row(f"{name}: resident after them", resident, "MiB", target=CONTAINER)]


def lock(folder: Path) -> Door:
    """Write a certificate, its key and a web configuration file ``web.yml``; return the door that they make."""
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subprocess.run(
        ("openssl", "req", "-x509", *key, "-days", "2", *subject, "-keyout", "web.key", "-out", "web.crt"),
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=30,
    )
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(COST)).decode()
    files = {"cert_file": str(folder / "web.crt"), "key_file": str(folder / "web.key")}
    config = {"tls_server_config": files, "basic_auth_users": {NAME: hashed}}
    (folder / "web.yml").write_text(json.dumps(config))  # JSON is YAML too
    pair = base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
    return Door(ssl.create_default_context(cafile=str(folder / "web.crt")), f"Authorization: Basic {pair}\r\n")


def secured(site: Site, folder: Path, door: Door) -> Site:
    """Start the exporters of a site again, with the web configuration file, and wait until each shows its database."""
    site.sidecar.stop()
    site.sidecar.flags["web.config.file"] = str(folder / "web.yml")
    site.sidecar.process = Process(site.sidecar.argv, log=site.sidecar.log, env=environment())
    peer = site.peers[PEER_STATUS]
    for each in site.peers.values():
        if each.process is not None:
            each.process.stop()
    peer.start(f"--web.config.file={folder / 'web.yml'}")
    made = replace(site, peers={PEER_STATUS: peer}, door=door)
    for exporter in made.exporters:

        def shown(exporter: Exporter = exporter) -> bool:
            with exporter.client() as client:
                return UP[exporter.kind] in client.scrape(exporter.request(PROMETHEUS))[0].text()

        wait_until(shown, 15, f"{exporter.kind} shows its database behind TLS", [site.sidecar.log, peer.log])
    return made


def _secured(sites: list[Site], scale: Scale, say: Callable[[str], object]) -> list[Row]:
    exporters = [exporter for site in sites for exporter in site.exporters]
    rates = idle(exporters, 10)
    say(f"TLS and basic auth: {scale.rounds} rounds of paced scrapes")
    costs = paced(sites, scale.rounds, rates, say)
    own, other = costs[SIDECAR, "Prometheus"], costs[PEER_STATUS, "Prometheus"]
    first, peer = sites[0].exporters
    again, others = back_to_back(first, scale.scrapes), back_to_back(peer, scale.scrapes)
    fresh = [[new_connection(exporter) for _ in range(scale.honest)] for exporter in (first, peer)]
    name = "TLS and basic auth"
    return [
        Row(f"{name}: scrape p50", *_ms(percentile(own.seconds, 0.5), percentile(other.seconds, 0.5))),
        Row(f"{name}: scrape p99", *_ms(percentile(own.seconds, 0.99), percentile(other.seconds, 0.99))),
        Row(f"{name}: CPU per scrape", *_ms(fmean(own.cpu), fmean(other.cpu))),
        Row(f"{name}: back to back p50", *_ms(median(again.seconds), median(others.seconds))),
        Row(f"{name}: scrape on a new connection, median", *_ms(*map(median, fresh))),
        Row(
            f"{name}: resident after {scale.scrapes} scrapes",
            resident_mib(first.pid),
            "MiB",
            resident_mib(peer.pid),
            MEMORY,
        ),
    ]


def _ms(own: float, peer: float) -> tuple[float, str, float]:
    return 1e3 * own, "ms", 1e3 * peer


def _crowded(name: str, site: Site, scale: Scale, say: Callable[[str], object], *, silent: int) -> list[Row]:
    say(f"slow clients: {name}, {scale.crowds} times")
    own, peer = (
        [beside_crowd(exporter, scale.honest, silent) for _ in range(scale.crowds)]
        for exporter in site.exporters
        if exporter.kind != PEER_BOTH
    )
    return crowd_rows(name, own, peer)


def crowd_rows(name: str, own: list[Crowd], peer: list[Crowd]) -> list[Row]:
    """Return median and slowest of all honest scrapes, and the smallest crowd that was still there after them."""
    mine, others = ([second for crowd in crowds for second in crowd.seconds] for crowds in (own, peer))
    held = [min(crowd.held for crowd in crowds) for crowds in (own, peer)]
    return [
        Row(f"{name}: honest scrape, median", *_ms(median(mine), median(others))),
        Row(f"{name}: honest scrape, slowest of {len(mine)}", max(mine), "s", max(others), LIMIT),
        Row(f"{name}: still connected after them", held[0], "", held[1]),
    ]


def beside_crowd(exporter: Exporter, honest: int, silent: int) -> Crowd:
    """Scrape ``honest`` times, each on a new connection, while slow clients hold theirs."""
    with crowd(exporter, silent) as slow:
        seconds = [new_connection(exporter) for _ in range(honest)]
        return Crowd(seconds, connected(slow))


def new_connection(exporter: Exporter) -> float:
    """Return the seconds of a scrape with connect and handshake; raises RuntimeError for a bad page."""
    began = time.perf_counter()
    with exporter.client() as client:
        answer, _ = client.scrape(exporter.request(PROMETHEUS))
        seconds = time.perf_counter() - began
    if answer.status != 200 or UP[exporter.kind] not in answer.text():
        raise RuntimeError(f"{exporter.kind}: not a good page ({answer.status})")
    return seconds


@contextmanager
def crowd(exporter: Exporter, silent: int) -> Iterator[list[socket.socket]]:
    """Open half a request on each of HALF_OPEN connections, and ``silent`` more that do not come to that."""
    slow: list[socket.socket] = []
    try:
        for number in range(silent):
            slow.append(connect(exporter.port, 10, source=SOURCES[number % len(SOURCES)]))
            if number % 2:
                slow[-1].sendall(HELLO)
        for number in range(HALF_OPEN):
            slow.append(connect(exporter.port, 10, exporter.door.context, SOURCES[number % len(SOURCES)]))
            slow[-1].sendall(HALF)
        yield slow
    finally:
        for sock in slow:
            sock.close()


def connected(sockets: list[socket.socket]) -> int:
    """Return how many of them the other side has not closed."""
    poll = select.poll()
    for sock in sockets:
        poll.register(sock, select.POLLRDHUP)
    return len(sockets) - len(poll.poll(0))
