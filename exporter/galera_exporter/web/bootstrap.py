"""The status page's section on the bootstrap protocol: where this node stands, what it waits for, what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.bootstrap.reading import BootstrapReading, NodePhase
from galera_exporter.bootstrap.words import WORDS, section
from galera_exporter.standing import duration
from galera_exporter.web.markup import digits, mark, sign, sub, text
from galera_exporter.web.tones import PHASES, Tone

_SHOWS_MORE: Final = "galeractl explain"


def render_bootstrap(reading: BootstrapReading, now: float) -> str:
    """Return the section; ``now`` is the monotonic clock."""
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _facts(reading, now))
    if reading.wait is None:
        return f"<section><h2>Bootstrap</h2><dl>{rows}</dl></section>"
    return f'<section class="wide"><h2>Bootstrap</h2>{_wait(reading, reading.wait, now)}<dl>{rows}</dl></section>'


def _wait(reading: BootstrapReading, wait: Wait, now: float) -> str:
    words = WORDS[wait.reason]
    tone: Tone = "mute" if words.passes else "fair"
    nodes = f": {', '.join(reading.waiting_for)}" if reading.waiting_for else ""
    detail = f"<p>{text(wait.text, 500)}.</p>" if wait.text else ""
    commands = text(words.command)
    if not words.command.startswith(_SHOWS_MORE):
        commands = f"{_SHOWS_MORE}\n{commands}"
    return (
        f'<p class="notice {tone}">{sign(tone)} <strong>Waits: {text(words.title)}{text(nodes, 500)}</strong> '
        f"for {duration(now - reading.since)}</p>{detail}"
        f"<p>{text(words.meaning, 1000)}</p><p>{text(words.action, 1000)}</p><pre>{commands}</pre>"
        f'<p class="soft small">Runbook: {text(section(wait.reason))}</p>'
    )


def _facts(reading: BootstrapReading, now: float) -> Iterable[tuple[str, str]]:
    look = PHASES[reading.phase]
    yield "Phase", mark(look.tone, look.words) + ("" if reading.wait else sub(f"for {duration(now - reading.since)}"))
    yield "Epoch", digits(reading.epoch) if reading.epoch else '<span class="soft">not known</span>'
    if reading.phase is NodePhase.GATE:  # a running server's own card has it
        position = reading.position
        known = (
            digits(position.seqno) + sub(text(position.uuid)) if position.defined else '<span class="soft">none</span>'
        )
        yield "Position", known
    counts = [f"{action.replace('_', ' ')} {count}" for action, count in reading.decisions.items() if count]
    if counts:
        yield "Decisions", text(", ".join(counts), 500) + sub("since this process began")
