"""What the scenarios found: as JSON, and as the table in docs/kubernetes.md."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from e2e.kube.paths import BUILD, OUTPUT, ROOT

_FILE = BUILD / "report.json"
_PAGE = ROOT / "docs" / "kubernetes.md"
_SMALL = 10.0
_BEGIN, _END = "<!-- e2e: begin -->", "<!-- e2e: end -->"


@dataclass(slots=True)
class Figure:
    """Something measured in a scenario."""

    what: str
    value: float
    unit: str = "s"
    goal: float | None = None

    def text(self) -> str:
        """Return it in words."""
        unit = f" {self.unit}" if self.unit else ""
        goal = f" (goal {self.goal:g}{unit})" if self.goal is not None else ""
        digits = 1 if self.unit and self.value < _SMALL else 0
        return f"{self.what}: {self.value:.{digits}f}{unit}{goal}"


@dataclass(slots=True)
class Result:
    """One scenario."""

    title: str
    outcome: str = "passed"
    seconds: float = 0.0
    figures: list[Figure] = field(default_factory=list)


class Measure(Protocol):
    """Notes a figure of a scenario, and fails where a goal is missed."""

    def __call__(self, what: str, value: float, *, unit: str = "s", goal: float | None = None) -> None:
        """Take the figure."""


def save(name: str, text: str) -> None:
    """Keep what a command printed, for the documentation."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / name).write_text(text.rstrip("\n") + "\n")


class Report:
    """The results of a run; written whenever one more is known."""

    def __init__(self, facts: dict[str, str]) -> None:
        self.facts = facts
        self.results: list[Result] = []

    def add(self, result: Result) -> None:
        """Take a result and write the file."""
        self.results.append(result)
        BUILD.mkdir(parents=True, exist_ok=True)
        _FILE.write_text(json.dumps({"facts": self.facts, "results": [asdict(r) for r in self.results]}, indent=2))


def table(file: Path = _FILE) -> str:
    """Return the last run as Markdown."""
    found = json.loads(file.read_text())
    lines = [", ".join(f"{name} {value}" for name, value in found["facts"].items()) + ".", ""]
    lines += ["| scenario | result | seconds | measured |", "| --- | --- | --- | --- |"]
    for result in found["results"]:
        figures = "; ".join(Figure(**figure).text() for figure in result["figures"])
        lines.append(f"| {result['title']} | {result['outcome']} | {result['seconds']:.0f} | {figures or '-'} |")
    return "\n".join(lines)


def publish(page: Path = _PAGE) -> None:
    """Put the table of the last run between the marks of the page."""
    text = page.read_text()
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for the table: put {_BEGIN} and {_END} there")
    page.write_text(f"{before}{_BEGIN}\n\n{table()}\n\n{_END}{after}")
