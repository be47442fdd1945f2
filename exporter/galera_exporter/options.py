"""The table of options: one row is a flag, an environment variable and a key of the configuration file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
ENV_PREFIX: Final = "GALERA_EXPORTER_"


class User(StrEnum):
    """Who takes an option."""

    SIDECAR = "sidecar"
    OBSERVER = "observer"
    GALERACTL = "galeractl"


_ALL: Final = frozenset(User)
_NOT_OBSERVER: Final = frozenset({User.SIDECAR, User.GALERACTL})
_SERVING: Final = frozenset({User.SIDECAR, User.OBSERVER})
_SIDECAR: Final = frozenset({User.SIDECAR})
_OBSERVER: Final = frozenset({User.OBSERVER})


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. ``parse`` takes its text, or raises ValueError with what would be right."""

    name: str
    parse: Callable[[str], object]
    default: str
    help: str
    metavar: str = ""
    """Empty: a switch."""
    many: bool = False
    """May be given several times; the texts are joined by commas."""
    secret: bool = False
    """Never a flag: the command line can be read by every process of the machine."""
    users: frozenset[User] = _NOT_OBSERVER
    observer_default: str = ""
    """The observer's own; empty: as all others'."""

    @property
    def env(self) -> str:
        """Name of the environment variable."""
        return ENV_PREFIX + re.sub(r"[.-]", "_", self.name).upper()

    def default_of(self, user: User) -> str:
        """Return what ``user`` takes where nothing is given."""
        return self.observer_default if user is User.OBSERVER and self.observer_default else self.default


def _text(text: str) -> str:
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("use 1 to 253 letters, digits, '-', '_' and '.', and begin and end with a letter or digit")
    return text


def _name_or_none(text: str) -> str:
    return _name(text) if text else ""


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"write a whole number from {low} to {high}")
        return int(text)

    return parse


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text) or not low <= float(text) <= high:
            raise ValueError(f"write seconds from {low:g} to {high:g}, for example 2 or 0.5")
        return float(text)

    return parse


def _switch(text: str) -> bool:
    values = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if text.lower() not in values:
        raise ValueError("write true or false")
    return values[text.lower()]


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"write one of {', '.join(allowed)}")
        return text.lower()

    return parse


def _host_port(text: str, *, host_needed: bool = True) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\s\[\]:/]*)):(\d{1,5})", text)
    if not match or not 0 <= int(match[3]) <= 65535 or (host_needed and not (match[1] or match[2])):  # noqa: PLR2004 - ports
        raise ValueError("write HOST:PORT, for example 127.0.0.1:3306 or [::1]:3306")
    return match[1] or match[2], int(match[3])


def _address(text: str) -> str:
    if text:
        _host_port(text)
    return text


def _listen(text: str) -> tuple[tuple[str, int], ...]:
    return tuple(_host_port(part.strip(), host_needed=False) for part in text.split(","))


def _endpoints(text: str) -> tuple[str, ...]:
    endpoints = tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    for endpoint in endpoints:
        url = urlsplit(endpoint)
        plain = f"{url.scheme}://{url.netloc}" == endpoint and "@" not in url.netloc
        if url.scheme not in ("http", "https") or not plain:
            raise ValueError("write http://HOST:PORT or https://HOST:PORT, several separated by commas")
        _host_port(url.netloc)
    return endpoints


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _readable(text: str) -> Path | None:
    if not text:
        return None
    try:
        with Path(text).open("rb"):
            return Path(text)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror}): give a file that this user may read") from None


def _folder(text: str) -> Path | None:
    if text and not Path(text).is_dir():
        raise ValueError("is no directory: create it, or mount it")
    return Path(text) if text else None


def _peers(text: str) -> tuple[tuple[str, str], ...]:
    peers: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, url = part.partition("=")
        if not equals or name in peers:
            raise ValueError("write NODE=URL for each node once, for example galera-0=http://galera-0.galera:10104")
        _name(name)
        peers[name] = _endpoints(url)[0]
    return tuple(peers.items())


def _url_path(text: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9_./~-]+", text) or text.startswith("/-/"):
        raise ValueError("write a path such as /metrics; paths under /-/ are taken")
    return text


def _labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not _LABEL.fullmatch(name) or name.startswith("__"):
            raise ValueError("write NAME=VALUE with a name of letters, digits and '_', for example dc=seoul")
        labels[name] = value
    return labels


