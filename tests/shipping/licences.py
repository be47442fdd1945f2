"""The licences of what the image contains, and of the tools that build and test it, as the packages state them."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from packaging.requirements import Requirement

from shipping.versions import ROOT

PAGE: Final = ROOT / "docs" / "licences.md"
SHIPPED: Final = "requirements-image.lock"
TOOLS: Final = "requirements-dev.lock"

PERMISSIVE: Final = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-CMU", "PSF-2.0"),
    }
)
"""SPDX identifiers of licences that ask for no more than that their text is kept."""
WEAK: Final = "MPL-2.0"
"""Copyleft of single files: whoever changes one of them publishes it. It does not reach what uses them."""
REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {"certifi": "the list of certificate authorities that requests asks for; taken as it is, its source is on PyPI"}
)
"""Why a package under ``WEAK`` is part of the image. Tools may be under it: they are not passed on."""

_OLD_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Apache 2.0": "Apache-2.0",
        "Apache Software License": "Apache-2.0",
        "BSD 2-Clause License": "BSD-2-Clause",
        "ISC License (ISCL)": "ISC",
        "MIT License": "MIT",
        "MIT license": "MIT",
        "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
        "PSFL": "PSF-2.0",
        "Python Software Foundation License": "PSF-2.0",
    }
)
"""What packages wrote before PEP 639, as the identifier of SPDX."""
_MIT: Final = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software"
"""Some put the whole text where the name belongs."""
_APACHE: Final = "Apache License Version 2.0, January 2004"
"""And some state nothing, and have the text as a file."""


@dataclass(frozen=True, slots=True)
class Package:
    """One line of a lock, and what the installed package says of itself."""

    name: str
    version: str
    licence: str
    """An expression of SPDX; empty where the package states nothing that is understood."""

    @property
    def identifiers(self) -> frozenset[str]:
        """The licences in the expression."""
        return frozenset(re.split(r" (?:AND|OR|WITH) |[()]", self.licence)) - {""}


def locked(text: str) -> dict[str, str]:
    """Return version by name of the lines of a lock that are for this machine."""
    lines = [line.rstrip(" \\") for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    wanted = [Requirement(line) for line in lines]
    return {
        each.name: str(each.specifier).removeprefix("==")
        for each in wanted
        if each.marker is None or each.marker.evaluate()
    }


def licence(expression: str | None, text: str | None, classifiers: list[str]) -> str:
    """Return the licence that a package's metadata state: the expression of PEP 639, or one of the older two fields."""
    if expression:
        return expression
    words = " ".join((text or "").split())
    if _MIT in words:
        return "MIT"
    if words.startswith(_APACHE):
        return "Apache-2.0"
    names = [text or "", *(each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License ::"))]
    for name in names:
        if name in PERMISSIVE or name == WEAK:
            return name
        if name in _OLD_NAMES:
            return _OLD_NAMES[name]
    return ""


def package(name: str, version: str) -> Package:
    """Ask the installed package; raises PackageNotFoundError, or ValueError where another version is installed."""
    stated = importlib.metadata.metadata(name)
    if stated["Version"] != version:
        raise ValueError(f"{name}: {stated['Version']} is installed, the lock has {version}")
    text = stated.get("License") or _file(name)
    return Package(
        name,
        version,
        licence(stated.get("License-Expression"), text, stated.get_all("Classifier", [])),
    )


def _file(name: str) -> str:
    """Return the text of the file LICENSE that a package brings; empty without one."""
    files = importlib.metadata.files(name) or []
    return next((file.read_text() for file in files if file.name == "LICENSE" and ".dist-info" in str(file)), "")


def packages(lock: str) -> list[Package]:
    """Return the packages of a lock, in its order."""
    return [package(*each) for each in locked((ROOT / lock).read_text(encoding="utf-8")).items()]


def faults(shipped: list[Package], tools: list[Package]) -> list[str]:
    """Return what may not be: each as a sentence with the package's name."""
    found = []
    for each in shipped:
        allowed = PERMISSIVE | ({WEAK} if each.name in REASONS else set())
        found += _fault(each, allowed, "in the image")
    inside = {each.name for each in shipped}
    for each in tools:
        if each.name not in inside:
            found += _fault(each, PERMISSIVE | {WEAK}, "among the tools")
    return found


def _fault(each: Package, allowed: frozenset[str], where: str) -> list[str]:
    if not each.identifiers:
        return [f"{each.name} {each.version} {where} states no licence that is known here"]
    return [f"{each.name} {each.version} {where} is under {name}" for name in sorted(each.identifiers - allowed)]


def page() -> str:
    """Return docs/licences.md."""
    rows = [
        f"| {each.name} | {each.licence} | {REASONS.get(each.name, '')} |".replace("|  |", "| |")
        for each in packages(SHIPPED)
    ]
    return "\n".join([_HEAD, *rows, ""])


_HEAD = """\
# Licences

This project is under the [Apache License 2.0](../LICENSE). The image has these packages in it, from
`requirements-image.lock`, beside Python and its base. The sidecar alone (`requirements.lock`) needs fewer. Tools for
building and testing are not passed on.

A test fails where a package has a licence that is not in the list of `tests/shipping/licences.py`: permissive ones, and
MPL-2.0 with a reason. This page is made by `make docs`; the versions, with hashes, are in the lock, and in the bill of
materials that `make sbom` writes.

| package | licence, as it states it | why it is taken nevertheless |
| --- | --- | --- |"""
