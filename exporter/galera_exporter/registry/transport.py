"""HTTP with one time limit for the whole exchange, and one size limit for the answer.

``requests`` limits each read of the socket, not the exchange: a server that sends one byte
a second holds its caller for hours. Here the limit of a request covers connect, TLS
handshake, headers and body together. Nothing comes from the environment: no proxy, no
``.netrc``; redirects and cookies are refused.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs

from galera_exporter.settings import EtcdSettings

MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes. 128 nodes need 200 KiB. Parsing takes about four times the size, and the container has 64 MiB."""

TIMED_OUT: Final = "no answer in time"

CHUNK: Final = 64 * 1024


class AnswerTooLargeError(requests.RequestException):
    """The answer is larger than the session takes; the rest was not read."""


class _TimedReader(io.RawIOBase):
    """Reads a socket until a deadline: each read gets the time that is left, not the whole limit anew."""

    def __init__(self, sock: socket.socket, stream: io.RawIOBase, limit: float) -> None:
        self._sock = sock
        self._stream = stream
        self._deadline = time.monotonic() + limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError(TIMED_OUT)
        self._sock.settimeout(remaining)
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """A response whose headers and body together get the time limit that urllib3 set on the socket."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        limit = sock.gettimeout()
        if limit is not None:
            self.fp = io.BufferedReader(_TimedReader(sock, self.fp.detach(), limit))


class _Connection(HTTPConnection):
    response_class = _TimedResponse


class _TLSConnection(HTTPSConnection):
    response_class = _TimedResponse

    def connect(self) -> None:
        context = create_urllib3_context(cert_reqs=resolve_cert_reqs(self.cert_reqs))
        # Set by Python 3.13 and refuses many a private CA, which etcd and MariaDB take.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self.ssl_context = context
        super().connect()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


TIMED_POOLS: Final[dict[str, type[HTTPConnectionPool]]] = {"http": _Pool, "https": _TLSPool}
"""For urllib3's ``PoolManager.pool_classes_by_scheme``: a request's time limit is that of the whole exchange."""


class TimedAdapter(HTTPAdapter):
    """For a session of ``requests``: the time limit is that of the whole exchange, and any private CA is taken."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools that do so."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = TIMED_POOLS


class BoundedSession(requests.Session):
    """A ``requests.Session`` with limits; ``timeout`` of a request is that of all of it, in seconds.

    ``verify`` is a file of CAs, or None for the system's; ``cert`` the client's certificate and key. ``most``: bytes
    of an answer.
    """

    def __init__(
        self, *, verify: Path | None = None, cert: tuple[Path, Path | None] | None = None, most: int = MAX_ANSWER
    ) -> None:
        super().__init__()
        self._most = most
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.clear()
        self.headers.update({"Accept": "application/json", "Accept-Encoding": "identity"})
        self.mount("http://", TimedAdapter(pool_connections=8, pool_maxsize=2))
        self.mount("https://", TimedAdapter(pool_connections=8, pool_maxsize=2))
        if verify is not None:
            self.verify = str(verify)
        if cert is not None:
            certificate, key = cert
            self.cert = (str(certificate), str(key)) if key else str(certificate)

    @classmethod
    def of_etcd(cls, settings: EtcdSettings) -> BoundedSession:
        """Return one for the endpoints of these settings."""
        cert = None if settings.tls_cert is None else (settings.tls_cert, settings.tls_key)
        return cls(verify=settings.tls_ca, cert=cert)

    def post(
        self, url: str | bytes, data: Any = None, json: Any = None, *, timeout: Any = None, **kwargs: Any
    ) -> requests.Response:
        """Send a POST, without looking first for what the environment, a cookie or a hook might add: here none does.

        That search would be a tenth of what this process does while nobody scrapes it.
        """
        request = requests.PreparedRequest()
        headers = {**self.headers, **kwargs.pop("headers", {})}
        request.prepare(method="POST", url=url, headers=headers, data=data, json=json)
        return self.send(request, timeout=timeout, **kwargs)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send, and read the whole answer within the limits.

        Raises:
            AnswerTooLargeError: the answer is larger than the session takes.
            requests.RequestException: as the session does, a limit passed in the body included.
        """
        limit: float = kwargs["timeout"]
        kwargs |= {"timeout": urllib3.Timeout(total=limit), "stream": True, "allow_redirects": False}
        response = super().send(request, **kwargs)
        response._content = _read(response, request, self._most)  # noqa: SLF001  # the one way to hand requests a body that was read with limits
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001  # private to requests, set together with _content
        response.encoding = "utf-8"  # or requests would guess, at length, from the body
        return response


def _read(response: requests.Response, request: requests.PreparedRequest, most: int) -> bytes:
    body = bytearray()
    try:
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            body += chunk
            if len(body) > most:
                response.close()
                raise AnswerTooLargeError(request=request)
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.ReadTimeout(error, request=request) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error, request=request) from error
    return bytes(body)


def reason_in_words(error: BaseException) -> str:
    """Return the innermost cause of a failed exchange in a few words, e.g. ``Connection refused``."""
    seen = {id(error)}
    while (inner := _inner(error)) is not None and id(inner) not in seen and not isinstance(error, TimeoutError):
        seen.add(id(inner))
        error = inner
    if isinstance(error, TimeoutError):
        return TIMED_OUT
    if isinstance(error, ssl.SSLEOFError):
        return "TLS: the server hung up; does it want a client certificate?"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _inner(error: BaseException) -> BaseException | None:
    """Return what an exception of requests or urllib3 was made from."""
    parts = (*error.args, getattr(error, "reason", None), error.__cause__, error.__context__)
    return next((part for part in parts if isinstance(part, BaseException)), None)


def never_sent(error: BaseException | None) -> bool:
    """Whether a failed exchange ended before a byte of the request left: no connection was made."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    inner: object = error.args[0] if error is not None and error.args else None
    cause = inner.reason if isinstance(inner, urllib3.exceptions.MaxRetryError) else inner
    return isinstance(cause, urllib3.exceptions.NewConnectionError)
