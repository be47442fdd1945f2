"""Show something again and again: redrawn in place on a terminal, appended elsewhere."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Final

from galera_exporter.galeractl.terminal import Terminal

_DEFAULT: Final = 2.0
_HOME: Final = "\x1b[H"
_CLEAR_LINE: Final = "\x1b[K"
_CLEAR_REST: Final = "\x1b[J"
_CLEAR_ALL: Final = "\x1b[2J"


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Add ``--watch [SECONDS]``; None where it is not given."""
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        type=_seconds,
        const=_DEFAULT,
        help=f"look again every SECONDS ({_DEFAULT:g} if not given) until Ctrl-C; "
        "the exit status is that of the last look",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.2 <= seconds <= 3600:  # noqa: PLR2004 -- the bounds are named in the message
        raise argparse.ArgumentTypeError("write seconds from 0.2 to 3600")
    return seconds


def watch(
    terminal: Terminal,
    interval: float,
    look: Callable[[], tuple[str, int]],
    *,
    plain: bool,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Write what ``look`` returns every ``interval`` seconds until Ctrl-C; return the last exit status.

    ``plain``: never redraw and add nothing, for output that a program reads.
    """
    redraw = terminal.interactive and not plain
    status = 0
    if redraw:
        terminal.write(_CLEAR_ALL)
    try:
        while True:
            started = clock()
            text, status = look()
            stamp = time.strftime("%Y-%m-%d %H:%M:%S")
            if redraw:
                lines = f"{stamp}, every {interval:g} s, Ctrl-C ends\n\n{text}".replace("\n", f"{_CLEAR_LINE}\n")
                terminal.write(f"{_HOME}{lines}{_CLEAR_REST}")
            else:
                terminal.write(text if plain else f"{stamp}\n{text}\n")
            time.sleep(max(0.0, interval - (clock() - started)))
    except KeyboardInterrupt:
        if redraw:
            terminal.write("\n")
        return status
