"""Pictures of pages, by a browser without a screen."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image, ImageColor

from galera_exporter.web.tones import COLOURS
from preview.lines import CLASSIC
from preview.spec import ROW, Dashboard

CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
CELL: Final = 30
GAP: Final = 8
PALETTE: Final = 256
AROUND: Final = 92
"""Pixels above and below the grid."""


class NoBrowserError(Exception):
    """This machine has none."""


def height(dashboard: Dashboard) -> int:
    """Return how high the page of a dashboard is, in pixels."""
    shown = (panel for panel in dashboard.panels if panel.kind == ROW or not panel.folded)
    rows = max(panel.grid.y + panel.grid.h for panel in shown)
    return rows * (CELL + GAP) - GAP + AROUND


def take(page: Path, picture: Path, *, width: int, height: int, dark: bool) -> None:
    """Write a picture of a page as PNG; raises NoBrowserError, or CalledProcessError where the browser fails."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        raise NoBrowserError(f"no browser for the pictures: apt-get install {CHROMIUM[0]}")
    with tempfile.TemporaryDirectory(prefix="preview-") as profile:
        subprocess.run(
            [
                program,
                *FLAGS,
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--screenshot={picture.absolute()}",
                f"{page.absolute().as_uri()}#{'dark' if dark else 'light'}",
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )


def reduce(picture: Path, target: Path) -> None:
    """Write a picture with a palette: a third of the bytes. Colours that have a meaning are in it as they are."""
    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    kept = [channel for colour in (*COLOURS.values(), *CLASSIC) for channel in ImageColor.getrgb(colour)]
    others = image.quantize(PALETTE - len(kept) // 3, Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*kept, *others])
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(target, optimize=True)
