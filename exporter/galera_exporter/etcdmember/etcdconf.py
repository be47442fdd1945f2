"""``etcd.conf.yml``, as etcd 3.4 to 3.6 take it. Pure. JSON, which is YAML too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from galera_exporter.etcdmember.decision import Start, StartExisting, StartNew
from galera_exporter.etcdmember.naming import founding_token
from galera_exporter.etcdmember.settings import CLIENT_PORT, METRICS_PORT, PEER_PORT, MemberSettings
from galera_exporter.etcdmember.state import hexadecimal

SEALED: Final = "refused-the-data-directory-is-empty=http://127.0.0.1:2380"
"""An initial cluster without this member: with data etcd does not look at it, without them etcd ends and says it."""


def render(settings: MemberSettings, directory: Path, how: StartNew | StartExisting | Start, listen: str) -> str:
    """Return the configuration for one start; ``listen`` is the address on which etcd listens.

    Only ``StartNew`` and ``StartExisting`` let etcd begin on an empty directory.
    """
    scheme, name = settings.scheme, settings.name
    host = f"[{listen}]" if ":" in listen else listen
    fields: dict[str, Any] = {
        "name": name,
        "data-dir": str(directory),
        "listen-peer-urls": f"{scheme}://{host}:{PEER_PORT}",
        "listen-client-urls": f"{scheme}://{host}:{CLIENT_PORT}",
        "listen-metrics-urls": f"http://{host}:{METRICS_PORT}",
        "initial-advertise-peer-urls": settings.peer_url(name),
        "advertise-client-urls": settings.client_url(name),
        **_initial(settings, how),
        "strict-reconfig-check": True,
        "pre-vote": True,
        # Read from a file, 3.4 has no gateway unless it is told.
        "enable-grpc-gateway": True,
        "experimental-initial-corrupt-check": True,
        "auto-compaction-mode": "periodic",
        "auto-compaction-retention": settings.retention,
        "quota-backend-bytes": settings.quota,
        "logger": "zap",
        "log-outputs": ["stderr"],
        "log-level": "info",
    }
    if settings.tls is not None:
        files = {"cert-file": str(settings.tls.cert), "key-file": str(settings.tls.key)}
        # With a CA etcd asks for certificates (client/pkg/transport/listener.go), whatever client-cert-auth says.
        verify = {"trusted-ca-file": str(settings.tls.ca), "client-cert-auth": True}
        # With users, its gateway refuses each client whose certificate has a common name (embed/serve.go): then the
        # password alone says who a client is.
        fields["client-transport-security"] = files | (verify if settings.auth is None else {})
        fields["peer-transport-security"] = files | verify
    return json.dumps(fields, indent=1) + "\n"


def _initial(settings: MemberSettings, how: StartNew | StartExisting | Start) -> dict[str, str]:
    token = settings.token
    match how:
        case StartNew(roster):
            token = founding_token(token, roster)
            members = ",".join(f"{name}={settings.peer_url(name)}" for name, _ in roster)
            state = "new"
        case StartExisting(found):
            own = settings.peer_url(settings.name)
            members = ",".join(
                f"{settings.name if url == own else member.name or hexadecimal(member.id)}={url}"
                for member in found
                for url in member.peer_urls
            )
            state = "existing"
        case Start():
            members, state = SEALED, "existing"
    return {"initial-cluster": members, "initial-cluster-token": token, "initial-cluster-state": state}
