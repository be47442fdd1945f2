"""The exit codes that scripts and probes rely on."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the exit code of galeractl says; 64 and 70 are those of sysexits.h."""

    HEALTHY = 0
    DEGRADED = 1
    DOWN = 2
    REFUSED = 3
    """The command did nothing, because doing it would be wrong now or was not confirmed."""
    USAGE = 64
    """The command line, the environment or a file says something that cannot be meant."""
    BUG = 70
    """A fault of this program."""


class UsageError(Exception):
    """The command cannot begin with what it was given; the text says how to mend it."""


class RefusedError(Exception):
    """The command could begin, and does not; the text says why and what would let it."""
