"""``python3 -m galera_exporter.healthcheck``: whether a program of this package serves here; for HEALTHCHECK.

It asks the ports that the programs listen on by default. Kubernetes has probes of its own and does not run it.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from typing import Final

PORTS: Final = (10104, 10105, 2378)
"""Of the sidecar, the observer, and the member of etcd."""
_TIMEOUT: Final = 3.0


def serves(port: int) -> bool:
    """Whether something listens on ``port`` of this host, and does not hang.

    With TLS, the server hangs up on this request: then it is no less alive.
    """
    try:
        with socket.create_connection(("localhost", port), _TIMEOUT) as connection:
            connection.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
            first = connection.recv(4096)
    except ConnectionResetError:
        return True
    except OSError:
        return False
    return not first.startswith((b"HTTP/1.0 5", b"HTTP/1.1 5"))


def main(ports: Sequence[int] = PORTS) -> int:
    """Return 0 where any of ``ports`` serves, else 1."""
    return 0 if any(map(serves, ports)) else 1


if __name__ == "__main__":
    sys.exit(main())
