"""The observer as a process: a real etcd, a Kubernetes API over HTTP, its own pages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from board import NODES, UUID, epoch, record
from fake_api import NAMESPACE, STATEFULSET, FakeApi

from galera_exporter.bootstrap.records import encode
from galera_exporter.bootstrap.state import Bootstrap, Phase
from galera_exporter.registry import records
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import put
from galera_exporter.settings import EtcdSettings
from lab.etcd import EtcdCluster
from lab.page import Page
from lab.ports import Ports
from lab.process import Process, wait_until
from lab.sidecar import environment
from lab.web import fetch

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    made = EtcdCluster(1, tmp_path_factory.mktemp("etcd"))
    made.start()
    yield made
    made.close()


class Nodes:
    """Three nodes' keys in a real etcd, each under a lease of its own."""

    def __init__(self, cluster: EtcdCluster) -> None:
        self.settings = EtcdSettings(endpoints=cluster.endpoints, namespace=NAMESPACE, cluster=STATEFULSET)
        self.etcd = Etcd(self.settings)
        self.leases: dict[str, int] = {}

    def serve(self, *nodes: str) -> None:
        prefix = self.settings.prefix
        newest = Bootstrap(Phase.PRIMARY, epoch(1), "t1")
        self.etcd.transaction([], [put(f"{prefix}bootstrap".encode(), encode(newest))])
        for node in nodes:
            self.leases[node] = self.etcd.grant(600)
            keys = {f"live/{node}": records.encode(record(node, ttl=600)), f"primary/{node}": encode((UUID, 3))}
            self.etcd.transaction(
                [], [put(f"{prefix}{key}".encode(), value, self.leases[node]) for key, value in keys.items()]
            )

    def end(self, node: str) -> None:
        """Its lease ends, and its keys with it."""
        self.etcd.revoke(self.leases.pop(node))

    def close(self) -> None:
        for node in list(self.leases):
            self.end(node)
        self.etcd.close()


@pytest.fixture
def nodes(cluster: EtcdCluster) -> Iterator[Nodes]:
    made = Nodes(cluster)
    made.serve(*NODES)
    yield made
    made.close()


class Observer:
    """``galera-exporter observe``."""

    def __init__(self, api: FakeApi, nodes: Nodes, folder: Path) -> None:
        self._ports = Ports()
        self.url = f"http://127.0.0.1:{self._ports.take()}"
        self.log = folder / "observer.log"
        argv = (
            *(sys.executable, "-W", "error", "-m", "galera_exporter", "observe"),
            *("--namespace", NAMESPACE, "--cluster-name", STATEFULSET, "--kubeconfig", str(api.kubeconfig(folder))),
            *(
                "--etcd.endpoints",
                nodes.settings.endpoints[0],
                "--web.listen-address",
                self.url.removeprefix("http://"),
            ),
        )
        self.process = Process(argv, log=self.log, env=environment())

    def wait(self, check: object, what: str, timeout: float = 20) -> None:
        assert callable(check)
        wait_until(check, timeout, what, [self.log])

    def page(self) -> Page:
        return Page.parse(fetch(f"{self.url}/metrics"))

    def close(self) -> None:
        self.process.kill()
        self._ports.close()


@pytest.fixture
def observer(api: FakeApi, nodes: Nodes, tmp_path: Path) -> Iterator[Observer]:
    made = Observer(api, nodes, tmp_path)
    made.wait(lambda: fetch(f"{made.url}/-/ready"), "has read the pods")
    yield made
    made.close()


def only(name: str) -> frozenset[str]:
    return frozenset({name})


def test_it_labels_a_pod_and_shows_the_three_views(api: FakeApi, observer: Observer) -> None:
    observer.wait(lambda: api.primary() == only(NODES[0]), "labels the first pod")
    observer.wait(lambda: observer.page().value("galera_observer_primary", pod=NODES[0]) == 1, "says so")
    page = observer.page()
    assert page.value("galera_observer_up") == 1
    assert page.value("galera_observer_registry_up") == 1
    assert page.value("galera_observer_primary_changes_total") == 1
    assert page.value("galera_kube_replicas") == 3
    assert page.value("galera_kube_registered_pods") == 3
    assert [page.value("galera_observer_primary", pod=node) for node in NODES] == [1, 0, 0]
    assert [page.value("galera_kube_pod_ready", pod=node) for node in NODES] == [1, 1, 1]
    status = fetch(f"{observer.url}/")
    assert f"Writes go to {NODES[0]}." in status
    assert "3 of 3" in status


