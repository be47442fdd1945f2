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

NODE_COLOURS: Final = ("#347cd4", "#949414", "#b8559a", "#584cec", "#4c702c", "#5894bc", "#a09468")
"""Of the nodes 0 to 6 (their pods' ordinal), the same on every panel; none is a colour of a state."""
LIMIT_LINE: Final = COLOURS["bad"]
CALM: Final = "transparent"


def steps(base: Tone, **more: float) -> list[Threshold]:
    """Return thresholds: the tone of all that is less, and each further tone from its number on.

    ``steps("good", fair=0.1, bad=0.5)`` is good below 0.1.
    """
    from_on = sorted((more[tone], colour) for tone, colour in COLOURS.items() if tone in more)
    return [Threshold(None, COLOURS[base]), *(Threshold(value, colour) for value, colour in from_on)]


def neutral() -> list[Threshold]:
    """Return thresholds of a value that is neither good nor bad."""
    return [Threshold(None, COLOURS["mute"])]


def thresholds(of: list[Threshold]) -> build.ThresholdsConfig:
    """Return them as a builder."""
    return build.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(of)


def calm(colour: str) -> str:
    """Return the colour of a table's cell: only what is not well is filled, so that it is seen."""
    return CALM if colour in {COLOURS["good"], COLOURS["mute"]} else colour


def mapping(
    words: Mapping[int, Look] | Mapping[str, Look], absent: str = "", *, cell: bool = False
) -> list[ValueMapping]:
    """Return the words and colours of codes, or of texts; ``absent`` is the word for no value.

    ``cell``: for a table's cell, of which only what is not well is filled.
    """
    found: list[ValueMapping] = [
        ValueMap(
            {
                str(code): ValueMappingResult(
                    text=look.words, color=calm(COLOURS[look.tone]) if cell else COLOURS[look.tone], index=index
                )
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