OPTIONS: Final[tuple[Option, ...]] = (
    Option(
        "node-name", _name, "", "name of this node in the registry (default: $POD_NAME, or else the host name)", "NAME"
    ),
    Option(
        "cluster-name",
        _name,
        "galera",
        "name of the cluster in the registry; all its nodes use the same",
        "NAME",
        users=_ALL,
    ),
    Option(
        "namespace",
        _name,
        "",
        "namespace of the cluster in the registry (default: $POD_NAMESPACE, or else default)",
        "NAME",
        users=_ALL,
    ),
    Option(
        "expected-size",
        _integer(0, 99),
        "0",
        "how many nodes the cluster should have; 0: the largest size seen so far",
        "N",
    ),
    Option(
        "address",
        _address,
        "",
        "address that the registry shows for this node's SQL clients (default: host name and MariaDB's port)",
        "HOST:PORT",
        users=_SIDECAR,
    ),
    Option(
        "owner",
        _text,
        "",
        "identity of this node, to tell a restart from a second claimant of its name "
        "(default: $POD_UID, or else the address)",
        "ID",
        users=_SIDECAR,
    ),
    Option(
        "datadir",
        _path,
        "",
        "MariaDB's data directory, read only: shows state transfers and grastate.dat; without it no such metrics",
        "DIR",
        users=_SIDECAR,
    ),
    Option(
        "label",
        _labels,
        "",
        "constant label of every series, may be given several times; "
        "Kubernetes users relabel in the PodMonitor instead",
        "NAME=VALUE",
        many=True,
        users=_SERVING,
    ),
    Option(
        "statefulset",
        _name_or_none,
        "",
        "StatefulSet whose pods are the nodes (default: the cluster's name)",
        "NAME",
        users=_OBSERVER,
    ),
    Option(
        "kubeconfig",
        _readable,
        "",
        "how to reach the Kubernetes API from outside of a cluster (default: the pod's service account)",
        "FILE",
        users=_OBSERVER,
    ),
    Option("mariadb.address", _host_port, "127.0.0.1:3306", "where MariaDB listens", "HOST:PORT"),
    Option("mariadb.socket", _path, "", "MariaDB's unix socket; wins over --mariadb.address", "FILE"),
    Option("mariadb.user", _text, "exporter", "account; GRANT USAGE is enough", "NAME"),
    Option("mariadb.password", _text, "", "its password", "TEXT", secret=True),
    Option(
        "mariadb.password-file",
        _readable,
        "",
        "file with the password; read again at each connect, so a rotated one needs no restart",
        "FILE",
    ),
    Option("mariadb.tls-ca", _readable, "", "CA that signed MariaDB's certificate; switches TLS on", "FILE"),
    Option("mariadb.tls-cert", _readable, "", "client certificate for MariaDB", "FILE"),
    Option("mariadb.tls-key", _readable, "", "key of the client certificate", "FILE"),
    Option("mariadb.timeout", _seconds(0.1, 60), "2", "limit of a connect, and of each read and write", "SECONDS"),
    Option(
        "etcd.endpoints",
        _endpoints,
        "",
        "members of the etcd cluster that holds the registry; none: no registry",
        "URL,URL,...",
        many=True,
        users=_ALL,
    ),
    Option("etcd.user", _text, "", "user of etcd; none: no authentication", "NAME", users=_ALL),
    Option("etcd.password", _text, "", "its password", "TEXT", secret=True, users=_ALL),
    Option("etcd.password-file", _readable, "", "file with the password of etcd's user", "FILE", users=_ALL),
    Option("etcd.tls-ca", _readable, "", "CA that signed etcd's certificates", "FILE", users=_ALL),
    Option(
        "etcd.tls-cert",
        _readable,
        "",
        "client certificate for etcd (without a CommonName if etcd uses users)",
        "FILE",
        users=_ALL,
    ),
    Option("etcd.tls-key", _readable, "", "key of the client certificate", "FILE", users=_ALL),
    Option("etcd.timeout", _seconds(0.1, 10), "2", "limit of one request to one member", "SECONDS", users=_ALL),
    Option(
        "etcd.ttl",
        _integer(5, 300),
        "10",
        "TTL of this node's key; a node that is dead for so long is gone from the registry",
        "SECONDS",
    ),
    Option(
        "bootstrap.handoff-dir",
        _folder,
        "",
        "folder shared with the database's start script (galera-start.sh); without it this node takes no part in the "
        "bootstrap of the cluster",
        "DIR",
        users=_SIDECAR,
    ),
    Option(
        "bootstrap.state-dir",
        _folder,
        "",
        "folder on the database's volume where the lineage of its data is kept",
        "DIR",
        users=_SIDECAR,
    ),
    Option(
        "bootstrap.peers",
        _peers,
        "",
        "sidecars of all nodes: asked whether a Primary component exists, also while etcd is down",
        "NODE=URL,...",
        many=True,
        users=_SIDECAR,
    ),
    Option("bootstrap.peers-ca", _readable, "", "CA of the other sidecars' certificates", "FILE", users=_SIDECAR),
    Option(
        "bootstrap.takeover-timeout",
        _seconds(15, 3600),
        "60",
        "how long an elected node may show no sign before another is elected",
        "SECONDS",
        users=_SIDECAR,
    ),
    Option(
        "bootstrap.survivor-timeout",
        _seconds(5, 3600),
        "30",
        "how long a running database may be without a Primary component before it takes part in an election",
        "SECONDS",
        users=_SIDECAR,
    ),
    Option(
        "web.listen-address",
        _listen,
        ":10104",
        "where HTTP is served; an empty host means all interfaces",
        "[HOST]:PORT",
        many=True,
        users=_SERVING,
        observer_default=":10105",
    ),
    Option(
        "web.config.file",
        _readable,
        "",
        "TLS, basic auth and client certificates, in the format of the Prometheus exporter-toolkit; "
        "read again on change; needs the extra galera-exporter[auth]",
        "FILE",
        users=_SERVING,
    ),
    Option("web.telemetry-path", _url_path, "/metrics", "path of the metrics", "PATH", users=_SERVING),
    Option(
        "collect.queue-stats",
        _switch,
        "false",
        "export the _avg, _min and _max forms of the queues, which FLUSH STATUS resets",
        users=_SIDECAR,
    ),
    Option(
        "collect.raw-variables",
        _switch,
        "false",
        "export numeric wsrep_ variables without a metric of their own as wsrep_raw{variable}",
        users=_SIDECAR,
    ),
    Option(
        "log.level",
        _choice("debug", "info", "warning", "error"),
        "info",
        "debug, info, warning or error",
        "LEVEL",
        users=_SERVING,
    ),
    Option("log.format", _choice("text", "json"), "text", "text or json", "FORMAT", users=_SERVING),
)
