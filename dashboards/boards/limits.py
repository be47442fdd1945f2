"""The limits that the alerts have, read from their sources: a dashboard turns red where an alert would fire."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from galera_exporter.web.tones import Tone

TONES: Final[dict[str, Tone]] = {"critical": "bad", "warning": "fair", "info": "mute"}
ALERTS: Final = Path(__file__).parents[2] / "alerts"


def limit(alert: str, level: str, parameter: str = "threshold") -> float:
    """Return a number of an alert's level; raises KeyError where there is no such alert, level or parameter."""
    return float(_source(alert)["levels"][level][parameter])


def tones(alert: str, parameter: str = "threshold") -> dict[str, float]:
    """Return the numbers from which an alert fires, by the tone of its level: critical is bad, warning is fair."""
    levels: dict[str, dict[str, Any]] = _source(alert)["levels"]
    return {TONES[level]: float(parameters[parameter]) for level, parameters in levels.items()}


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
