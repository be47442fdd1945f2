"""``python -m sim``: random schedules against the protocol; or one of them again, shrunk and told."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time

from sim import exhaustive, schedule, shrink, tally

CHUNK = 100


def main() -> int:
    """Run it. The exit status is 1 where an invariant does not hold, 2 where something never occurred."""
    parser = argparse.ArgumentParser(prog="sim", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20_000, metavar="N")
    parser.add_argument("--steps", type=int, default=300, metavar="N", help="entries of a schedule (default: 300)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the first (default: 0)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--replay", action="store_true", help="shrink the schedule of --seed and tell it step by step")
    parser.add_argument("--whole", action="store_true", help="with --replay: tell it as it is, unshrunk")
    parser.add_argument("--exhaustive", type=int, metavar="DEPTH", help="all interleavings of a few events to a depth")
    arguments = parser.parse_args()
    if arguments.replay:
        return replay(arguments.seed, arguments.steps, shrunk=not arguments.whole)
    if arguments.exhaustive is not None:
        return every(arguments.exhaustive)
    run = many(range(arguments.seed, arguments.seed + arguments.schedules), arguments.steps, arguments.processes)
    print(*tally.table(run), sep="\n")
    for seed, text in sorted(run.violations)[:100]:
        print(f"VIOLATION seed {seed}: {text}")
    lacking = tally.missing(run)
    if lacking:
        print(f"never occurred: {', '.join(lacking)}")
    return 1 if run.violations else 2 if lacking else 0


def many(seeds: range, steps: int, processes: int) -> tally.Run:
    """Run the schedules of these seeds, on several processes."""
    began = time.monotonic()
    whole = tally.Run()
    parts = [(seeds[start : start + CHUNK], steps) for start in range(0, len(seeds), CHUNK)]
    if processes == 1:
        for part in parts:
            whole.add(some(part))
    else:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            for found in pool.imap_unordered(some, parts):
                whole.add(found)
                if sys.stderr.isatty():
                    print(f"\r{whole.schedules:,} of {len(seeds):,} schedules", end="", file=sys.stderr)
    whole.seconds = time.monotonic() - began
    return whole


def some(part: tuple[range, int]) -> tally.Run:
    """Run a few schedules."""
    seeds, steps = part
    run = tally.Run()
    for seed in seeds:
        outcome = schedule.run(schedule.made(seed, steps))
        run.schedules += 1
        run.steps += outcome.steps
        run.counts.update(outcome.tally)
        if outcome.violation is not None:
            run.violations.append((seed, str(outcome.violation)))
    return run


def replay(seed: int, steps: int, *, shrunk: bool) -> int:
    """Tell the schedule of a seed."""
    made = schedule.made(seed, steps)
    if shrunk:
        made = shrink.shrunk(made)
    print(*shrink.told(made), sep="\n")
    return 0 if schedule.run(made).violation is None else 1


def every(depth: int) -> int:
    """Try all interleavings to a depth."""
    status = 0
    for size in (2, 3):
        found = exhaustive.explore(size, depth)
        print(f"{size} nodes, depth {depth}: {found.paths:,} paths, {found.worlds:,} worlds, {found.seconds:.1f} s")
        for path, text in found.violations[:5]:
            print(f"VIOLATION {path}: {text}")
        status = status or int(bool(found.violations))
    return status


if __name__ == "__main__":
    sys.exit(main())
