"""Prometheus, Alertmanager, and a receiver of its notifications, on loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lab.namespaces import LOOPBACK, Host
from lab.ports import Ports
from lab.process import Process, wait_until
from lab.web import fetch, fetch_json, post


@dataclass(frozen=True, slots=True)
class Target:
    """What Prometheus scrapes: ``host:port``, and the labels it gets."""

    address: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Notification:
    """One alert of one webhook call."""

    received: float
    """Monotonic clock."""
    status: str
    """firing or resolved."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def name(self) -> str:
        """Name of the alert."""
        return self.labels.get("alertname", "")


class Receiver:
    """A webhook that records every notification and hands it to ``show``."""

    def __init__(
        self, show: Callable[[Notification], object] = lambda _notification: None, host: Host = LOOPBACK
    ) -> None:
        self._lock = threading.Lock()
        self._seen: list[Notification] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver._take(body, show)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Keep silent: the notifications are what is shown."""

        with host.entered():
            self._server = ThreadingHTTPServer((host.address, 0), Handler)
        self.url = f"http://{host.address}:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="receiver", daemon=True)
        self._thread.start()

    @property
    def seen(self) -> tuple[Notification, ...]:
        """All notifications so far, in order."""
        with self._lock:
            return tuple(self._seen)

    def find(self, name: str, status: str, since: float = 0, **labels: str) -> Notification | None:
        """Return the first such notification after ``since`` (monotonic clock)."""
        for notification in self.seen:
            same = (notification.name, notification.status) == (name, status)
            if same and notification.received >= since and labels.items() <= notification.labels.items():
                return notification
        return None

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, body: Mapping[str, Any], show: Callable[[Notification], object]) -> None:
        for alert in body.get("alerts", []):
            notification = Notification(
                time.monotonic(), alert["status"], dict(alert["labels"]), dict(alert["annotations"])
            )
            with self._lock:
                self._seen.append(notification)
            show(notification)


class Alertmanager:
    """A real Alertmanager; ``config`` is its configuration file (JSON is YAML too)."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._ports = Ports()
        port = self._ports.take()
        self.folder = folder / "alertmanager"
        self.folder.mkdir()
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}"
        self.log = self.folder / "alertmanager.log"
        self._file = self.folder / "alertmanager.yml"
        self._file.write_text(json.dumps(config, indent=2))
        self.process: Process | None = None

    def start(self, timeout: float = 20) -> None:
        """Start it and wait until it is ready."""
        self.process = Process(
            [
                "prometheus-alertmanager",
                f"--config.file={self._file}",
                f"--storage.path={self.folder / 'data'}",
                f"--web.listen-address={self.address}",
                f"--web.external-url={self.url}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
            log=self.log,
            cwd=self.folder,
        )
        wait_until(lambda: fetch(f"{self.url}/-/ready"), timeout, "Alertmanager is ready", [self.log])

    def close(self) -> None:
        """Kill it and give its port back."""
        if self.process is not None:
            self.process.kill()
        self._ports.close()


class Prometheus:
    """A real Prometheus that scrapes ``targets`` and evaluates ``rules`` every ``interval`` seconds."""

    def __init__(
        self,
        folder: Path,
        targets: Sequence[Target],
        *,
        rules: Sequence[Path] = (),
        alertmanager: Alertmanager | None = None,
        interval: int = 1,
        flags: Sequence[str] = (),
        host: Host = LOOPBACK,
    ) -> None:
        self._host = host
        self._flags = tuple(flags)
        self._ports = Ports()
        port = self._ports.take()
        self.folder = folder / "prometheus"
        self.folder.mkdir()
        self.address = f"{host.address}:{port}"
        self.url = f"http://{self.address}"
        self.log = self.folder / "prometheus.log"
        self._file = self.folder / "prometheus.yml"
        config: dict[str, Any] = {
            "global": {
                "scrape_interval": f"{interval}s",
                "evaluation_interval": f"{interval}s",
                "scrape_timeout": "1s",
            },
            "rule_files": [str(rule) for rule in rules],
            "scrape_configs": [
                {
                    "job_name": "galera",
                    "static_configs": [{"targets": [t.address], "labels": dict(t.labels)} for t in targets],
                }
            ],
        }
        if alertmanager is not None:
            config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager.address]}]}]}
        self._file.write_text(json.dumps(config, indent=2))
        self.process: Process | None = None

    def start(self, timeout: float = 30) -> None:
        """Start it and wait until it is ready; faulty rules end it, and the log says why."""
        command = [
            "prometheus",
            f"--config.file={self._file}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--log.level=warn",
            *self._flags,
        ]
        with self._host.entered():
            self.process = Process(command, log=self.log, cwd=self.folder)
            wait_until(lambda: fetch(f"{self.url}/-/ready"), timeout, "Prometheus is ready", [self.log])

    def query(self, expression: str, moment: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Evaluate an expression, now or at a moment (time.time()): labels and value of an instant vector's series."""
        when = "" if moment is None else f"&time={moment:.3f}"
        answer = self._ask(f"query?query={quote(expression)}{when}")
        return [(dict(row["metric"]), float(row["value"][1])) for row in answer["data"]["result"]]

    def over_time(
        self, expression: str, start: float, end: float, step: float = 1
    ) -> list[tuple[dict[str, str], list[float]]]:
        """Evaluate an expression at each step of a time (time.time()): labels, and the moments that have a value."""
        span = f"&start={start:.3f}&end={end:.3f}&step={step:g}"
        answer = self._ask(f"query_range?query={quote(expression)}{span}")
        return [(dict(row["metric"]), [float(pair[0]) for pair in row["values"]]) for row in answer["data"]["result"]]

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are pending or firing."""
        found: list[dict[str, Any]] = self._ask("alerts")["data"]["alerts"]
        return found

    def _ask(self, path: str) -> Any:
        with self._host.entered():
            return fetch_json(f"{self.url}/api/v1/{path}")

    def forget(self, *series: str) -> None:
        """Drop all samples so far of these series; needs the flag ``--web.enable-admin-api``."""
        chosen = "&".join(f"match[]={quote(each)}" for each in series)
        with self._host.entered():
            post(f"{self.url}/api/v1/admin/tsdb/delete_series?{chosen}")

    def close(self) -> None:
        """Kill it and give its port back."""
        if self.process is not None:
            self.process.kill()
        self._ports.close()


def webhook(receiver: Receiver) -> dict[str, Any]:
    """Return an Alertmanager configuration that tells ``receiver`` of everything within a second or two."""
    return {
        "route": {
            "receiver": "lab",
            "group_by": ["alertname", "node"],
            "group_wait": "1s",
            "group_interval": "2s",
            "repeat_interval": "1h",
        },
        "receivers": [{"name": "lab", "webhook_configs": [{"url": receiver.url, "send_resolved": True}]}],
    }
