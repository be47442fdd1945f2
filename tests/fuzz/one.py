"""``python -m fuzz.one READER``: atheris at one reader; it ends the process itself, and its words are libFuzzer's."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["galera_exporter"]):
    from fuzz.readers import ALL


def main() -> None:
    """Fuzz until the time given to libFuzzer is over, or something is raised that the reader does not document."""
    read, documented = ALL[sys.argv.pop(1)]
    folder = Path(tempfile.mkdtemp(prefix="galera-fuzz-"))

    def once(data: bytes) -> None:
        with contextlib.suppress(*documented):
            read(data, folder)

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
