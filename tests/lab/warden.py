"""Ends what this process leaves behind, however it dies.

A child process holds the read end of a pipe. It is told of every process group and folder of the
lab; when the pipe closes (normal exit, crash, SIGKILL alike) it kills the groups that are left and
removes the folders. PR_SET_PDEATHSIG would not do: it follows the thread that started the child,
is cleared by a change of user, and does not reach grandchildren (the SST scripts and socat).
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

_END = 20.0


class Warden:
    """The pipe to the child process, which is started at the first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None

    def watch_group(self, pgid: int) -> None:
        """Kill this process group when the present process is gone."""
        self._tell(f"+group {pgid}")

    def forget_group(self, pgid: int) -> None:
        """The group has ended: its number may belong to someone else now."""
        self._tell(f"-group {pgid}")

    def watch_folder(self, folder: Path) -> None:
        """Remove this folder when the present process is gone."""
        self._tell(f"+folder {folder}")

    def forget_folder(self, folder: Path) -> None:
        """The folder is gone, or is to stay."""
        self._tell(f"-folder {folder}")

    def watch_cgroup(self, path: str) -> None:
        """Remove this cgroup from every hierarchy, with those below it."""
        self._tell(f"+cgroup {path}")

    def forget_cgroup(self, path: str) -> None:
        """It is gone."""
        self._tell(f"-cgroup {path}")

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._child is None:
                self._child = subprocess.Popen(
                    [sys.executable, "-I", "-S", __file__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    start_new_session=True,  # Ctrl-C is for the lab, not for its warden
                )
            pipe = self._child.stdin
            if pipe is None:  # Popen opens it, as told above
                raise AssertionError(line)
            pipe.write(line + "\n")
            pipe.flush()


def watch(lines: IO[str]) -> None:
    """Keep the list while lines come; at their end kill and remove all that is on it."""
    kept: dict[str, set[str]] = {"group": set(), "folder": set(), "cgroup": set()}
    for line in lines:
        verb, _, rest = line.rstrip("\n").partition(" ")
        change = set.add if verb[:1] == "+" else set.discard
        change(kept[verb[1:]], rest)
    groups = [int(group) for group in kept["group"]]
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    # The first process of a process namespace is there until all others of it are gone.
    _until(lambda: not any(map(_exists, groups)))
    for folder in kept["folder"]:
        shutil.rmtree(folder, ignore_errors=True)
    for cgroup in kept["cgroup"]:
        _until(functools.partial(remove_cgroup, cgroup))


def remove_cgroup(path: str) -> bool:
    """Remove a cgroup and those below it from every hierarchy; say whether nothing is left."""
    roots = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/")]
    tops = [top for root in roots if (top := root / path.strip("/")).is_dir()]
    for top in tops:
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
    return not any(top.exists() for top in tops)


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + _END
    while not done() and time.monotonic() < end:
        time.sleep(0.05)


WARDEN = Warden()

if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watch(sys.stdin)
