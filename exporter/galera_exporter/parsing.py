"""What an option's text becomes: each function takes a text, or raises ValueError with what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def text(text: str) -> str:
    """Take any text."""
    return text


def name(text: str) -> str:
    """Take a name of a node, a cluster or a namespace."""
    if not _NAME.fullmatch(text):
        raise ValueError("use 1 to 253 letters, digits, '-', '_' and '.', and begin and end with a letter or digit")
    return text


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return what takes a whole number of a range."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"write a whole number from {low} to {high}")
        return int(text)

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    """Return what takes seconds of a range."""

    def parse(text: str) -> float:
        if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text) or not low <= float(text) <= high:
            raise ValueError(f"write seconds from {low:g} to {high:g}, for example 2 or 0.5")
        return float(text)

    return parse


def switch(text: str) -> bool:
    """Take true or false."""
    values = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if text.lower() not in values:
        raise ValueError("write true or false")
    return values[text.lower()]


def choice(*allowed: str) -> Callable[[str], str]:
    """Return what takes one of some words."""

    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"write one of {', '.join(allowed)}")
        return text.lower()

    return parse


def host_port(text: str, *, host_needed: bool = True) -> tuple[str, int]:
    """Take HOST:PORT; an IPv6 address in brackets."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\s\[\]:/]*)):(\d{1,5})", text)
    if not match or not 0 <= int(match[3]) <= 65535 or (host_needed and not (match[1] or match[2])):  # noqa: PLR2004 - ports
        raise ValueError("write HOST:PORT, for example 127.0.0.1:3306 or [::1]:3306")
    return match[1] or match[2], int(match[3])


def address(text: str) -> str:
    """Take HOST:PORT, or nothing."""
    if text:
        host_port(text)
    return text


def listen(text: str) -> tuple[tuple[str, int], ...]:
    """Take addresses to listen on, separated by commas."""
    return tuple(host_port(part.strip(), host_needed=False) for part in text.split(","))


def endpoints(text: str) -> tuple[str, ...]:
    """Take URLs of etcd, separated by commas."""
    endpoints = tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    for endpoint in endpoints:
        url = urlsplit(endpoint)
        plain = f"{url.scheme}://{url.netloc}" == endpoint and "@" not in url.netloc
        if url.scheme not in ("http", "https") or not plain:
            raise ValueError("write http://HOST:PORT or https://HOST:PORT, several separated by commas")
        host_port(url.netloc)
    return endpoints


def path(text: str) -> Path | None:
    """Take a path, or nothing."""
    return Path(text) if text else None


def readable(text: str) -> Path | None:
    """Take a file that can be read, or nothing."""
    if not text:
        return None
    try:
        with Path(text).open("rb"):
            return Path(text)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror}): give a file that this user may read") from None


def folder(text: str) -> Path | None:
    """Take a folder that is there, or nothing."""
    if text and not Path(text).is_dir():
        raise ValueError("is no directory: create it, or mount it")
    return Path(text) if text else None


def folder_to_come(text: str) -> Path | None:
    """Take a folder that is there, or that another program may still make in one that is there; or nothing."""
    return Path(text) if text and Path(text).parent.is_dir() and not Path(text).exists() else folder(text)


def peers(text: str) -> tuple[tuple[str, str], ...]:
    """Take NODE=URL, separated by commas."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        node, equals, url = part.partition("=")
        if not equals or node in found:
            raise ValueError("write NODE=URL for each node once, for example galera-0=http://galera-0.galera:10104")
        name(node)
        found[node] = endpoints(url)[0]
    return tuple(found.items())


def url_path(text: str) -> str:
    """Take a path of a page."""
    if not re.fullmatch(r"/[A-Za-z0-9_./~-]+", text) or text.startswith("/-/"):
        raise ValueError("write a path such as /metrics; paths under /-/ are taken")
    return text


def labels(text: str) -> dict[str, str]:
    """Take NAME=VALUE, separated by commas."""
    labels: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not _LABEL.fullmatch(name) or name.startswith("__"):
            raise ValueError("write NAME=VALUE with a name of letters, digits and '_', for example dc=seoul")
        labels[name] = value
    return labels
