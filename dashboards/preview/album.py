"""All dashboards at one moment: a page of each, and a picture of each where they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from preview import pictures
from preview.answers import Asker
from preview.page import page
from preview.source import Source, Span
from preview.spec import Dashboard, read

FOLDER: Final = Path(__file__).parents[1]
ORDER: Final = ("galera-clusters", "galera-cluster", "galera-node", "galera-registry", "galera-recovery")
WIDTH: Final = 1500


@dataclass(frozen=True, slots=True)
class Album:
    """Where the pages are of: a Prometheus, a time, and values of variables; ``folder`` is where they go."""

    source: Source
    span: Span
    chosen: Mapping[str, str]
    folder: Path

    def pages(self) -> Iterable[tuple[Dashboard, Path]]:
        """Write a page of each dashboard, and yield it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        boards = [read(FOLDER / f"{uid}.json") for uid in ORDER]
        for board in boards:
            asker = Asker(board, self.source, self.span, self.chosen)
            file = self.folder / f"{board.uid}.html"
            file.write_text(page(board, asker, self.span, [other for other in boards if other is not board]))
            yield board, file

    def pictures(self, *, dark: bool) -> Iterable[Path]:
        """Write a page and a picture of each dashboard, and yield the picture."""
        for board, file in self.pages():
            picture = file.with_name(f"{board.uid}-{'dark' if dark else 'light'}.png")
            pictures.take(file, picture, width=WIDTH, height=pictures.height(board), dark=dark)
            yield picture
