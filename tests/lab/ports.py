"""Free ports on loopback that nobody else is given while they are ours."""

from __future__ import annotations

import errno
import random
import socket
from pathlib import Path

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 15_000
_TRIES = 1000


class Ports:
    """Reserves ports by holding a bound socket that does not listen.

    A server that sets SO_REUSEADDR (all of ours do) can listen on such a port, another lab that binds it
    without that option cannot: so two labs never collide, no lock file is needed, and a dead
    process holds nothing. The ports are below the range from which the kernel serves port 0 and outgoing
    connections, so that a stranger who asks for just any port is not given one of ours a moment
    before we take it.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []
        self._random = random.Random()  # not seeded: parallel workers must differ

    def take(self) -> int:
        """Reserve one port of 127.0.0.1 until ``close``."""
        highest = int(_EPHEMERAL.read_text().split()[0]) - 1
        for _ in range(_TRIES):
            # Where the ephemeral range leaves no room below it, the kernel has to choose.
            port = self._random.randint(_LOWEST, highest) if highest > _LOWEST + _TRIES else 0
            held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                held.bind(("127.0.0.1", port))  # without SO_REUSEADDR: wholly free, or an error
            except OSError as error:
                held.close()
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                continue
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._held.append(held)
            return int(held.getsockname()[1])
        raise OSError(errno.EADDRINUSE, f"no free port found in {_TRIES} tries")

    def close(self) -> None:
        """Give all ports back."""
        while self._held:
            self._held.pop().close()
