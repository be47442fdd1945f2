"""Colours, thresholds and mappings as Grafana wants them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    DynamicConfigValue,
    FieldColorModeId,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from galera_exporter.web.tones import COLOURS, Look, Tone

NODE_COLOURS: Final = ("#3a7fd5", "#c0589f", "#8f8a1e", "#7a6ad8", "#a0683c", "#4f8a9e", "#6b7785")
"""Of the nodes 0 to 6 (their pods' ordinal), the same on every panel; none is a colour of a state."""
LIMIT_LINE: Final = COLOURS["bad"]


def steps(good: float | None = None, fair: float | None = None, bad: float | None = None) -> list[Threshold]:
    """Return thresholds: each tone from its number on, and the one that is missing below the lowest.

    ``steps(fair=0.1, bad=0.5)`` is good below 0.1. ``steps(good=1800)`` is fair below 1800.
    """
    tones: tuple[tuple[Tone, float | None], ...] = (("good", good), ("fair", fair), ("bad", bad))
    given = [(tone, value) for tone, value in tones if value is not None]
    base: Tone = "good" if good is None else "fair" if fair is None else "bad"
    ordered = sorted(given, key=lambda step: step[1])
    return [Threshold(None, COLOURS[base]), *(Threshold(value, COLOURS[tone]) for tone, value in ordered)]


def neutral() -> list[Threshold]:
    """Return thresholds of a value that is neither good nor bad."""
    return [Threshold(None, COLOURS["mute"])]


def thresholds(of: list[Threshold]) -> build.ThresholdsConfig:
    """Return them as a builder."""
    return build.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(of)


def mapping(words: Mapping[int, Look] | Mapping[str, Look], absent: str = "") -> list[ValueMapping]:
    """Return the words and colours of codes, or of texts; ``absent`` is the word for no value."""
    found: list[ValueMapping] = [
        ValueMap(
            {
                str(code): ValueMappingResult(text=look.words, color=COLOURS[look.tone], index=index)
                for index, (code, look) in enumerate(words.items())
            }
        )
    ]
    if absent:
        found.append(
            SpecialValueMap(
                DashboardSpecialValueMapOptions(
                    match=SpecialValueMatch.NULL,
                    result=ValueMappingResult(text=absent, color=COLOURS["mute"], index=len(words)),
                )
            )
        )
    return found


def by_thresholds() -> build.FieldColor:
    """Colour by thresholds."""
    return build.FieldColor().mode(FieldColorModeId.THRESHOLDS)


def by_series() -> build.FieldColor:
    """Colour by series: what no rule names gets Grafana's next colour."""
    return build.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC)


def fixed(colour: str) -> DynamicConfigValue:
    """One colour, as a property of an override."""
    return DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})


def node_colours() -> Iterable[tuple[str, DynamicConfigValue]]:
    """Yield for each ordinal the regular expression of its series' names and its colour."""
    for ordinal, colour in enumerate(NODE_COLOURS):
        yield f"/-{ordinal}( .*)?$/", fixed(colour)
