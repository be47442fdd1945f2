"""Writes docs/metrics.md and docs/configuration.md from the tables in the code: ``make docs``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from galera_exporter.errors import DatabaseReason, KubernetesReason, RegistryReason
from galera_exporter.etcdmember.options import OPTIONS as ETCD_MEMBER
from galera_exporter.metrics import catalog
from galera_exporter.metrics.catalog import CATALOG
from galera_exporter.metrics.metric import Metric
from galera_exporter.metrics.wsrep import STATUS
from galera_exporter.options import OPTIONS, Option, User

HERE = Path(__file__).parent

_METRICS = """\
# Metrics

This page is made from the catalog in the code by `make docs`; a test fails where the two differ.

- `wsrep_*` is what MariaDB itself reports, under its own variable name, in base units, with `_total` on counters.
- `galera_*` is what this exporter adds or derives.
- Every enumeration has all its values at each scrape, 1 on the current one. While MariaDB gives no answer, the states
  are `unknown`, and the numbers of the server are absent: a stale value is never served.
- What Galera calls undefined (2^64-1) is -1 for ids and absent for counters.
- Labels of the target (`namespace`, `pod`, `galera_cluster`) come from the scrape configuration. `--label` adds constant ones.
- `promtool check metrics` advises against the suffix `_count` of four gauges (`wsrep_thread_count` and its like,
  `wsrep_desync_count`): these are MariaDB's own names, and the names win.

"""

_CONFIGURATION = """\
# Configuration

This page is made from the table of options in the code by `make docs`; a test fails where the two differ.

A flag wins over the environment variable, that over the file (`--config FILE` or `$GALERA_EXPORTER_CONFIG`, TOML), and the file over the default.
In the file a dot is a table: `etcd.ttl` is `ttl` under `[etcd]`. Passwords are never flags: every process of the machine
can read another's command line. `galera-exporter check-config` prints each value with its origin; all faults are reported
at once, with exit status 2. `galera-exporter run` takes all options but those marked *observer* alone, `galeractl` those that are not marked, and
`galera-exporter observe` those marked *observer*, `--cluster-name`, `--namespace`, and `--etcd.*` without the TTL.

The account in MariaDB needs no more than this:

```sql
CREATE USER exporter@localhost IDENTIFIED BY '...' WITH MAX_USER_CONNECTIONS 3;
GRANT SELECT ON mysql.wsrep_cluster_members TO exporter@localhost;
```

The grant is optional. Without it there are no `galera_cluster_member_info`, `galera_view_fingerprint` and `galera_registry_node_in_view`,
and `galera_exporter_collector_success{collector="members"}` is 0.

"""


_WEB = """\
## TLS, users and client certificates of the web page

`--web.config.file` names a YAML file in the format of the Prometheus exporter-toolkit. Paths in it are relative to it.

```yaml
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_ca_file: ca.crt                          # with the next line: mTLS
  client_auth_type: RequireAndVerifyClientCert    # or VerifyClientCertIfGiven
basic_auth_users:
  prometheus: "$2y$10$..."                        # htpasswd -nBC 10 ""
```

It is read again when it, or a file that it names, changes (looked at once a second), on SIGHUP, and on `POST /-/reload`. A version with faults
is logged, and the last good one stays in force. Not supported, and refused by name: certificates inside the file, TLS below 1.2,
`curve_preferences`, `RequestClientCert`, `RequireAnyClientCert`.
"""
_ETCD_MEMBER = """
## galera-exporter etcd-member

Runs beside each member of etcd in the chart, and decides how that member starts: [etcd.md](etcd.md). Flags, environment and file as above.

"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _metric_rows(title: str, metrics: tuple[Metric, ...]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| metric | type | meaning | source |"
    yield "| --- | --- | --- | --- |"
    for metric in metrics:
        labels = f"{{{','.join(metric.labels)}}}" if metric.labels else ""
        values = f" Values: {', '.join(metric.enum)}." if metric.enum else ""
        yield f"| `{metric.name}{labels}` | {metric.kind} | {_cell(metric.help + values)} | {_cell(metric.source) or '-'} |"
    yield ""


def metrics() -> str:
    """Return the text of docs/metrics.md."""
    plain = tuple(CATALOG[row.name] for row in STATUS)
    lines = [
        *_metric_rows("Of the exporter", catalog.EXPORTER),
        *_metric_rows("MariaDB's own status", (*catalog.WSREP_ENUMS, *plain, *catalog.WSREP_OTHER)),
        *_metric_rows("Derived", catalog.DERIVED),
        *_metric_rows("Configuration of the server", catalog.CONFIGURATION),
        *_metric_rows("Data directory (with `--datadir`, or told by `galera-start.sh`)", catalog.DATADIR),
        *_metric_rows("Registry (with `--etcd.endpoints`)", catalog.REGISTRY),
        *_metric_rows("Bootstrap (with `--bootstrap.handoff-dir`)", catalog.BOOTSTRAP),
        *_metric_rows("Observer (`galera-exporter observe`)", catalog.OBSERVER),
        "Besides: `process_*` and `python_info` of the Python client library.\n",
        "## Reasons\n",
        "| `galera_up_reason` | `galera_heartbeat_failures_total` | `galera_kube_request_failures_total` |",
        "| --- | --- | --- |",
        f"| {', '.join(DatabaseReason)} | {', '.join(RegistryReason)} | {', '.join(KubernetesReason)} |",
    ]
    return _METRICS + "\n".join(lines) + "\n"


def _option_rows(options: tuple[Option, ...]) -> Iterator[str]:
    yield "| option | environment | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for option in options:
        flag = f"`--{option.name}`" if not option.secret else f"(no flag) `{option.name}`"
        form = f" {_cell(option.metavar)}" if option.metavar else ""
        marks = "" if User.GALERACTL in option.users else " ".join(f"*{user}*" for user in User if user in option.users)
        only = f" {marks}" if marks else ""
        default = f"`{option.default}`" if option.default else "-"
        default += f" (observer: `{option.observer_default}`)" if option.observer_default else ""
        yield f"| {flag}{form}{only} | `{option.env}` | {default} | {_cell(option.help)} |"


def configuration() -> str:
    """Return the text of docs/configuration.md."""
    lines = _option_rows(OPTIONS)
    return _CONFIGURATION + "\n".join(lines) + "\n" + _WEB + _ETCD_MEMBER + "\n".join(_option_rows(ETCD_MEMBER)) + "\n"


PAGES = {"metrics.md": metrics, "configuration.md": configuration}


def main() -> int:
    """Write both pages."""
    for name, make in PAGES.items():
        (HERE / name).write_text(make(), encoding="utf-8")
        sys.stdout.write(f"docs/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
