"""``python -m fuzz``: an equal time for each reader, each in a process of its own; a table of what came of it."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz.readers import ALL, CORPUS, FILES

_TESTS: Final = Path(__file__).parents[1]
BUILD: Final = _TESTS.parent / "build" / "fuzz"
_HANG: Final = 10
"""Seconds after which one input counts as a hang, on a busy machine too."""
_MOST: Final = 8192
"""Bytes of an input: libFuzzer cuts what is longer."""


@dataclass(frozen=True)
class Result:
    """What one reader went through."""

    reader: str
    executions: int
    seconds: float
    """Of a core, not of the clock: other work may have kept it waiting."""
    found: int
    """Inputs that reached new lines or took them another number of times."""
    fault: str | None


def main() -> int:
    """Run it. The exit status is 1 where a reader raised what it does not document, or hung; 2 without atheris."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="in all; default: 10")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="readers at one time; default: the cores")
    parser.add_argument("--reader", action="append", choices=tuple(ALL), help="this one alone; may be given again")
    parser.add_argument("--output", type=Path, default=BUILD, metavar="FOLDER", help="default: build/fuzz")
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write("fuzz: atheris is not installed: it has packages for Linux on x86-64 only\n")
        return 2
    readers = given.reader or list(ALL)
    seconds = max(1, round(60 * given.minutes * given.jobs / len(readers)))
    with ThreadPoolExecutor(given.jobs) as pool:
        results = list(pool.map(lambda reader: fuzz(reader, seconds, given.output), readers))
    text = "\n".join(table(results))
    (given.output / "report.md").write_text(text + "\n", encoding="utf-8")
    print(f"\n{text}", flush=True)
    return int(any(result.fault for result in results))


def fuzz(reader: str, seconds: int, output: Path) -> Result:
    """Give one reader the corpus and what follows from it, for so many seconds.

    What it finds stays in a folder of its own below ``output`` and is where the next run begins.
    """
    place = output / reader.replace(" ", "-")
    found = place / "found"
    found.mkdir(parents=True, exist_ok=True)
    before = sum(1 for _ in found.iterdir())
    command = [
        *(sys.executable, "-m", "fuzz.one", reader, f"-max_total_time={seconds}", f"-timeout={_HANG}"),
        *(f"-max_len={_MOST}", "-print_final_stats=1", f"-artifact_prefix={place}/", str(found), str(CORPUS)),
    ]
    with tempfile.TemporaryDirectory(prefix="galera-fuzz-") as folder, (place / "log").open("wb") as log:
        environment = {**os.environ, "PYTHONPATH": str(_TESTS), "TMPDIR": folder}
        process = subprocess.Popen(command, stderr=log, stdout=log, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took = usage.ru_utime + usage.ru_stime
    text = (place / "log").read_text(encoding="utf-8", errors="replace")
    done = re.search(r"stat::number_of_executed_units:\s+(\d+)", text)
    executions = int(done.group(1)) if done else 0
    fault = None
    if status or not executions:
        fault = f"see {place / 'log'}; again with: PYTHONPATH=tests {shlex.join([*command[:4], '<the file it names>'])}"
    new = sum(1 for _ in found.iterdir()) - before
    print(f"{reader}: {executions:,} inputs in {took:.0f} s of CPU, {new} kept; {fault or 'no fault'}", flush=True)
    return Result(reader, executions, took, new, fault)


def table(results: Iterable[Result]) -> list[str]:
    """All of it as Markdown."""
    results = list(results)
    executions, hours = sum(each.executions for each in results), sum(each.seconds for each in results) / 3600
    return [
        "| reader | inputs | CPU, s | inputs kept | faults |",
        "| --- | ---: | ---: | ---: | --- |",
        *(
            f"| {each.reader} | {each.executions:,} | {each.seconds:.0f} | {each.found} | {each.fault or 'none'} |"
            for each in results
        ),
        "",
        f"{executions:,} inputs in {hours:.2f} hours of CPU, from {len(FILES)} files of the corpus.",
    ]


if __name__ == "__main__":
    sys.exit(main())
