"""A small Kubernetes API on loopback: real HTTP for the real client, objects in memory.

It does what the observer relies on: lists by label, resourceVersions that a patch must name rightly, events by
name. And what a real one cannot be made to do on demand: refuse, hang, change a pod between a read and a patch.
"""

from __future__ import annotations

import json
import threading
import time
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
        """Status by method: what each such request gets."""
        self.before: Callable[[str, str], None] = lambda _method, _path: None
        """Called ahead of each request; may change objects, or wait."""
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self, port: int = 0) -> None:
        api = self

        class Handler(_Handler):
            fake = api

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
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
            if self.headers.get("Authorization") != "Bearer t0ken":
                status, answer = _status(401, "Unauthorized")
            elif method in self.fake.refusals:
                status, answer = _status(self.fake.refusals[method], f"refused: {method}")
            else:
                status, answer = self._answer(method, body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, method: str, body: Object | None) -> tuple[int, Object]:
        fake = self.fake
        url = urlsplit(self.path)
        base = f"/api/v1/namespaces/{NAMESPACE}"
        kind, _, name = url.path.removeprefix(f"{base}/").partition("/")
        if method == "GET" and url.path == f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/{STATEFULSET}":
            return (200, fake.statefulset) if fake.statefulset else _status(404, "not found")
        if method == "GET" and url.path == f"{base}/pods":
            wanted = parse_qs(url.query)["labelSelector"][0]
            label, _, value = wanted.partition("=")
            items = [pod for pod in fake.pods.values() if pod["metadata"]["labels"].get(label) == value]
            return 200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
        if method == "PATCH" and kind == "pods" and body is not None:
            return self._patch_pod(name, body)
        if method == "POST" and kind == "events" and body is not None:
            name = body["metadata"]["name"]
            if name in fake.events:
                return _status(409, f"events {name} already exists")
            fake.events[name] = body
            return 201, body
        if method == "PATCH" and kind == "events" and body is not None:
            if name not in fake.events:
                return _status(404, f"events {name} not found")
            fake.events[name] |= body
            return 200, fake.events[name]
        return _status(404, f"no such path: {self.path}")

    def _patch_pod(self, name: str, body: Object) -> tuple[int, Object]:
        if self.headers["Content-Type"] != "application/merge-patch+json":
            return _status(415, "not a merge patch")
        pod = self.fake.pods.get(name)
        if pod is None:
            return _status(404, f"pods {name} not found")
        if body["metadata"].get("resourceVersion", pod["metadata"]["resourceVersion"]) != pod["metadata"]["resourceVersion"]:
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


if __name__ == "__main__":
    api = FakeApi()
    api.start(18080)
    for i in range(3):
        api.pod(f"{STATEFULSET}-{i}")
    print(api.kubeconfig(Path("/tmp")))
    while True:
        time.sleep(1)
