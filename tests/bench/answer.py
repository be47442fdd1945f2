"""HTTP answers, read as they arrive: just enough of HTTP/1.1 to time two exporters alike."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_GZIP = re.compile(rb"\r\ncontent-encoding: *gzip", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"

PROMETHEUS = (
    "Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n"
    "Accept-Encoding: gzip\r\n"
    "User-Agent: Prometheus/2.42.0\r\n"
)
"""The headers that Prometheus 2.42 sends."""
PLAIN = "Accept: text/plain;version=0.0.4\r\n"
"""As curl would ask: text, not compressed."""


class ProtocolError(OSError):
    """What came is not an HTTP answer."""


def request(headers: str, deadline: float = 10) -> bytes:
    """Return a GET of /metrics; ``deadline`` is what Prometheus tells as its scrape timeout, in seconds."""
    timeout = f"X-Prometheus-Scrape-Timeout-Seconds: {deadline:g}\r\n"
    return f"GET /metrics HTTP/1.1\r\nHost: localhost\r\n{headers}{timeout}\r\n".encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete answer."""

    status: int
    head: bytes
    body: bytes
    """As transferred, chunks joined."""

    @property
    def closes(self) -> bool:
        """Whether the server closes the connection after it."""
        return _CLOSE.search(self.head) is not None

    def text(self) -> str:
        """Return the page, decompressed."""
        return (gzip.decompress(self.body) if _GZIP.search(self.head) else self.body).decode()


class Reader:
    """Collects the bytes of one answer after another."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._head = b""
        self._end = 0
        """Where the body ends; 0 while that is not known, -1 for one in chunks."""

    def feed(self, data: bytes) -> Answer | None:
        """Take what arrived; return the answer once it is complete. Raises ProtocolError."""
        self._data += data
        if not self._head and not self._read_head():
            return None
        if self._end < 0:
            return self._finish(dechunk(bytes(self._data))) if self._data.endswith(_LAST_CHUNK) else None
        return self._finish(bytes(self._data)) if len(self._data) >= self._end else None

    def _read_head(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._head = bytes(self._data[:end])
        del self._data[: end + 4]
        if _CHUNKED.search(self._head):
            self._end = -1
            self._data[:0] = b"\r\n"  # so that the last chunk is found in a body without others, too
            return True
        length = _LENGTH.search(self._head)
        if length is None or not self._head.startswith(b"HTTP/1.1 "):
            raise ProtocolError(f"not an answer that can be timed: {self._head[:200]!r}")
        self._end = int(length[1])
        return True

    def _finish(self, body: bytes | None) -> Answer | None:
        if body is None:
            return None
        answer = Answer(int(self._head[9:12]), self._head, body)
        self._data.clear()
        self._head, self._end = b"", 0
        return answer


def dechunk(data: bytes) -> bytes | None:
    """Join the chunks of a body, each with the line end before it; None if the last one is not there yet."""
    body = bytearray()
    at = 2
    while True:
        line = data.find(b"\r\n", at)
        if line < 0:
            return None
        size = int(data[at:line].split(b";")[0], 16)
        if size == 0:
            return bytes(body)
        body += data[line + 2 : line + 2 + size]
        at = line + 2 + size + 2
