"""Text for people: columns that line up, colours only where a person looks, and no control characters."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, TextIO

_CODES: Final[Mapping[str, str]] = MappingProxyType(
    {"good": "32", "fair": "33", "bad": "1;31", "dim": "2", "head": "1"}
)
_GAP: Final = "  "


def printable(text: str) -> str:
    r"""Return ``text`` with control and other unprintable characters written as escapes (``\x1b``).

    Values of etcd may come from anyone: they must not move the cursor of the person who reads them.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text)


def width(text: str) -> int:
    """Return how many terminal cells ``text`` fills: Korean letters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in {"W", "F"} else 1 for c in text
    )


class Cell:
    """The text of one cell, with a style (``good``, ``fair``, ``bad``, ``dim``, ``head`` or none)."""

    __slots__ = ("style", "text")

    def __init__(self, text: str, style: str = "") -> None:
        self.text = printable(text)
        self.style = style


class Terminal:
    """One output stream, coloured only if it is a terminal and NO_COLOR is unset or empty (no-color.org)."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str] = os.environ) -> None:
        self.stream = stream
        self.interactive = stream.isatty() and environment.get("TERM") != "dumb"
        self._colour = self.interactive and not environment.get("NO_COLOR")

    def paint(self, text: str, style: str) -> str:
        """Return ``text`` in ``style``, or as it is where colours are off."""
        if not self._colour or style not in _CODES:
            return text
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m"

    def write(self, text: str) -> None:
        """Write ``text`` at once, so that a pipe sees it when a person would."""
        self.stream.write(text)
        self.stream.flush()

    def table(self, head: Sequence[str], rows: Sequence[Sequence[Cell | str]]) -> str:
        """Return ``rows`` under ``head`` in columns as wide as they need, without a trailing newline."""
        lines = [[Cell(name, "head") for name in head]]
        lines += [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
        widths = [max(width(line[column].text) for line in lines) for column in range(len(head))]
        return "\n".join(self._line(line, widths) for line in lines)

    def _line(self, cells: Sequence[Cell], widths: Sequence[int]) -> str:
        last = len(cells) - 1
        parts = []
        for column, cell in enumerate(cells):
            fill = "" if column == last else " " * (widths[column] - width(cell.text))
            parts.append(self.paint(cell.text, cell.style) + fill)
        return _GAP.join(parts).rstrip()
