"""Small HTTP requests to servers of the lab."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

# The machine's proxies are not asked for loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url: str, *, timeout: float = 5, headers: Mapping[str, str] | None = None) -> str:
    """GET a page of a server on loopback; raises OSError (also for an HTTP error)."""
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - URLs are the lab's own
    with _OPENER.open(request, timeout=timeout) as answer:
        text: str = answer.read().decode()
        return text


def fetch_json(url: str, timeout: float = 5) -> Any:
    """GET a page and parse it."""
    return json.loads(fetch(url, timeout=timeout))


def post(url: str, timeout: float = 5) -> None:
    """POST without a body; raises OSError (also for an HTTP error)."""
    request = urllib.request.Request(url, method="POST")  # noqa: S310 - URLs are the lab's own
    with _OPENER.open(request, timeout=timeout):
        pass
