"""Time as Prometheus writes it."""

from __future__ import annotations

import re

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_PARTS = re.compile(r"([0-9]+)([dhms])")


def seconds(text: str) -> int:
    """Return how many seconds ``1h30m`` are.

    Raises:
        ValueError: the text is no such time.
    """
    if not re.fullmatch(rf"(?:{_PARTS.pattern})+", text):
        raise ValueError(f"{text!r} is no time such as 1h30m")
    return sum(int(number) * UNITS[unit] for number, unit in _PARTS.findall(text))


def written(time: float) -> str:
    """Return seconds as ``1h30m``."""
    words = []
    left = round(time)
    for unit, size in UNITS.items():
        number, left = divmod(left, size)
        if number:
            words.append(f"{number}{unit}")
    return "".join(words) or "0s"
