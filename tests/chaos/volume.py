"""Small volumes: a tmpfs for each pod and each etcd member, so that a disk can be full.

The mounts are in a mount namespace of this process and its children: whatever way it dies, they go with it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_CLONE_NEWNS = 0x20000  # linux/sched.h
_LIBC = ctypes.CDLL(None, use_errno=True)  # os.unshare is new in Python 3.12


def own_mounts() -> None:
    """Let mounts of this process be seen by nobody else; before it has a second thread.

    Raises:
        OSError: it must not, for example because it is not root.
    """
    if _LIBC.unshare(_CLONE_NEWNS) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")
    _mount("--make-rprivate", "/")


class Volume:
    """A tmpfs of some megabytes, with ``folders`` on it under their old paths and with their old content."""

    def __init__(self, place: Path, folders: Sequence[Path], megabytes: int) -> None:
        self._place = place
        self._folders = tuple(folders)
        self._ballast = place / "ballast"
        place.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=0711", "tmpfs", str(place))
        for folder in folders:
            folder.mkdir(exist_ok=True)
            kept = place / folder.name
            subprocess.run(["cp", "-a", str(folder), str(kept)], check=True, timeout=60)
            _mount("--bind", str(kept), str(folder))

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("ab") as ballast:
            for piece in (1 << 20, 1 << 12):
                while _more(ballast.fileno(), piece):
                    pass

    @property
    def full(self) -> bool:
        """Whether a write fails for want of space."""
        probe = self._place / "probe"
        try:
            probe.write_bytes(b"x" * 4096)
        except OSError as error:
            return error.errno == errno.ENOSPC
        finally:
            probe.unlink(missing_ok=True)
        return False

    def relieve(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount all, with what is on it; nothing uses it any more."""
        for folder in (*self._folders, self._place):
            subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=20)


def _more(descriptor: int, piece: int) -> bool:
    try:
        os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, piece)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, timeout=20)
