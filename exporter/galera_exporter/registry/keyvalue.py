"""Etcd's key-value API as values: pairs, ranges, and what transactions are made of.

Pure: it turns values into the JSON of the gRPC gateway and back. Field names and their
meaning are those of ``etcdserverpb/rpc.proto``. The gateway writes 64-bit integers as
strings and leaves out every field that is zero, false or empty.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NewType

Compare = NewType("Compare", dict[str, Any])
"""One condition of a transaction."""

Operation = NewType("Operation", dict[str, Any])
"""One request in the success or failure branch of a transaction."""

TOP: Final = b"\0"
"""As ``range_end``: all keys from the given one on."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A key and its value, with the revisions etcd keeps of it; ``lease`` is 0 where there is none."""

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: int


@dataclass(frozen=True, slots=True)
class Range:
    """What one linearizable read returned: the store at ``revision``, keys in ascending order."""

    revision: int
    raft_term: int
    pairs: tuple[Pair, ...]
    more: bool = False
    """Whether the limit left keys out."""


@dataclass(frozen=True, slots=True)
class Response:
    """What one operation of a transaction did: the pairs it read, the number of keys it deleted."""

    pairs: tuple[Pair, ...] = ()
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Txn:
    """Outcome of a transaction; ``responses`` belong to the branch that ran."""

    succeeded: bool
    revision: int
    raft_term: int
    responses: tuple[Response, ...]


def prefix_end(prefix: bytes) -> bytes:
    """Return the first key after all keys that start with ``prefix``."""
    head = prefix.rstrip(b"\xff")
    return head[:-1] + bytes((head[-1] + 1,)) if head else TOP


def absent(key: bytes, end: bytes | None = None) -> Compare:
    """Hold while ``key``, or with ``end`` every key of the range [key, end), does not exist.

    Etcd compares an empty range as version 0 (server/etcdserver/txn.go, applyCompare).
    """
    return _compare(key, "VERSION", "version", "0", end)


def mod_is(key: bytes, revision: int) -> Compare:
    """Hold while the last write of ``key`` is that of ``revision``; 0: while it does not exist."""
    return _compare(key, "MOD", "mod_revision", str(revision), None)


def put(key: bytes, value: bytes, lease: int = 0) -> Operation:
    """Write ``value``; with a lease the key ends with it, without one it stays."""
    request = {"key": _text(key), "value": _text(value)}
    if lease:
        request["lease"] = str(lease)
    return Operation({"request_put": request})


def delete(key: bytes, end: bytes | None = None) -> Operation:
    """Delete ``key``, or with ``end`` all keys of [key, end)."""
    return Operation({"request_delete_range": span(key, end)})


def get(key: bytes, end: bytes | None = None, limit: int = 0) -> Operation:
    """Read ``key``, or with ``end`` the first ``limit`` keys (0: all) of [key, end)."""
    return Operation({"request_range": {**span(key, end), "limit": str(limit)}})


def span(key: bytes, end: bytes | None) -> dict[str, str]:
    """Return the fields that name one key or the range [key, end)."""
    fields = {"key": _text(key)}
    if end is not None:
        fields["range_end"] = _text(end)
    return fields


def integer(found: Any) -> int:
    """Return a 64-bit integer of an answer; raises ValueError or TypeError where it is none.

    ``int`` alone takes more: of Infinity, which JSON has not and Python reads, it makes an OverflowError, and what has
    four thousand digits becomes one later, as a float.
    """
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise TypeError(f"{type(found).__name__} is no number of etcd")
    value = int(found)
    if not -(1 << 63) <= value < 1 << 64:
        raise ValueError("more than 64 bits")
    return value


def parse_pairs(answer: Mapping[str, Any]) -> tuple[Pair, ...]:
    """Read the ``kvs`` of an answer.

    Raises ValueError, TypeError, KeyError or AttributeError where it is not what etcd writes.
    """
    return tuple(
        Pair(
            key=b64decode(kv["key"], validate=True),
            value=b64decode(kv.get("value", ""), validate=True),
            create_revision=integer(kv["create_revision"]),
            mod_revision=integer(kv["mod_revision"]),
            version=integer(kv["version"]),
            lease=integer(kv.get("lease", 0)),
        )
        for kv in answer.get("kvs", ())
    )


def parse_responses(answer: Mapping[str, Any]) -> tuple[Response, ...]:
    """Read the ``responses`` of a transaction; raises as ``parse_pairs`` does."""
    return tuple(
        Response(
            pairs=parse_pairs(response.get("response_range") or {}),
            deleted=integer((response.get("response_delete_range") or {}).get("deleted", 0)),
        )
        for response in answer.get("responses", ())
    )


def _compare(key: bytes, target: str, field: str, value: str, end: bytes | None) -> Compare:
    return Compare({**span(key, end), "result": "EQUAL", "target": target, field: value})


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
