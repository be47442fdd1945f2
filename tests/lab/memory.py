"""A limit on the memory of a few processes, as a container has it: a control group below or beside our own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class MemoryLimit:
    """A control group of its own with a limit in bytes; whoever takes more is killed by the kernel.

    Raises:
        OSError: this machine lets us make none.
    """

    def __init__(self, limit: int) -> None:
        self._folder, self._old = _place()
        self._folder.mkdir()
        try:
            if self._old:
                self._write("memory.limit_in_bytes", limit)
            else:
                self._write("memory.max", limit)
                self._write("memory.swap.max", 0)
        except OSError:
            self.close()
            raise

    @property
    def under(self) -> tuple[str, ...]:
        """The command that starts a program under the limit."""
        return ("sh", "-c", 'echo $$ >"$1" && shift && exec "$@"', "sh", str(self._folder / "cgroup.procs"))

    @property
    def kills(self) -> int:
        """How many processes were killed for the limit."""
        events = (self._folder / ("memory.oom_control" if self._old else "memory.events")).read_text().split()
        return int(events[events.index("oom_kill") + 1])

    def close(self) -> None:
        """Remove the group; its processes must have ended."""
        self._folder.rmdir()

    def _write(self, name: str, value: int) -> None:
        (self._folder / name).write_text(f"{value}\n")


@contextmanager
def memory_limit(limit: int) -> Iterator[MemoryLimit]:
    """Give a MemoryLimit for a block."""
    made = MemoryLimit(limit)
    try:
        yield made
    finally:
        made.close()


def memory_limit_missing() -> str:
    """Say why no limit can be set here; empty where it can."""
    try:
        MemoryLimit(1 << 26).close()
    except OSError as error:
        return f"no control group with a memory limit can be made here ({error})"
    return ""


def _place() -> tuple[Path, bool]:
    """Return where the group goes, and whether it is one of version 1.

    A group of version 1 goes below our own. In version 2 a group with processes has no groups that share out
    its memory, so it goes beside our own.
    """
    name = f"galera-lab-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    rows = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    for _, controllers, path in rows:
        if "memory" in controllers.split(","):
            return _ROOT / "memory" / path.lstrip("/") / name, True
    path = next((path for _, controllers, path in rows if not controllers), "/")
    return (_ROOT / path.lstrip("/")).parent / name, False
