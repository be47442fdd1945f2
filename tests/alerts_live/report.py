"""Writes into docs/alerts.md what the live tests measured.

Run as ``PYTHONPATH=tests python -m alerts_live.report``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from alerts_live.values import ALERTS, seconds, shortened, sources

ROOT: Final = ALERTS.parent
PAGE: Final = ROOT / "docs" / "alerts.md"
REPORT: Final = ROOT / "build" / "alerts-live.json"
_PLACE: Final = re.compile(r"(?<=<!-- live: begin -->\n).*?(?=<!-- live: end -->)", re.DOTALL)
_RATE: Final = 300
"""Seconds that the rate of flow control is over."""


@dataclass(frozen=True, slots=True)
class Told:
    """How long it took until a person was told of a fault; seconds."""

    fault: str
    alert: str
    severity: str
    seconds: float
    """From the fault to the notification."""
    detection: float
    """Of these, until Prometheus saw the condition."""

    @property
    def name(self) -> str:
        """Name of the alert, without its pod."""
        return self.alert.split(" ", 1)[0]

    @property
    def shipped(self) -> float:
        """Seconds with the shipped values: what was measured, their windows, thresholds, ``for`` and group_wait."""
        here = _level(self.name, self.severity, shortened()["metrics"]["prometheusRule"]["rules"])
        there = sources()[self.name]["levels"][self.severity]
        # A rule without "for" looks back over its window, and does not wait until it is full.
        waits = "window" in there and seconds(there["for"]) > 0
        more = seconds(there["window"]) - seconds(here["window"]) if waits else 0.0
        if self.name == "GaleraFlowControlPaused":
            more += (there["threshold"] - here["threshold"]) * _RATE
        return self.detection + more + seconds(there["for"]) + group_wait(self.severity)

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of the table."""
        there = sources()[self.name]["levels"][self.severity]
        return (
            self.fault,
            f"{self.severity}: {self.alert}",
            f"{self.seconds:.0f}",
            f"{self.detection:.0f}",
            there["for"],
            _minutes(self.shipped),
        )


def group_wait(severity: str) -> int:
    """Return how long the example configuration waits before it tells of a new group of this severity."""
    config: dict[str, Any] = yaml.safe_load((ALERTS / "alertmanager" / "alertmanager.yaml").read_text())
    routes = config["route"]["routes"][0]["routes"]
    return next(seconds(route["group_wait"]) for route in routes if route["matchers"] == [f'severity="{severity}"'])


def table(told: Sequence[Told]) -> str:
    """Return what was measured as Markdown."""
    rows = [
        ("fault", "notification", "seconds here", "of which detection", "shipped `for`", "with the shipped values"),
        ("---", "---", "---:", "---:", "---:", "---:"),
        *(each.row for each in told),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def read(report: Path = REPORT) -> list[Told]:
    """Return what the last run measured."""
    return [Told(**row) for row in json.loads(report.read_text())]


def rows(page: Path = PAGE) -> set[tuple[str, str]]:
    """Return fault and notification of each row on the page."""
    found = _PLACE.search(page.read_text())
    if found is None:
        raise ValueError(f"{page}: no marks for the live table")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[0].splitlines()[2:]]
    return {(row[0], row[1]) for row in cells}


def _level(name: str, severity: str, rules: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = rules[name][severity]
    return found


def _minutes(length: float) -> str:
    whole = round(length)
    return f"{whole // 60} min {whole % 60} s"


if __name__ == "__main__":
    PAGE.write_text(_PLACE.sub(table(read()), PAGE.read_text()))
