"""A real cluster and a real Prometheus through a bad day; what was when is asked of Prometheus afterwards."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pymysql

from alerts_live.values import shortened
from galera_exporter.mariadb.datadir import SST_FOLDER
from lab import QUICK_EVS, GaleraNode, Pod, Prometheus, Target, Trio, wait_until
from lab.ports import Ports
from lab.process import Process
from lab.sidecar import environment
from observer.fake_api import FakeApi

CLUSTER: Final = "lab"
NAMESPACE: Final = "default"
STATEFULSET: Final = "galera"
"""Its pods are called as the lab calls its nodes."""
LABELS: Final = {"namespace": NAMESPACE, "galera_cluster": CLUSTER}
RULES: Final = Path(__file__).parents[2] / "alerts" / "render.py"
PATIENCE: Final = 180.0
"""Seconds for a step: a busy machine is no failure."""

HEALTHY: Final = "healthy"
CONFLICTS: Final = "conflicts"
FLOW_CONTROL: Final = "flow control"
NODE_KILLED: Final = "a node killed"
TRANSFER: Final = "a full copy"
ETCD_DOWN: Final = "etcd down"
OUTAGE: Final = "full outage"
WAITING: Final = "two wait for the third"
RECOVERED: Final = "recovered"
SPLIT_BRAIN: Final = "split brain"
SCENES: Final = (
    HEALTHY,
    CONFLICTS,
    FLOW_CONTROL,
    NODE_KILLED,
    TRANSFER,
    ETCD_DOWN,
    OUTAGE,
    WAITING,
    RECOVERED,
    SPLIT_BRAIN,
)


@dataclass
class Stand:
    """What runs, and the moment of each scene (seconds since the epoch).

    Kubernetes is an API alone, whose pods are Ready when they are told to be: the observer needs no more.
    """

    trio: Trio
    kubernetes: FakeApi
    prometheus: Prometheus
    began: float = field(default_factory=time.time)
    moments: dict[str, float] = field(default_factory=dict)

    def scene(self, name: str, *shown: str, within: float = PATIENCE) -> None:
        """Wait until Prometheus has something for each of these queries at one moment, and keep that moment.

        A whole second: ranges of time end at their last whole step, and the last point of each line must be this.
        """

        def look() -> float | None:
            now = float(math.floor(time.time() - 0.5))  # a scrape that has begun is whole by then
            return now if all(self.prometheus.query(query, now) for query in shown) else None

        logs = [self.prometheus.log, *(log for pod in self.trio.pods for log in pod.logs)]
        self.moments[name] = wait_until(look, within, f"{name}: {shown}", logs, 0.25)

    def play(self) -> None:
        """Play all scenes, one after the other."""
        first, second, third = self.trio.galera.nodes
        first.sql("CREATE DATABASE busy")
        first.sql("CREATE TABLE busy.log (id INT AUTO_INCREMENT PRIMARY KEY, x TEXT)")
        first.sql("CREATE TABLE busy.hot (id INT PRIMARY KEY, n INT)")
        first.sql("INSERT INTO busy.hot VALUES (1, 0)")
        with _repeated((first, _INSERT), (third, _READ)):
            self._healthy()
            with _repeated((first, _UPDATE), (second, _UPDATE)):
                self._conflicts()
            self._flow_control(second)
        self._node_killed()
        self._transfer()
        self._etcd_down()
        self._outage()
        self._split_brain()

    def _healthy(self) -> None:
        self.scene(
            HEALTHY,
            "galera_cluster:nodes_serving:sum == 3",
            "count_over_time(galera_cluster:nodes_serving:sum[1m]) >= 5",  # the first lines have a length
            "galera_node:ist_window_seconds",
            "max(rate(wsrep_causal_reads_total[10s])) > 0",
            'wsrep_evs_repl_latency_seconds{stat="avg"}',
            "galera_etcd:wal_fsync_duration_seconds:p99_rate5m",
            "sum(galera_observer_primary) == 1",
            'absent(ALERTS{alertstate="firing"})',
        )

    def _conflicts(self) -> None:
        self.scene(
            CONFLICTS,
            "max(rate(wsrep_local_cert_failures_total[10s])) > 0",
            "max(rate(wsrep_local_bf_aborts_total[10s])) > 0",
        )

    def _flow_control(self, slow: GaleraNode) -> None:
        with closing(slow.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLES busy.log READ")
            try:
                self.scene(
                    FLOW_CONTROL,
                    "wsrep_flow_control_requested == 1",
                    "galera_cluster:nodes_serving:sum == 3",
                    'ALERTS{alertname="GaleraRecvQueueHigh", alertstate="firing"}',
                    "galera_node:flow_control_paused:ratio_rate5m > 0.01",
                )
            finally:
                with suppress(pymysql.MySQLError):
                    cursor.execute("UNLOCK TABLES")

    def _node_killed(self) -> None:
        self.trio.wait_healthy()
        victim = self.trio.pods[2]
        victim.node.kill()
        self._ready(victim, ready=False)
        self.scene(
            NODE_KILLED,
            "galera_cluster:size:max == 2",
            f'galera_up{{pod="{victim.name}"}} == 0',
            f'max by (node) (galera_etcd_key_present{{node="{victim.name}"}}) == 0',
            f'ALERTS{{alertname="GaleraNodeDown", pod="{victim.name}", alertstate="firing"}}',
        )

    def _transfer(self) -> None:
        joiner = self.trio.pods[2].node
        joiner.wipe()
        joiner.start()
        with _held(joiner):
            self.scene(
                TRANSFER,
                "galera_sst_in_progress == 1 and galera_sst_received_bytes > 0",
                "galera_cluster:size:max == 3",
            )
        self.trio.wait_healthy()
        self._ready(self.trio.pods[2], ready=True)

    def _etcd_down(self) -> None:
        self.trio.etcd.members[0].kill()
        failed = "rate(etcd_network_peer_sent_failures_total[10s]) > 0"
        wait_until(lambda: self.prometheus.query(failed), PATIENCE, "members fail to send", [self.prometheus.log], 0.25)
        self.trio.etcd.stop()
        self.kubernetes.refusals["GET"] = HTTPStatus.SERVICE_UNAVAILABLE
        self.scene(
            ETCD_DOWN,
            "rate(galera_kube_request_failures_total[4s]) > 0",
            "max(galera_registry_up) == 0",
            'sum(up{component="etcd"}) == 0',
            'ALERTS{alertname="GaleraRegistryUnavailable", alertstate="firing"}',
        )
        self.kubernetes.refusals.clear()
        self.trio.etcd.start()
        self.trio.wait_healthy()

    def _outage(self) -> None:
        first, *others = self.trio.pods
        first.sidecar.kill()
        for pod in self.trio.pods:
            pod.node.kill()
        self._ready(*self.trio.pods, ready=False)
        self.scene(
            OUTAGE,
            'up{pod="galera-0"} == 0',
            "galera_cluster:nodes_up:sum == 0",
            'ALERTS{alertname="GaleraClusterNoPrimary", alertstate="firing"}',
        )
        for pod in others:
            pod.node.start()
        self.scene(WAITING, 'count(galera_bootstrap_waiting{reason="missing"} == 1) == 2')
        first.start()
        self.trio.wait_healthy()
        self._ready(*self.trio.pods, ready=True)
        self.scene(
            RECOVERED,
            "galera_cluster:nodes_serving:sum == 3",
            'sum(increase(galera_bootstrap_decisions_total{decision="elect"}[2m])) > 0',
            'absent(ALERTS{alertname=~"GaleraClusterNo.*", alertstate="firing"})',
        )

    def _ready(self, *pods: Pod, ready: bool) -> None:
        for pod in pods:
            self.kubernetes.set_ready(pod.name, ready=ready)

    def _split_brain(self) -> None:
        pod = self.trio.pods[2]
        with _astray(pod):
            self.scene(SPLIT_BRAIN, 'ALERTS{alertname="GaleraSplitBrain", alertstate="firing"}')


@contextmanager
def _held(joiner: GaleraNode) -> Iterator[None]:
    """Have the programs that take in a full copy stand still once something has come: else it may pass unseen.

    Not the start script, which tells the sidecar what has come.
    """
    process = joiner.process
    assert process is not None
    come = joiner.datadir / SST_FOLDER
    wait_until(lambda: any(come.glob("*")), PATIENCE, "the first file of the copy", [joiner.log], 0.01)
    listed = subprocess.run(
        ["ps", "-o", "pid=,ppid=", "--sid", str(process.pid)], capture_output=True, text=True, check=True, timeout=30
    )
    family = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    helpers = {pid for pid, parent in family if process.pid not in (pid, parent)}
    _tell(helpers, signal.SIGSTOP)
    try:
        yield
    finally:
        _tell(helpers, signal.SIGCONT)


def _tell(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def _astray(pod: Pod) -> Iterator[None]:
    """Have a node bootstrapped by hand, as a second cluster of the same name and history."""
    pod.node.stop()
    state = pod.node.datadir / "grastate.dat"
    state.write_text(state.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))
    astray = GaleraNode(pod.node.config)
    astray.start(new_cluster=True)
    try:
        astray.wait_synced()
        yield
    finally:
        astray.kill()


_INSERT: Final = "INSERT INTO busy.log (x) VALUES (REPEAT('x', 500))"
_UPDATE: Final = "UPDATE busy.hot SET n = n + 1 WHERE id = 1"
_READ: Final = "SELECT n FROM busy.hot"
_PAUSE: Final = 0.02
_CONFLICTS: Final = frozenset({1180, 1205, 1213})
"""How MariaDB tells of a conflict: an error at COMMIT, a wait for a lock that ended, a deadlock."""


@contextmanager
def _repeated(*work: tuple[GaleraNode, str]) -> Iterator[None]:
    """Run statements over and over, each on its node and in a thread of its own."""
    ended = threading.Event()
    threads = [threading.Thread(target=_repeat, args=(*each, ended), daemon=True) for each in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(30)


def _repeat(node: GaleraNode, statement: str, ended: threading.Event) -> None:
    with closing(node.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION wsrep_sync_wait = 1")
        while not ended.wait(_PAUSE):
            try:
                cursor.execute(statement)
            except pymysql.MySQLError as error:
                if error.args[0] not in _CONFLICTS:
                    raise


def values() -> dict[str, Any]:
    """Return the shortened values of the live tests, with limits as shipped: this stand looks at values."""
    found = shortened()
    del found["metrics"]["prometheusRule"]["rules"]["GaleraFlowControlPaused"]
    return found


def render(folder: Path, run: Callable[..., object]) -> Path:
    """Render the rules."""
    given, rules = folder / "values.yaml", folder / "galera.rules.yaml"
    given.write_text(json.dumps(values(), indent=2))
    run(["--values", str(given), "--output", str(rules)])
    return rules


def start(root: Path, servers: ExitStack, stack: ExitStack, rules: Path) -> Stand:
    """Start everything below ``root``; ``servers`` ends the cluster, ``stack`` Prometheus."""
    flags = {"bootstrap.survivor-timeout": "5", "bootstrap.takeover-timeout": "15", "etcd.ttl": "5"}
    trio = Trio(root, name=CLUSTER, provider_options={**QUICK_EVS, "gcs.fc_limit": "4"}, flags=flags)
    servers.callback(trio.close)
    kubernetes = FakeApi(NAMESPACE, STATEFULSET)
    for pod in trio.pods:
        kubernetes.pod(pod.name)
    kubernetes.start()
    servers.callback(kubernetes.close)
    ports = Ports()
    servers.callback(ports.close)
    watched = f"127.0.0.1:{ports.take()}"
    prometheus = Prometheus(
        root,
        [
            *(Target(f"127.0.0.1:{s.port}", {**LABELS, "pod": s.name}) for s in trio.sidecars),
            *(
                Target(m.endpoint.removeprefix("http://"), {**LABELS, "component": "etcd", "pod": m.name})
                for m in trio.etcd.members
            ),
            Target(watched, {**LABELS, "component": "observer"}),
        ],
        rules=[rules],
    )
    stack.callback(prometheus.close)
    trio.start()
    servers.callback(_observer(root, trio, kubernetes, watched).kill)
    prometheus.start()
    return Stand(trio, kubernetes, prometheus)


def _observer(root: Path, trio: Trio, kubernetes: FakeApi, address: str) -> Process:
    return Process(
        [
            *(sys.executable, "-m", "galera_exporter", "observe", "--web.listen-address", address),
            *("--namespace", NAMESPACE, "--cluster-name", CLUSTER, "--statefulset", STATEFULSET),
            *("--kubeconfig", str(kubernetes.kubeconfig(root)), "--etcd.endpoints", ",".join(trio.etcd.endpoints)),
        ],
        log=root / "observer.log",
        env=environment(),
    )
