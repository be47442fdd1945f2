"""What a failed request to etcd means: the reason, and whether a write may have happened all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import requests
from etcd3gw.exceptions import ConnectionFailedError, ConnectionTimeoutError, Etcd3Exception

from galera_exporter.errors import RegistryReason
from galera_exporter.registry.transport import MAX_ANSWER, TIMED_OUT, AnswerTooLargeError, never_sent, reason_in_words

LONGEST: Final = 200
"""Characters of a server's message that are shown."""

_BY_TEXT: Final = (
    ("requested lease not found", RegistryReason.LEASE_EXPIRED),
    ("database space exceeded", RegistryReason.NO_SPACE),
    ("permission denied", RegistryReason.PERMISSION),
    ("invalid auth token", RegistryReason.AUTH),
    ("authentication failed", RegistryReason.AUTH),
    ("user name is empty", RegistryReason.AUTH),
    ("revision of auth store is old", RegistryReason.AUTH),
    ("revision in header is old", RegistryReason.AUTH),
    ("commonname of client", RegistryReason.AUTH),
    ("no leader", RegistryReason.NO_LEADER),
    ("not leader", RegistryReason.NO_LEADER),
    ("leader changed", RegistryReason.NO_LEADER),
    ("leader failure", RegistryReason.NO_LEADER),
    ("not a primary lessor", RegistryReason.NO_LEADER),
    ("raft proposal dropped", RegistryReason.NO_LEADER),  # while the leader hands over; raft/raft.go
    ("request timed out", RegistryReason.NO_LEADER),
    ("server stopped", RegistryReason.UNREACHABLE),
)
"""Parts of etcd's messages (api/v3rpc/rpctypes/error.go), in lower case; the first that is found counts."""

_BY_CODE: Final = {7: RegistryReason.PERMISSION, 14: RegistryReason.NO_LEADER, 16: RegistryReason.AUTH}

_REFUSED_BEFORE: Final = frozenset({3, 5, 7, 8, 9, 11, 12, 16})
"""gRPC codes with which etcd refuses a request that it did not apply: it did not change the store."""

ELSEWHERE: Final = frozenset(
    {
        RegistryReason.UNREACHABLE,
        RegistryReason.TIMEOUT,
        RegistryReason.NO_LEADER,
        RegistryReason.BAD_ANSWER,
        RegistryReason.OTHER,
    }
)
"""Failures of one member: the next one may do better. The others are the same everywhere."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A failed request to one endpoint. ``maybe_applied``: a write of it may have happened."""

    reason: RegistryReason
    text: str
    maybe_applied: bool


def explain(error: Exception, redact: Callable[[str], str]) -> Refusal:
    """Say what an exception of etcd3gw or requests means. Total: what is not known is OTHER.

    ``redact`` blots out secrets; it sees each text before it is cut or folded, or a part of one would stay.
    """
    cause = error.__context__ if isinstance(error, Etcd3Exception) else error
    if isinstance(error, Etcd3Exception) and not isinstance(cause, requests.RequestException):
        return _by_message(redact(error.detail_text or ""))
    if isinstance(error, AnswerTooLargeError):
        text = f"the answer is larger than {MAX_ANSWER >> 20} MiB: large foreign values below the prefix?"
        return Refusal(RegistryReason.BAD_ANSWER, text, maybe_applied=True)
    words = shown(redact(reason_in_words(cause if cause is not None else error)))
    if isinstance(error, ConnectionTimeoutError) or words == TIMED_OUT:
        return Refusal(RegistryReason.TIMEOUT, TIMED_OUT, maybe_applied=not never_sent(cause))
    if isinstance(error, ConnectionFailedError | requests.ConnectionError):
        return Refusal(RegistryReason.UNREACHABLE, words, maybe_applied=not never_sent(cause))
    if isinstance(error, ValueError | RecursionError | requests.RequestException):
        return bad_answer(words)
    return Refusal(RegistryReason.OTHER, words, maybe_applied=True)


def bad_answer(words: str) -> Refusal:
    """Refuse an answer that is not one of etcd; a write may have been applied."""
    return Refusal(RegistryReason.BAD_ANSWER, f"the answer is not what etcd writes: {words}", maybe_applied=True)


def _by_message(detail: str) -> Refusal:
    message, code = _parse(detail)
    low = message.lower()
    reason = next((found for part, found in _BY_TEXT if part in low), None)
    if reason is None:
        reason = _BY_CODE.get(code, RegistryReason.OTHER if code >= 0 else RegistryReason.BAD_ANSWER)
    refused_before = code in _REFUSED_BEFORE or low == "etcdserver: no leader"
    return Refusal(reason, message or "an error without a text", maybe_applied=not refused_before)


def _parse(detail: str) -> tuple[str, int]:
    """Return message and gRPC code of an error body; code -1 where the body is not of the gateway."""
    try:
        body: Any = json.loads(detail)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        return shown(detail), -1
    code = body.get("code")
    message = body.get("message") or body.get("error") or ""
    return shown(str(message)), code if isinstance(code, int) else -1


def shown(text: str) -> str:
    """Return a server's text on one printable line of at most LONGEST characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST]).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."
