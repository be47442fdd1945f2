"""A small Kubernetes API on loopback: real HTTP for the real client, objects in memory.

It does what the observer relies on: lists by label, resourceVersions that a patch must name rightly, events by
name. And what a real one cannot be made to do on demand: refuse, hang, change a pod between a read and a patch.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]

NAMESPACE = "galera"
STATEFULSET = "db-galera"


class FakeApi:
    """Serves between ``start`` and ``close``."""

    statefulset_path = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/{STATEFULSET}"

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.version = 100
        self.pods: dict[str, Object] = {}
        self.events: dict[str, Object] = {}
        self.statefulset: Object | None = {
            "kind": "StatefulSet",
            "metadata": {"name": STATEFULSET},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "galera"}}},
        }
        self.requests: list[tuple[str, str]] = []
        """Method and path with query, of each."""
        self.labels: list[frozenset[str]] = [frozenset()]
        """Which pods had the write label, at each change of it."""
        self.refusals: dict[str, int] = {}
        """Status by method, or by method and name of the object: what each such request gets."""
        self.before: Callable[[str, str], None] = lambda _method, _path: None
        """Called ahead of each request; may change objects, or wait."""
        self.connections: list[socket.socket] = []
        self.token = "t0ken"
        self._scheme = "http"
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        api = self

        class Handler(_Handler):
            fake = api

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._scheme = "https"
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop serving, and hang up on everyone."""
        if self._server is not None:
            self._server.shutdown()
            for connection in self.connections:
                with contextlib.suppress(OSError):  # it was closed by its own thread
                    connection.shutdown(socket.SHUT_RDWR)
            self.connections.clear()
            self._server.server_close()
            self._server = None

    def kubeconfig(self, folder: Path) -> Path:
        path = folder / "kubeconfig.json"  # JSON is YAML
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": "t0ken"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        path.write_text(json.dumps(config))
        return path

    def pod(self, name: str, *, ready: bool = True, labelled: bool = False, uid: str = "") -> None:
        """Make a pod, or make it anew."""
        with self.lock:
            self.pods[name] = {
                "metadata": {
                    "name": name,
                    "uid": uid or f"uid-{name}-{self.version}",
                    "labels": {"app": "galera", **({"galera.role": "primary"} if labelled else {})},
                },
                "status": {"phase": "Running"},
            }
            self.set_ready(name, ready=ready)

    def set_ready(self, name: str, *, ready: bool) -> None:
        with self.lock:
            conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
            self.pods[name]["status"]["conditions"] = conditions
            self.touch(self.pods[name])

    def terminate(self, name: str) -> None:
        with self.lock:
            self.pods[name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self.touch(self.pods[name])

    def remove(self, name: str) -> None:
        with self.lock:
            del self.pods[name]
            self._note()

    def primary(self) -> frozenset[str]:
        with self.lock:
            return self._labelled()

    def told(self, name: str) -> list[tuple[str, str]]:
        """Reason and message of each event of a pod, oldest first."""
        with self.lock:
            return [
                (event["reason"], event["message"])
                for event in self.events.values()
                if event["involvedObject"]["name"] == name
            ]

    def touch(self, thing: Object) -> None:
        """Give a changed object its next version."""
        self.version += 1
        thing["metadata"]["resourceVersion"] = str(self.version)
        self._note()

    def _labelled(self) -> frozenset[str]:
        return frozenset(
            name for name, pod in self.pods.items() if pod["metadata"]["labels"].get("galera.role") == "primary"
        )

    def _note(self) -> None:
        if self._labelled() != self.labels[-1]:
            self.labels.append(self._labelled())


class _Handler(BaseHTTPRequestHandler):
    fake: FakeApi
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # one segment an answer: in two, the second would wait for the client's delayed acknowledgement

    def setup(self) -> None:
        super().setup()
        self.fake.connections.append(self.connection)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PATCH(self) -> None:
        self._serve("PATCH")

    def _serve(self, method: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.fake.before(method, self.path)
        with self.fake.lock:
            self.fake.requests.append((method, self.path))
            scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
            if (scheme.lower(), token) != ("bearer", self.fake.token):
                status, answer = _status(401, "Unauthorized")
            elif refusal := self.fake.refusals.get(method) or self.fake.refusals.get(f"{method} {self._name}"):
                status, answer = _status(refusal, f"refused: {method}")
            else:
                status, answer = self._answer(method, body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @property
    def _name(self) -> str:
        return urlsplit(self.path).path.rpartition("/")[2]

    def _answer(self, method: str, body: Object | None) -> tuple[int, Object]:
        fake = self.fake
        url = urlsplit(self.path)
        base = f"/api/v1/namespaces/{NAMESPACE}/"
        kind, _, name = url.path.removeprefix(base).partition("/")
        status, answer = _status(404, f"not found: {self.path}")
        match method, kind:
            case "GET", "pods":
                label, _, value = parse_qs(url.query)["labelSelector"][0].partition("=")
                items = [pod for pod in fake.pods.values() if pod["metadata"]["labels"].get(label) == value]
                status, answer = 200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
            case "PATCH", "pods" if body is not None:
                status, answer = self._patch_pod(name, body)
            case "POST", "events" if body is not None and body["metadata"]["name"] in fake.events:
                status, answer = _status(409, "the event already exists")
            case "POST", "events" if body is not None:
                fake.events[body["metadata"]["name"]] = body
                status, answer = 201, body
            case "PATCH", "events" if body is not None and name in fake.events:
                fake.events[name] |= body
                status, answer = 200, fake.events[name]
            case "GET", _ if fake.statefulset and url.path == fake.statefulset_path:
                status, answer = 200, fake.statefulset
        return status, answer

    def _patch_pod(self, name: str, body: Object) -> tuple[int, Object]:
        if self.headers["Content-Type"] != "application/merge-patch+json":
            return _status(415, "not a merge patch")
        pod = self.fake.pods.get(name)
        if pod is None:
            return _status(404, f"pods {name} not found")
        if (
            body["metadata"].get("resourceVersion", pod["metadata"]["resourceVersion"])
            != pod["metadata"]["resourceVersion"]
        ):
            return _status(409, "the object has been modified")
        for key, value in body["metadata"]["labels"].items():
            if value is None:
                pod["metadata"]["labels"].pop(key, None)
            else:
                pod["metadata"]["labels"][key] = value
        self.fake.touch(pod)
        return 200, pod


def _status(code: int, message: str) -> tuple[int, Object]:
    return code, {"kind": "Status", "status": "Failure", "message": message, "code": code}
