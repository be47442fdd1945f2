"""Who looks at the nodes all the time: at the databases, at their readiness, at ``/metrics``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pymysql
from pymysql.cursors import DictCursor

from chaos.clock import Clock
from chaos.history import Component, Sample, Scrape
from chaos.promises import SCRAPE_TIMEOUT
from lab import GaleraNode, Pod

_LOOK = 0.3
_SCRAPE = 1.0
_ANSWER = 1.5
_STATUS = (
    r"SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_status', 'wsrep_cluster_state_uuid',"
    r" 'wsrep_incoming_addresses')"
)


class Watcher:
    """Calls ``look`` again and again in a thread of its own, at most once in ``interval`` seconds."""

    def __init__(self, look: Callable[[], None], interval: float, name: str) -> None:
        self._look = look
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join(15)

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            self._look()
            self._stop.wait(max(0.01, began + self._interval - time.monotonic()))


class NodeWatcher:
    """Looks at a database through its socket, and at the readiness of its pod."""

    def __init__(self, pod: Pod, clock: Clock) -> None:
        self._pod = pod
        self._clock = clock
        self._connection: pymysql.Connection[DictCursor] | None = None
        self.samples: list[Sample] = []
        self._watcher = Watcher(self._look, _LOOK, f"watch {pod.name}")

    def stop(self) -> None:
        """Look no more."""
        self._watcher.stop()
        self._drop()

    def lets_in(self, _node: GaleraNode) -> bool:
        """Whether the pod was ready a moment ago."""
        last = self.samples[-1] if self.samples else None
        return last is not None and last.serving and self._clock.now - last.ended < 1.0

    def _look(self) -> None:
        began = self._clock.now
        status, component = "", None
        try:
            status, component = self._ask()
        except (OSError, pymysql.MySQLError):
            self._drop()
        serving = False
        with suppress(OSError):
            self._pod.sidecar.get("/-/serving", timeout=_ANSWER)
            serving = True
        self.samples.append(Sample(self._pod.name, began, self._clock.now, status, component, serving))

    def _ask(self) -> tuple[str, Component | None]:
        if self._connection is None:
            self._connection = self._pod.node.connect(timeout=_ANSWER)
            with self._connection.cursor() as cursor:
                cursor.execute("SET SESSION wsrep_sync_wait = 0")
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT @@wsrep_cluster_name AS name")
            group = str(cursor.fetchall()[0]["name"])
            cursor.execute(_STATUS)
            found = {str(row["Variable_name"]).lower(): str(row["Value"]) for row in cursor.fetchall()}
        status = found.get("wsrep_cluster_status", "")
        members = frozenset(filter(None, found.get("wsrep_incoming_addresses", "").split(",")))
        if status != "Primary" or not members:
            return status, None
        return status, Component(found["wsrep_cluster_state_uuid"], group, members)

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(OSError, pymysql.MySQLError):
                self._connection.close()
            self._connection = None


class Scraper:
    """Scrapes a sidecar each second, from its own host: no fault of the network is in the way."""

    def __init__(self, pod: Pod, clock: Clock) -> None:
        self._pod = pod
        self._clock = clock
        self.scrapes: list[Scrape] = []
        self._watcher = Watcher(self._look, _SCRAPE, f"scrape {pod.name}")

    def stop(self) -> None:
        """Scrape no more."""
        self._watcher.stop()

    def _look(self) -> None:
        began = self._clock.now
        error = ""
        try:
            text = self._pod.sidecar.get("/metrics", timeout=SCRAPE_TIMEOUT + 1)
            if "galera_up" not in text:
                error = "the page lacks galera_up"
        except OSError as failure:
            error = str(failure) or type(failure).__name__
        self.scrapes.append(Scrape(self._pod.name, began, self._clock.now - began, error))
