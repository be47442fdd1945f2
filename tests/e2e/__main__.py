"""``python -m e2e``: the end-to-end tests, or a cluster to look at."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from e2e.kube import images, store
from e2e.kube.cluster import cluster
from e2e.kube.paths import BUILD, ROOT, SOURCES
from e2e.report import publish
from lab.critical import signals_later
from lab.warden import WARDEN

_LONGEST = {"core": 1800, "full": 7200}
_RECLAIM = 3.0
_CLEARED = 90.0
_INTERRUPTED = 130
_OPTIONS = ["-p", "no:cacheprovider", "-v", "--timeout=900"]


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m e2e", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in (("core", "run the scenarios that every change runs"), ("full", "run all scenarios")):
        command = commands.add_parser(name, help=words)
        command.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    commands.add_parser("table", help="write the results of the last run into docs/kubernetes.md")
    commands.add_parser("prepare", help="build programs and images, and stop there")
    commands.add_parser("up", help="start a cluster, say how to use it, and keep it until Ctrl-C")
    archive = commands.add_parser("archive", help="write the images as files, to load them into a cluster of yours")
    archive.add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.command == "prepare":
        prepare()
        return 0
    if given.command == "table":
        publish()
        return 0
    if given.command == "archive":
        return _archive(given.folder)
    if given.command == "up":
        return _up()
    return _scenarios(given.command, given.pytest)


def prepare() -> None:
    """Build what is not built yet, and say how long it took."""
    begin = time.monotonic()
    made = store.fill(_programs)
    print(f"e2e: images: {', '.join(made) or 'as they were'} ({time.monotonic() - begin:.0f} s)", flush=True)


def _programs() -> None:
    subprocess.run([ROOT / ".ci" / "tools", "e2e"], check=True, stdin=subprocess.DEVNULL)


def _archive(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    _programs()
    builder = images.Builder()
    for image in (*images.DOWNLOADED, *images.BUILT):
        builder.build(image)
        print(builder.archive(image, folder / f"{image.name.replace('/', '_').replace(':', '_')}.tar"))
    return 0


def _up() -> int:
    prepare()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with cluster() as made:
        for program in ("kubectl", "helm"):
            script = BUILD / program
            script.write_text(f'#!/bin/sh\nexec {" ".join(made.command(program))} "$@"\n')
            script.chmod(0o755)
        print(f"e2e: the cluster is up: use {BUILD}/kubectl and {BUILD}/helm; Ctrl-C ends it", flush=True)
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(_RECLAIM)
                if made.volumes:
                    made.volumes.reclaim()
    return 0


def _scenarios(which: str, more: list[str]) -> int:
    if os.environ.get("E2E_CLUSTER") == "existing":
        _programs()
    else:
        prepare()
    argv = [sys.executable, "-m", "pytest", str(SOURCES / "scenarios"), *_OPTIONS, *more]
    if which == "core":
        argv += ["-m", "core"]
    status = _bounded(argv, _LONGEST[which])
    if which == "full" and status == 0 and not more:
        publish()
    return status


def _bounded(argv: list[str], longest: float) -> int:
    """Run pytest in a process group of its own: it is told once that it is to end, and then has time to clear up."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with signals_later():
        running = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, process_group=0)
        WARDEN.watch_group(running.pid)
    status = _INTERRUPTED
    try:
        status = running.wait(longest)
    except subprocess.TimeoutExpired:
        print(f"e2e: not at its end after {longest / 60:.0f} minutes", file=sys.stderr)
    except KeyboardInterrupt:
        print("e2e: ending", file=sys.stderr)
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                running.wait(_CLEARED)
            running.kill()
            running.wait()
        WARDEN.forget_group(running.pid)
    return status


if __name__ == "__main__":
    sys.exit(main())
