"""Pieces of HTML: escaped text, signs, and marks that pair a sign with a word.

Text that came from etcd or MariaDB was written by someone else: ``text`` escapes
all of it and cuts it to a length that cannot break a page.
"""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import quote

from galera_exporter.web.tones import COLOURS, Tone

LONGEST: Final = 200
"""Characters of a text that are shown."""

_SHAPES: Final[dict[Tone, str]] = {
    "good": (
        '<path fill-rule="evenodd" d="M8 0a8 8 0 1 1 0 16A8 8 0 0 1 8 0Z'
        'M3.6 8.2 6.9 11.6 12.5 5.6 11.1 4.3 6.9 8.8 5 6.8Z"/>'
    ),
    "fair": '<path fill-rule="evenodd" d="M8 .8 16 15H0ZM7 5.6v4.8h2V5.6ZM7 11.6v1.9h2v-1.9Z"/>',
    "bad": (
        '<path fill-rule="evenodd" d="M4.7 0h6.6L16 4.7v6.6L11.3 16H4.7L0 11.3V4.7Z'
        'M4.2 5.6 6.6 8l-2.4 2.4 1.4 1.4L8 9.4l2.4 2.4 1.4-1.4L9.4 8l2.4-2.4-1.4-1.4L8 6.6 5.6 4.2Z"/>'
    ),
    "mute": '<path fill-rule="evenodd" d="M8 0a8 8 0 1 1 0 16A8 8 0 0 1 8 0ZM4 7v2h8V7Z"/>',
}
"""A tick in a disc, a triangle, an octagon with a cross, a disc with a bar: told apart without colour."""


def text(value: object, longest: int = LONGEST) -> str:
    """Return ``value`` escaped, at most ``longest`` characters of it; controls become U+FFFD."""
    words = str(value)
    if len(words) > longest:
        words = words[: longest - 1] + "\u2026"
    return escape("".join(each if each.isprintable() else "\ufffd" for each in words))


def sign(tone: Tone) -> str:
    """Return the sign of ``tone``, for the eye only."""
    return f'<svg viewBox="0 0 16 16" aria-hidden="true">{_SHAPES[tone]}</svg>'


def mark(tone: Tone, words: object) -> str:
    """Return sign and words together in the tone's colour."""
    return f'<span class="mark {tone}">{sign(tone)}{text(words)}</span>'


def icon(tone: Tone) -> str:
    """Return the sign as an address, for the browser's tab."""
    shape = _SHAPES[tone]
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="{COLOURS[tone]}">{shape}</svg>'
    return f"data:image/svg+xml,{quote(picture)}"


def sub(words: str) -> str:
    """Return the second, softer line of a cell; ``words`` is HTML already."""
    return f'<span class="sub">{words}</span>' if words else ""


def digits(value: float) -> str:
    """Return a whole number with gaps between thousands that are only seen: what is copied is the number."""
    first, *groups = f"{int(value):,}".split(",")
    return f'<span class="digits">{first}{"".join(f"<i>{group}</i>" for group in groups)}</span>'


def size(value: float) -> str:
    """Return bytes in the unit that reads best."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{int(value)} B"
