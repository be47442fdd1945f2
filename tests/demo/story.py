"""A story that is checked while it is told: what is expected, whether it was seen, and after how many seconds."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from demo.inbox import Inbox
from demo.screen import Screen
from lab import Sidecar

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
}
_POLL = 0.2
_PATIENCE = 5.0


class StoryError(Exception):
    """Something expected was not seen in time."""


@dataclass(frozen=True)
class Expect:
    """A series on the page of one sidecar, and what its value should be."""

    sidecar: Sidecar
    metric: str
    relation: str
    bound: float
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def series(self) -> str:
        """The series as PromQL writes it."""
        labels = ",".join(f'{name}="{value}"' for name, value in self.labels.items())
        return f"{self.metric}{{{labels}}}" if labels else self.metric

    def look(self) -> tuple[bool, str]:
        """Scrape, and return whether it holds and the line that says so."""
        try:
            value = self.sidecar.metrics().value(self.metric, **self.labels)
        except OSError as error:
            return False, f"{self.sidecar.name}: no page ({error})"
        if value is None:
            return False, f"{self.sidecar.name}: no series {self.series}"
        return _OPERATORS[self.relation](value, self.bound), f"{self.sidecar.name}: {self.series} {value:.10g}"

    def __str__(self) -> str:
        return f"{self.sidecar.name}: {self.series} {self.relation} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A row of the summary; ``seconds`` since the step began."""

    step: str
    what: str
    seconds: float


class Story:
    """Tells the steps on ``screen`` and keeps what was seen."""

    def __init__(self, screen: Screen, inbox: Inbox) -> None:
        self.seen: list[Seen] = []
        self._screen = screen
        self._inbox = inbox
        self._step = ""
        self._began = 0.0

    def step(self, words: str) -> None:
        """Begin a step: the seconds of what follows are counted from here."""
        self._screen.title(words)
        self._step = words
        self._began = time.monotonic()

    def see(self, *expected: Expect, within: float) -> None:
        """Wait until each holds on a real page; raise StoryError after ``within`` seconds of the step."""
        for expect in expected:
            self._wait(str(expect), expect.look, within)

    def hear(self, title: str, within: float) -> None:
        """Wait until a message with this title has come since the step began."""

        def look() -> tuple[bool, str]:
            found = self._inbox.find(title, self._began)
            return found is not None, f"{found.way}: {title}" if found else "no such message"

        self._wait(f"a message: {title}", look, within)

    def find(self, what: str, look: Callable[[], bool], within: float) -> None:
        """Wait for anything else that can be looked at."""
        self._wait(what, lambda: (look(), what), within)

    def fact(self, words: str, *, holds: bool) -> None:
        """Tell what is so now; raise StoryError where it is not."""
        if not holds:
            raise StoryError(f"{self._step}\n  not as expected: {words}")
        self._tell(words)

    def summary(self) -> None:
        """Print what was seen and after how many seconds."""
        self._screen.title("What was seen (seconds since the step began)")
        step = ""
        for seen in self.seen:
            if seen.step != step:
                step = seen.step
                self._screen.write(f"  {step}")
            self._screen.write(f"    {seen.seconds:6.1f} s  {seen.what}")

    def _wait(self, expected: str, look: Callable[[], tuple[bool, str]], within: float) -> None:
        reminder = time.monotonic() + _PATIENCE
        while True:
            good, line = look()
            now = time.monotonic()
            if good:
                self._tell(line)
                return
            if now - self._began > within:
                raise StoryError(f"{self._step}\n  expected within {within:g} s: {expected}\n  seen: {line}")
            if now > reminder:
                reminder = now + _PATIENCE
                self._screen.say(f"waiting for {expected}; now {line}", ".")
            time.sleep(_POLL)

    def _tell(self, line: str) -> None:
        self.seen.append(Seen(self._step, line, time.monotonic() - self._began))
        self._screen.say(line, "+")
