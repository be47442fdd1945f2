"""HTTP/1.x messages without I/O: bytes to ``Request``, ``Response`` to bytes.

The parser is strict (RFC 9112): a client that needs leniency is not Prometheus,
a browser, curl or a kubelet. It is total: any bytes give a request, "not yet",
or ``BadRequest``.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qs

MAX_HEAD: Final = 16 * 1024
"""Bytes of the request line and all headers."""
MAX_HEADERS: Final = 100
MAX_BODY: Final = 64 * 1024
"""Bytes of a request body; no route reads one, so it is drained and dropped."""
GZIP_FROM: Final = 64 * 1024
"""Bytes from which compression pays. A node's page has 30 KB: squeezing it would cost a tenth of the scrape's CPU."""
TIMEOUT: Final = 10.0
"""Seconds that a request may take: the default and the cap."""
PRODUCT: Final = "galera-exporter"

_METHOD: Final = re.compile(r"[A-Z]{1,16}")
_TARGET: Final = re.compile(r"(?:http://[^/?#\s]+)?(/[\x21-\x7e]*)")
_VERSION: Final = re.compile(r"HTTP/([0-9])\.([0-9])")
_FIELD: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_DIGITS: Final = re.compile(r"[0-9]{1,12}")
_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_ONCE: Final = frozenset({"authorization", "content-length", "host", "transfer-encoding"})

_SAFE_PAGE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "deny",
    }
)


class BadRequest(Exception):  # noqa: N818 - the name of the status, as HTTP spells it
    """The bytes are no request that this server takes; ``status`` and the text are the answer."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are in lower case; ``timeout`` is the seconds left to answer it."""

    method: str
    path: str
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str]
    timeout: float = TIMEOUT
    peer: str = ""
    """Address of the client, without its port."""
    keep_alive: bool = False
    body_size: int = 0
    """Bytes of body that follow the head."""

    def accepts_gzip(self) -> bool:
        """Whether ``Accept-Encoding`` names gzip (or ``*``) without refusing it by ``q=0``."""
        for coding in self.headers.get("accept-encoding", "").split(","):
            name, _, quality = coding.partition(";")
            if name.strip().lower() in {"gzip", "*"}:
                return quality.replace(" ", "").lower() not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
        return False


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler gives back; the server adds length, date, connection and encoding."""

    status: HTTPStatus
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def text(cls, status: HTTPStatus, text: str, headers: Mapping[str, str] | None = None) -> Response:
        """Return ``text`` and a newline as plain UTF-8."""
        fields = {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}
        return cls(status, fields, f"{text}\n".encode(errors="replace"))

    @classmethod
    def html(cls, page: str) -> Response:
        """Return ``page`` with headers that forbid scripts, framing, caching and anything from elsewhere."""
        fields = {"Content-Type": "text/html; charset=utf-8", **_SAFE_PAGE}
        return cls(HTTPStatus.OK, fields, page.encode(errors="replace"))


def parse(data: bytes | bytearray, peer: str = "") -> tuple[Request, int] | None:
    """Read one head from the start of ``data``: the request and the bytes it took, or None where more must come.

    Raises BadRequest as soon as the bytes cannot become a request, so that a TLS
    hello or HTTP/0.9 on this port gets its answer at once and not at the deadline.
    """
    start = 2 if data.startswith(b"\r\n") else 0  # RFC 9112, 2.2: one empty line before a request is ignored
    end = data.find(b"\r\n\r\n", start)
    if end < 0:
        if len(data) > MAX_HEAD:
            raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the header is over {MAX_HEAD} bytes")
        _check_beginning(bytes(data[start : start + MAX_HEAD]))
        return None
    if end - start > MAX_HEAD:
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the header is over {MAX_HEAD} bytes")
    lines = bytes(data[start:end]).decode("latin-1").split("\r\n")
    method, target, minor = _request_line(lines[0])
    headers = _fields(lines[1:])
    if minor and "host" not in headers:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "HTTP/1.1 needs a Host header")
    path, _, query = target.partition("?")
    tokens = {token.strip().lower() for token in headers.get("connection", "").split(",")}
    request = Request(
        method=method,
        path=path,
        query=_query(query),
        headers=MappingProxyType(headers),
        timeout=scrape_timeout(headers.get("x-prometheus-scrape-timeout-seconds", "")),
        peer=peer,
        keep_alive="close" not in tokens and (minor == 1 or "keep-alive" in tokens),
        body_size=_body_size(headers),
    )
    return request, end + 4


def scrape_timeout(text: str) -> float:
    """Return the seconds to answer in: the header's, less the larger of 0.5 s and 10 %; at most and by default 10 s."""
    if not _SECONDS.fullmatch(text):
        return TIMEOUT
    seconds = float(text)
    return min(TIMEOUT, max(0.1, seconds - max(0.5, seconds * 0.1)))


