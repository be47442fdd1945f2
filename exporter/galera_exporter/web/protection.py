"""What stands before the routes right now: TLS, users and headers, re-read when their files change.

The files are looked at once a second at most. A new version that has a fault is
logged once and not used: the last good one stays in force.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from galera_exporter.errors import ConfigError
from galera_exporter.web.auth import BasicAuth
from galera_exporter.web.tls import TlsSettings, build
from galera_exporter.web.webconfig import WebConfig, load

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the files."""


@dataclass(frozen=True, slots=True)
class Protection:
    """One good version of the web configuration, ready for use."""

    context: ssl.SSLContext | None = None
    sans: frozenset[str] = frozenset()
    auth: BasicAuth | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReloadStatus:
    """How the last reading of the web configuration went."""

    success: bool
    timestamp: float
    """Wall clock of the last success, seconds since the epoch."""


class ProtectionSource:
    """Keeps the ``Protection`` of the file at ``path``; None: plain HTTP for everyone, for ever.

    ``read`` makes a configuration of the file. Raises ConfigError if the first reading fails.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        read: Callable[[Path], WebConfig] = load,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._load = read
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        self._files: tuple[Path, ...] = (path,) if path else ()
        self._seen = _signatures(self._files)
        self._next_look = clock() + LOOK_EVERY
        self.current = self._read(path) if path else Protection()
        self.status = ReloadStatus(success=True, timestamp=wall())

    def refresh(self, *, force: bool = False) -> bool:
        """Look at the files, at most once a second unless forced, and take a new good version into use.

        Returns whether the version in force is the one in the files.
        """
        if self._path is None or (not force and self._clock() < self._next_look):
            return self.status.success
        with self._lock:
            self._next_look = self._clock() + LOOK_EVERY
            signatures = _signatures(self._files)
            if signatures == self._seen and not force:
                return self.status.success
            self._seen = signatures
            try:
                self.current = self._read(self._path)
            except ConfigError as error:
                self.status = ReloadStatus(success=False, timestamp=self.status.timestamp)
                log.error("web configuration not reloaded, the last good one stays in force: %s", error)  # noqa: TRY400 - the faults say it all; a traceback adds nothing
            else:
                self.status = ReloadStatus(success=True, timestamp=self._wall())
                log.info("web configuration reloaded from %s", self._path)
            return self.status.success

    def _read(self, path: Path) -> Protection:
        config = self._load(path)
        self._files = (path, *(config.tls.files if config.tls else ()))
        self._seen = _signatures(self._files)  # before the files are used: a change after this is seen next time
        try:
            context = build(config.tls) if config.tls else None
            auth = BasicAuth(config.users) if config.users else None
        except OSError as error:
            raise ConfigError((f"{path}: tls_server_config: {error}",)) from None
        except ImportError:
            raise ConfigError((f"{path}: basic_auth_users: install galera-exporter[auth]",)) from None
        sans = config.tls.client_allowed_sans if config.tls else frozenset[str]()
        return Protection(context, sans, auth, config.headers)


def certificate(cert: Path, key: Path) -> ProtectionSource:
    """Return TLS with this certificate for everyone, read again when it changes, and nothing else.

    Raises ConfigError if the files are no certificate and its key.
    """
    return ProtectionSource(cert, read=lambda _: WebConfig(tls=TlsSettings(cert, key)))


def _signatures(files: tuple[Path, ...]) -> tuple[tuple[int, int, int] | None, ...]:
    """Return what changes when a file does: inode, size and time; None where there is no such file."""
    return tuple(_signature(path) for path in files)


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        facts = os.stat(path)  # noqa: PTH116 - follows the symbolic links that Kubernetes swaps
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
