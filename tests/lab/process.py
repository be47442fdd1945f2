"""One server process: started in a group of its own, and ended with all its children."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from lab.critical import signals_later
from lab.warden import WARDEN

T = TypeVar("T")
_TAIL_LINES = 15
_TAIL_BYTES = 64 * 1024


class LabTimeoutError(AssertionError):
    """Something did not happen in time; the text has the last lines of the logs."""


def excerpt(log: Path, lines: int = _TAIL_LINES) -> str:
    """Return the last lines of a log below its name, or say that there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError as error:
        return f"--- ({error})"
    return "\n".join([f"--- {log}", *text.splitlines()[-lines:]])


def wait_until(
    predicate: Callable[[], T | None],
    timeout: float,
    what: str,
    logs: Iterable[Path] = (),
    interval: float = 0.05,
) -> T:
    """Return the first true value of ``predicate``; raise LabTimeoutError after ``timeout`` seconds.

    Errors of a server that is not there yet (OSError) count as not yet.
    """
    deadline = time.monotonic() + timeout
    last = ""
    while True:
        try:
            value = predicate()
        except OSError as error:
            value, last = None, f" (last error: {error})"
        if value:
            return value
        if time.monotonic() >= deadline:
            parts = [f"not within {timeout:g} s: {what}{last}"]
            parts += map(excerpt, logs)
            raise LabTimeoutError("\n".join(parts))
        time.sleep(interval)


def wait_stopped(pid: int) -> None:
    """Wait until SIGSTOP has reached the last thread of a process, which goes on until then. One that ended counts."""
    tasks = Path(f"/proc/{pid}/task")

    def stopped() -> bool:
        states = (stat.read_text().rpartition(") ")[2][:1] for stat in tasks.glob("*/stat"))
        return all(state in "TZX" for state in states)

    wait_until(stopped, 10, f"process {pid} has stopped", interval=0.01)


class Process:
    """A running program; its output goes to ``log``, its children share its process group or at least its session.

    Root may name another ``user`` to run it as, in the group of that user. ``pass_fds`` are descriptors that it gets,
    under the same numbers.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.argv = tuple(argv)
        self._reaping = threading.Lock()  # a test's threads ask for the same process
        self.log = log
        with log.open("ab") as output, signals_later():
            self._popen = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                user=user,
                group=None if user is None else pwd.getpwnam(user).pw_gid,
                extra_groups=None if user is None else [],
                start_new_session=True,
                pass_fds=pass_fds,
            )
            WARDEN.watch_group(self._popen.pid)

    @property
    def pid(self) -> int:
        """Process id, and the id of its process group."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Exit status; minus the signal number if a signal ended it; None while it runs."""
        self._reap()
        return self._popen.returncode

    @property
    def alive(self) -> bool:
        """Whether it has not ended; a frozen process is alive."""
        return self.returncode is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself; nothing happens if it has ended."""
        if self.alive:
            os.kill(self.pid, number)

    def freeze(self) -> None:
        """Stop it in its tracks: sockets stay open and nothing answers (SIGSTOP). Returns once it has stopped."""
        self.signal(signal.SIGSTOP)
        wait_stopped(self.pid)

    def thaw(self) -> None:
        """Let a frozen process go on (SIGCONT)."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it and its children at once, as a crash would (SIGKILL)."""
        if self.alive:
            _kill_session(self.pid)
            self.wait(10)

    def stop(self, timeout: float = 20) -> int:
        """Ask it to end (SIGTERM) and return its exit status; after ``timeout`` seconds kill it and raise."""
        self.signal(signal.SIGTERM)
        self.thaw()
        try:
            return self.wait(timeout)
        except LabTimeoutError:
            self.kill()
            raise

    def wait(self, timeout: float) -> int:
        """Return its exit status once it has ended."""
        wait_until(lambda: not self.alive, timeout, f"end of {self.argv[0]} (pid {self.pid})", [self.log], 0.02)
        return self._popen.returncode

    def _reap(self) -> None:
        with self._reaping:
            if self._popen.returncode is not None:
                return
            # Look without reaping: until it is reaped nobody else can get its group id.
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            _kill_session(self.pid)
            WARDEN.forget_group(self.pid)
            self._popen.wait()


def _kill_session(leader: int) -> None:
    """End all that a process has started, as the end of its container does.

    ``timeout``, in the scripts of a state transfer, makes a group of its own: what it runs would go on listening.
    """
    os.killpg(leader, signal.SIGKILL)
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError, PermissionError):
            pid = int(entry.name)
            if pid != leader and os.getsid(pid) == leader:
                os.kill(pid, signal.SIGKILL)
