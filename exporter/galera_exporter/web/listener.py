"""Listening sockets, and whom a client counts for."""

from __future__ import annotations

import socket
from typing import Final

BACKLOG: Final = 128


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen; an empty host is every address of both families where the system has both."""
    if not host and socket.has_dualstack_ipv6():
        listener = socket.create_server(
            ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG, reuse_port=False
        )
    else:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)  # a name: IPv4 first, as Go
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return listener


def group_of(peer: str) -> bytes:
    """Return whom a connection counts for: the IPv4 address, or the IPv6 /64, which one host has to itself."""
    if ":" not in peer:
        return peer.encode()
    return socket.inet_pton(socket.AF_INET6, peer.partition("%")[0])[:8]
