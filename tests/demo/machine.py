"""Whether this machine has what the demo starts."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import tempfile

from lab.galera_config import PROVIDERS

# Program to the Debian package that has it.
PROGRAMS = {
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
    "mariadb": "mariadb-client",
    "mariabackup": "mariadb-backup",
    "mbstream": "mariadb-backup",
    "socat": "socat",
    "pgrep": "procps",
    "etcd": "etcd-server",
    "etcdctl": "etcd-client",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
}
# A unix socket's path has at most 107 bytes; the demo needs 45 below the temporary folder.
LONGEST_TEMPORARY_FOLDER = 60


def faults() -> list[str]:
    """Return what is missing, each as a sentence that says what to do; empty when the demo can start."""
    found: list[str] = []
    programs = [program for program in PROGRAMS if shutil.which(program) is None]
    packages = {PROGRAMS[program] for program in programs}
    if not any(path.exists() for path in PROVIDERS):
        programs.append("libgalera_smm.so")
        packages.add("galera-4")
    if programs:
        found.append(f"Not found: {', '.join(programs)}. {_how_to_install(sorted(packages))}")
    if importlib.util.find_spec("galera_exporter") is None:
        found.append("This Python does not have galera_exporter. Run `make setup`, or `pip install .` in a venv.")
    folder = tempfile.gettempdir()
    if len(folder) > LONGEST_TEMPORARY_FOLDER:
        found.append(f"The temporary folder {folder} has too long a name for unix sockets. Set TMPDIR=/tmp.")
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("nobody")
        except KeyError:
            found.append(
                "MariaDB is to run as the user nobody, who is not there. Start the demo as another user than root."
            )
    return found


def _how_to_install(packages: list[str]) -> str:
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        return f"This machine has no apt-get: install what Debian calls {names} in its own way."
    return f"Install with (as root): apt-get install --no-install-recommends {names}"
