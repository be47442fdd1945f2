"""The committed dashboards, and what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "dashboards"
UIDS: Final = ("galera-clusters", "galera-cluster", "galera-node", "galera-registry", "galera-recovery")
DOCUMENTS: Final[dict[str, dict[str, Any]]] = {
    uid: json.loads((FOLDER / f"{uid}.json").read_text(encoding="utf-8")) for uid in UIDS
}
ALERTS: Final[dict[str, dict[str, Any]]] = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "alerts").glob("Galera*.yaml"))
}


def panels(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all panels but the heads of rows, those of closed rows too."""
    for panel in document["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def all_panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each panel of each dashboard with the dashboard's uid."""
    for uid, document in DOCUMENTS.items():
        for panel in panels(document):
            yield uid, panel


def expressions() -> Iterator[tuple[str, str]]:
    """Yield each expression, of panels and of marks, under a name for people."""
    for uid, panel in all_panels():
        for target in panel.get("targets", ()):
            yield f"{uid}: {panel['title']} {target['refId']}", target["expr"]
    for uid, document in DOCUMENTS.items():
        for marks in document["annotations"]["list"]:
            yield f"{uid}: {marks['name']}", marks["expr"]


def values(found: Any, key: str) -> Iterator[Any]:
    """Yield each value of this key, at whatever depth."""
    if isinstance(found, dict):
        for name, value in found.items():
            if name == key:
                yield value
            yield from values(value, key)
    elif isinstance(found, list):
        for value in found:
            yield from values(value, key)
