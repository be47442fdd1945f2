"""What a user may set of a member, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CLIENT_PORT: Final = 2379
PEER_PORT: Final = 2380
METRICS_PORT: Final = 2381


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """One certificate for everything: server and client, of this process and of etcd."""

    ca: Path
    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """The accounts that etcd is to have."""

    root_password_file: Path
    user: str
    password_file: Path
    prefix: str
    """All keys that the user may read and write start with it."""


@dataclass(frozen=True, slots=True)
class MemberSettings:
    """All of it, checked."""

    name: str
    hosts: Mapping[str, str]
    """Host of each member, this one among them, by name."""
    data_dir: Path
    config_file: Path
    token: str
    listen: tuple[str, int]
    """Host (empty: all interfaces) and port of this process's HTTP; etcd listens on the same host."""
    quota: int
    """Bytes of etcd's database."""
    retention: str
    """Age of the revisions that are compacted, as etcd writes durations."""
    tls: TlsFiles | None = None
    auth: AuthSettings | None = None
    log_level: str = "info"
    log_format: str = "text"

    @property
    def scheme(self) -> str:
        """``http`` or ``https``, of all URLs but that of etcd's metrics."""
        return "https" if self.tls else "http"

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the other members."""
        return tuple(name for name in self.hosts if name != self.name)

    def peer_url(self, name: str) -> str:
        """Where the other members reach this one's etcd."""
        return self._url(name, PEER_PORT)

    def client_url(self, name: str) -> str:
        """Where clients reach this one's etcd."""
        return self._url(name, CLIENT_PORT)

    def state_url(self, name: str) -> str:
        """Where this program answers beside that member; the port is the same for all."""
        return self._url(name, self.listen[1])

    def _url(self, name: str, port: int) -> str:
        host = self.hosts[name]
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
