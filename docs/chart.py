"""Writes the chart's README.md from values.yaml and its comments: ``make docs``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CHART = Path(__file__).parents[1] / "charts" / "galera"

_HEAD = """\
# galera

MariaDB Galera Cluster with etcd, and what it takes to see how it is and to be told. One command brings up three database nodes, three members of etcd, a Service
for reads and one for writes; behind values wait TLS, scraping, 39 alerts with a runbook each, and dashboards.

This page is made from `values.yaml` by `make docs`; a test fails where the two differ. How to run the cluster is in `docs/kubernetes.md` of the project.

## Install

Kubernetes 1.29 or newer, a storage class, and the image `galera-exporter` where your machines can pull it (`exporter.image`).

```sh
helm install db charts/galera --namespace galera --create-namespace
helm test db --namespace galera --logs
```

On fewer than three machines:

```sh
helm install db charts/galera --namespace galera --create-namespace --set antiAffinity=soft
```

## What it makes

For a release `db`:

| object | what it is |
| --- | --- |
| StatefulSet `db-galera` | the nodes `db-galera-0`, ...: the container `mariadb`, and beside it the sidecar `exporter` |
| Service `db-galera` | reads: all nodes that serve |
| Service `db-galera-primary` | writes: exactly one of them, another when that one fails |
| Service `db-galera-nodes` | headless: a name for each node |
| StatefulSet `db-galera-etcd`, Services `db-galera-etcd`, `db-galera-etcd-nodes` | etcd: who may start a cluster, and who is there |
| Deployment `db-galera-observer` | moves the write Service, writes events; the only part that talks to Kubernetes |
| Secret `db-galera` | passwords, made once and kept |
| ConfigMap `db-galera` | my.cnf and the start scripts |

`values.schema.json` and the templates refuse values that do not exist or contradict one another, all at once, with what to do.
`ci/` has a values file for each feature.

## Values
"""

_GROUPS = {
    "": "General",
    "mariadb": "MariaDB",
    "galera": "Galera",
    "auth": "Accounts",
    "exporter": "Sidecar",
    "etcd": "etcd",
    "tls": "TLS",
    "metrics": "Monitoring",
}


class Value(NamedTuple):
    """One documented value."""

    path: str
    default: str
    help: str


def values(text: str) -> Iterator[Value]:
    """Yield each value that has a comment ``# --``, in the order of the file.

    Raises:
        ValueError: a value has none, nor has anything around it.
    """
    found = yaml.safe_load(text)
    path: list[tuple[int, str]] = []
    comment, default, covered = "", "", -1
    for line in text.splitlines():
        note = re.fullmatch(r" *# ?(.*)", line)
        key = re.match(r"( *)([A-Za-z][A-Za-z0-9]*):", line)
        if note:
            comment, default = _noted(note[1], comment, default)
        elif key:
            indent = len(key[1])
            if covered >= 0 and indent > covered:
                continue  # a part of the default of a value that has been told of
            covered = -1
            path = [*((depth, name) for depth, name in path if depth < indent), (indent, key[2])]
            names = [name for _, name in path]
            value = _at(found, names)
            if comment:
                yield Value(".".join(names), default or f"`{json.dumps(value, ensure_ascii=False)}`", comment)
                covered = indent
            elif not isinstance(value, dict) or not value:
                raise ValueError(f"{'.'.join(names)} has no comment")
            comment, default = "", ""


def _noted(text: str, comment: str, default: str) -> tuple[str, str]:
    if text.startswith("-- "):
        return text.removeprefix("-- "), ""
    if text.startswith("@default -- "):
        return comment, text.removeprefix("@default -- ")
    return (f"{comment} {text}" if comment else ""), default  # other comments are for those who read the file


def _at(found: Any, names: list[str]) -> Any:
    for name in names:
        found = found[name]
    return found


def _group(path: str) -> str:
    top = path.split(".", maxsplit=1)[0]
    return _GROUPS.get(top, _GROUPS[""])


def readme() -> str:
    """Return the text of the chart's README.md."""
    rows: dict[str, list[Value]] = {title: [] for title in _GROUPS.values()}
    for value in values((CHART / "values.yaml").read_text(encoding="utf-8")):
        rows[_group(value.path)].append(value)
    lines = []
    for title, group in rows.items():
        lines += [f"### {title}", "", "| value | default | meaning |", "| --- | --- | --- |"]
        lines += [f"| `{row.path}` | {row.default} | {row.help.replace('|', chr(92) + '|')} |" for row in group]
        lines.append("")
    return _HEAD + "\n" + "\n".join(lines).rstrip("\n") + "\n"


def main() -> int:
    """Write the page."""
    (CHART / "README.md").write_text(readme(), encoding="utf-8")
    sys.stdout.write("charts/galera/README.md\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
