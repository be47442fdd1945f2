"""Basic authentication with bcrypt, slow on purpose and therefore rationed.

A right pair is remembered by a keyed hash, so a scraper pays for bcrypt once. A
pair not yet known costs one bcrypt check whether the user exists or not. At
most ``CHECKS`` of them run at a time and one for each client address: guessing
cannot take the workers or the processor from scrapes that are already known.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

CHECKS: Final = 2
"""Bcrypt checks at the same time."""
QUEUE_SECONDS: Final = 1.0
"""How long a check waits for its turn."""
_REMEMBERED: Final = 256
_BCRYPT_BYTES: Final = 72
"""Bcrypt reads no more of a password; htpasswd and Go cut it there too."""


class Access(Enum):
    """What became of the credentials."""

    GRANTED = auto()
    DENIED = auto()
    BUSY = auto()
    """Too many unknown pairs at once; nothing was checked."""


class BasicAuth:
    """The users of one web configuration file: name to bcrypt hash, already checked for form."""

    def __init__(self, users: Mapping[str, str]) -> None:
        import bcrypt  # noqa: PLC0415 - of the extra [auth]; not loaded where no password is configured

        self._check = bcrypt.checkpw
        self._users = {name: text.encode() for name, text in users.items()}
        cost = max((text[4:6] for text in users.values()), default="10")
        # A hash that no password is known for: an unknown name costs what a known one does.
        self._nobody = f"$2b${cost}$".encode() + b"galeraexporternobodyxO" + b"." * 31
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(CHECKS)
        self._peers: set[str] = set()

    def verify(self, header: str, peer: str) -> Access:
        """Check an ``Authorization`` header; ``peer`` is the client's address."""
        pair = _credentials(header)
        if pair is None:
            return Access.DENIED
        name, password = pair
        digest = hmac.digest(self._key, name.encode() + b"\0" + password, "sha256")
        with self._lock:
            if digest in self._known:
                return Access.GRANTED
            if peer in self._peers or len(self._peers) >= 2 * CHECKS:
                return Access.BUSY
            self._peers.add(peer)
        try:
            if not self._slots.acquire(timeout=QUEUE_SECONDS):
                return Access.BUSY
            try:
                right = self._check(password[:_BCRYPT_BYTES], self._users.get(name, self._nobody))
            finally:
                self._slots.release()
        finally:
            with self._lock:
                self._peers.discard(peer)
        if not right or name not in self._users:
            return Access.DENIED
        with self._lock:
            self._known[digest] = None
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return Access.GRANTED


def _credentials(header: str) -> tuple[str, bytes] | None:
    """Return name and password of ``Basic <base64>``, or None."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None
