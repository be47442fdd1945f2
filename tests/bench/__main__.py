"""``python -m bench [--quick] [--rules]``: measure here; rows into build/bench.json, tables to the screen."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType

from bench import fleet, rules
from bench.peer import PROGRAM, version
from bench.report import Row, missed, table, write
from bench.run import Scale, run
from bench.stand import Stand
from lab import scratch

REPORT = Path(__file__).parents[2] / "build" / "bench.json"
QUICK = Scale(
    rounds=12, requests=10_000, refused_requests=5_000, scrapes=1_000, peer_requests=1_000, idle=6, restarts=3
)
_NEEDED = ("mariadbd", "etcd", "etcdctl", "prometheus", "promtool", PROGRAM)


def main() -> int:
    """Run it. The exit status is 0 also when a target is missed, 2 when a program is missing."""
    parser = argparse.ArgumentParser(
        prog="bench",
        description=f"Measure the sidecar against {PROGRAM} on the same MariaDB servers, and the alert rules in "
        "Prometheus over many clusters, on loopback.",
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests and few rounds: a first look")
    parser.add_argument("--rules", action="store_true", help="only how long Prometheus takes for the alert rules")
    parser.add_argument("--output", type=Path, default=REPORT, metavar="FILE", help="default: build/bench.json")
    arguments = parser.parse_args()
    lacking = [program for program in _NEEDED if shutil.which(program) is None]
    if lacking:
        sys.stderr.write(f"bench: not found: {', '.join(lacking)}; make setup installs them\n")
        return 2
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    began = time.monotonic()

    def say(words: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {words}", flush=True)

    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} before; Python {sys.version.split()[0]}; {version()}")
    with scratch("galera-bench-") as folder:
        exporters, pages = _exporters(folder, arguments, say)
        found = rules.rows(folder, pages, say, rules.SIZES[:-1] if arguments.quick else rules.SIZES)
    rows = [*exporters, *found]
    write(rows, arguments.output)
    say(f"done; load {os.getloadavg()[0]:.2f}; rows in {arguments.output}")
    for part, heading in ((exporters, "sidecar"), (found, "Prometheus")):
        if part:
            print("", *table(part, heading), sep="\n")
    print()
    failed = missed(rows)
    for row in failed:
        print(f"TARGET MISSED: {row.name}: {row.target}")
    print(f"{sum(row.met is True for row in rows)} targets met, {len(failed)} missed")
    return 0


def _exporters(
    folder: Path, arguments: argparse.Namespace, say: Callable[[str], object]
) -> tuple[list[Row], fleet.Sources]:
    """Return the rows on the exporters, and pages of the cluster that they ran beside."""
    with closing(Stand(folder)) as stand:
        stand.start(say)
        first, second, *_ = stand.sites
        healthy = second.sidecar.get()
        rows = [] if arguments.rules else run(stand, QUICK if arguments.quick else Scale(), say)
        first.node.kill()
        return rows, fleet.Sources.take(healthy, second.sidecar, first.sidecar, stand.trio.etcd.endpoints[0])


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the cleaning up
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
