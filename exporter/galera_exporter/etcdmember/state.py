"""What a member's volume holds, and what members tell each other of it: values and their JSON. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

SCHEMA: Final = 1
_ID: Final = re.compile(r"[0-9a-f]{1,16}")
_DIRECTORY: Final = re.compile(r"(?:[0-9a-zA-Z_][0-9a-zA-Z_.-]{0,63})?")

Roster = tuple[tuple[str, str], ...]
"""Name and volume id of each member, in the order of names: who founds a cluster."""


class Standing(StrEnum):
    """What a volume holds."""

    UNKNOWN = "unknown"
    """Not looked at yet, or its file of identity is not what this version writes: nothing is done."""
    EMPTY = "empty"
    """No identity: this member belongs to no cluster."""
    FOUNDER = "founder"
    """Bound to the founding of one cluster; etcd has not written anything yet."""
    JOINER = "joiner"
    """Added to a cluster that exists, as a learner; etcd has not written anything yet."""
    LOST = "lost"
    """It had etcd's data, and they are gone though the volume is the same one."""
    MEMBER = "member"
    """It has etcd's data."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who etcd is with the data in ``directory``; the ids are etcd's own. An id of 0 is not known."""

    cluster: int
    member: int
    directory: str
    """Below the volume's folder; empty: the folder itself."""
    founding: Roster = ()
    """Empty for a member that was added later."""
    begun: bool = False
    """Etcd has written data: from now on the identity is worthless without them."""


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume. ``id`` is random, and new with each volume that is empty: it tells an empty volume from the next."""

    id: str
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a member tells the others of itself."""

    name: str
    volume: str
    standing: Standing
    proposal: Roster = ()
    """All members, as this one saw them when all were empty: the founding that it would take part in."""
    founding: Roster = ()
    """The founding that it is bound to."""
    cluster: int = 0


def standing(volume: Volume, *, data: bool) -> Standing:
    """Return what the volume holds; ``data``: whether etcd's data are in the identity's directory."""
    identity = volume.identity
    if identity is None:
        return Standing.EMPTY
    if data:
        return Standing.MEMBER
    if identity.begun:
        return Standing.LOST
    return Standing.FOUNDER if identity.founding else Standing.JOINER


def hexadecimal(number: int) -> str:
    """Return an id as etcdctl shows it."""
    return f"{number:x}"


def volume_fields(volume: Volume) -> dict[str, Any]:
    """Return what is written to the volume."""
    identity = volume.identity
    fields: dict[str, Any] = {"schema": SCHEMA, "volume": volume.id, "identity": None}
    if identity is not None:
        fields["identity"] = {
            "cluster_id": hexadecimal(identity.cluster),
            "member_id": hexadecimal(identity.member),
            "directory": identity.directory,
            "founding": dict(identity.founding),
            "begun": identity.begun,
        }
    return fields


def read_volume(content: bytes) -> Volume:
    """Read what ``volume_fields`` gave.

    Raises:
        ValueError: it is not what this version writes.
    """
    try:
        found: Any = json.loads(content)
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema {found['schema']}")  # noqa: TRY301 - told as the others are
        identity = found["identity"]
        return Volume(_text(found["volume"]), None if identity is None else _identity(identity))
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(f"not what this version writes ({type(error).__name__}: {error})") from None


def report_fields(report: Report) -> dict[str, Any]:
    """Return what is told to the others."""
    return {
        "name": report.name,
        "volume": report.volume,
        "standing": str(report.standing),
        "proposal": dict(report.proposal),
        "founding": dict(report.founding),
        "cluster_id": hexadecimal(report.cluster),
    }


def read_report(body: bytes) -> Report | None:
    """Read what a member told; None where it is not that."""
    try:
        found: Any = json.loads(body)
        held = Standing(found["standing"])
        return Report(
            _text(found["name"]),
            "" if held is Standing.UNKNOWN else _text(found["volume"]),
            held,
            _roster(found["proposal"]),
            _roster(found["founding"]),
            _number(found["cluster_id"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return None


def _identity(found: Mapping[str, Any]) -> Identity:
    directory, begun = found["directory"], found["begun"]
    if not isinstance(begun, bool) or not _DIRECTORY.fullmatch(directory):
        raise ValueError("wrong types")
    return Identity(
        _number(found["cluster_id"]), _number(found["member_id"]), directory, _roster(found["founding"]), begun
    )


def _roster(found: Mapping[str, Any]) -> Roster:
    return tuple(sorted((_text(name), _text(volume)) for name, volume in found.items()))


def _text(found: Any) -> str:
    if not isinstance(found, str) or not found:
        raise ValueError("a text is expected")
    return found


def _number(found: Any) -> int:
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise ValueError("an id is expected")
    return int(found, 16)
