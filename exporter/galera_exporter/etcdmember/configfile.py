"""The file that etcd is started with: there only while etcd may start."""

from __future__ import annotations

import socket
from pathlib import Path

from galera_exporter.etcdmember.decision import Start, StartExisting, StartNew
from galera_exporter.etcdmember.etcdconf import render
from galera_exporter.etcdmember.files import replace_file
from galera_exporter.etcdmember.settings import MemberSettings


class ConfigFile:
    """Etcd's configuration file. Methods raise OSError where it cannot be written."""

    def __init__(self, settings: MemberSettings) -> None:
        self._settings = settings
        # On all addresses of both families, where the system has both.
        everywhere = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - a pod's own network
        self._listen = settings.listen[0] or everywhere
        self._written = ""

    def write(self, directory: Path, how: StartNew | StartExisting | Start) -> None:
        """Let etcd start in this way, from its next start on; the same again is not written again."""
        text = render(self._settings, directory, how, self._listen)
        if text != self._written:
            replace_file(self._settings.config_file, text)
            self._written = text

    def withdraw(self) -> None:
        """Keep etcd from being started: without the file it ends at once."""
        self._written = ""
        self._settings.config_file.unlink(missing_ok=True)
