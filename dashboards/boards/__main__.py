"""``python -m boards``: write the five dashboards as JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

from boards import cluster, clusters, node, recovery, registry
from boards.frame import RUNBOOKS, Board

HERE: Final = Path(__file__).parents[1]


def boards() -> list[Board]:
    """Return all dashboards, from the whole to the part."""
    return [clusters.board(), cluster.board(), node.board(), registry.board(), recovery.board()]


def rendered(board: Board, runbooks: str = RUNBOOKS) -> str:
    """Return a dashboard's file, byte for byte the same for the same code."""
    text = json.dumps(board.document(), indent=2, sort_keys=True, ensure_ascii=False)
    return text.replace(json.dumps(RUNBOOKS), json.dumps(runbooks)) + "\n"


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(prog="boards", description=__doc__)
    parser.add_argument("--output", type=Path, default=HERE, metavar="FOLDER")
    parser.add_argument("--runbooks", default=RUNBOOKS, metavar="URL", help="where the runbooks are: URL/<alert>.md")
    given = parser.parse_args()
    for board in boards():
        (given.output / f"{board.uid}.json").write_text(rendered(board, given.runbooks), encoding="utf-8")


if __name__ == "__main__":
    main()
