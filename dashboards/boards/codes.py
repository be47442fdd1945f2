"""Numbers that stand for words in the expressions, with the word and the tone of each.

The words are those of the status page. Of several codes that hold at once, the highest is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from galera_exporter.bootstrap.reading import NodePhase
from galera_exporter.model import NodeState
from galera_exporter.verdict import Level
from galera_exporter.web import tones
from galera_exporter.web.tones import LEVELS, PHASES, STATES, Look

HEALTHY: Final = 0
DEGRADED: Final = 1
DOWN: Final = 2
SPLIT_BRAIN: Final = 3
UNKNOWN: Final = 4

VERDICTS: Final[Mapping[int, Look]] = MappingProxyType(
    {
        HEALTHY: Look(LEVELS[Level.HEALTHY], Level.HEALTHY.capitalize()),
        DEGRADED: Look(LEVELS[Level.DEGRADED], Level.DEGRADED.capitalize()),
        DOWN: Look(LEVELS[Level.DOWN], Level.DOWN.capitalize()),
        SPLIT_BRAIN: Look(LEVELS[Level.DOWN], "Split brain"),
        UNKNOWN: Look(LEVELS[Level.UNKNOWN], Level.UNKNOWN.capitalize()),
    }
)

STATE_CODES: Final[Mapping[NodeState, int]] = MappingProxyType(
    {
        NodeState.SYNCED: 1,
        NodeState.DONOR: 2,
        NodeState.JOINED: 3,
        NodeState.JOINING: 4,
        NodeState.RECEIVING: 5,
        NodeState.REQUEST_FAILED: 6,
        NodeState.TRANSFER_FAILED: 7,
        NodeState.INITIALIZED: 8,
        NodeState.DESTROYED: 9,
        NodeState.INCONSISTENT: 13,
    }
)
NO_ANSWER: Final = 0
IN_THE_BOOTSTRAP: Final = 10
DISCONNECTED: Final = 11
NON_PRIMARY: Final = 12
SILENT: Final = 14

STANDINGS: Final[Mapping[int, Look]] = MappingProxyType(
    {
        NO_ANSWER: Look("bad", "Down"),
        **{code: STATES[state] for state, code in STATE_CODES.items()},
        IN_THE_BOOTSTRAP: tones.IN_THE_BOOTSTRAP,
        DISCONNECTED: Look("bad", "Disconnected"),
        NON_PRIMARY: Look("bad", "non-Primary"),
        SILENT: Look("mute", "No sidecar"),
    }
)

PHASE_CODES: Final[Mapping[NodePhase, int]] = MappingProxyType(
    {phase: code for code, phase in enumerate(NodePhase, start=1)}
)
PHASE_WORDS: Final[Mapping[int, Look]] = MappingProxyType({PHASE_CODES[phase]: PHASES[phase] for phase in NodePhase})

FRESH: Final = 1
STALE: Final = 2
GONE: Final = 3
UNREADABLE: Final = 4

KEYS: Final[Mapping[int, Look]] = MappingProxyType(
    {
        FRESH: Look("good", "Fresh"),
        STALE: Look("fair", "Stale"),
        GONE: Look("bad", "Gone"),
        UNREADABLE: Look("mute", "Cannot be read"),
    }
)

IDLE: Final = -1
GROWING: Final = -2

WINDOWS: Final[Mapping[int, Look]] = MappingProxyType({IDLE: Look("mute", "idle"), GROWING: Look("mute", "growing")})
"""A window of IST that is no time: nothing is written; or the cache is young, and has dropped nothing yet."""

YES_NO: Final[Mapping[int, Look]] = MappingProxyType({0: Look("bad", "No"), 1: Look("good", "Yes")})
"""Where yes is as it should be."""
UP_DOWN: Final[Mapping[int, Look]] = MappingProxyType({0: Look("bad", "Down"), 1: Look("good", "Up")})
ON_OFF: Final[Mapping[int, Look]] = MappingProxyType({0: Look("mute", "off"), 1: Look("mute", "on")})
REGISTRY: Final[Mapping[int, Look]] = MappingProxyType({0: Look("bad", "Unreachable"), 1: Look("good", "Answers")})
