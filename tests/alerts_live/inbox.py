"""Where notifications arrive: the four receivers of the example configuration, on loopback."""

from __future__ import annotations

import json
import re
import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

_ALERT: Final = re.compile(
    r"^(?P<status>FIRING|RESOLVED) (?P<head>[^\n]*): (?P<name>Galera\w+)\nWhere: +[^\n,]*(?:, (?P<where>[^\n]*))?\n"
    r"(?P<rest>(?:[^\n]+\n)*)",
    re.MULTILINE,
)
_LINE: Final = re.compile(r"^(What|Details|Impact|Run first|Runbook|Dashboard): +(.*)$", re.MULTILINE)
FIRING: Final = "FIRING"
RESOLVED: Final = "RESOLVED"


@dataclass(frozen=True, slots=True, order=True)
class Alert:
    """One alert, as a person tells it from another."""

    name: str
    where: str = ""
    """``pod galera-1``, ``pod galera-1, collector registry``; empty for one of the whole cluster."""

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> Alert:
        """Return the alert with these labels; severity is told apart by who is told."""
        known = [f"{name} {labels[name]}" for name in ("pod", "collector", "option") if labels.get(name)]
        return cls(labels["alertname"], ", ".join(known))

    def __str__(self) -> str:
        return f"{self.name} ({self.where})" if self.where else self.name


@dataclass(frozen=True, slots=True)
class Heard:
    """One alert of one message."""

    moment: float
    """time.time() when the message arrived."""
    channel: str
    """page, chat, mail or ticket."""
    status: str
    alert: Alert
    lines: Mapping[str, str]
    """What its text says, by the word in front: What, Details, Impact, Run first, Runbook."""


class Inbox:
    """Takes pages, chat messages and tickets by HTTP, and mails by SMTP; keeps what they say."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: list[Heard] = []
        self.titles: list[str] = []
        """Of the chat messages, in order."""
        inbox = self

        class Web(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                inbox._take(self.path.strip("/"), body)
                self.send_response(202 if self.path == "/page" else 200)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Keep silent."""

        class Mail(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                inbox._converse(self)

        self._web = ThreadingHTTPServer(("127.0.0.1", 0), Web)
        self._mail = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail)
        self._mail.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._web.server_address[1]}"
        self.smarthost = f"127.0.0.1:{self._mail.server_address[1]}"
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
            for server in (self._web, self._mail)
        ]
        for thread in self._threads:
            thread.start()

    def heard(self, since: float = 0) -> list[Heard]:
        """Return all that arrived since a moment (time.time()), in order."""
        with self._lock:
            return [each for each in self._heard if each.moment >= since]

    def close(self) -> None:
        """Stop listening."""
        for server in (self._web, self._mail):
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def _take(self, channel: str, body: Mapping[str, Any]) -> None:
        if channel == "chat":
            with self._lock:
                self.titles += [attachment["title"] for attachment in body["attachments"]]
        elif channel == "page":
            self._note(read(channel, body["payload"]["custom_details"]["alerts"]))
        else:
            now = time.time()
            self._note(
                Heard(now, channel, each["status"].upper(), Alert.of(each["labels"]), {}) for each in body["alerts"]
            )

    def _note(self, found: Iterator[Heard]) -> None:
        with self._lock:
            self._heard.extend(found)

    def _converse(self, client: socketserver.StreamRequestHandler) -> None:
        """Speak as much SMTP as Alertmanager needs to hand over a mail."""
        client.wfile.write(b"220 loopback\r\n")
        while words := client.rfile.readline().split():
            command = words[0].upper()
            if command == b"DATA":
                client.wfile.write(b"354 go on\r\n")
                lines = iter(client.rfile.readline, b".\r\n")
                mail = message_from_bytes(b"".join(line.removeprefix(b".") for line in lines), policy=policy.default)
                plain = mail.get_body(("plain",))
                if plain is None:
                    raise ValueError("a mail without a plain text")
                self._note(read("mail", plain.get_content().replace("\r\n", "\n")))
            client.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 fine\r\n")


def read(channel: str, text: str) -> Iterator[Heard]:
    """Yield each alert of a text that ``galera.text`` made."""
    now = time.time()
    for found in _ALERT.finditer(text):
        alert = Alert(found["name"], found["where"] or "")
        yield Heard(now, channel, found["status"], alert, dict(_LINE.findall(found["rest"])))
