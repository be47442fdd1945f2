"""A name server for one host, and the programs that ask it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lab.mounts import after_mounting
from lab.namespaces import Host

_PORT = 53
_A, _IN = 1, 1
_ANSWER, _RECURSIVE = 0x8000, 0x0180
_NO_SUCH_NAME = 3


class NameServer:
    """Answers on ``host``'s loopback for ``names`` (name to IPv4 address), without a time to live.

    While ``silent`` it takes questions and says nothing; ``unanswered`` counts them.
    """

    def __init__(self, host: Host, names: Mapping[str, str]) -> None:
        self.silent = False
        self.answered = 0
        self.unanswered = 0
        self._names = dict(names)
        with host.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", _PORT))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Nobody listens any more: who asks is told so by the kernel."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                question, peer = self._socket.recvfrom(1500)
                if not peer:
                    return  # shut down
                if self.silent:
                    self.unanswered += 1
                else:
                    self._socket.sendto(self._answer(question), peer)
                    self.answered += 1

    def _answer(self, question: bytes) -> bytes:
        """Answer a question for an address, and any other kind with no records (RFC 1035, 4.1)."""
        number = question[:2]
        end = question.index(b"\0", 12)
        kind = struct.unpack(">H", question[end + 1 : end + 3])[0]
        address = self._names.get(_name(question[12:end]))
        flags = _ANSWER | _RECURSIVE | (0 if address else _NO_SUCH_NAME)
        found = address is not None and kind == _A
        head = number + struct.pack(">HHHHH", flags, 1, int(found), 0, 0)
        asked = question[12 : end + 5]
        if address is None or not found:
            return head + asked
        # 0xC00C: the name that stands at byte 12.
        return head + asked + struct.pack(">HHHIH", 0xC00C, _A, _IN, 0, 4) + socket.inet_aton(address)


def _name(labels: bytes) -> str:
    parts = []
    while labels:
        length = labels[0]
        parts.append(labels[1 : 1 + length].decode("ascii", "replace"))
        labels = labels[1 + length :]
    return ".".join(parts).lower()


def resolving_by(folder: Path) -> tuple[str, ...]:
    """Return the command (for ``Sidecar.under``) that starts a program which asks the name server of its host."""
    file = folder / "resolv.conf"
    # The default is 5 s, twice.
    file.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
    return after_mounting(f"mount --bind '{file}' '{Path('/etc/resolv.conf').resolve()}'")
