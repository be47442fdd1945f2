"""The Kubernetes API misbehaves: each fault has its name, none takes longer than its limit, none ends the process."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from board import NODES
from fake_api import NAMESPACE, STATEFULSET, FakeApi
from kubernetes.config import incluster_config

from galera_exporter.errors import ConfigError, KubernetesError, KubernetesReason
from galera_exporter.observer import kube
from galera_exporter.observer.kube import Kubernetes
from galera_exporter.settings import ObserverSettings

Answer = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "TIMEOUT", 0.5)


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Serve on loopback: the next connection is handed to ``answer``, and closed when the test is over."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):  # the test is over, or the client gave up
                connection, _ = listener.accept()
                connections.append(connection)
                answer(connection)

        connections: list[socket.socket] = []
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in connections:
                connection.close()


Client = Callable[..., Kubernetes]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """Make clients; without an address: as in a pod."""
    made: list[Kubernetes] = []

    def make(url: str = "") -> Kubernetes:
        path = FakeApi.kubeconfig(SimpleNamespace(url=url), tmp_path) if url else None  # type: ignore[arg-type]  # of the fake only its address counts
        made.append(Kubernetes(ObserverSettings(STATEFULSET, path), NAMESPACE))
        return made[-1]

    yield make
    for each in made:
        each.close()


def failure(kubernetes: Kubernetes) -> KubernetesError:
    began = time.monotonic()
    with pytest.raises(KubernetesError) as caught:
        kubernetes.pods("app=galera", newest=True)
    assert time.monotonic() - began < 3.0
    assert kubernetes.failures[caught.value.reason] == 1
    return caught.value


def hangs(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def drips(connection: socket.socket) -> None:
    """Send a byte at a time, each long before the time for one read is over."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(50):
        connection.sendall(b" ")
        time.sleep(0.1)


def says(status: str, body: bytes) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return answer


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (hangs, KubernetesReason.TIMEOUT, "no answer in time"),
        (drips, KubernetesReason.TIMEOUT, "no answer in time"),
        (lambda connection: connection.shutdown(socket.SHUT_RDWR), KubernetesReason.UNREACHABLE, ""),
        (says("200 OK", b"<html>"), KubernetesReason.BAD_ANSWER, "not a JSON object"),
        (says("200 OK", b"[1]"), KubernetesReason.BAD_ANSWER, "not a JSON object"),
        (says("200 OK", b'{"kind":"Status"}'), KubernetesReason.BAD_ANSWER, "not what was asked for"),
        (says("302 Found", b"{}"), KubernetesReason.OTHER, "HTTP status 302"),
        (says("401 No", b'{"message":"who are you"}'), KubernetesReason.UNAUTHORIZED, "who are you"),
        (says("403 No", b'{"message":"pods is forbidden"}'), KubernetesReason.FORBIDDEN, "pods is forbidden"),
        (says("429 Slow", b'{"message":"too many"}'), KubernetesReason.THROTTLED, "too many"),
        (says("500 Oh", b"not JSON"), KubernetesReason.SERVER, "HTTP status 500"),
    ],
)
def test_each_fault_has_its_name(answer: Answer, reason: KubernetesReason, words: str, client: Client) -> None:
    with answering(answer) as url:
        error = failure(client(url))
    assert error.reason is reason
    assert words in str(error)


def test_nobody_listens(client: Client) -> None:
    with answering(hangs) as url:
        pass
    error = failure(client(url))
    assert (error.reason, str(error)) == (KubernetesReason.UNREACHABLE, "Connection refused")


