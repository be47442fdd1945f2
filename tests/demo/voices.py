"""What the sidecars say of the bootstrap, as they log it, line by line on the screen."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from demo.screen import Screen
from lab import Pod

_PERIOD = 0.2
_LINE = re.compile(r"^\S+ \w+ bootstrap: (?P<words>.*)$")
# What was decided and what is waited for tells the story; of the phases, only that in which a node serves.
_SILENT = re.compile(r"phase (?!confirmed)|waits: reporting")


class Voices:
    """Says new lines of the sidecars' logs, in a thread of its own while ``aloud``."""

    def __init__(self, screen: Screen, pods: Sequence[Pod]) -> None:
        self._screen = screen
        self._pods = tuple(pods)
        self._at = {pod.name: 0 for pod in pods}

    @contextmanager
    def aloud(self) -> Iterator[None]:
        """In the block the lines are said as they come; those from before are not."""
        for pod in self._pods:
            self._news(pod)
        ended = threading.Event()
        thread = threading.Thread(target=self._run, args=(ended,), name="voices", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(5)
            self._say()

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(_PERIOD):
            self._say()

    def _say(self) -> None:
        for pod in self._pods:
            for line in self._news(pod):
                found = _LINE.match(line)
                if found and not _SILENT.match(found["words"]):
                    self._screen.say(f"{pod.name}: {found['words']}", ">")

    def _news(self, pod: Pod) -> list[str]:
        """Return the whole lines that were written since the last look."""
        try:
            with pod.sidecar.log.open("rb") as log:
                log.seek(self._at[pod.name])
                text = log.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._at[pod.name] += len(whole)
        return whole.decode(errors="replace").splitlines()
