"""What a Galera node says of itself in SQL, parsed.

Every function here is total: whatever a server, a proxy or a broken stream
puts into the rows, the answer is a value and never an exception. What cannot
be read is the undefined value of its type, and the raw text stays at hand.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from galera_exporter.mariadb.options import provider_options, settings
from galera_exporter.model import (
    ZERO_UUID,
    ClusterStatus,
    EvsState,
    Member,
    NodeSample,
    NodeState,
    NodeVariables,
)

STATUS: Final = r"SHOW GLOBAL STATUS LIKE 'wsrep\_%'"
MEMBERS: Final = "SELECT node_uuid, node_name, node_incoming_address FROM mysql.wsrep_cluster_members"
VARIABLES: Final = (
    r"SHOW GLOBAL VARIABLES WHERE Variable_name LIKE 'wsrep\_%' OR Variable_name IN "
    "('version', 'read_only', 'innodb_flush_log_at_trx_commit', 'sync_binlog')"
)

UNDEFINED: Final = 1 << 63
"""Galera's undefined ids are (unsigned) -1; no counter of a real server comes near this."""

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER: Final = re.compile(r"-?[0-9]{1,24}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONGEST_NUMBER: Final = 400
_LATENCY_PARTS: Final = 5

_TRUE: Final = frozenset({"on", "true", "1", "yes"})
_FALSE: Final = frozenset({"off", "false", "0", "no"})

_CLUSTER_STATUS: Final = {member.value.lower(): member for member in ClusterStatus}
_EVS_STATE: Final = {member.value.upper(): member for member in EvsState if member is not EvsState.UNKNOWN}
# The texts are those of galera/src/replicator_smm_stats.cpp (state2stats_str), old and new. The two
# that ask for a state transfer are of Galera 2 and have no state of their own in later versions.
_NODE_STATE: Final = {
    "initialized": NodeState.INITIALIZED,
    "joining": NodeState.JOINING,
    "joining: preparing for state transfer": NodeState.JOINING,
    "joining: requested state transfer": NodeState.JOINING,
    "joining: receiving state transfer": NodeState.RECEIVING,
    "joining: state transfer request failed": NodeState.REQUEST_FAILED,
    "joining: state transfer failed": NodeState.TRANSFER_FAILED,
    "joined": NodeState.JOINED,
    "synced": NodeState.SYNCED,
    "donor/desynced": NodeState.DONOR,
    "inconsistent": NodeState.INCONSISTENT,
    "destroyed": NodeState.DESTROYED,
}
# wsrep_member_status_t. 0 is "undefined", which Initialized, Destroyed and both failures share.
_NODE_STATE_BY_NUMBER: Final = {
    1: NodeState.JOINING,
    2: NodeState.DONOR,
    3: NodeState.JOINED,
    4: NodeState.SYNCED,
    5: NodeState.INCONSISTENT,
}


def text(value: object) -> str:
    """Return a cell of a row as text; None and what no server sends are the empty text."""
    if type(value) is str:
        return value
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    if isinstance(value, (str, int, float)):
        try:
            return str(value)
        except ValueError:  # an integer of more than 4300 digits
            return ""
    return ""


def number(value: str) -> float | None:
    """Return a finite decimal number, or None: not "nan", not "inf", not what overflows a float."""
    if len(value) > _LONGEST_NUMBER or not _NUMBER.fullmatch(value):
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def counter(value: str) -> int | None:
    """Return a whole number from 0 to 2^63-1, or None: Galera's undefined is 2^64-1."""
    if not _INTEGER.fullmatch(value):
        return None
    found = int(value)
    return found if 0 <= found < UNDEFINED else None


def ident(value: str) -> int:
    """Return an id, index or seqno; -1 where it is undefined (2^63 and above), negative or no number."""
    found = counter(value)
    return -1 if found is None else found


def flag(value: str) -> bool | None:
    """Return what ON/OFF, true/false, yes/no or 1/0 says, in any case; None for other texts."""
    word = value.strip().lower()
    if word in _TRUE:
        return True
    return False if word in _FALSE else None


def evs_latency(value: str) -> tuple[float, float, float, float, int] | None:
    """Return minimum, average, maximum and standard deviation in seconds, and the count of samples.

    The source is ``wsrep_evs_repl_latency``, "min/avg/max/stddev/samples"; None for other texts.
    """
    parts = value.split("/", _LATENCY_PARTS)
    if len(parts) != _LATENCY_PARTS:
        return None
    low, mean, high, deviation = (number(part) for part in parts[:4])
    samples = counter(parts[4])
    if low is None or mean is None or high is None or deviation is None or samples is None:
        return None
    return low, mean, high, deviation, samples


def list_length(value: str) -> int:
    """Return how many entries a comma separated list has (``wsrep_evs_delayed``, ``wsrep_evs_evict_list``)."""
    return sum(1 for entry in value.split(",") if entry.strip())


def cluster_status(value: str) -> ClusterStatus:
    """Return what ``wsrep_cluster_status`` says, whatever its case."""
    return _CLUSTER_STATUS.get(value.strip().lower(), ClusterStatus.UNKNOWN)


def node_state(comment: str, state: int) -> NodeState:
    """Return the state that ``wsrep_local_state_comment`` names, or else the one that ``wsrep_local_state`` numbers."""
    known = _NODE_STATE.get(comment.strip().lower())
    return known or _NODE_STATE_BY_NUMBER.get(state, NodeState.UNKNOWN)


def evs_state(value: str) -> EvsState:
    """Return what ``wsrep_evs_state`` says, whatever its case."""
    return _EVS_STATE.get(value.strip().upper(), EvsState.UNKNOWN)


def uuid(value: str) -> str:
    """Return a UUID in lower case, or the all-zero UUID for any other text."""
    lowered = value.strip().lower()
    return lowered if _UUID.fullmatch(lowered) else ZERO_UUID


def parse_status(rows: Iterable[tuple[object, object]]) -> NodeSample:
    """Return the sample that the rows of :data:`STATUS` make; of a name that comes twice, the last counts.

    A size, state or desync count that is missing or undefined is 0, as a disconnected node reports it.
    """
    raw = _texts(rows)
    get = raw.get
    local_state = max(ident(get("wsrep_local_state", "")), 0)
    return NodeSample(
        raw=MappingProxyType(raw),
        cluster_status=cluster_status(get("wsrep_cluster_status", "")),
        state=node_state(get("wsrep_local_state_comment", ""), local_state),
        local_state=local_state,
        cluster_size=max(ident(get("wsrep_cluster_size", "")), 0),
        conf_id=ident(get("wsrep_cluster_conf_id", "")),
        local_index=ident(get("wsrep_local_index", "")),
        connected=flag(get("wsrep_connected", "")) is True,
        ready=flag(get("wsrep_ready", "")) is True,
        cluster_uuid=uuid(get("wsrep_cluster_state_uuid", "")),
        local_uuid=uuid(get("wsrep_local_state_uuid", "")),
        last_committed=ident(get("wsrep_last_committed", "")),
        cached_downto=ident(get("wsrep_local_cached_downto", "")),
        desync_count=max(ident(get("wsrep_desync_count", "")), 0),
        member_uuid=uuid(get("wsrep_gcomm_uuid", "")),
    )


def parse_members(rows: Iterable[tuple[object, ...]]) -> tuple[Member, ...]:
    """Return the members that the rows of :data:`MEMBERS` name, sorted by UUID; rows of another shape are left out."""
    found = {}
    for row in rows:
        try:
            key, name, address = row
        except (TypeError, ValueError):
            continue
        member = Member(uuid=uuid(text(key)), name=text(name), address=text(address))
        if member.uuid != ZERO_UUID:
            found[member.uuid] = member
    return tuple(found[key] for key in sorted(found))


def parse_variables(rows: Iterable[tuple[object, object]]) -> NodeVariables:
    """Return the settings that the rows of :data:`VARIABLES` hold; numbers that cannot be read are left out."""
    variables = _texts(rows)
    provider = provider_options(variables)
    segment = counter(provider.get("gmcast.segment", ""))
    return NodeVariables(
        settings=MappingProxyType(settings(variables)),
        provider=MappingProxyType(provider),
        node_name=variables.get("wsrep_node_name", ""),
        node_address=variables.get("wsrep_node_address") or provider.get("base_host", ""),
        cluster_name=variables.get("wsrep_cluster_name", ""),
        version=variables.get("version", ""),
        sst_method=variables.get("wsrep_sst_method", ""),
        segment=segment or 0,
    )


def _texts(rows: Iterable[tuple[object, object]]) -> dict[str, str]:
    found = {}
    for row in rows:
        try:
            name, value = row
        except (TypeError, ValueError):  # not a pair: a proxy's answer to something else
            continue
        key = text(name).lower()
        if key:
            found[key] = text(value)
    return found
