"""``python -m bench [--quick] [--PART ...]``: measure here; rows into build/bench.json, tables to the screen."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from bench import detection, fleet, growth, rules, slow_clients
from bench.peer import PROGRAM, version
from bench.report import Row, missed, table, write
from bench.run import Scale, run
from bench.stand import Stand
from lab import scratch

REPORT = Path(__file__).parents[2] / "build" / "bench.json"
QUICK = Scale(
    rounds=12, requests=10_000, refused_requests=5_000, scrapes=1_000, peer_requests=1_000, idle=6, restarts=3
)
_NEEDED = ("mariadbd", "etcd", "etcdctl", "prometheus", "promtool", "prometheus-alertmanager", "openssl", PROGRAM)


class Part(NamedTuple):
    """A part of the benchmark: what its option says of it, and the heading over its figures."""

    help: str
    heading: str


PARTS: Mapping[str, Part] = {
    "exporters": Part("the sidecar beside the peer: one scrape, many scrapers, a stopped database", "sidecar"),
    "clients": Part("TLS and basic auth, and honest scrapes beside slow clients", "sidecar"),
    "growth": Part("page, cost and requests to etcd by the number of registered nodes", "sidecar"),
    "rules": Part("how long Prometheus takes for the alert rules", "Prometheus"),
    "detection": Part("how soon a kill -9 is seen, and told of with the shipped rules", "seconds"),
}
QUICK_PARTS = ("exporters", "rules")
"""What --quick does where no part is named: the others wait for timers."""


def main() -> int:
    """Run it. The exit status is 0 also when a target is missed, 2 when a program is missing."""
    parser = argparse.ArgumentParser(
        prog="bench",
        description=f"Measure the sidecar against {PROGRAM} on the same MariaDB servers, and the alert rules in "
        "Prometheus over many clusters, on loopback. Without the name of a part: all.",
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"a first look: less of it, and only {' and '.join(QUICK_PARTS)}"
    )
    for name, part in PARTS.items():
        parser.add_argument(f"--{name}", action="append_const", dest="parts", const=name, help=f"only {part.help}")
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
    parts = chosen(arguments.parts or (), quick=arguments.quick)
    found = measure(parts, say, quick=arguments.quick)
    rows = [row for part in parts for row in found[part]]
    write(rows, arguments.output)
    say(f"done; load {os.getloadavg()[0]:.2f}; rows in {arguments.output}")
    for part in parts:
        print("", *table(found[part], PARTS[part].heading), sep="\n")
    print()
    failed = missed(rows)
    for row in failed:
        print(f"TARGET MISSED: {row.name}: {row.target}")
    print(f"{sum(row.met is True for row in rows)} targets met, {len(failed)} missed")
    return 0


def chosen(named: Collection[str], *, quick: bool) -> list[str]:
    """Return the parts to measure, in the order of PARTS."""
    wanted = named or (QUICK_PARTS if quick else PARTS)
    return [part for part in PARTS if part in wanted]


def measure(parts: Collection[str], say: Callable[[str], object], *, quick: bool) -> dict[str, list[Row]]:
    """Return the rows of each part, measured one after the other, each with servers of its own."""
    found: dict[str, list[Row]] = {}
    with scratch("galera-bench-") as folder:
        if {"exporters", "rules"} & {*parts}:
            found["exporters"], pages = _exporters(folder, say, quick=quick, alone="exporters" not in parts)
            if "rules" in parts:
                sizes = rules.SIZES[:-1] if quick else rules.SIZES
                found["rules"] = rules.rows(folder, pages, say, sizes)
        if "clients" in parts:
            scale = slow_clients.QUICK if quick else slow_clients.Scale()
            found["clients"] = slow_clients.rows(_below(folder, "clients"), say, scale)
        if "growth" in parts:
            found["growth"] = growth.rows(_below(folder, "growth"), say, growth.QUICK if quick else growth.Scale())
        if "detection" in parts:
            times = detection.QUICK if quick else detection.Scale()
            found["detection"] = detection.rows(_below(folder, "detection"), say, times)
    return found


def _below(folder: Path, name: str) -> Path:
    """Make a folder for the servers of one part."""
    made = folder / name
    made.mkdir(mode=0o711)  # mariadbd runs as another user
    return made


def _exporters(
    folder: Path, say: Callable[[str], object], *, quick: bool, alone: bool
) -> tuple[list[Row], fleet.Sources]:
    """Return the rows on the exporters, none where the pages ``alone`` are wanted, and pages of their cluster."""
    with closing(Stand(folder)) as stand:
        stand.start(say)
        first, second, *_ = stand.sites
        healthy = second.sidecar.get()
        rows = [] if alone else run(stand, QUICK if quick else Scale(), say)
        first.node.kill()
        return rows, fleet.Sources.take(healthy, second.sidecar, first.sidecar, stand.trio.etcd.endpoints[0])


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the cleaning up
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
