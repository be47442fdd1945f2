"""Settings of the server and of the Galera provider, as numbers in base units. Total on any input.

The provider's options come in two forms. ``wsrep_provider_options`` is one text of all of them,
"evs.suspect_timeout = PT5S; gcache.size = 128M; ...". MariaDB 11.8 has the plugin wsrep-provider
besides, which gives each option as a variable: ``wsrep_provider_evs_suspect_timeout`` 5.000000,
``wsrep_provider_gcache_size`` 134217728.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Final

_SIZE: Final = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})([kKmMgGtT]?)")
_SHIFT: Final = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_DECIMAL: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20}")
_PART: Final = r"(?:([0-9]{1,9}(?:\.[0-9]{1,20})?)%s)?"
_DURATION: Final = re.compile(
    "P" + "".join(_PART % unit for unit in "YMD") + "(?:T" + "".join(_PART % unit for unit in "HMS") + ")?"
)
# gu::datetime::Period counts a year as 365 days and a month as 30.
_SECONDS: Final = (365 * 86400.0, 30 * 86400.0, 86400.0, 3600.0, 60.0, 1.0)

_TRUE: Final = frozenset({"on", "true", "yes", "1"})
_FALSE: Final = frozenset({"off", "false", "no", "0"})
_UNGROUPED: Final = frozenset({"base_dir", "base_host", "base_port", "debug"})
_PREFIX: Final = "wsrep_provider_"
_NOT_OPTIONS: Final = frozenset({"wsrep_provider_options"})


def parse_options(value: str) -> dict[str, str]:
    """Return the options of a ``wsrep_provider_options`` text; parts without a "=" are left out."""
    found = {}
    for part in value.split(";"):
        key, equals, setting = part.partition("=")
        if equals and (name := key.strip().lower()):
            found[name] = setting.strip()
    return found


def provider_options(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the provider's options by their dotted names, from whichever form the server has.

    Where both forms have an option, the text of ``wsrep_provider_options`` counts.
    """
    found = {}
    for name, value in variables.items():
        if name.startswith(_PREFIX) and name not in _NOT_OPTIONS:
            key = name.removeprefix(_PREFIX)
            found[key if key in _UNGROUPED else key.replace("_", ".", 1)] = value
    return found | parse_options(variables.get("wsrep_provider_options", ""))


def size(value: str) -> float | None:
    """Return a size in bytes: a decimal, octal (0...) or hexadecimal (0x...) integer, with k, m, g or t at will."""
    match = _SIZE.fullmatch(value.strip())
    if not match:
        return None
    sign, digits, unit = match.groups()
    base = 16 if digits[:2] in {"0x", "0X"} else 8 if digits.startswith("0") else 10
    try:
        found = int(digits, base) << _SHIFT[unit.lower()]
    except ValueError:  # an 8 or 9 in what begins like an octal number
        return None
    return float(-found if sign == "-" else found)


def duration(value: str) -> float | None:
    """Return a duration in seconds: an ISO 8601 one (PT5S, PT1M30S, P1D) or a bare number of seconds."""
    word = value.strip()
    if _DECIMAL.fullmatch(word):
        return float(word)
    match = _DURATION.fullmatch(word)
    if not match or not any(match.groups()) or word.endswith("T"):
        return None
    return math.fsum(float(part) * seconds for part, seconds in zip(match.groups(), _SECONDS, strict=True) if part)


def boolean(value: str) -> float | None:
    """Return 1 for ON, yes, true and 1, and 0 for their contraries, in any case."""
    word = value.strip().lower()
    if word in _TRUE:
        return 1.0
    return 0.0 if word in _FALSE else None


def integer(value: str) -> float | None:
    """Return an integer of any of the bases that :func:`size` knows, without a unit."""
    return None if value.strip()[-1:].isalpha() and not value.strip().lower().startswith("0x") else size(value)


# By the short name of the galera_config_* metric: the variable of the server, and how to read it.
_VARIABLES: Final[Mapping[str, tuple[str, Callable[[str], float | None]]]] = {
    "wsrep_on": ("wsrep_on", boolean),
    "desync": ("wsrep_desync", boolean),
    "read_only": ("read_only", boolean),
    "sync_wait": ("wsrep_sync_wait", integer),
    "sst_donor_rejects_queries": ("wsrep_sst_donor_rejects_queries", boolean),
    "applier_threads": ("wsrep_slave_threads", integer),
    "max_writeset_size_bytes": ("wsrep_max_ws_size", size),
    "innodb_flush_log_at_trx_commit": ("innodb_flush_log_at_trx_commit", integer),
    "sync_binlog": ("sync_binlog", integer),
}
# The same for the options of the provider.
_OPTIONS: Final[Mapping[str, tuple[str, Callable[[str], float | None]]]] = {
    "node_weight": ("pc.weight", integer),
    "pc_ignore_sb": ("pc.ignore_sb", boolean),
    "pc_ignore_quorum": ("pc.ignore_quorum", boolean),
    "pc_bootstrap": ("pc.bootstrap", boolean),
    "gcache_size_bytes": ("gcache.size", size),
    "gcache_page_size_bytes": ("gcache.page_size", size),
    "gcache_recover": ("gcache.recover", boolean),
    "evs_suspect_timeout_seconds": ("evs.suspect_timeout", duration),
    "evs_inactive_timeout_seconds": ("evs.inactive_timeout", duration),
}


def settings(variables: Mapping[str, str]) -> dict[str, float]:
    """Return the numbers of the ``galera_config_*`` metrics, by short name; what is not there or unreadable is absent.

    ``variables`` has the rows of SHOW GLOBAL VARIABLES by name in lower case.
    """
    found = {}
    for table, values in ((_VARIABLES, variables), (_OPTIONS, provider_options(variables))):
        for short, (name, read) in table.items():
            value = read(values[name]) if name in values else None
            if value is not None:
                found[short] = value
    return found


def flow_control_limits(options: Mapping[str, str], cluster_size: int) -> tuple[float, float] | None:
    """Return the receive queue lengths at which a node pauses the cluster, and lets it go on again.

    Galera's own arithmetic (gcs/src/gcs.cpp, ``_set_fc_limits``): both are cut to whole numbers. None where
    an option is missing or the size is not positive.
    """
    limit = integer(options.get("gcs.fc_limit", ""))
    factor = duration(options.get("gcs.fc_factor", ""))
    if limit is None or limit < 0 or factor is None or cluster_size < 1:
        return None
    flat = any(boolean(options.get(name, "")) for name in ("gcs.fc_single_primary", "gcs.fc_master_slave"))
    pause = math.floor(limit * (1.0 if flat else math.sqrt(cluster_size)) + 0.5)
    return float(pause), float(math.floor(pause * factor + 0.5))
