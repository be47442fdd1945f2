"""``state.json``: the label of this node's data, on the database's own volume."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from galera_exporter.bootstrap.local import LocalState, newest_epochs
from galera_exporter.bootstrap.records import epoch_fields, read_epoch

NAME: Final = "state.json"
SCHEMA: Final = 1
_LONGEST: Final = 256 * 1024


class StateFile:
    """Keeps one LocalState. A missing file is a node without a label."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def load(self) -> LocalState:
        """Return what was stored last.

        Raises:
            OSError: the file is there and cannot be read.
            ValueError: it is not what this program wrote: nothing is guessed of the lineage of data.
        """
        try:
            with self._path.open("rb") as file:
                content = file.read(_LONGEST)
        except FileNotFoundError:
            return LocalState()
        try:
            found: Any = json.loads(content)
            if found["schema"] != SCHEMA:
                raise ValueError(f"schema {found['schema']}")  # noqa: TRY301 - told with the file's name below
            epochs = [read_epoch(each) for each in found["history"]]
            epoch, confirmed, tainted = found["epoch"], found["confirmed"], found["tainted"]
            begun = found.get("begun", False)  # not known to the version before: then it waits for etcd, once
            if (
                type(epoch) is not int
                or None in epochs
                or not all(isinstance(flag, bool) for flag in (confirmed, tainted, begun))
            ):
                raise TypeError("wrong types")  # noqa: TRY301 - as above
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            text = f"{self._path} is not a state that this version wrote ({type(error).__name__}: {error})"
            raise ValueError(text) from None
        history = newest_epochs({each.number: each for each in epochs if each is not None})
        return LocalState(epoch, confirmed=confirmed, tainted=tainted, begun=begun, history=history)

    def store(self, state: LocalState) -> None:
        """Write it so that it is on disk when this returns, all of it or nothing.

        Raises:
            OSError: it cannot be written.
        """
        text = json.dumps(
            {
                "schema": SCHEMA,
                "epoch": state.epoch,
                "confirmed": state.confirmed,
                "tainted": state.tainted,
                "begun": state.begun,
                "history": [epoch_fields(epoch) for _, epoch in sorted(state.history.items())],
            },
            indent=1,
        )
        temporary = self._path.with_suffix(".new")
        temporary.unlink(missing_ok=True)  # a rest may belong to the user that an older chart gave the sidecar
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
