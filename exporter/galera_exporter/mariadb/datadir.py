"""What the files of a data directory say: of a stopped server, and of one that takes a state transfer.

The parsers are pure and total. The reader lists the top folder once, reads
two small files of it, and changes nothing.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from galera_exporter.model import DatadirFacts, Position

SST_MARKER: Final = "sst_in_progress"
"""Made by each of the server's wsrep_sst_* scripts when the joiner begins to wait for its donor."""
SST_FOLDER: Final = ".sst"
"""Where wsrep_sst_mariabackup puts what it receives, before it is prepared and moved."""

MOST_ENTRIES: Final = 200_000
"""Entries looked at, in the top folder and in the SST folder each; what is beyond does not count."""

_LONGEST_FILE: Final = 64 * 1024
_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_STATE_LINE: Final = re.compile(r"^[ \t]*(uuid|seqno|safe_to_bootstrap)[ \t]*:[ \t]*(\S*)[ \t]*\r?$", re.MULTILINE)
# Where wsrep_gtid_mode is on, the server's own GTID follows: "uuid:seqno,domain-server-sequence".
_POSITION: Final = re.compile(rf"({_UUID}):(-?[0-9]{{1,19}})(?:,[0-9]+-[0-9]+-[0-9]+)?", re.IGNORECASE)
_SEQNO: Final = re.compile(r"-?[0-9]{1,19}")
_UNDEFINED: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Grastate:
    """``grastate.dat``: the position at the last orderly stop, and whether this node was the last to stop."""

    position: Position
    safe_to_bootstrap: bool | None
    """None where the file, of an old version, does not have it."""


def parse_grastate(text: str) -> Grastate | None:
    """Return what a ``grastate.dat`` says, or None where it does not give a UUID and a seqno."""
    found: dict[str, str] = dict(_STATE_LINE.findall(text[:_LONGEST_FILE]))
    uuid, seqno = found.get("uuid", "").lower(), found.get("seqno", "")
    if not re.fullmatch(_UUID, uuid) or not _SEQNO.fullmatch(seqno):
        return None
    return Grastate(
        position=Position(uuid, _defined(seqno)),
        safe_to_bootstrap={"0": False, "1": True}.get(found.get("safe_to_bootstrap", "")),
    )


def parse_position(text: str) -> Position | None:
    """Return the position that a text ``uuid:seqno`` is, with or without a server's GTID behind it."""
    match = _POSITION.fullmatch(text.strip())
    return match and Position(match.group(1).lower(), _defined(match.group(2)))


def read_datadir(path: Path) -> DatadirFacts:
    """Return what the files below ``path`` say; a file that cannot be read counts as one that is not there.

    Raises:
        OSError: the directory itself cannot be listed.
    """
    names: set[str] = set()
    pages = page_bytes = logs = 0
    for entry in _entries(path):
        names.add(entry.name)
        if entry.name.startswith("gcache.page."):
            pages += 1
            page_bytes += _size(entry)
        elif entry.name.startswith("GRA_") and entry.name.endswith(".log"):
            logs += 1
    grastate = parse_grastate(_text(path / "grastate.dat")) if "grastate.dat" in names else None
    started = _modified(path / SST_MARKER) if SST_MARKER in names else None
    received = _tree(path / SST_FOLDER) if SST_FOLDER in names else None
    return DatadirFacts(
        present="mysql" in names,
        grastate=None if grastate is None else grastate.position,
        safe_to_bootstrap=None if grastate is None else grastate.safe_to_bootstrap,
        sst_in_progress=SST_MARKER in names,
        sst_start=started,
        sst_received_bytes=None if received is None else received.size,
        sst_changed=max((each for each in (started, received and received.changed) if each), default=None),
        gcache_page_files=pages,
        gcache_page_bytes=page_bytes,
        gra_log_files=logs,
        gvwstate_present="gvwstate.dat" in names,
    )


def _defined(seqno: str) -> int:
    value = int(seqno)
    return value if 0 <= value < _UNDEFINED else -1


def _entries(path: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(path) as found:
        for count, entry in enumerate(found):
            if count >= MOST_ENTRIES:
                return
            yield entry


@dataclass(frozen=True, slots=True)
class _Tree:
    """The regular files below a folder: their bytes, and the wall clock of the newest change."""

    size: int = 0
    changed: float = 0.0


def _tree(root: Path) -> _Tree | None:
    """Return what is below a folder; None where it cannot be listed (it may vanish while we look)."""
    total = _Tree()
    looked = 0
    folders: list[Path] = [root]
    while folders:
        folder = folders.pop()
        try:
            for entry in _entries(folder):
                looked += 1
                if looked > MOST_ENTRIES:
                    return total
                if entry.is_dir(follow_symlinks=False):
                    folders.append(folder / entry.name)
                else:
                    total = _with(total, entry)
        except OSError:
            if folder == root:
                return None
    return total


def _with(total: _Tree, entry: os.DirEntry[str]) -> _Tree:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return total
    if not stat.S_ISREG(found.st_mode):
        return total
    return _Tree(total.size + found.st_size, max(total.changed, found.st_mtime))


def _size(entry: os.DirEntry[str]) -> int:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _text(path: Path) -> str:
    try:
        # Not blocking: whoever can write there may have put a named pipe in its place.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        found = os.read(handle, _LONGEST_FILE) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    except OSError:
        return ""
    finally:
        os.close(handle)
    return found.decode("utf-8", "replace")


def _modified(path: Path) -> float | None:
    try:
        return path.stat(follow_symlinks=False).st_mtime
    except OSError:
        return None
