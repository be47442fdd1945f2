"""Free ports on loopback that nobody else is given while they are ours."""

from __future__ import annotations

import socket


class Ports:
    """Reserves ports by holding a bound socket that does not listen.

    The kernel gives a bound port to no one else who asks for port 0 or connects outwards, and lets
    a server that sets SO_REUSEADDR (all of ours do) listen on it. So two labs never collide, no
    lock file is needed, and a dead process holds nothing.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self) -> int:
        """Reserve one port of 127.0.0.1 until ``close``."""
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Port 0 is bound without SO_REUSEADDR: then the kernel looks for one that is wholly free.
            held.bind(("127.0.0.1", 0))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        except OSError:
            held.close()
            raise
        self._held.append(held)
        return int(held.getsockname()[1])

    def close(self) -> None:
        """Give all ports back."""
        while self._held:
            self._held.pop().close()
