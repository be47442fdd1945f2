"""What the files that options name must contain: checked with the options, so that all faults are told at once."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from galera_exporter.errors import ConfigError


def faults(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the faults inside the TLS files and the web configuration; ``values`` are by option name."""
    for room in ("mariadb", "etcd"):
        yield from tls_faults(f"{room}.", values)
    if values["web.config.file"]:
        # Loads PyYAML and bcrypt, which only those have who use it.
        from galera_exporter.web.protection import ProtectionSource  # noqa: PLC0415 - see above

        try:
            ProtectionSource(values["web.config.file"])
        except ConfigError as error:
            yield from error.faults


def tls_faults(prefix: str, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the faults inside the files of the three options ``<prefix>tls-ca``, ``-cert`` and ``-key``."""
    authority, cert, key = (values[f"{prefix}tls-{name}"] for name in ("ca", "cert", "key"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        try:
            context.load_verify_locations(cafile=authority)
        except (OSError, ValueError):
            yield f"--{prefix}tls-ca: {str(authority)!r}: holds no certificate: give a CA in PEM form"
    if cert and key:
        try:
            context.load_cert_chain(cert, key, password="")
        except (OSError, ValueError):
            pair = f"{str(cert)!r} with {str(key)!r}"
            yield f"--{prefix}tls-cert and --{prefix}tls-key: {pair}: not a PEM certificate and its unencrypted key"
