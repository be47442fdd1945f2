"""The folder that the servers of one lab live in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.critical import signals_later
from lab.warden import WARDEN


@contextmanager
def scratch(prefix: str = "galera-lab-") -> Iterator[Path]:
    """Give a new folder and remove it afterwards, also when this process is killed.

    Others may pass through it (mode 0711) but not list it: started by root, MariaDB runs as
    ``nobody`` and has to reach its data directory. pytest's ``tmp_path`` lets nobody pass.
    """
    with signals_later():
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        WARDEN.watch_folder(folder)
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        WARDEN.forget_folder(folder)
