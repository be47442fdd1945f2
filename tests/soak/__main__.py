"""``python -m soak``: hours of scrapes and troubles; samples, report and plot into build/soak."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Final

from lab import Trio, scratch
from soak.run import Plan, Soak

BUILD: Final = Path(__file__).parents[2] / "build" / "soak"
_LEAST: Final = 2.0
"""Minutes: a tenth of them has samples enough to compare."""
_NEEDED: Final = ("mariadbd", "etcd", "etcdctl")


def main() -> int:
    """Run it. The exit status is 1 where something grew, failed or came late, 2 where a program is missing."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120, help="default: 120")
    parser.add_argument("--warm-up", type=float, default=10, metavar="MINUTES", help="that do not count; default: 10")
    parser.add_argument("--every", type=float, default=60, metavar="SECONDS", help="a trouble each; default: 60")
    parser.add_argument("--output", type=Path, default=BUILD, metavar="FOLDER", help="default: build/soak")
    given = parser.parse_args()
    if given.minutes - given.warm_up < _LEAST or given.warm_up < 0 or given.every <= 0:
        parser.error(f"--minutes must be {_LEAST:g} more than --warm-up, and --every more than 0")
    lacking = [program for program in _NEEDED if shutil.which(program) is None]
    if lacking:
        sys.stderr.write(f"soak: not found: {', '.join(lacking)}; make setup installs them\n")
        return 2
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    given.output.mkdir(parents=True, exist_ok=True)
    with scratch("galera-soak-") as folder, closing(Trio(folder, name="soak")) as trio:
        trio.start(_say)
        plan = Plan(60 * given.minutes, 60 * given.warm_up, given.every, 60 * (given.minutes - given.warm_up) / 10)
        status = Soak(trio, given.output, plan, _say).run()
    print((given.output / "report.md").read_text(), flush=True)
    _say(f"samples, report and plot are in {given.output}")
    return status


def _say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {words}", flush=True)


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the cleaning up
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
