"""``python -m preview``: draw the dashboards from a Prometheus, without Grafana."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from preview.album import Album
from preview.page import LIBRARY
from preview.pictures import NoBrowserError
from preview.source import QueryError, Source, Span

BUILD: Final = Path(__file__).parents[2] / "build" / "preview"


def main() -> int:
    """Write the pages; 1 and one line where that fails."""
    parser = argparse.ArgumentParser(prog="preview", description=__doc__)
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--minutes", type=float, default=15, help="how far to look back; default 15")
    parser.add_argument("--end", type=float, metavar="SECONDS", help="since the epoch; default now")
    parser.add_argument("--scrape", type=float, default=15, metavar="SECONDS", help="scrape interval; default 15")
    parser.add_argument(
        "--var", action="append", default=[], metavar="NAME=VALUE", help="default: the first that there is"
    )
    parser.add_argument("--output", type=Path, default=BUILD, metavar="FOLDER", help="default build/preview")
    parser.add_argument("--pictures", choices=("light", "dark"), help="make a PNG of each page too")
    given = parser.parse_args()
    if not LIBRARY.exists():
        sys.stderr.write("preview: the plotting library is not there: run .ci/npm\n")
        return 1
    end = given.end or time.time()
    span = Span(end - 60 * given.minutes, end, max(given.scrape, 60 * given.minutes / 500), given.scrape)
    chosen = dict(each.split("=", 1) for each in given.var)
    album = Album(Source(given.prometheus.rstrip("/")), span, chosen, given.output)
    try:
        if given.pictures:
            made = list(album.pictures(dark=given.pictures == "dark"))
        else:
            made = [file for _, file in album.pages()]
    except (OSError, QueryError, NoBrowserError) as error:
        sys.stderr.write(f"preview: {error}\n")
        return 1
    sys.stdout.write("".join(f"{file}\n" for file in made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
