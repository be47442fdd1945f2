"""Files that the database's wrapper (galera-start.sh) and the sidecar hand to one another.

Each is lines of ``name=value``, written to a temporary name and renamed, so that a
reader sees all of it or nothing. The wrapper writes ``request`` and ``phase``; the sidecar writes
``decision``, ``lease`` and ``order``. All are bound to the boot id of one start of the database. ``datadir`` is the
wrapper's too: what the data directory has, for a sidecar that may not look into it.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from galera_exporter.bootstrap.local import Request
from galera_exporter.bootstrap.state import Held, View
from galera_exporter.mariadb.datadir import parse_grastate, parse_position
from galera_exporter.model import DatadirFacts, Position

VERSION: Final = "1"
_LONGEST: Final = 64 * 1024
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class WrapperPhase(StrEnum):
    """What the wrapper does."""

    NONE = "none"
    """There is no wrapper, or it has not begun."""
    PREPARING = "preparing"
    RECOVERING = "recovering"
    WAITING = "waiting"
    INITIALIZING = "initializing"
    STARTING = "starting"
    """The database's process is there, until its end."""
    STOPPING = "stopping"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class Wrapper:
    """What the wrapper says."""

    phase: WrapperPhase = WrapperPhase.NONE
    boot_id: str = ""
    exit: int | None = None
    """Status of the database's process, once it ended."""


class Handoff:
    """The folder that both see. Methods raise OSError where it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def wrapper(self) -> Wrapper:
        """Return what the wrapper says it does."""
        found = self._read("phase")
        try:
            phase = WrapperPhase(found.get("phase", "none"))
        except ValueError:
            phase = WrapperPhase.NONE
        status = found.get("exit", "")
        return Wrapper(phase, found.get("boot_id", ""), int(status) if re.fullmatch(r"\d{1,3}", status) else None)

    def request(self) -> Request | None:
        """Return the request for a decision; None without one, or where it is not whole."""
        return parse_request(self._read("request"))

    def datadir(self) -> DatadirFacts | None:
        """Return what the wrapper says of the data directory's files; None as long as it has said nothing."""
        found = self._read("datadir")
        return parse_datadir(found) if found else None

    def decided(self, boot_id: str) -> bool:
        """Whether a decision for this start was handed out, taken or not: the wrapper keeps it until its next start."""
        return any(self._read(name).get("boot_id") == boot_id for name in ("decision", "decision.used"))

    def decide(self, boot_id: str, fields: Mapping[str, object]) -> None:
        """Hand out the decision for one start."""
        self._write("decision", {"version": VERSION, "boot_id": boot_id, **fields})

    def lease(self, boot_id: str, beat: int, *, confirmed: bool) -> None:
        """Tell the wrapper that etcd still knows of this unconfirmed bootstrap, or that it is confirmed."""
        self._write("lease", {"boot_id": boot_id, "beat": beat, "confirmed": int(confirmed)})

    def stop(self, boot_id: str, reason: str) -> None:
        """Order the wrapper to stop the database of this start, and to ask again."""
        self._write("order", {"boot_id": boot_id, "action": "stop", "reason": reason})

    def _read(self, name: str) -> dict[str, str]:
        try:
            handle = os.open(self._folder / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return {}
        try:
            text = os.read(handle, _LONGEST).decode("utf-8", "replace")
        finally:
            os.close(handle)
        return {name: value for name, found, value in (line.partition("=") for line in text.splitlines()) if found}

    def _write(self, name: str, fields: Mapping[str, object]) -> None:
        text = "".join(f"{field}={' '.join(str(value).split())}\n" for field, value in fields.items())
        temporary = self._folder / f".{name}.sidecar"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            os.fchmod(handle, 0o640)  # whatever the umask is: the wrapper may be another user of the same group
            data = text.encode()
            if os.write(handle, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(temporary))
        finally:
            os.close(handle)
        temporary.replace(self._folder / name)


def parse_datadir(fields: Mapping[str, str]) -> DatadirFacts:
    """Return what these fields say of a data directory; what they leave out is not there."""
    grastate = parse_grastate(fields.get("grastate", "").replace("|", "\n"))
    start, received, changed, pages, page_bytes, logs = (
        int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
        for text in (
            fields.get(name, "")
            for name in ("sst_start", "sst_received", "sst_changed", "pages", "page_bytes", "gra_logs")
        )
    )
    return DatadirFacts(
        present=fields.get("mysql") == "1",
        grastate=None if grastate is None else grastate.position,
        safe_to_bootstrap=None if grastate is None else grastate.safe_to_bootstrap,
        sst_in_progress=start is not None,
        sst_start=start,
        sst_received_bytes=received,
        sst_changed=max(start or 0, changed or 0) or None,
        gcache_page_files=pages or 0,
        gcache_page_bytes=page_bytes or 0,
        gra_log_files=logs or 0,
        gvwstate_present=fields.get("gvwstate") == "1",
    )


def parse_request(fields: Mapping[str, str]) -> Request | None:
    """Return the request that these fields are; None where they are not one. What is not known counts as the worse."""
    boot_id = fields.get("boot_id", "")
    if not re.fullmatch(r"[0-9A-Za-z-]{1,64}", boot_id):
        return None
    try:
        held = Held(fields.get("data", ""))
    except ValueError:
        return None
    position = parse_position(fields.get("position", "")) or Position()
    members = tuple(sorted(filter(_UUID.fullmatch, fields.get("view", "").split(","))))
    seq = fields.get("view_seq", "")
    view = View(int(seq), members) if members and re.fullmatch(r"\d{1,18}", seq) else None
    incarnation = fields.get("own_uuid", "")
    return Request(
        boot_id=boot_id,
        held=held,
        position=position,
        safe=fields.get("safe") == "1" and fields.get("source") == "grastate" and position.defined,
        dubious=fields.get("sst_interrupted") != "0" or fields.get("grastate") == "corrupt",
        incarnation=incarnation if _UUID.fullmatch(incarnation) else "",
        view=view,
    )
