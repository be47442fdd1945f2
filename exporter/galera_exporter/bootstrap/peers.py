"""What the sidecars of the other nodes say, asked directly: it holds without etcd, and is newer than a lease."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import requests

from galera_exporter.bootstrap.records import epoch_fields, read_epoch
from galera_exporter.bootstrap.state import Epoch, Peer
from galera_exporter.bounded import BoundedCall
from galera_exporter.registry.transport import BoundedSession
from galera_exporter.settings import BootstrapSettings

PATH: Final = "/-/galera"
_TIMEOUT: Final = 2.0
"""Seconds for one exchange."""
_MAX_AGE: Final = 1.0
_LONGEST: Final = 64 * 1024


class Peers:
    """The other sidecars. Asks all at once; one that hangs costs nobody more than ``timeout``."""

    def __init__(self, settings: BootstrapSettings, node: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._calls = {
            name: BoundedCall(lambda name=name, url=url: _ask(name, url + PATH, settings.tls_ca), clock=clock)  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
            for name, url in settings.peers
            if name != node
        }

    def probe(self, timeout: float) -> tuple[Peer, ...]:
        """Return what those say that answer within ``timeout`` seconds."""
        for call in self._calls.values():
            _answer(call, 0.0)  # begin all of them
        until = self._clock() + timeout
        answers = [_answer(call, max(0.0, until - self._clock())) for call in self._calls.values()]
        return tuple(answer for answer in answers if answer is not None)


def render(peer: Peer) -> bytes:
    """Return what a sidecar answers at PATH."""
    fields = {
        "node": peer.node,
        "primary": peer.primary,
        "confirmed": peer.confirmed,
        "epoch": peer.epoch,
        "history": [epoch_fields(epoch) for _, epoch in sorted(peer.history.items())],
    }
    return json.dumps(fields).encode()


def parse(node: str, body: bytes) -> Peer | None:
    """Return what a sidecar said; None where that is not an answer of the node ``node``."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, Mapping) or found.get("node") != node or type(found.get("epoch")) is not int:
        return None
    history: dict[int, Epoch] = {}
    listed = found.get("history")
    for each in listed if isinstance(listed, list) else ():
        epoch = read_epoch(each)
        if epoch is not None:
            history[epoch.number] = epoch
    return Peer(node, found.get("primary") is True, found.get("confirmed") is True, found["epoch"], history)


def _answer(call: BoundedCall[Peer | None], timeout: float) -> Peer | None:
    try:
        return call(_MAX_AGE, timeout)
    except (OSError, requests.RequestException):
        return None  # who does not answer says nothing: that is what the caller wants to know


def _ask(node: str, url: str, tls_ca: Path | None) -> Peer | None:
    with BoundedSession(verify=tls_ca, most=_LONGEST) as session:
        answer = session.get(url, timeout=_TIMEOUT)
        return parse(node, answer.content) if answer.status_code == requests.codes.ok else None
