"""Ends what this process leaves behind, however it dies.

A child process holds the read end of a pipe. It is told of every process group and folder of the
lab; when the pipe closes (normal exit, crash, SIGKILL alike) it kills the groups that are left and
removes the folders. PR_SET_PDEATHSIG would not do: it follows the thread that started the child,
is cleared by a change of user, and does not reach grandchildren (the SST scripts and socat).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO


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
    groups: set[int] = set()
    folders: set[str] = set()
    for line in lines:
        verb, _, rest = line.rstrip("\n").partition(" ")
        if verb == "+group":
            groups.add(int(rest))
        elif verb == "-group":
            groups.discard(int(rest))
        elif verb == "+folder":
            folders.add(rest)
        elif verb == "-folder":
            folders.discard(rest)
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


WARDEN = Warden()

if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watch(sys.stdin)
