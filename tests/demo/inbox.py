"""The person on call, as Alertmanager reaches them: a pager and a mailbox, on loopback."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Message:
    """One notification, in the words of the template that made it."""

    received: float
    """Monotonic clock."""
    way: str
    """page or e-mail."""
    title: str
    text: str


class Inbox:
    """Takes PagerDuty's events over HTTP and e-mail over SMTP, keeps them, and hands each to ``show``."""

    def __init__(self, show: Callable[[Message], object] = lambda _message: None) -> None:
        self._show = show
        self._lock = threading.Lock()
        self._seen: list[Message] = []
        inbox = self

        class Pager(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["payload"]
                inbox._take("page", event["summary"], event["custom_details"]["alerts"])
                self.send_response(202)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Keep silent: the messages are what is shown."""

        class Mailbox(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 localhost\r\n")
                while line := self.rfile.readline():
                    match line.upper().split()[:1]:
                        case [b"DATA"]:
                            self.wfile.write(b"354 end with .\r\n")
                            inbox._mail(self._data())
                            self.wfile.write(b"250 taken\r\n")
                        case [b"QUIT"]:
                            self.wfile.write(b"221 bye\r\n")
                            return
                        case _:
                            self.wfile.write(b"250 localhost\r\n")

            def _data(self) -> bytes:
                """Return the lines up to a dot alone, without the dot that was put before another (RFC 5321, 4.5.2)."""
                lines = []
                while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                    lines.append(line.removeprefix(b"."))
                return b"".join(lines)

        class Mail(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._servers = (ThreadingHTTPServer(("127.0.0.1", 0), Pager), Mail(("127.0.0.1", 0), Mailbox))
        self.pager, self.smarthost = (f"127.0.0.1:{server.server_address[1]}" for server in self._servers)
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.1,), name="inbox", daemon=True)
            for server in self._servers
        ]
        for thread in self._threads:
            thread.start()

    @property
    def seen(self) -> tuple[Message, ...]:
        """All messages so far, in order."""
        with self._lock:
            return tuple(self._seen)

    def find(self, title: str, since: float = 0) -> Message | None:
        """Return the first message with this title after ``since`` (monotonic clock)."""
        return next((each for each in self.seen if each.title == title and each.received >= since), None)

    def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def _mail(self, data: bytes) -> None:
        mail = message_from_bytes(data, policy=policy.default)
        text = mail.get_body(("plain",))
        self._take("e-mail", mail["Subject"], "" if text is None else text.get_content())

    def _take(self, way: str, title: str, text: str) -> None:
        message = Message(time.monotonic(), way, title, text.strip())
        with self._lock:
            self._seen.append(message)
        self._show(message)
