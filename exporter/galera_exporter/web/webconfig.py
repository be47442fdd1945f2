"""exporter-toolkit's ``web.config.file``: YAML text to checked values.

The format is that of exporter-toolkit's docs/web-configuration.md. What this
server cannot do is refused by name, never ignored: a security setting without
effect is worse than none. Relative paths count from the folder of the file.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from galera_exporter.errors import ConfigError
from galera_exporter.web.tls import CIPHERS, VERSIONS, ClientAuth, TlsSettings

MIN_COST: Final = 4
"""Of a bcrypt hash: the least that bcrypt knows."""
MAX_COST: Final = 14
"""Of a bcrypt hash: one check of it takes about a second, one of cost 18 a quarter of a minute."""
_MAX_FILE: Final = 1024 * 1024
_BCRYPT: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]*")
_HEADERS: Final[Mapping[str, frozenset[str]]] = {
    "Content-Security-Policy": frozenset(),
    "Strict-Transport-Security": frozenset(),
    "X-Content-Type-Options": frozenset({"nosniff"}),
    "X-Frame-Options": frozenset({"deny", "sameorigin"}),
    "X-XSS-Protection": frozenset(),
}
"""What may be set, and the values allowed where they are few."""
_IMPOSSIBLE: Final[Mapping[str, str]] = {
    "cert": "put the certificate into a file and name it in cert_file",
    "key": "put the key into a file and name it in key_file",
    "client_ca": "put the CA into a file and name it in client_ca_file",
    "curve_preferences": "remove it; OpenSSL's own order of curves is used",
}
_TLS_KEYS: Final = frozenset(
    {
        "cert_file",
        "key_file",
        "client_ca_file",
        "client_auth_type",
        "client_allowed_sans",
        "min_version",
        "max_version",
        "cipher_suites",
        "prefer_server_cipher_suites",
        *_IMPOSSIBLE,
    }
)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The file's content. Empty: plain HTTP for everyone."""

    tls: TlsSettings | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Name to bcrypt hash."""
    headers: Mapping[str, str] = field(default_factory=dict)


def load(path: Path) -> WebConfig:
    """Read and check the file. Raises ConfigError with every fault found: file, key and how to mend it."""
    try:
        import yaml  # noqa: PLC0415 - of the extra [auth]; not loaded where no web configuration is given
    except ImportError:
        raise ConfigError((f"{path}: needs PyYAML and bcrypt: install galera-exporter[auth]",)) from None
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise ConfigError((f"{path}: {error.strerror}; give a readable file or drop --web.config.file",)) from None
    if len(text) > _MAX_FILE:
        raise ConfigError((f"{path}: over {_MAX_FILE} bytes; a web configuration is a few lines",))
    try:
        document = yaml.safe_load(text)
    except Exception as error:  # noqa: BLE001 - a wrong tag raises anything from KeyError to AttributeError
        # Only the place of the fault: the text around it may be a password hash.
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        raise ConfigError((f"{path}: is not YAML{place}; mend the syntax",)) from None
    faults: list[str] = []
    config = _Reader(path, faults).config(document)
    if faults:
        raise ConfigError(tuple(faults))
    return config


class _Reader:
    """Walks the document and gathers faults."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        self._path = path
        self._faults = faults

    def config(self, document: Any) -> WebConfig:
        top = self._mapping("", document, frozenset({"tls_server_config", "http_server_config", "basic_auth_users"}))
        tls = self._tls(top["tls_server_config"]) if top.get("tls_server_config") is not None else None
        http = self._mapping("http_server_config", top.get("http_server_config"), frozenset({"http2", "headers"}))
        if not isinstance(http.get("http2", True), bool):
            self._fault("http_server_config.http2", "is not true or false; HTTP/1.1 is spoken either way: remove it")
        return WebConfig(tls, self._users(top.get("basic_auth_users")), self._headers(http.get("headers")))

    def _fault(self, key: str, text: str) -> None:
        self._faults.append(f"{self._path}: {key}{': ' if key else ''}{text}")

    def _mapping(self, key: str, value: Any, known: frozenset[str] | None) -> dict[str, Any]:
        """Return the mapping at ``key``, only with known keys if these are given; each other one is a fault."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._fault(key, "must be a mapping of keys to values")
            return {}
        result: dict[str, Any] = {}
        for name, item in value.items():
            if not isinstance(name, str):
                self._fault(key, f"the key {name!r} is not text; quote it")
            elif known is not None and name not in known:
                self._fault(f"{key}.{name}" if key else name, f"is not known; known are {', '.join(sorted(known))}")
            else:
                result[name] = item
        return result

    def _text(self, key: str, value: Any) -> str:
        if value is None or isinstance(value, str):
            return value or ""
        self._fault(key, "must be text; quote it")
        return ""

    def _texts(self, key: str, value: Any) -> tuple[str, ...]:
        if value is None:
            return ()
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self._fault(key, "must be a list of texts")
        return ()

    def _file(self, key: str, value: Any) -> Path | None:
        """Return the path of a file that can be read."""
        text = self._text(key, value)
        if not text:
            return None
        path = self._path.parent / text
        try:
            with path.open("rb"):
                pass
        except (OSError, ValueError) as error:
            self._fault(key, f"{path}: {getattr(error, 'strerror', None) or error}; give a readable file")
        return path

    def _users(self, value: Any) -> dict[str, str]:
        users: dict[str, str] = {}
        for name, text in self._mapping("basic_auth_users", value, None).items():
            key = f"basic_auth_users.{name}"
            matched = _BCRYPT.fullmatch(text) if isinstance(text, str) else None
            if not matched:
                self._fault(key, 'is not a bcrypt hash; make one with: htpasswd -nBC 10 ""')
            elif not MIN_COST <= int(matched[1]) <= MAX_COST:
                self._fault(key, f"the bcrypt cost is {matched[1]}; take 10, at most {MAX_COST}")
            elif ":" in name or not name:
                self._fault(key, "a user name cannot be empty or have a colon; rename it")
            else:
                users[name] = matched[0]
        return users

    def _headers(self, value: Any) -> dict[str, str]:
        headers: dict[str, str] = {}
        for name, item in self._mapping("http_server_config.headers", value, frozenset(_HEADERS)).items():
            key = f"http_server_config.headers.{name}"
            text = self._text(key, item)
            if not _HEADER_VALUE.fullmatch(text):
                self._fault(key, "has characters that no header can carry; use printable ASCII")
            elif _HEADERS[name] and text and text not in _HEADERS[name]:
                self._fault(key, f"must be {' or '.join(sorted(_HEADERS[name]))}")
            elif text:
                headers[name] = text
        return headers

    def _tls(self, value: Any) -> TlsSettings | None:
        before = len(self._faults)
        keys = self._mapping("tls_server_config", value, _TLS_KEYS)
        for name, fix in _IMPOSSIBLE.items():
            if keys.get(name):
                self._fault(f"tls_server_config.{name}", f"is not supported here: {fix}")
        files = {name: self._file(f"tls_server_config.{name}", keys.get(name)) for name in ("cert_file", "key_file")}
        for name, path in files.items():
            if path is None:
                self._fault(f"tls_server_config.{name}", "is missing; TLS needs cert_file and key_file")
        ca = self._file("tls_server_config.client_ca_file", keys.get("client_ca_file"))
        sans = frozenset(self._texts("tls_server_config.client_allowed_sans", keys.get("client_allowed_sans")))
        auth = self._client_auth(self._text("tls_server_config.client_auth_type", keys.get("client_auth_type")), ca)
        if sans and auth is not ClientAuth.REQUIRED:
            self._fault(
                "tls_server_config.client_allowed_sans", f"needs client_auth_type: {ClientAuth.REQUIRED}; add it"
            )
        versions = self._versions(keys)
        prefer = keys.get("prefer_server_cipher_suites", True)
        if not isinstance(prefer, bool):
            self._fault("tls_server_config.prefer_server_cipher_suites", "must be true or false")
        ciphers = self._ciphers(keys.get("cipher_suites"))
        cert, key = files["cert_file"], files["key_file"]
        if len(self._faults) > before or cert is None or key is None:
            return None
        return TlsSettings(cert, key, ca, auth, sans, versions[0], versions[1], ciphers, prefer)

    def _ciphers(self, value: Any) -> tuple[str, ...]:
        """Return OpenSSL's names for Go's."""
        key = "tls_server_config.cipher_suites"
        names = self._texts(key, value)
        for name in names:
            if name not in CIPHERS:
                self._fault(key, f"{name} is not one of {', '.join(sorted(CIPHERS))}")
        return tuple(CIPHERS.get(name, "") for name in names)

    def _client_auth(self, text: str, ca: Path | None) -> ClientAuth:
        key = "tls_server_config.client_auth_type"
        if text in {"RequestClientCert", "RequireAnyClientCert"}:
            self._fault(
                key,
                f"{text} accepts a certificate that nobody verified, and Python's TLS cannot: "
                f"use {ClientAuth.REQUIRED} or {ClientAuth.NONE}",
            )
        elif text and text not in set(ClientAuth):
            self._fault(key, f"{text!r} is not one of {', '.join(ClientAuth)}")
        elif text in {ClientAuth.REQUIRED, ClientAuth.IF_GIVEN} and ca is None:
            self._fault("tls_server_config.client_ca_file", f"is missing; {text} needs the CA of the clients")
        elif ca is not None and text in {"", ClientAuth.NONE}:
            self._fault(key, f"is {ClientAuth.NONE}, so client_ca_file would do nothing; use {ClientAuth.REQUIRED}")
        else:
            return ClientAuth(text or ClientAuth.NONE)
        return ClientAuth.NONE

    def _versions(self, keys: Mapping[str, Any]) -> tuple[ssl.TLSVersion, ssl.TLSVersion]:
        texts = (keys.get("min_version") or "TLS12", keys.get("max_version") or "TLS13")
        for name, text in zip(("min_version", "max_version"), texts, strict=True):
            if text not in list(VERSIONS):
                self._fault(f"tls_server_config.{name}", f"{text!r} is not TLS12 or TLS13; older versions are unsafe")
        if texts == ("TLS13", "TLS12"):
            self._fault("tls_server_config.min_version", "is above max_version; swap them")
        least, most = (VERSIONS.get(str(text), ssl.TLSVersion.TLSv1_3) for text in texts)
        return least, most
