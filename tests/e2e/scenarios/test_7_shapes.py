"""Other shapes of a release: with TLS everywhere, of one node, of five."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.clients import make_account
from e2e.faults import delete_all
from e2e.kube.cluster import Cluster
from e2e.kube.machine import run
from e2e.release import CHART, Release
from e2e.report import Measure, save
from e2e.trial import trial
from lab.process import wait_until

_LOOK = 0.5
MakeRelease = Callable[..., Release]


@pytest.fixture
def make(cluster: Cluster) -> Iterator[MakeRelease]:
    """A function that gives a release of other values, in a namespace of its own, not yet installed."""
    made: list[Release] = []

    def give(namespace: str, **values: Any) -> Release:
        made.append(Release(cluster, namespace, values=values))
        made[-1].make_namespace()
        return made[-1]

    yield give
    for release in made:
        release.remove()


def example(name: str) -> dict[str, Any]:
    """Return the values of one of the chart's examples."""
    return dict(yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text()))


def certificate(release: Release, folder: Path) -> None:
    """Make the Secret with a certificate as docs/kubernetes.md says, for the names that the notes list."""
    rendered = release.helm(
        "install", release.name, str(CHART), "--dry-run=server", "-f", "-", text=yaml.safe_dump(release.values)
    )
    block = rendered.split("must be valid for these names, and for 127.0.0.1:\n")[1]
    names = [line.strip() for line in block.strip().split("\n\n")[0].splitlines()]
    (folder / "ext").write_text(
        "keyUsage = digitalSignature, keyEncipherment\nextendedKeyUsage = serverAuth, clientAuth\n"
        f"subjectAltName = {', '.join(f'DNS:{name}' for name in names)}, DNS:localhost, IP:127.0.0.1, IP:::1\n"
    )
    ca, key, csr, crt = (str(folder / name) for name in ("ca.key", "tls.key", "tls.csr", "tls.crt"))
    ca_crt = str(folder / "ca.crt")
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/O=galera"]
    usage = "keyUsage=critical,keyCertSign,cRLSign"
    run([*new, "-x509", "-days", "30", "-addext", usage, "-keyout", ca, "-out", ca_crt])
    run([*new, "-keyout", key, "-out", csr])
    signer = ["-CA", ca_crt, "-CAkey", ca, "-CAcreateserial", "-days", "30", "-extfile", str(folder / "ext")]
    run(["openssl", "x509", "-req", "-in", csr, *signer, "-out", crt])
    files = [f"--from-file={path}" for path in (ca_crt, crt, key)]
    release.kubectl("create", "secret", "generic", release.values["tls"]["existingSecret"], *files)


def test_with_tls_everywhere_it_serves_and_recovers(make: MakeRelease, tmp_path: Path, measured: Measure) -> None:
    release = make("tls", **example("tls"))
    certificate(release, tmp_path)
    begin = time.monotonic()
    release.install()
    release.wait_ready()
    measured("helm install to all ready", time.monotonic() - begin)
    make_account(release)
    said = release.helm("test", release.name, "--logs")
    assert said.count("Healthy:") == 3
    assert all(row[1] for row in release.sql(release.pod_name(0), "SHOW STATUS LIKE 'Ssl_server_not_after'"))
    with trial(release) as running:
        begin = time.monotonic()
        delete_all(release)
        running.wait_writes()
        measured("all pods deleted: no write acknowledged for", running.outage(begin), goal=60)
        running.settle()
    for client in running.nodes:
        cipher = client.sql("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0]["Value"]
        assert cipher, f"{client.name}: the client's connection is not encrypted"


def test_one_node_is_a_cluster_too(make: MakeRelease, measured: Measure) -> None:
    release = make("one", **example("one-replica"))
    begin = time.monotonic()
    release.install()
    release.wait_ready()
    measured("helm install to ready", time.monotonic() - begin)
    make_account(release)
    with trial(release) as running:
        begin = time.monotonic()
        release.delete_pod(release.pod_name(0), grace=0)
        running.settle()
        measured("pod deleted by force: no write acknowledged for", running.outage(begin))


def test_five_nodes_bear_the_loss_of_two(make: MakeRelease, measured: Measure) -> None:
    release = make("five", **example("five-replicas"), antiAffinity="soft")
    begin = time.monotonic()
    release.install()
    release.wait_ready(400)
    measured("helm install to all ready", time.monotonic() - begin)
    make_account(release)
    save("galeractl-status-of-five.txt", release.galeractl("status"))
    with trial(release) as running:
        begin = time.monotonic()
        victim = release.write_pod()
        other = next(pod.name for pod in release.pods() if pod.name != victim)
        for name in (victim, other):
            release.delete_pod(name, grace=0)
        wait_until(lambda: release.write_pod() not in {"", victim, other}, 60, "writes go elsewhere", interval=_LOOK)
        running.settle(400)
        measured("two pods deleted by force: longest pause of writes", running.outage(begin), goal=60)
