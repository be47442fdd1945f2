"""What a user may set, as frozen values. ``config`` fills them; the rooms take the part they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final


@final
class Secret:
    """A text that no repr, format, log or pickle shows; ``reveal()`` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the one call that needs it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)" if self._text else "Secret()"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> str:
        msg = "a Secret is not written anywhere"
        raise TypeError(msg)


@dataclass(frozen=True, slots=True)
class MariadbSettings:
    """How to reach MariaDB. ``socket`` wins over host and port."""

    host: str = "127.0.0.1"
    port: int = 3306
    socket: Path | None = None
    user: str = "exporter"
    password: Secret = field(default_factory=lambda: Secret(""))
    password_file: Path | None = None
    """Read again before each connect, so that a rotated password needs no restart; wins over ``password``."""
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    timeout: float = 2.0
    """Seconds for a connect, and for each read and write."""
    variables_interval: float = 60.0
    """Seconds between two SHOW GLOBAL VARIABLES."""


@dataclass(frozen=True, slots=True)
class EtcdSettings:
    """How to reach etcd, and where in it the cluster's keys are. No endpoints: no registry."""

    endpoints: tuple[str, ...] = ()
    """``http[s]://host:port``, each."""
    namespace: str = "default"
    cluster: str = "galera"
    user: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    password_file: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    timeout: float = 2.0
    """Seconds for one request to one endpoint."""
    ttl: int = 10
    """Seconds of the lease of the node's key."""

    @property
    def prefix(self) -> str:
        """All keys of this cluster start with it: ``/galera/v1/<namespace>/<cluster>/``."""
        return f"/galera/v1/{self.namespace}/{self.cluster}/"


@dataclass(frozen=True, slots=True)
class BootstrapSettings:
    """How this node takes part in the bootstrap. No handoff folder: it does not."""

    handoff_dir: Path | None = None
    """Shared with the database's wrapper."""
    state_dir: Path | None = None
    """On the database's volume; outlives the pod."""
    peers: tuple[tuple[str, str], ...] = ()
    """Name and ``http[s]://host:port`` of the sidecar of each node; the own one may be among them."""
    tls_ca: Path | None = None
    """CA of the other sidecars' certificates."""
    takeover: float = 60.0
    """Seconds without a sign of an elected node after which it may be passed over."""
    survivor: float = 30.0
    """Seconds without a Primary component after which a running database offers itself for an election."""

    @property
    def lease(self) -> int:
        """Seconds without a renewal after which the wrapper ends an unconfirmed bootstrap: before any takeover."""
        return int(self.takeover * 2 / 3)


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where and how HTTP is served."""

    listen: tuple[tuple[str, int], ...] = (("", 10104),)
    """Host (empty: all interfaces, IPv6 too) and port, each."""
    config_file: Path | None = None
    """exporter-toolkit's web.config.file: TLS and basic auth."""
    telemetry_path: str = "/metrics"


@dataclass(frozen=True, slots=True)
class ObserverSettings:
    """Which pods the observer watches, and how it reaches the Kubernetes API."""

    statefulset: str = "galera"
    kubeconfig: Path | None = None
    """None: the pod's service account."""


@dataclass(frozen=True, slots=True)
class Config:
    """All of it, checked."""

    node: str
    mariadb: MariadbSettings = MariadbSettings()
    etcd: EtcdSettings = EtcdSettings()
    bootstrap: BootstrapSettings = BootstrapSettings()
    web: WebSettings = WebSettings()
    observer: ObserverSettings = ObserverSettings()
    datadir: Path | None = None
    address: str = ""
    """``host:port`` that the registry shows for this node; empty: host name and MariaDB's port."""
    owner: str = ""
    """Identity of this node's incarnation (pod UID); empty: host name and address."""
    expected: int = 0
    """How many nodes the cluster should have; 0: the largest size ever seen by this process."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Constant labels of every series."""
    queue_stats: bool = False
    """Export the _avg, _min and _max forms that FLUSH STATUS resets."""
    raw_variables: bool = False
    """Export numeric wsrep variables that the catalog does not know, as ``wsrep_raw``."""
    log_level: str = "info"
    log_format: str = "text"
