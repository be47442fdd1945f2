"""Tone, colour and words of everything that can be well or not: the one source of the status page and the dashboards.

Four tones, told apart by hue and by lightness; beside each stands a word, so that nothing hangs on the colour. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from galera_exporter.bootstrap.reading import NodePhase
from galera_exporter.model import NodeState
from galera_exporter.verdict import Level

Tone = Literal["good", "fair", "bad", "mute"]

COLOURS: Final[Mapping[Tone, str]] = MappingProxyType(
    {"good": "#00857a", "fair": "#c77a00", "bad": "#c62a2a", "mute": "#8d949f"}
)
"""For areas and signs, on a white page and on a dark one: a contrast of 3 against both. They differ in lightness and in
the part of hue that colour-blind eyes keep. The page's style sheet has a shade of the same hues for text on each."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a value is shown."""

    tone: Tone
    words: str


LEVELS: Final[Mapping[Level, Tone]] = MappingProxyType(
    {Level.HEALTHY: "good", Level.DEGRADED: "fair", Level.DOWN: "bad", Level.UNKNOWN: "mute"}
)
"""The verdict's word is the level's own, with a capital."""

STATES: Final[Mapping[NodeState, Look]] = MappingProxyType(
    {
        NodeState.SYNCED: Look("good", "Synced"),
        NodeState.DONOR: Look("good", "Donor/Desynced"),
        NodeState.JOINED: Look("fair", "Joined"),
        NodeState.JOINING: Look("fair", "Joining"),
        NodeState.RECEIVING: Look("fair", "Receiving transfer"),
        NodeState.REQUEST_FAILED: Look("bad", "Transfer request failed"),
        NodeState.TRANSFER_FAILED: Look("bad", "Transfer failed"),
        NodeState.INITIALIZED: Look("bad", "Initialized"),
        NodeState.DESTROYED: Look("bad", "Destroyed"),
        NodeState.INCONSISTENT: Look("bad", "Inconsistent"),
        NodeState.UNKNOWN: Look("mute", "Unknown"),
    }
)

PHASES: Final[Mapping[NodePhase, Look]] = MappingProxyType(
    {
        NodePhase.IDLE: Look("mute", "Stopped, asks for nothing"),
        NodePhase.GATE: Look("fair", "In the gate"),
        NodePhase.STARTING: Look("fair", "Starting, to join"),
        NodePhase.BOOTSTRAPPING: Look("fair", "Starting a new component"),
        NodePhase.CONFIRMED: Look("good", "Confirmed"),
        NodePhase.NON_PRIMARY: Look("bad", "Without a Primary component"),
        NodePhase.SURVIVOR: Look("bad", "Survivor"),
    }
)

IN_THE_BOOTSTRAP: Final = Look("fair", "In the bootstrap")
"""A node without a live key whose sidecar takes part in the bootstrap protocol."""
