"""What nodes write into etcd: where, and in which words.

Anyone may write below our prefix, an older or a newer version of this program too.
``decode`` takes what it understands and never raises: a field that is absent or
of the wrong type gets the value for "unknown", a record without an identity is foreign.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypeVar

from galera_exporter.model import ZERO_UUID, ClusterStatus, NodeRecord, NodeState, Position, PositionSource

SCHEMA: Final = 1
MAX_VALUE: Final = 64 * 1024
"""Bytes; a larger value was not written by this program."""
MAX_NAME: Final = 253
"""Characters of a node's name: the longest name of a Kubernetes object."""
MAX_TEXT: Final = 256
MAX_MEMBERS: Final = 128

LIVE: Final = "live/"
NODES: Final = "nodes/"

_OTHERS: Final = ("history/", "primary/", "report/", "override/", "override-used/", "join/")
_SINGLE: Final = frozenset({"bootstrap", "hold"})
"""Keys of the bootstrap protocol, which share the prefix. A sidecar knows them whether or not it takes part."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_LARGEST: Final = 2**63 - 1

E = TypeVar("E", bound=StrEnum)


class Kind(StrEnum):
    """What a key below the prefix is."""

    LIVE = "live"
    """``live/<node>``, under the node's lease: a node that answers."""
    NODES = "nodes"
    """``nodes/<node>``, without a lease: the last that was known of a node."""
    OTHER = "other"
    """A key of the bootstrap protocol."""
    FOREIGN = "foreign"


def live_key(prefix: str, node: str) -> bytes:
    """Return the key that exists while the node answers. Raises ValueError for a name that is none."""
    return _key(prefix, LIVE, node)


def nodes_key(prefix: str, node: str) -> bytes:
    """Return the key of the last record of a node. Raises ValueError for a name that is none."""
    return _key(prefix, NODES, node)


def is_name(node: str) -> bool:
    """Whether this can be a node's name: 1 to MAX_NAME printable characters, no slash."""
    return 0 < len(node) <= MAX_NAME and "/" not in node and node.isprintable()


def is_text(found: object) -> bool:
    """Whether this is a text that can be shown: at most MAX_TEXT printable characters."""
    return isinstance(found, str) and len(found) <= MAX_TEXT and found.isprintable()


def is_uuid(text: str) -> bool:
    """Whether this is a UUID as Galera writes it: in lower case."""
    return _UUID.fullmatch(text) is not None


def classify(prefix: str, key: bytes) -> tuple[Kind, str]:
    """Return what ``key`` is, and for LIVE and NODES the name of the node. Total."""
    try:
        rest = key.decode("utf-8").removeprefix(prefix)
    except UnicodeDecodeError:
        return Kind.FOREIGN, ""
    for kind, folder in ((Kind.LIVE, LIVE), (Kind.NODES, NODES)):
        node = rest.removeprefix(folder)
        if node != rest and is_name(node):
            return kind, node
    return (Kind.OTHER if rest in _SINGLE or rest.startswith(_OTHERS) else Kind.FOREIGN), ""


def encode(record: NodeRecord) -> bytes:
    """Return the value of a node's key: one JSON object, without secrets."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "node": record.node,
            "owner": record.owner,
            "address": record.address,
            "status": record.status,
            "state": record.state,
            "uuid": record.position.uuid,
            "seqno": record.position.seqno,
            "source": record.source,
            "conf_id": record.conf_id,
            "size": record.size,
            "ready": record.ready,
            "member_uuid": record.member_uuid,
            "members": record.members,
            "expected": record.expected,
            "ttl": record.ttl,
            "version": record.version,
            "epoch": record.epoch,
            "confirmed": record.confirmed,
            "final": record.final,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode("utf-8")


@lru_cache(maxsize=32)  # of up to 16 nodes all records: most are those of the last read, a second ago
def decode(value: bytes, node: str) -> NodeRecord | None:
    """Return the record of ``node``, None where the value is foreign. Total.

    Foreign is what is too large, no JSON object, without a schema, or of another node.
    """
    if len(value) > MAX_VALUE:
        return None
    try:
        found: Any = json.loads(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or _number(found, "schema", 0) < 1:
        return None
    owner = _text(found, "owner")
    if found.get("node") != node or not is_name(node) or not owner:
        return None
    members = found.get("members")
    return NodeRecord(
        node=node,
        owner=owner,
        address=_text(found, "address"),
        status=_member(found, "status", ClusterStatus.UNKNOWN),
        state=_member(found, "state", NodeState.UNKNOWN),
        position=Position(_uuid(found, "uuid") or ZERO_UUID, _number(found, "seqno", -1)),
        source=_member(found, "source", PositionSource.NONE),
        conf_id=_number(found, "conf_id", -1),
        size=_number(found, "size", -1),
        ready=found.get("ready") is True,
        member_uuid=_uuid(found, "member_uuid"),
        members=tuple(m for m in members[:MAX_MEMBERS] if is_text(m)) if isinstance(members, list) else (),
        expected=_number(found, "expected", 0),
        ttl=_number(found, "ttl", 0),
        version=_text(found, "version"),
        epoch=max(0, _number(found, "epoch", 0)),
        confirmed=found.get("confirmed") is True,
        final=found.get("final") is True,
    )


def _key(prefix: str, folder: str, node: str) -> bytes:
    if not is_name(node):
        raise ValueError(f"{node!r} cannot be a node's name: 1 to {MAX_NAME} printable characters without a slash")
    return f"{prefix}{folder}{node}".encode()


def _text(record: Mapping[str, Any], field: str) -> str:
    found = record.get(field)
    return str(found) if is_text(found) else ""


def _uuid(record: Mapping[str, Any], field: str) -> str:
    text = _text(record, field)
    return text if is_uuid(text) else ""


def _number(record: Mapping[str, Any], field: str, unknown: int) -> int:
    found = record.get(field)
    return found if type(found) is int and -1 <= found <= _LARGEST else unknown


def _member(record: Mapping[str, Any], field: str, unknown: E) -> E:
    try:
        return type(unknown)(_text(record, field))
    except ValueError:
        return unknown
