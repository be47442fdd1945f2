"""Colours and words: the same everywhere, those of the status page, and told apart by every eye."""

from __future__ import annotations

import colorsys
import math
import re
from collections.abc import Sequence
from itertools import combinations

import pytest

from boards import codes
from boards.looks import CALM, NODE_COLOURS
from dashboards.files import DOCUMENTS, all_panels, values
from galera_exporter.bootstrap.reading import NodePhase
from galera_exporter.model import NodeState
from galera_exporter.verdict import Level
from galera_exporter.web.stylesheet import STYLESHEET
from galera_exporter.web.tones import COLOURS, LEVELS, PHASES, STATES, Look

LIGHT, DARK = "#ffffff", "#181b1f"
"""A panel of Grafana."""
EYES = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
}
"""Machado, Oliveira and Fernandes, 2009: what is left of linear RGB."""


def linear(colour: str) -> list[float]:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def contrast(one: str, two: str) -> float:
    """WCAG 2.2."""
    light, dark = sorted(
        (sum(w * part for w, part in zip((0.2126, 0.7152, 0.0722), linear(each), strict=True)) for each in (one, two)),
        reverse=True,
    )
    return (light + 0.05) / (dark + 0.05)


def lab(rgb: Sequence[float]) -> tuple[float, float, float]:
    """CIELAB, for distances that are seen alike."""
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = [sum(a * b for a, b in zip(row, rgb, strict=True)) for row in to_xyz]
    x, y, z = (
        value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
        for value in (max(0.0, part) / white for part, white in zip(xyz, (0.9505, 1, 1.089), strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def distance(one: str, two: str, eye: str) -> float:
    seen = []
    for colour in (one, two):
        rgb = linear(colour)
        seen.append(lab([min(1.0, max(0.0, sum(a * b for a, b in zip(row, rgb, strict=True)))) for row in EYES[eye]]))
    return math.dist(*seen)


def test_every_colour_is_a_tone_or_a_nodes() -> None:
    for uid, document in DOCUMENTS.items():
        found = [each for key in ("color", "iconColor", "fixedColor") for each in values(document, key)]
        assert {each for each in found if isinstance(each, str)} <= {*COLOURS.values(), *NODE_COLOURS, CALM}, uid


@pytest.mark.parametrize("colour", [*COLOURS.values(), *NODE_COLOURS])
def test_a_colour_is_seen_on_a_light_and_on_a_dark_panel(colour: str) -> None:
    assert contrast(colour, LIGHT) >= 3
    assert contrast(colour, DARK) >= 3


@pytest.mark.parametrize("tone", COLOURS)
def test_the_word_in_a_filled_cell_can_be_read(tone: str) -> None:
    """Grafana writes it in white: in large on a tile, and always beside the tone's other sign, its words."""
    assert contrast(COLOURS[tone], "#f7f8fa") >= 2.8  # type: ignore[index]


@pytest.mark.parametrize("eye", EYES)
def test_tones_are_told_apart_by_every_eye(eye: str) -> None:
    for one, two in combinations(COLOURS, 2):
        least = 10 if "mute" in (one, two) else 20
        assert distance(COLOURS[one], COLOURS[two], eye) >= least, (one, two)


@pytest.mark.parametrize("eye", EYES)
def test_nodes_are_told_apart_by_every_eye(eye: str) -> None:
    for one, two in combinations(NODE_COLOURS[:3], 2):
        assert distance(one, two, eye) >= 20, (one, two)
    for one, two in combinations(NODE_COLOURS, 2):
        assert distance(one, two, eye) >= 10, (one, two)


def test_no_node_has_the_colour_of_a_state() -> None:
    for node in NODE_COLOURS:
        for tone in ("good", "fair", "bad"):
            assert distance(node, COLOURS[tone], "all cones") >= 18, (node, tone)


def test_the_status_page_has_shades_of_the_same_hues() -> None:
    for tone in ("good", "fair", "bad"):
        shades = re.findall(rf"--{tone}:(#[0-9a-f]{{6}})", STYLESHEET)
        assert len(shades) == 2, "light and dark"
        for shade in shades:
            apart = abs(hue(shade) - hue(COLOURS[tone]))
            assert min(apart, 1 - apart) < 1 / 24, (tone, shade)


def hue(colour: str) -> float:
    return colorsys.rgb_to_hls(*(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)))[0]


def test_words_and_tones_are_those_of_the_status_page() -> None:
    words = {look.words for look in codes.VERDICTS.values()}
    assert {level.capitalize() for level in Level} | {"Split brain"} == words
    assert all(codes.VERDICTS[code].tone == LEVELS[level] for code, level in enumerate((Level.HEALTHY, Level.DEGRADED)))
    shown = {codes.STANDINGS[code] for code in codes.STATE_CODES.values()}
    assert shown == {look for state, look in STATES.items() if state is not NodeState.UNKNOWN}
    assert list(codes.PHASE_WORDS.values()) == [PHASES[phase] for phase in NodePhase]


def test_a_word_has_one_colour_on_all_dashboards() -> None:
    seen: dict[str, set[str]] = {}
    for _, panel in all_panels():
        for mappings in values(panel, "mappings"):
            for mapping in mappings:
                options = mapping["options"]
                results = options.values() if mapping["type"] == "value" else [options["result"]]
                for result in results:
                    seen.setdefault(result["text"], set()).add(result["color"])
    states = {look.words for look in (*codes.STANDINGS.values(), *codes.VERDICTS.values(), *codes.KEYS.values())}
    for word in states & seen.keys():
        assert len(seen[word] - {CALM}) <= 1, word


def test_each_number_has_one_word() -> None:
    for known in (codes.VERDICTS, codes.STANDINGS, codes.PHASE_WORDS, codes.KEYS):
        words = [look.words for look in known.values()]
        assert len(set(words)) == len(words)
        assert all(isinstance(look, Look) for look in known.values())