def test_the_write_service_moves_within_seconds_of_a_failure_that_either_side_sees(
    api: FakeApi, nodes: Nodes, observer: Observer
) -> None:
    observer.wait(lambda: api.primary() == only(NODES[0]), "labels the first pod")
    api.set_ready(NODES[0], ready=False)
    observer.wait(lambda: api.primary() == only(NODES[1]), "moves from the pod that is not Ready", 3)
    nodes.end(NODES[1])
    observer.wait(lambda: api.primary() == only(NODES[2]), "moves from the node whose key is gone", 3)
    assert all(len(labelled) <= 1 for labelled in api.labels)


def test_without_either_server_it_serves_its_pages_and_goes_on_when_they_are_back(
    api: FakeApi, cluster: EtcdCluster, nodes: Nodes, observer: Observer
) -> None:
    observer.wait(lambda: api.primary() == only(NODES[0]), "labels the first pod")
    port = int(api.url.rsplit(":", 1)[1])
    api.close()
    cluster.stop()
    try:
        observer.wait(lambda: observer.page().value("galera_observer_up") == 0, "sees that Kubernetes is away")
        page = observer.page()
        assert page.value("galera_observer_registry_up") == 0
        assert not list(page.series("galera_observer_primary"))
        assert page.value("galera_kube_request_failures_total", reason="unreachable")
        assert "nothing is known of the pods" in fetch(f"{observer.url}/")
        assert fetch(f"{observer.url}/-/healthy").strip() == "ok"
    finally:
        cluster.start()
        api.start(port)
    observer.wait(lambda: observer.page().value("galera_observer_up") == 1, "sees that Kubernetes is back")
    observer.wait(lambda: observer.page().value("galera_observer_registry_up") == 1, "reads etcd again")
    nodes.end(NODES[0])
    observer.wait(lambda: api.primary() == only(NODES[1]), "moves the label again")


def test_promtool_finds_no_fault_in_its_page(observer: Observer) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=fetch(f"{observer.url}/metrics"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (checked.stdout + checked.stderr).split() == []


def test_it_is_small_and_ends_on_sigterm_with_the_label_where_it_is(api: FakeApi, observer: Observer) -> None:
    observer.wait(lambda: api.primary() == only(NODES[0]), "labels the first pod")
    resident = observer.page().value("process_resident_memory_bytes")
    assert resident is not None
    assert resident < 80 << 20
    assert observer.process.stop() == 0
    assert api.primary() == only(NODES[0])
    assert "Traceback" not in observer.log.read_text()


def test_the_classes_of_every_kind_of_object_are_not_loaded() -> None:
    code = (
        "import sys; from galera_exporter.footprint import spare_charset_tables; spare_charset_tables();"
        "import galera_exporter.observer.process; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert "kubernetes.client.api_client" in loaded
    assert not [name for name in loaded if name.startswith(("aiohttp", "pymysql", "kubernetes.client.models."))]
    assert not [name for name in loaded if name.startswith("kubernetes.client.api.")]


def test_without_the_kubernetes_client_the_command_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['kubernetes'] = None\n"
        "from galera_exporter.cli import main\n"
        "sys.exit(main(['observe', '--etcd.endpoints=http://127.0.0.1:1']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "install galera-exporter[kubernetes]" in done.stderr


def test_what_it_needs_and_what_is_another_commands_is_told_at_once() -> None:
    argv = (sys.executable, "-m", "galera_exporter", "observe", "--mariadb.user=x")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=environment())
    assert done.returncode == 2
    assert "--etcd.endpoints: give it" in done.stderr
    assert "--mariadb.user: an option of another command" in done.stderr
