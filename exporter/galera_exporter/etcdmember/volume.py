"""The member's volume: ``identity.json``, and a directory of etcd's data for each identity that it had."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Final

from galera_exporter.etcdmember.files import replace_file
from galera_exporter.etcdmember.state import Identity, Standing, Volume, read_volume, standing, volume_fields

NAME: Final = "identity.json"
_LONGEST: Final = 64 * 1024


class VolumeStore:
    """The volume below ``folder``. Methods raise OSError where it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> Volume:
        """Return what the volume says of itself; one that says nothing gets its id here.

        Data of an etcd without a file of identity are taken on as they are: etcd knows whose they are.

        Raises:
            ValueError: the file, or what lies beside it, does not say who this member is: nothing is guessed.
        """
        try:
            with (self._folder / NAME).open("rb") as file:
                return read_volume(file.read(_LONGEST))
        except FileNotFoundError:
            pass
        except ValueError as error:
            raise ValueError(f"{self._folder / NAME}: {error}") from None
        found = [path for path in (self._folder, *sorted(self._folder.iterdir())) if _has_data(path)]
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise ValueError(f"no {NAME}, and data of several members in {self._folder}: {names}: leave one there")
        identity = Identity(0, 0, "" if found[0] == self._folder else found[0].name, begun=True) if found else None
        volume = Volume(secrets.token_hex(8), identity)
        self.store(volume)
        return volume

    def renew(self) -> Volume:
        """Make it count as an empty volume that nobody has seen before; data that it has stay where they are."""
        volume = Volume(secrets.token_hex(8))
        self.store(volume)
        return volume

    def store(self, volume: Volume) -> None:
        """Write it so that it is on disk when this returns."""
        replace_file(self._folder / NAME, json.dumps(volume_fields(volume), indent=1) + "\n")

    def standing(self, volume: Volume) -> Standing:
        """Return what the volume holds now."""
        data = volume.identity is not None and _has_data(self.directory(volume.identity))
        return standing(volume, data=data)

    def directory(self, identity: Identity) -> Path:
        """Return etcd's data directory for this identity."""
        return self._folder / identity.directory


def _has_data(directory: Path) -> bool:
    """Whether etcd would take this as its data (server/storage/wal: a file *.wal; before that it initializes)."""
    try:
        return any(path.suffix == ".wal" for path in (directory / "member" / "wal").iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False
