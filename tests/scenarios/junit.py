"""What ``pytest --junit-xml=FILE`` says of each test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET


@dataclass(frozen=True, slots=True)
class Case:
    """One run of one test."""

    file: str
    """Below tests/, with slashes."""
    function: str
    parameters: str
    """What is in brackets; empty for a test that runs once."""
    seconds: float
    """Of the test itself with ``-o junit_duration_report=call``, else with what it set up and took down first."""
    passed: bool

    @property
    def sentence(self) -> str:
        """The name of the test, in words."""
        words = self.function.removeprefix("test_").replace("_", " ")
        return words + (f" ({self.parameters})" if self.parameters else "")


def cases(report: Path) -> list[Case]:
    """Return all tests of a report.

    Raises:
        OSError: it cannot be read.
        xml.etree.ElementTree.ParseError: it is no XML.
    """
    return [_case(found) for found in ET.parse(report).iter("testcase")]  # noqa: S314 - pytest wrote it


def _case(found: ET.Element) -> Case:
    name = re.sub(r"@[\w-]+$", "", found.get("name", ""))  # pytest-xdist adds the group of --dist loadgroup
    function, _, parameters = name.partition("[")
    place = found.get("classname", "").removeprefix("tests.").replace(".", "/")
    return Case(
        file=f"{place}.py",
        function=function,
        parameters=parameters.removesuffix("]"),
        seconds=float(found.get("time", "0")),
        passed=not any(found.find(tag) is not None for tag in ("failure", "error", "skipped")),
    )
