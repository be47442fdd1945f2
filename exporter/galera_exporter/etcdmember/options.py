"""The options of ``galera-exporter etcd-member``: their table, and what they become."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from galera_exporter import contents, parsing
from galera_exporter.config import Reader
from galera_exporter.errors import ConfigError
from galera_exporter.etcdmember.settings import AuthSettings, MemberSettings, TlsFiles
from galera_exporter.options import Option

_LEAST_QUOTA: Final = 16 * 1024**2
_MOST_QUOTA: Final = 8 * 1024**3
"""What etcd's own documentation advises at most."""
_DURATION: Final = re.compile(r"[1-9]\d{0,5}[smh]")
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,39}")


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("write a domain, for example db-galera-etcd-nodes.default.svc.cluster.local")
    return text


def _members(text: str) -> dict[str, str]:
    members: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, host = part.partition("=")
        parsing.name(name)
        if name in members or (equals and not _HOST.fullmatch(host)):
            raise ValueError("name each member once, as NAME or NAME=HOST, for example db-etcd-0,db-etcd-1,db-etcd-2")
        members[name] = host
    if not members:
        raise ValueError("name all members, for example db-etcd-0,db-etcd-1,db-etcd-2")
    return members


def _retention(text: str) -> str:
    if not _DURATION.fullmatch(text):
        raise ValueError("write a number and a unit, for example 1h or 30m")
    return text


def _quota(text: str) -> int:
    if not re.fullmatch(r"\d{1,10}", text) or not _LEAST_QUOTA <= int(text) <= _MOST_QUOTA:
        raise ValueError(f"write bytes from {_LEAST_QUOTA} (16 MiB) to {_MOST_QUOTA} (8 GiB)")
    return int(text)


def _prefix(text: str) -> str:
    if text and (not text.startswith("/") or not text.isprintable()):
        raise ValueError("write the beginning of the keys, for example /galera/v1/default/db-galera/")
    return text


def _one_address(text: str) -> tuple[str, int]:
    return parsing.host_port(text, host_needed=False)


OPTIONS: Final[tuple[Option, ...]] = (
    Option("name", parsing.name, "", "name of this member (default: $POD_NAME, or else the host name)", "NAME"),
    Option(
        "initial-members",
        _members,
        "",
        "all members of the cluster, this one among them; a host in place of NAME.DOMAIN where that is not its address",
        "NAME[=HOST],...",
        many=True,
    ),
    Option(
        "domain",
        lambda text: _host(text) if text else "",
        "",
        "domain of the members: each is reached as NAME.DOMAIN",
        "DOMAIN",
    ),
    Option("data-dir", Path, "/var/lib/etcd", "folder on the member's volume", "DIR"),
    Option(
        "config-file",
        Path,
        "/run/etcd/etcd.conf.yml",
        "where etcd's configuration is written once etcd may start; on a volume that ends with the pod",
        "FILE",
    ),
    Option("cluster-token", parsing.name, "galera-etcd", "tells this cluster's members from those of others", "TEXT"),
    Option(
        "listen-address",
        _one_address,
        ":2378",
        "where /-/start and /-/state are served, with the same port on all members; "
        "etcd listens on the same host; an empty host means all interfaces",
        "[HOST]:PORT",
    ),
    Option(
        "quota-backend-bytes",
        _quota,
        "268435456",
        "size of etcd's database from which it takes no more writes",
        "BYTES",
    ),
    Option("compaction-retention", _retention, "1h", "age from which old revisions are dropped", "DURATION"),
    Option("tls-ca", parsing.readable, "", "CA of all members' certificates; with it all URLs are https", "FILE"),
    Option(
        "tls-cert",
        parsing.readable,
        "",
        "certificate of this member, for server and client; read again when it is replaced",
        "FILE",
    ),
    Option("tls-key", parsing.readable, "", "key of the certificate", "FILE"),
    Option(
        "auth.root-password-file",
        parsing.readable,
        "",
        "password of etcd's user root; with it the users are made and authentication is switched on",
        "FILE",
    ),
    Option("auth.user", lambda text: parsing.name(text) if text else "", "", "user for the registry", "NAME"),
    Option("auth.password-file", parsing.readable, "", "its password", "FILE"),
    Option("auth.prefix", _prefix, "", "keys that this user may read and write begin with it", "PREFIX"),
    Option("log.level", parsing.choice("debug", "info", "warning", "error"), "info", "how much is logged", "LEVEL"),
    Option("log.format", parsing.choice("text", "json"), "text", "text or json", "FORMAT"),
)


def load(
    flags: Mapping[str, str],
    environ: Mapping[str, str],
    hostname: str,
    *,
    config_file: str = "",
    early_faults: tuple[str, ...] = (),
) -> MemberSettings:
    """Read flags, environment and file as ``config.load`` does, and check them.

    Raises:
        ConfigError: with every fault.
    """
    reader = Reader(options=OPTIONS)
    reader.faults.extend(early_faults)
    reader.read(flags, environ, config_file)
    if not reader.texts.get("name", ("", ""))[0]:
        reader.texts["name"] = (environ.get("POD_NAME") or hostname, "$POD_NAME")
    values = {option.name: reader.value(option) for option in OPTIONS}
    reader.faults.extend(_contradictions(values))
    reader.faults.extend(contents.tls_faults("", values))
    if reader.faults:
        raise ConfigError(tuple(reader.faults))
    return _build(values)


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    faults = []
    members, name = values["initial-members"], values["name"]
    if members and name not in members:
        faults.append(f"--initial-members: has no {name}: name all members, this one among them")
    if members and not values["domain"] and not all(members.values()):
        faults.append("--domain: give it, or a host for each member in --initial-members")
    if not values["data-dir"].is_dir():
        faults.append(
            f"--data-dir: {values['data-dir']} is no directory: create it, or mount the member's volume there"
        )
    if not values["config-file"].parent.is_dir():
        faults.append(f"--config-file: {values['config-file'].parent} is no directory: mount one that etcd shares")
    for room in (
        ("tls-ca", "tls-cert", "tls-key"),
        ("auth.root-password-file", "auth.user", "auth.password-file", "auth.prefix"),
    ):
        missing = [option for option in room if not values[option]]
        if missing and len(missing) < len(room):
            faults += [f"--{option}: give it too, or none of {', '.join(room)}" for option in missing]
    if values["auth.user"] == "root":
        faults.append("--auth.user: root is etcd's own: choose another name")
    return faults


def _build(values: Mapping[str, Any]) -> MemberSettings:
    tls = None
    if values["tls-ca"]:
        tls = TlsFiles(values["tls-ca"], values["tls-cert"], values["tls-key"])
    auth = None
    if values["auth.user"]:
        auth = AuthSettings(
            values["auth.root-password-file"], values["auth.user"], values["auth.password-file"], values["auth.prefix"]
        )
    return MemberSettings(
        name=values["name"],
        hosts={name: host or f"{name}.{values['domain']}" for name, host in values["initial-members"].items()},
        data_dir=values["data-dir"],
        config_file=values["config-file"],
        token=values["cluster-token"],
        listen=values["listen-address"],
        quota=values["quota-backend-bytes"],
        retention=values["compaction-retention"],
        tls=tls,
        auth=auth,
        log_level=values["log.level"],
        log_format=values["log.format"],
    )
