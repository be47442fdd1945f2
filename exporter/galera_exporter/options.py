"""The table of options: one row is a flag, an environment variable and a key of the configuration file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from galera_exporter.parsing import address as _address
from galera_exporter.parsing import choice as _choice
from galera_exporter.parsing import endpoints as _endpoints
from galera_exporter.parsing import folder as _folder
from galera_exporter.parsing import folder_to_come as _folder_to_come
from galera_exporter.parsing import host_port as _host_port
from galera_exporter.parsing import integer as _integer
from galera_exporter.parsing import labels as _labels
from galera_exporter.parsing import listen as _listen
from galera_exporter.parsing import name as _name
from galera_exporter.parsing import path as _path
from galera_exporter.parsing import peers as _peers
from galera_exporter.parsing import readable as _readable
from galera_exporter.parsing import seconds as _seconds
from galera_exporter.parsing import switch as _switch
from galera_exporter.parsing import text as _text
from galera_exporter.parsing import url_path as _url_path

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


def _name_or_none(text: str) -> str:
    return _name(text) if text else ""


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
        "MariaDB's data directory, read only: shows state transfers and grastate.dat; without it there are no such "
        "metrics, unless galera-start.sh tells of it by --bootstrap.handoff-dir",
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
        _folder_to_come,
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
