"""What users change: settings, versions, secrets; and an uninstall with a later install on the same volumes."""

from __future__ import annotations

import base64
import time

import pytest

from e2e.release import Release
from e2e.report import Measure, save
from e2e.trial import trial
from lab.page import Page
from lab.process import wait_until

_LOOK = 0.5


@pytest.mark.core
def test_an_upgrade_and_its_rollback_go_node_by_node_under_load(db: Release, measured: Measure) -> None:
    def setting() -> set[str]:
        return {db.sql(pod.name, "SELECT @@max_connections")[0][0] for pod in db.pods()}

    before = setting()
    with trial(db) as running:
        begin, revision = time.monotonic(), db.revision()
        db.upgrade(mariadb={"config": "[mariadbd]\nmax_connections = 321\n"})
        db.wait_rolled_out(revision)
        measured("the upgrade", time.monotonic() - begin)
        assert setting() == {"321"}
        back, revision = time.monotonic(), db.revision()
        db.helm("rollback", db.name)
        db.values.pop("mariadb")
        db.wait_rolled_out(revision)
        measured("the rollback", time.monotonic() - back)
        assert setting() == before
        running.settle()
        measured("longest pause of writes", running.outage(begin), goal=30)
        measured("writes that failed", len(running.writer.failures), unit="")


def test_an_install_after_an_uninstall_goes_on_with_the_kept_volumes_and_passwords(
    db: Release, measured: Measure
) -> None:
    with trial(db) as running:
        running.writer.stop()
        running.watch.stop()
        passwords = secret(db)
        save("helm-uninstall.txt", db.uninstall())
        claims = db.kubectl("get", "pvc", "-o", "name").split()
        assert len(claims) == db.replicas + db.members
        begin = time.monotonic()
        db.install()
        db.wait_ready()
        measured("helm install on kept volumes to all ready", time.monotonic() - begin)
        assert secret(db) == passwords
        running.check()


def test_under_network_policies_a_node_comes_back_as_before(db: Release, measured: Measure) -> None:
    path = f"/apis/networking.k8s.io/v1/namespaces/{db.namespace}/networkpolicies"
    with trial(db) as running:
        before = {pod.uid for pod in db.all_pods()}
        db.upgrade(networkPolicy={"enabled": True})
        try:
            made = {item["metadata"]["name"] for item in db.cluster.api.items(path)}
            assert made == {db.fullname, f"{db.fullname}-etcd", f"{db.fullname}-observer"}
            assert {pod.uid for pod in db.all_pods()} == before, "the policies restarted pods"
            begin = time.monotonic()
            db.delete_pod(db.pod_name(2))
            running.settle()
            measured("pod deleted: until all are ready", time.monotonic() - begin)
        finally:
            db.values.pop("networkPolicy")
            db.upgrade()
    assert not db.cluster.api.items(path)


def test_an_install_with_other_passwords_than_the_data_have_says_so_and_goes_on_with_the_right_ones(
    db: Release, measured: Measure
) -> None:
    right = secret(db)
    path = f"/api/v1/namespaces/{db.namespace}/secrets/{db.fullname}"

    def refused() -> str:
        return next(
            (
                pod.name
                for pod in db.pods()
                if Page.parse(db.metrics(pod.name)).one("galera_up_reason", "reason") == "auth"
            ),
            "",
        )

    with trial(db) as running:
        running.writer.stop()
        running.watch.stop()
        db.uninstall()
        db.cluster.api.delete(path)
        db.install()
        victim = wait_until(refused, 120, "a sidecar is refused", interval=_LOOK)
        save("galeractl-explain-with-wrong-passwords.txt", db.galeractl("explain"))
        assert "Access denied for user 'exporter'" in db.logs(victim, "exporter")
        assert not any(pod.ready for pod in db.pods())
        begin = time.monotonic()
        db.cluster.api.merge(path, {"data": right})
        db.wait_ready(300)  # the kubelet brings the file in a minute or two
        measured("from the right passwords to all ready", time.monotonic() - begin)
        running.check()


def secret(release: Release) -> dict[str, str]:
    """Return the passwords of a release."""
    path = f"/api/v1/namespaces/{release.namespace}/secrets/{release.fullname}"
    return dict(release.cluster.api.get(path)["data"])


def test_a_wrong_password_of_the_sidecar_is_told_and_costs_the_clients_nothing(db: Release, measured: Measure) -> None:
    path = f"/api/v1/namespaces/{db.namespace}/secrets/{db.fullname}"
    right = secret(db)["exporter-password"]
    wrong = base64.b64encode(b"not the password").decode()

    def reasons() -> set[str | None]:
        return {Page.parse(db.metrics(pod.name)).one("galera_up_reason", "reason") for pod in db.pods()}

    with trial(db) as running:
        before = {pod.name: pod.restarts for pod in db.pods()}
        begin = time.monotonic()
        db.cluster.api.merge(path, {"data": {"exporter-password": wrong}})
        try:
            # The kubelet brings the file in a minute or two; a sidecar logs in anew when its connection has ended.
            wait_until(lambda: disconnected(db) and "auth" in reasons(), 180, "a sidecar is refused", interval=2)
            measured("until a sidecar is refused and says so", time.monotonic() - begin)
            refused = next(
                pod.name
                for pod in db.pods()
                if Page.parse(db.metrics(pod.name)).one("galera_up_reason", "reason") == "auth"
            )
            told = [line for line in db.logs(refused, "exporter").splitlines() if "Access denied" in line]
            save("wrong-password.txt", "\n".join(told[-3:]))
            assert told, "the log says what was refused"
        finally:
            db.cluster.api.merge(path, {"data": {"exporter-password": right}})
        wait_until(lambda: reasons() == {"ok"}, 180, "all sidecars are let in again", interval=2)
        running.settle()
        assert {pod.name: pod.restarts for pod in db.pods()} == before, "nothing was restarted"
        measured("longest pause of writes", running.outage(begin), goal=30)


def disconnected(release: Release) -> bool:
    """End the sidecars' connections, as a server does that restarts."""
    for pod in release.pods():
        rows = release.sql(pod.name, "SELECT id FROM information_schema.processlist WHERE user = 'exporter'")
        for row in rows:
            release.sql(pod.name, f"KILL {row[0]}")
    return True
