"""An HTTP proxy before etcd's gateway that loses, refuses and delays as told."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PASS = "pass"
UNAVAILABLE = "503"
LOST = "applied, reply lost"
LATE = "applied, reply after the client's patience"
NO_LEASE = "404 lease"
GARBAGE = "200 with garbage"


@dataclass(frozen=True, slots=True)
class Faults:
    """How likely each fault is for one read, and for one write (transactions, leases); the rest passes."""

    reads: Mapping[str, float]
    writes: Mapping[str, float]

    def draw(self, source: random.Random, path: str) -> str:
        """Choose what happens to a request."""
        dice = source.random()
        for fault, chance in (self.reads if path.endswith("/kv/range") else self.writes).items():
            if dice < chance:
                return fault
            dice -= chance
        return PASS


CALM = Faults({}, {})


class FaultyGateway:
    """Stands before one etcd member on loopback; ``faults`` may change at any time, ``done`` counts what was done."""

    def __init__(self, endpoint: str, *, seed: int, patience: float = 3.0) -> None:
        self.faults = CALM
        self.done: Counter[str] = Counter()
        self.patience = patience
        parts = urlsplit(endpoint)
        self._target = (parts.hostname or "", parts.port or 0)
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                gateway.serve(self)

            def log_message(self, *_args: Any) -> None:
                """Say nothing: the counter has it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request with etcd's own answer, or with the fault that the dice say."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        with self._lock:
            fault = self.faults.draw(self._random, request.path)
            self.done[fault] += 1
        if fault == UNAVAILABLE:
            _reply(request, 503, b'{"error":"etcdserver: request timed out","code":14}')
        elif fault == NO_LEASE:
            _reply(request, 404, b'{"error":"etcdserver: requested lease not found","code":5}')
        elif fault == GARBAGE:
            _reply(request, 200, b'{"header":{}}')
        else:
            status, answer = self._ask(request, body)
            if fault == LOST:
                request.close_connection = True
                return
            if fault == LATE:
                time.sleep(self.patience)
            _reply(request, status, answer)

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _ask(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        connection = HTTPConnection(*self._target, timeout=10)
        try:
            connection.request("POST", request.path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException):
            return 503, b'{"error":"the proxy cannot reach etcd","code":14}'
        finally:
            connection.close()


def _reply(request: BaseHTTPRequestHandler, status: int, answer: bytes) -> None:
    try:
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)
    except OSError:
        request.close_connection = True  # the client has lost patience