def test_an_answer_that_does_not_end_is_cut(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "MAX_ANSWER", 1 << 20)

    def floods(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
        while True:
            connection.sendall(b" " * 65536)

    with answering(floods) as url:
        error = failure(client(url))
    assert (error.reason, str(error)) == (KubernetesReason.BAD_ANSWER, "the answer is larger than 1 MiB")


def test_after_a_fault_the_same_client_goes_on(api: FakeApi, client: Client) -> None:
    kubernetes = client(api.url)
    port = int(api.url.rsplit(":", 1)[1])
    assert [pod.name for pod in kubernetes.pods("app=galera", newest=True)] == list(NODES)
    api.close()
    failure(kubernetes)
    api.start(port)
    assert len(kubernetes.pods("app=galera", newest=True)) == 3


def test_a_label_on_an_older_version_is_a_conflict_and_changes_nothing(api: FakeApi, client: Client) -> None:
    kubernetes = client(api.url)
    pod = kubernetes.pods("app=galera", newest=True)[0]
    api.set_ready(pod.name, ready=False)
    with pytest.raises(KubernetesError) as caught:
        kubernetes.label(pod, primary=True)
    assert caught.value.reason is KubernetesReason.CONFLICT
    assert api.primary() == frozenset()


def test_the_token_of_the_kubeconfig_is_in_no_error(client: Client) -> None:
    def mirrors(connection: socket.socket) -> None:
        body = json.dumps({"message": connection.recv(65536).decode()}).encode()
        connection.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with answering(mirrors) as url:
        error = failure(client(url))
    assert "t0ken" not in str(error)


@pytest.mark.parametrize("text", ["", "{}", "not: [yaml", '{"apiVersion": "v1", "kind": "Config"}'])
def test_a_kubeconfig_with_faults_is_told_with_the_other_faults_of_the_configuration(text: str, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Kubernetes(ObserverSettings(STATEFULSET, path), NAMESPACE)
    assert str(path) in caught.value.faults[0]


# In a pod: a service account, TLS, a token that is rotated.


@pytest.fixture
def pod_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mounted service account and a certificate for 127.0.0.1, and an API server on TLS."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    names = ("-subj", "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1")
    subprocess.run(
        ("openssl", "req", "-x509", *curve, *names, "-keyout", "api.key", "-out", "ca.crt"),
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=30,
    )
    (tmp_path / "token").write_text("t0ken")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    return tmp_path


@pytest.fixture
def tls_api(pod_files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pod_files / "ca.crt", pod_files / "api.key")
    fake = FakeApi()
    fake.pod(NODES[0])
    fake.start(tls=context)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", fake.url.rsplit(":", 1)[1])
    yield fake
    fake.close()


@pytest.mark.usefixtures("tls_api")
def test_in_a_pod_the_service_account_is_taken_and_no_proxy_is_asked(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert len(client().pods("app=galera", newest=True)) == 1


def test_a_rotated_token_is_taken_without_a_restart(
    tls_api: FakeApi, pod_files: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubernetes = client()
    kubernetes.pods("app=galera", newest=True)
    tls_api.token = "another"
    (pod_files / "token").write_text("another")
    assert failure(kubernetes).reason is KubernetesReason.UNAUTHORIZED
    later = SimpleNamespace(now=lambda: datetime.now() + timedelta(minutes=2))  # noqa: DTZ005 - as the client does
    monkeypatch.setattr(incluster_config, "datetime", SimpleNamespace(datetime=later, timedelta=timedelta))
    assert len(kubernetes.pods("app=galera", newest=True)) == 1


def test_a_token_that_has_gone_is_a_failed_request_and_no_crash(
    tls_api: FakeApi, pod_files: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    del tls_api
    kubernetes = client()
    (pod_files / "token").unlink()
    later = SimpleNamespace(now=lambda: datetime.now() + timedelta(minutes=2))  # noqa: DTZ005 - as the client does
    monkeypatch.setattr(incluster_config, "datetime", SimpleNamespace(datetime=later, timedelta=timedelta))
    assert failure(kubernetes).reason is KubernetesReason.UNREACHABLE


def test_a_server_with_a_foreign_certificate_gets_no_request(tls_api: FakeApi, pod_files: Path, client: Client) -> None:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=api")
    subprocess.run(
        ("openssl", "req", "-x509", *curve, "-keyout", "other.key", "-out", "ca.crt"),
        cwd=pod_files,
        check=True,
        capture_output=True,
        timeout=30,
    )
    error = failure(client())
    assert error.reason is KubernetesReason.UNREACHABLE
    assert "certificate" in str(error)
    assert tls_api.requests == []
