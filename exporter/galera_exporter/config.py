"""Flags, environment and a TOML file become one frozen Config, or a list of all faults.

A flag wins over an environment variable, that over the file, and the file over the default.
Secrets come from the environment or from files of their own, never from the command line.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from galera_exporter.errors import ConfigError
from galera_exporter.options import ENV_PREFIX, OPTIONS, Option, User
from galera_exporter.settings import (
    BootstrapSettings,
    Config,
    EtcdSettings,
    MariadbSettings,
    ObserverSettings,
    Secret,
    WebSettings,
)

# Kubernetes puts such variables into every pod for a Service named galera-exporter (enableServiceLinks).
_SERVICE_LINK: Final = re.compile(r"(SERVICE_(HOST|PORT(_.*)?)|PORT(_\d+_(TCP|UDP|SCTP)(_.*)?)?)")
_BY_NAME: Final = {option.name: option for option in OPTIONS}
Contents = Callable[[Mapping[str, Any]], Iterable[str]]
"""Yields the faults inside the files that the options' values, by name, point to."""
CONFIG_ENV: Final = ENV_PREFIX + "CONFIG"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A configuration, and for each option of the command its text and where it came from (secrets hidden)."""

    config: Config
    origins: tuple[tuple[str, str, str], ...]
    """Option name, text, origin."""


class Reader:
    """Collects the text of each option of a table, with its origin, and every fault."""

    def __init__(self, user: User = User.SIDECAR, options: tuple[Option, ...] = OPTIONS) -> None:
        self.user = user
        self.faults: list[str] = []
        self.texts: dict[str, tuple[str, str]] = {}
        self._by_name = {option.name: option for option in options}
        self._by_env = {option.env: option for option in options}

    def environment(self, environ: Mapping[str, str]) -> None:
        """Take what stands in the environment."""
        for name in sorted(environ):
            if not name.startswith(ENV_PREFIX) or name == CONFIG_ENV:
                continue
            if name in self._by_env:
                self.texts[self._by_env[name].name] = (environ[name], f"${name}")
            elif not _SERVICE_LINK.fullmatch(name.removeprefix(ENV_PREFIX)):
                self.faults.append(f"${name}: no such option{nearest(name, self._by_env)}")

    def file(self, path: str) -> None:
        """Take what stands in the TOML file."""
        try:
            with Path(path).open("rb") as stream:
                table = tomllib.load(stream)
        except OSError as error:
            self.faults.append(f"--config {path}: cannot be read ({error.strerror})")
            return
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self.faults.append(f"--config {path}: not valid TOML: {error}")
            return
        for key, value in _flatten(table):
            option = self._by_name.get(key)
            if option is None:
                self.faults.append(f"{path}: {key}: no such option{nearest(key, self._by_name)}")
            elif option.secret:
                self.faults.append(
                    f"{path}: {key}: write {key}-file, or set ${option.env}: this file is no place for it"
                )
            else:
                self.texts[key] = (value, path)

    def read(self, flags: Mapping[str, str], environ: Mapping[str, str], config_file: str) -> None:
        """Read the file, the environment and the flags, each of which wins over the one before."""
        path = config_file or environ.get(CONFIG_ENV, "")
        if path:
            self.file(path)
        self.environment(environ)
        self.flags(flags)

    def flags(self, flags: Mapping[str, str]) -> None:
        """Take what was given on the command line."""
        for name, text in flags.items():
            self.texts[name] = (text, f"--{name}")

    def value(self, option: Option) -> Any:
        """Return the option's value; a faulty text is noted, and None or the default returned."""
        text, origin = self.texts.get(option.name, ("", "default"))
        default = option.default_of(self.user)
        text = text or default  # an empty variable is the way of many templates to say "not set"
        try:
            return option.parse(text)
        except ValueError as error:
            shown = "its value" if option.secret else repr(text)
            where = f"--{option.name}" if origin == f"--{option.name}" else f"{origin}: {option.name}"
            self.faults.append(f"{where}: {shown}: {error}")
            return option.parse(default) if default else None


