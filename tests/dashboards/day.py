"""What Prometheus has of a day, as a person sees it on the dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dashboards.files import FOLDER, UIDS
from preview.answers import Asker
from preview.fields import Shown
from preview.source import Source, Span
from preview.spec import Dashboard, Panel, read
from preview.values import table, tiles

BOARDS: Final[Mapping[str, Dashboard]] = {uid: read(FOLDER / f"{uid}.json") for uid in UIDS}
LOOKED_BACK: Final = 60.0
"""Seconds that a dashboard shows."""


@dataclass(frozen=True, slots=True)
class Day:
    """A Prometheus, when the day began, and when each scene was (seconds since the epoch)."""

    url: str
    began: float
    moments: Mapping[str, float]

    def span(self, scene: str, back: float = LOOKED_BACK) -> Span:
        """Return the time up to a scene."""
        end = self.moments[scene]
        return Span(max(self.began, end - back), end, 1.0, 1.0)

    def look(self, uid: str, scene: str, pod: str = "", back: float = LOOKED_BACK) -> Look:
        """Open a dashboard in a scene; ``pod`` is the node that is chosen, ``back`` the seconds that are shown."""
        board = BOARDS[uid]
        chosen = {"pod": pod} if pod else {}
        return Look(board, Asker(board, Source(self.url), self.span(scene, back), chosen))


@dataclass(frozen=True, slots=True)
class Look:
    """A dashboard at one moment."""

    board: Dashboard
    asker: Asker

    def panel(self, title: str) -> Panel:
        """Return a panel by its title."""
        return next(panel for panel in self.board.panels if panel.title == title)

    def tile(self, title: str) -> Shown:
        """Return what a large value says; fails where there are several."""
        panel = self.panel(title)
        (shown,) = tiles(panel, self.asker.named(panel))
        return shown

    def rows(self, title: str, key: str = "Node") -> dict[str, dict[str, str]]:
        """Return a table's rows by their first column; fails where two rows have the same."""
        panel = self.panel(title)
        texts = table(panel, self.asker.rows(panel)).texts()
        found = {row[key]: row for row in texts}
        assert len(found) == len(texts), texts
        return found
