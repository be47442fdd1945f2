"""``python -m chaos``: runs of random faults, each from a seed, each a process of its own."""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

from chaos import report
from chaos.run import run
from chaos.schedule import made
from demo.machine import faults
from lab.namespaces import namespaces_missing

OUTPUT = Path(__file__).parents[2] / "build" / "chaos"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """A signal asks the runs to end."""


def main() -> int:
    """Run it.

    The exit status is 1 where a promise was broken or a run could not be brought to its end, 2 where the machine
    lacks something, 130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, metavar="N")
    parser.add_argument("--seed", type=int, metavar="N", help="the first (default: any)")
    parser.add_argument("--seconds", type=float, default=180, metavar="S", help="of faults in each run (default: 180)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at one time")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="FOLDER", help="default: build/chaos")
    parser.add_argument("--schedule", action="store_true", help="print the schedule of --seed, and break nothing")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    seed = random.randrange(1, 10**6) if given.seed is None else given.seed
    if given.schedule:
        for fault in made(seed, given.seconds).faults:
            print(f"{fault.at:6.1f} s, for {fault.duration:4.1f} s: {fault.text}")
        return 0
    missing = faults() + [found for found in (namespaces_missing(),) if found]
    if missing:
        sys.stderr.write("Nothing can be broken here:\n" + "".join(f"  {fault}\n" for fault in missing))
        return 2
    for number in _SIGNALS:
        signal.signal(number, _end)
    try:
        if given.inside:
            return one(seed, given.seconds, given.output / str(seed))
        return Campaign(given.seconds, given.output).play(range(seed, seed + given.runs), given.jobs)
    except Ended:
        print("Ended; nothing is left behind.", flush=True)
        return 130


def one(seed: int, seconds: float, output: Path) -> int:
    """Do one run in this process."""

    def say(words: str) -> None:
        print(f"[{seed}] {words}", flush=True)

    result = run(made(seed, seconds), output, say)
    report.write(result, output)
    for each in result.broken:
        say(f"BROKEN at {each.moment:.1f} s: {each.promise}: {each.text}")
    errors = [outcome.error for outcome in result.history.outcomes if outcome.error]
    for error in errors:
        say(f"HARNESS: {error}")
    say(f"{result.seconds:.0f} s in all; {output / 'report.md'}")
    return int(bool(result.broken or errors))


class Campaign:
    """Several runs, some at one time, and a table of all."""

    def __init__(self, seconds: float, output: Path) -> None:
        self._seconds = seconds
        self._output = output
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ending = False
        self._runs: list[dict[str, Any]] = []

    def play(self, seeds: range, jobs: int) -> int:
        """Do all runs; 1 where a promise was broken."""
        self._output.mkdir(parents=True, exist_ok=True)
        pool = ThreadPoolExecutor(jobs)
        try:
            statuses = list(pool.map(self._one, seeds))
        except BaseException:
            self._end()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        print("", *report.table(self._runs), sep="\n", flush=True)
        failed = [seed for seed, status in zip(seeds, statuses, strict=True) if status]
        print(f"\n{len(seeds) - len(failed)} of {len(seeds)} runs kept every promise.", flush=True)
        if failed:
            print(f"Look at, or play again: seeds {', '.join(map(str, failed))}", flush=True)
        return int(bool(failed))

    def _one(self, seed: int) -> int:
        place = self._output / str(seed) / "report.json"
        place.unlink(missing_ok=True)
        command = [sys.executable, "-m", "chaos", "--inside", f"--seed={seed}", f"--seconds={self._seconds:g}"]
        with self._lock:
            if self._ending:
                return 1
            # A session of its own: Ctrl-C comes to us, and we pass it on once.
            process = subprocess.Popen([*command, f"--output={self._output}"], start_new_session=True)
            self._running.add(process)
        status = process.wait()
        with self._lock:
            self._running.discard(process)
            if place.exists():
                self._runs.append(json.loads(place.read_text()))
                lines = report.table(self._runs)
                (self._output / "summary.md").write_text("\n".join([*lines, ""]))
        return status

    def _end(self) -> None:
        with self._lock:
            self._ending = True
            for process in self._running:
                process.send_signal(signal.SIGINT)


def _end(_number: int, _frame: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the cleaning up
    raise Ended


if __name__ == "__main__":
    sys.exit(main())
