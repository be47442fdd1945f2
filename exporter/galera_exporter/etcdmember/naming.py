"""The ids that etcd gives to a cluster and its first members, computed as etcd does. Pure.

Etcd hashes what it is started with (server/etcdserver/api/membership/member.go, computeMemberID, and
cluster.go, genID; the same in 3.4 to 3.6): members of foundings with different tokens do not take each other's
messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from galera_exporter.etcdmember.state import Roster

_TOKEN_DIGITS: Final = 16


def founding_token(token: str, founding: Roster) -> str:
    """Return the cluster token of one founding: volumes that did not agree on it cannot meet in one cluster."""
    agreed = "\n".join(f"{name}={volume}" for name, volume in founding)
    return f"{token}-{hashlib.sha256(agreed.encode()).hexdigest()[:_TOKEN_DIGITS]}"


def member_id(peer_url: str, token: str) -> int:
    """Return the id of a member that starts a new cluster."""
    return _first_bytes(f"{peer_url}{token}".encode())


def cluster_id(members: Iterable[int]) -> int:
    """Return the id of the new cluster of these members."""
    return _first_bytes(b"".join(member.to_bytes(8, "big") for member in sorted(members)))


def _first_bytes(data: bytes) -> int:
    return int.from_bytes(hashlib.sha1(data, usedforsecurity=False).digest()[:8], "big")
