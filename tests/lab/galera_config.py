"""The option file of one lab node: small, on its host only, and blind to the machine's own MariaDB."""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from lab.namespaces import LOOPBACK, Host

PROVIDERS = (
    Path("/usr/lib/galera/libgalera_smm.so"),
    Path("/usr/lib/libgalera_smm.so"),
    Path("/usr/lib64/galera-4/libgalera_smm.so"),
)

# What shapes the files of a data directory, and so its template.
STORAGE = """\
innodb_log_file_size = 8M
innodb_data_file_path = ibdata1:4M:autoextend
lower_case_table_names = 1
character_set_server = utf8mb4
collation_server = utf8mb4_unicode_ci
"""


def os_user() -> str:
    """Return the name of the user that this process runs as; the socket lets it in as administrator."""
    return pwd.getpwuid(os.geteuid()).pw_name


def other_user() -> str | None:
    """Return the user that mariadbd is to be started as, if not this one: ``nobody`` for root.

    As root the SST scripts, with their open port, would run as root; ``mysql`` owns the data of
    the machine's own server.
    """
    return "nobody" if os.geteuid() == 0 else None


def other_group() -> int | None:
    """Return the group of the user that mariadbd is started as, if that is not this one."""
    user = other_user()
    return None if user is None else pwd.getpwnam(user).pw_gid


def server_user() -> str:
    """Return the name of the user that mariadbd runs as."""
    return other_user() or os_user()


def give(folder: Path) -> None:
    """Hand a folder and all in it to the user that mariadbd runs as."""
    user, group = other_user(), other_group()
    if user is None or group is None:
        return
    shutil.chown(folder, user, group)
    for path in folder.rglob("*"):
        shutil.chown(path, user, group)


def provider() -> Path:
    """Find the Galera provider: Debian's package and upstream's put it in different folders."""
    for path in PROVIDERS:
        if path.exists():
            return path
    raise FileNotFoundError(f"no Galera provider in {', '.join(map(str, PROVIDERS))}: install galera-4")


@dataclass(frozen=True, slots=True)
class NodePorts:
    """The four ports of a Galera node."""

    sql: int
    group: int
    ist: int
    sst: int


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What makes one node's option file different from another's."""

    name: str
    folder: Path
    cluster: str
    ports: NodePorts
    peers: tuple[str, ...]
    """``host:port`` of the group ports of all nodes, this one included."""
    options: dict[str, str] = field(default_factory=dict)
    """Further server options."""
    provider_options: dict[str, str] = field(default_factory=dict)
    host: Host = LOOPBACK

    @property
    def datadir(self) -> Path:
        """Where the data is."""
        return self.folder / "data"

    @property
    def socket(self) -> Path:
        """The unix socket for SQL."""
        return self.folder / "sql.sock"

    @property
    def file(self) -> Path:
        """Where the option file is."""
        return self.folder / "my.cnf"

    def text(self) -> str:
        """Render the option file."""
        provider_options = {
            "gmcast.listen_addr": f"tcp://{self.host.address}:{self.ports.group}",
            "ist.recv_addr": f"{self.host.address}:{self.ports.ist}",
            "gcache.size": "16M",
            **self.provider_options,
        }
        extra = "\n".join(f"{name} = {value}" for name, value in self.options.items())
        return f"""\
[mariadbd]
datadir = {self.datadir}
socket = {self.socket}
pid_file = {self.folder / "mariadbd.pid"}
tmpdir = {self.folder / "tmp"}
port = {self.ports.sql}
bind_address = 127.0.0.1
skip_name_resolve = ON
max_connections = 60
{STORAGE}
innodb_buffer_pool_size = 32M
key_buffer_size = 1M
aria_pagecache_buffer_size = 8M
binlog_format = ROW
innodb_autoinc_lock_mode = 2

wsrep_on = ON
wsrep_provider = {provider()}
wsrep_cluster_name = {self.cluster}
wsrep_cluster_address = gcomm://{",".join(self.peers)}
wsrep_node_name = {self.name}
wsrep_node_address = {self.host.address}:{self.ports.group}
wsrep_node_incoming_address = {self.host.address}:{self.ports.sql}
wsrep_sst_method = mariabackup
wsrep_sst_auth = {server_user()}:
wsrep_sst_receive_address = {self.host.address}:{self.ports.sst}
wsrep_provider_options = {";".join(f"{name}={value}" for name, value in provider_options.items())}
{extra}

[sst]
sst-syslog = -1
sst-log-archive = 0
tmpdir = {self.folder / "tmp"}
"""
