"""Whether all files that state the version of a release state the same one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULE = "exporter/galera_exporter/__init__.py"
CHART = "charts/galera/Chart.yaml"
VALUES = "charts/galera/values.yaml"
CHANGES = "CHANGELOG.md"
DOCUMENTS = ("README.md", "README.ko.md", "docs/kubernetes.md", "docs/release.md")

_SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
_IMAGE = re.compile(r"\bgalera-exporter:([0-9][\w.-]*)")


class Texts(NamedTuple):
    """The files that state a version."""

    module: str
    chart: str
    values: str
    changes: str
    documents: dict[str, str]
    """By name."""


def read(root: Path = ROOT) -> Texts:
    """Read them. Raises OSError."""

    def text(name: str) -> str:
        return (root / name).read_text(encoding="utf-8")

    return Texts(text(MODULE), text(CHART), text(VALUES), text(CHANGES), {name: text(name) for name in DOCUMENTS})


def version(texts: Texts) -> str:
    """Return the version of the programs; the others are measured by it. Empty where the module states none."""
    found = re.search(r'^__version__ = "([^"]*)"$', texts.module, re.MULTILINE)
    return found[1] if found else ""


def faults(texts: Texts, tag: str = "") -> list[str]:
    """Return what does not agree, each as a sentence that names the file. ``tag`` is the git tag of a release."""
    stated = version(texts)
    if not _SEMANTIC.fullmatch(stated):
        return [f"{MODULE}: __version__ must be a semantic version, and is {stated!r}"]
    return [
        *_chart(texts, stated),
        *_documents(texts, stated),
        *_changes(texts, stated, released=bool(tag)),
        *_tag(tag, stated),
    ]


def _chart(texts: Texts, stated: str) -> Iterator[str]:
    chart, values = yaml.safe_load(texts.chart), yaml.safe_load(texts.values)
    for field in ("version", "appVersion"):
        if str(chart[field]) != stated:
            yield f"{CHART}: {field} is {chart[field]}, the programs are {stated}"
    images = {each["name"]: each["image"] for each in yaml.safe_load(chart["annotations"]["artifacthub.io/images"])}
    if images.get("galera-exporter") != f"galera-exporter:{stated}":
        yield f"{CHART}: artifacthub.io/images has {images.get('galera-exporter')}, not galera-exporter:{stated}"
    tag = values["exporter"]["image"]["tag"]
    if tag not in ("", stated):
        yield f"{VALUES}: exporter.image.tag is {tag}; leave it empty (then it is the appVersion), or set {stated}"


def _documents(texts: Texts, stated: str) -> Iterator[str]:
    for name, text in texts.documents.items():
        for number, line in enumerate(text.splitlines(), 1):
            for other in set(_IMAGE.findall(line)) - {stated}:
                yield f"{name}:{number}: names the image of {other}, the programs are {stated}"


def _changes(texts: Texts, stated: str, *, released: bool) -> Iterator[str]:
    parts = re.split(r"^## (.*)$", texts.changes, flags=re.MULTILINE)[1:]
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    own = next(
        (title for title in sections if re.fullmatch(rf"\[?{re.escape(stated)}\]? - \d{{4}}-\d\d-\d\d", title)), None
    )
    if released and own is None:
        yield f'{CHANGES}: has no section "## {stated} - YYYY-MM-DD"; rename "## Unreleased"'
    elif own is None and "Unreleased" not in sections:
        yield f'{CHANGES}: has neither "## {stated} - YYYY-MM-DD" nor "## Unreleased"'
    elif not re.search(r"^- \S", sections[own or "Unreleased"], re.MULTILINE):
        yield f'{CHANGES}: "## {own or "Unreleased"}" says nothing'


def _tag(tag: str, stated: str) -> Iterator[str]:
    if tag and tag != f"v{stated}":
        yield f"the tag is {tag}, the programs are {stated}: it would be v{stated}"
