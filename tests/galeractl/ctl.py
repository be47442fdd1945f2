"""The command as an operator runs it: a process of its own."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lab import wait_until
from lab.sidecar import environment

ARGV = (sys.executable, "-W", "error", "-m", "galera_exporter.galeractl")
LIMIT = 60


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def galeractl(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Done:
    """Run it to its end, without a terminal; whatever it does, it shows no traceback."""
    started = time.monotonic()
    done = subprocess.run(
        [*ARGV, *arguments],
        env=environment(env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


class Running:
    """It, with pipes, while it runs."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*ARGV, *arguments], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def end(self, number: signal.Signals) -> Done:
        """Send a signal and return how it ended."""
        started = time.monotonic()
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=LIMIT)
        assert "Traceback" not in out + err
        return Done(self.process.returncode, out, err, time.monotonic() - started)


class OnTerminal:
    """It, on a pseudo terminal: what a person sees and types."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.text = ""
        self._terminal, inner = pty.openpty()
        # setsid makes the terminal its own, so that a typed Ctrl-C becomes SIGINT.
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *ARGV, *arguments],
            env=environment({"TERM": "xterm", **(env or {})}),
            stdin=inner,
            stdout=inner,
            stderr=inner,
        )
        os.close(inner)
        os.set_blocking(self._terminal, False)

    def expect(self, text: str, times: int = 1) -> str:
        """Wait until the terminal has shown ``text`` so often; return all that it has shown."""
        wait_until(lambda: self._read().count(text) >= times, 30, f"{text!r} on the terminal")
        return self.text

    def type(self, text: str) -> None:
        """Type ``text``; the character 3 is Ctrl-C."""
        os.write(self._terminal, text.encode())

    def end(self) -> int:
        """Wait for its end and return the exit status."""
        wait_until(self._ended, 30, "end of galeractl on the terminal")
        self._read()
        os.close(self._terminal)
        assert "Traceback" not in self.text
        assert self._process.returncode is not None
        return self._process.returncode

    def _ended(self) -> bool:
        self._read()
        return self._process.poll() is not None

    def _read(self) -> str:
        with suppress(OSError):  # nothing to read now, or the other side has closed
            while chunk := os.read(self._terminal, 65536):
                self.text += chunk.decode(errors="replace")
        return self.text
