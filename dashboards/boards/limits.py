"""The limits that the alerts have, read from their sources: a dashboard turns red where an alert would fire."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ALERTS: Final = Path(__file__).parents[2] / "alerts"


def limit(alert: str, level: str, parameter: str = "threshold") -> float:
    """Return a number of an alert's level; raises KeyError where there is no such alert, level or parameter."""
    return float(_source(alert)["levels"][level][parameter])


def window(alert: str, level: str, parameter: str) -> str:
    """Return a duration of an alert's level, as Prometheus writes it."""
    return str(_source(alert)["levels"][level][parameter])


@cache
def _source(alert: str) -> dict[str, Any]:
    path = ALERTS / f"{alert}.yaml"
    if not path.is_file():
        raise KeyError(f"no alert {alert}")
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found