def encode(
    response: Response, request: Request | None, *, keep_alive: bool, extra: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """Return the whole answer as one buffer: gzip where the client takes it and it pays, no body for HEAD.

    ``extra`` are headers of the operator's; they win over ours of the same name.
    """
    body = response.body
    fields = {
        "Server": PRODUCT,
        "Date": _date(int(time.time())),
        "X-Content-Type-Options": "nosniff",
        **response.headers,
        **extra,
    }
    if len(body) > GZIP_FROM and "Content-Encoding" not in fields:
        fields["Vary"] = "Accept-Encoding"
        if request is not None and request.accepts_gzip():
            squeeze = zlib.compressobj(
                level=1, wbits=31
            )  # level 1: 0.3 ms for 40 KB; 6 takes thrice that for 20 % less
            body = squeeze.compress(body) + squeeze.flush()
            fields["Content-Encoding"] = "gzip"
    fields["Content-Length"] = str(len(body))
    fields["Connection"] = "keep-alive" if keep_alive else "close"
    lines = [f"HTTP/1.1 {response.status.value} {response.status.phrase}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    head = "\r\n".join(lines).encode("latin-1", errors="replace") + b"\r\n\r\n"
    return head if request is not None and request.method == "HEAD" else head + body


def _check_beginning(data: bytes) -> None:
    """Refuse what cannot become a request: a first line that is wrong, or a first byte that is no letter."""
    line, newline, _ = data.partition(b"\n")
    if newline:
        _request_line(line.removesuffix(b"\r").decode("latin-1"))
        if not line.endswith(b"\r"):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "lines must end with CR LF")
    elif data[:1] not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ\r":
        raise BadRequest(
            HTTPStatus.BAD_REQUEST, "this port speaks HTTP/1.1; no TLS is configured, or it is spoken twice"
        )


def _request_line(line: str) -> tuple[str, str, int]:
    words = line.split(" ")
    if len(words) != 3 or not _METHOD.fullmatch(words[0]):  # noqa: PLR2004 - method, target, version
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the request line is not METHOD /path HTTP/1.1")
    version = _VERSION.fullmatch(words[2])
    if not version:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the request line is not METHOD /path HTTP/1.1")
    if version[1] != "1":
        raise BadRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    target = _TARGET.fullmatch(words[1])
    if not target:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the request target is not a path")
    return words[0], target[1], min(1, int(version[2]))


def _fields(lines: list[str]) -> dict[str, str]:
    if len(lines) > MAX_HEADERS:
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {MAX_HEADERS} headers")
    headers: dict[str, str] = {}
    for line in lines:
        matched = _FIELD.fullmatch(line)
        if not matched:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "a header line is malformed")
        name, value = matched[1].lower(), matched[2].rstrip(" \t")
        if name not in headers:
            headers[name] = value
        elif name in _ONCE:
            raise BadRequest(HTTPStatus.BAD_REQUEST, f"the header {name} is given twice")
        else:
            headers[name] += f", {value}"
    return headers


def _query(text: str) -> Mapping[str, tuple[str, ...]]:
    if not text:
        return MappingProxyType({})
    try:
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the query has over 100 fields") from None
    return MappingProxyType({name: tuple(values) for name, values in fields.items()})


def _body_size(headers: Mapping[str, str]) -> int:
    if "expect" in headers:
        raise BadRequest(HTTPStatus.EXPECTATION_FAILED, "no route here takes a body")
    if "transfer-encoding" in headers:
        raise BadRequest(HTTPStatus.LENGTH_REQUIRED, "no route here takes a body; chunks are not read")
    text = headers.get("content-length", "0")
    if not _DIGITS.fullmatch(text):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the content length is no number")
    if int(text) > MAX_BODY:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is over {MAX_BODY} bytes")
    return int(text)


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    moment = time.gmtime(second)  # names by hand: strftime would follow the locale
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.tm_wday]
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[moment.tm_mon - 1]
    return f"{day}, {moment.tm_mday:02} {month} {moment.tm_year} {time.strftime('%H:%M:%S', moment)} GMT"