def nearest(name: str, known: Mapping[str, object]) -> str:
    """Return "; did you mean X?" where a known name is close, or nothing."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def _flatten(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        name = f"{prefix}{key.replace('_', '-')}"
        if name == "label" and isinstance(value, dict):
            rows.append((name, ",".join(f"{label}={text}" for label, text in value.items())))
        elif isinstance(value, dict):
            rows.extend(_flatten(value, f"{name}."))
        elif isinstance(value, list):
            rows.append((name, ",".join(str(part) for part in value)))
        elif isinstance(value, bool):
            rows.append((name, str(value).lower()))
        else:
            rows.append((name, str(value)))
    return rows


def load(
    flags: Mapping[str, str],
    environ: Mapping[str, str],
    hostname: str,
    *,
    user: User = User.SIDECAR,
    config_file: str = "",
    early_faults: tuple[str, ...] = (),
    contents: Contents = lambda _: (),
) -> Resolved:
    """Read all three sources and check them.

    Args:
        flags: option name to text, as given on the command line.
        environ: the process's environment.
        hostname: stands in for the node's name and address where none is given.
        user: the command that it is for.
        config_file: the TOML file; empty: ``$GALERA_EXPORTER_CONFIG``, or none.
        early_faults: what the command line's parser already found.
        contents: what looks into the files that the options name.

    Raises:
        ConfigError: with every fault of every source.
    """
    reader = Reader(user)
    reader.faults.extend(early_faults)
    reader.read(flags, environ, config_file)
    defaults = {
        "node-name": (environ.get("POD_NAME") or hostname, "$POD_NAME" if environ.get("POD_NAME") else "host name"),
        "namespace": (
            environ.get("POD_NAMESPACE") or "default",
            "$POD_NAMESPACE" if environ.get("POD_NAMESPACE") else "default",
        ),
        "owner": (environ.get("POD_UID", ""), "$POD_UID"),
    }
    for name, (text, origin) in defaults.items():
        if text and not reader.texts.get(name, ("", ""))[0]:
            reader.texts[name] = (text, origin)
    values = {option.name: reader.value(option) for option in OPTIONS}
    reader.faults.extend(_contradictions(values))
    if user is User.OBSERVER and not values["etcd.endpoints"]:
        reader.faults.append("--etcd.endpoints: give it: the observer chooses the write pod by the registry")
    reader.faults.extend(contents(values))
    if reader.faults:
        raise ConfigError(tuple(reader.faults))
    return Resolved(_build(values, hostname), _origins(reader))


def _origins(reader: Reader) -> tuple[tuple[str, str, str], ...]:
    rows = []
    for option in (each for each in OPTIONS if reader.user in each.users):
        text, origin = reader.texts.get(option.name, (option.default_of(reader.user), "default"))
        rows.append((option.name, ("***" if text else "") if option.secret else text, origin))
    return tuple(rows)


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Faults that show only when two options are seen together."""
    faults = []
    for room in ("mariadb", "etcd"):
        if values[f"{room}.password"] and values[f"{room}.password-file"]:
            faults.append(f"--{room}.password-file and ${_BY_NAME[f'{room}.password'].env}: give one of them")
        if bool(values[f"{room}.tls-cert"]) != bool(values[f"{room}.tls-key"]):
            faults.append(f"--{room}.tls-cert and --{room}.tls-key: give both or none")
    if values["mariadb.tls-cert"] and not values["mariadb.tls-ca"]:
        faults.append("--mariadb.tls-cert: give --mariadb.tls-ca too, or the server is not verified")
    endpoints = values["etcd.endpoints"] or ()
    schemes = {endpoint.split(":")[0] for endpoint in endpoints}
    if len(schemes) > 1:
        faults.append("--etcd.endpoints: mixes http and https: use one of them for all members")
    if schemes == {"http"} and (values["etcd.tls-ca"] or values["etcd.tls-cert"]):
        faults.append("--etcd.tls-*: the endpoints are http: write https, or drop the TLS options")
    has_password = bool(values["etcd.password"] or values["etcd.password-file"])
    if bool(values["etcd.user"]) != has_password:
        faults.append("--etcd.user and its password: give both or none")
    faults += _bootstrap_contradictions(values)
    if not values["mariadb.user"]:
        faults.append("--mariadb.user: is empty: give the account that may read the status")
    return faults


def _bootstrap_contradictions(values: Mapping[str, Any]) -> list[str]:
    if not values["bootstrap.handoff-dir"]:
        return []
    needs = {
        "bootstrap.state-dir": "where lineage is kept",
        "etcd.endpoints": "who decides",
        "expected-size": "how many nodes must report",
    }
    faults = [f"--bootstrap.handoff-dir: give --{name} too ({why})" for name, why in needs.items() if not values[name]]
    takeover, ttl = values["bootstrap.takeover-timeout"], values["etcd.ttl"]
    if takeover and ttl and takeover < 1.5 * ttl:
        faults.append(f"--bootstrap.takeover-timeout: {takeover:g}: give at least 1.5 times --etcd.ttl, {1.5 * ttl:g}")
    return faults


def _build(values: Mapping[str, Any], hostname: str) -> Config:
    host, port = values["mariadb.address"]
    mariadb = MariadbSettings(
        host=host,
        port=port,
        socket=values["mariadb.socket"],
        user=values["mariadb.user"],
        password=Secret(values["mariadb.password"]),
        password_file=values["mariadb.password-file"],
        tls_ca=values["mariadb.tls-ca"],
        tls_cert=values["mariadb.tls-cert"],
        tls_key=values["mariadb.tls-key"],
        timeout=values["mariadb.timeout"],
    )
    etcd = EtcdSettings(
        endpoints=values["etcd.endpoints"],
        namespace=values["namespace"],
        cluster=values["cluster-name"],
        user=values["etcd.user"],
        password=Secret(values["etcd.password"]),
        password_file=values["etcd.password-file"],
        tls_ca=values["etcd.tls-ca"],
        tls_cert=values["etcd.tls-cert"],
        tls_key=values["etcd.tls-key"],
        timeout=values["etcd.timeout"],
        ttl=values["etcd.ttl"],
    )
    bootstrap = BootstrapSettings(
        handoff_dir=values["bootstrap.handoff-dir"],
        state_dir=values["bootstrap.state-dir"],
        peers=values["bootstrap.peers"],
        tls_ca=values["bootstrap.peers-ca"],
        takeover=values["bootstrap.takeover-timeout"],
        survivor=values["bootstrap.survivor-timeout"],
    )
    web = WebSettings(
        listen=values["web.listen-address"],
        config_file=values["web.config.file"],
        telemetry_path=values["web.telemetry-path"],
    )
    observer = ObserverSettings(
        statefulset=values["statefulset"] or values["cluster-name"], kubeconfig=values["kubeconfig"]
    )
    address = values["address"] or f"{hostname}:{port}"
    return Config(
        node=values["node-name"],
        mariadb=mariadb,
        etcd=etcd,
        bootstrap=bootstrap,
        web=web,
        observer=observer,
        datadir=values["datadir"],
        address=address,
        owner=values["owner"] or address,
        expected=values["expected-size"],
        labels=values["label"],
        queue_stats=values["collect.queue-stats"],
        raw_variables=values["collect.raw-variables"],
        log_level=values["log.level"],
        log_format=values["log.format"],
    )
