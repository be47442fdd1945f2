"""``python -m demo [--tour]``: see the whole thing run on this machine."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import closing
from types import FrameType

from demo.live import live
from demo.machine import faults
from demo.screen import Screen
from demo.stage import Stage
from demo.story import StoryError
from demo.tour import tour
from lab import LabTimeoutError, scratch

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """A signal asks the demo to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main() -> int:
    """Run the demo.

    The exit status is 0 when the tour passed or Ctrl-C ended the live status, 1 when something
    failed, 2 when the machine lacks something, 128 + N after another signal N.
    """
    parser = argparse.ArgumentParser(
        prog="demo",
        description="Start 3 etcd, 3 MariaDB Galera nodes, 3 sidecars, Prometheus and Alertmanager on loopback, "
        "show them, and leave nothing behind.",
    )
    parser.add_argument(
        "--tour", action="store_true", help="play a story of faults, check each against /metrics, and end"
    )
    arguments = parser.parse_args()
    missing = faults()
    if missing:
        sys.stderr.write("The demo cannot start here:\n" + "".join(f"  {fault}\n" for fault in missing))
        return 2
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup asked for that
            signal.signal(number, _end)
    return _run(Screen(sys.stdout), in_tour=arguments.tour)


def _run(screen: Screen, *, in_tour: bool) -> int:
    up = False
    try:
        with scratch("galera-demo-") as folder, closing(Stage(folder, screen)) as stage:
            screen.title("Starting, on loopback, below a temporary folder")
            stage.start()
            stage.show()
            if in_tour:
                tour(stage).summary()
                screen.title("The tour is over: everything was as expected.")
            else:
                up = True
                live(stage)
    except Ended as ended:
        screen.write("", "Ended; nothing is left behind.")
        return 0 if up and ended.number == signal.SIGINT else 128 + ended.number
    except StoryError as error:
        screen.write("", f"The tour failed: {error}")
        return 1
    except (LabTimeoutError, OSError, RuntimeError) as error:
        screen.write("", f"The demo failed: {error}")
        return 1
    return 0


def _end(number: int, _frame: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the cleaning up
    raise Ended(number)


if __name__ == "__main__":
    sys.exit(main())
