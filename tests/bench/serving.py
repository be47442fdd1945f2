"""For the benchmark's own tests: a server on loopback that answers as told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PLAIN_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nmark 1"


@contextmanager
def serving(answer: Callable[[int], bytes | None]) -> Iterator[tuple[int, list[socket.socket]]]:
    """Serve ``answer(number)`` to request 0, 1, ...; one that is cut short ends the connection, None is silence."""
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []
    lock = threading.Lock()
    numbers = iter(range(10**6))

    def serve(sock: socket.socket) -> None:
        with sock:
            data = b""
            while chunk := sock.recv(65536):
                data += chunk
                while b"\r\n\r\n" in data:
                    data = data.partition(b"\r\n\r\n")[2]
                    with lock:
                        reply = answer(next(numbers))
                    if reply is None:
                        continue
                    sock.sendall(reply)
                    if not reply.endswith(b"mark 1") or b"Connection: close" in reply:
                        return

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            connections.append(sock)
            threads.append(threading.Thread(target=serve, args=(sock,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepter = threading.Thread(target=accept)
        accepter.start()
        try:
            yield listener.getsockname()[1], connections
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepter.join(5)
            for thread in threads:
                thread.join(5)
