"""Name, password and token against a real etcd with authentication on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from etcd_cluster import EtcdCluster

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.registry.etcd import AmbiguousError, Etcd
from galera_exporter.registry.keyvalue import put
from galera_exporter.settings import EtcdSettings, Secret

pytestmark = pytest.mark.servers

PASSWORD = "canary-of-the-sidecar"
ROOT = Secret("canary-of-root")


@pytest.fixture
def guarded(lone: Callable[..., EtcdCluster]) -> EtcdCluster:
    """One etcd in which ``sidecar`` may do everything below /galera/ and nothing else; tokens live for 2 s unused."""
    cluster = lone(flags=("--auth-token-ttl", "2"))
    enable_authentication(cluster)
    return cluster


def enable_authentication(cluster: EtcdCluster) -> None:
    cluster.ctl("user", "add", f"root:{ROOT.reveal()}")
    cluster.ctl("user", "grant-role", "root", "root")
    cluster.ctl("user", "add", f"sidecar:{PASSWORD}")
    cluster.ctl("role", "add", "sidecar")
    cluster.ctl("role", "grant-permission", "sidecar", "readwrite", "--prefix=true", "/galera/")
    cluster.ctl("user", "grant-role", "sidecar", "sidecar")
    cluster.ctl("auth", "enable")
    cluster.settings = replace(cluster.settings, user="root", password=ROOT)


def settings_of(cluster: EtcdCluster, user: str = "sidecar", password: str = PASSWORD) -> EtcdSettings:
    return EtcdSettings(endpoints=cluster.endpoints, user=user, password=Secret(password))


def test_with_user_and_password_the_own_prefix_is_read_written_and_leased(guarded: EtcdCluster) -> None:
    etcd = Etcd(settings_of(guarded))
    lease = etcd.grant(10)
    assert etcd.transaction([], [put(b"/galera/x", b"1", lease)]).succeeded
    assert etcd.keepalive(lease) == 10
    assert [pair.key for pair in etcd.range("/galera/").pairs] == [b"/galera/x"]
    assert etcd.endpoint_status(guarded.endpoints[0]).reachable
    etcd.revoke(lease)
    etcd.close()


def test_outside_the_own_prefix_permission_is_denied(guarded: EtcdCluster) -> None:
    etcd = Etcd(settings_of(guarded))
    for ask in (lambda: etcd.range("/other/"), lambda: etcd.transaction([], [put(b"/other/x", b"")])):
        with pytest.raises(RegistryError, match="permission denied") as caught:
            ask()
        assert caught.value.reason is RegistryReason.PERMISSION
        assert not isinstance(caught.value, AmbiguousError)
    etcd.close()


def test_a_token_that_expired_unused_is_renewed_within_the_call(guarded: EtcdCluster) -> None:
    etcd = Etcd(settings_of(guarded))
    etcd.range("/galera/")
    old = etcd._gateway._login.token
    assert old is not None
    time.sleep(
        3.5
    )  # an unused token ends after 2 s, at the next round of a 1 s sweep; any question would keep it alive
    assert etcd.transaction([], [put(b"/galera/x", b"")]).succeeded
    assert etcd._gateway._login.token != old
    etcd.close()


def test_tokens_lost_by_a_restart_of_etcd_are_renewed_within_the_call(guarded: EtcdCluster) -> None:
    etcd = Etcd(settings_of(guarded))
    etcd.range("/galera/")
    guarded.close()
    guarded.heal()
    assert etcd.transaction([], [put(b"/galera/x", b"")]).succeeded
    etcd.close()


def test_a_wrong_password_is_an_auth_failure_and_is_not_tried_again_at_once(guarded: EtcdCluster) -> None:
    clock = [0.0]
    etcd = Etcd(settings_of(guarded, password="canary-that-is-wrong"), clock=lambda: clock[0])
    texts = []
    for at in (0.0, 1.0, 6.0):
        clock[0] = at
        with pytest.raises(RegistryError) as caught:
            etcd.range("/galera/")
        assert caught.value.reason is RegistryReason.AUTH
        texts.append(str(caught.value).split(": ", 1)[1])
    assert texts[0] == texts[2] == "login: etcdserver: authentication failed, invalid user ID or password"
    assert texts[1] == "etcd refused this user and password a moment ago"
    etcd.close()


def test_a_password_that_was_mended_in_its_file_is_taken_at_once(guarded: EtcdCluster, tmp_path: Path) -> None:
    file = tmp_path / "password"
    etcd = Etcd(replace(settings_of(guarded), password=Secret(""), password_file=file))
    with pytest.raises(RegistryError, match="No such file") as caught:
        etcd.range("/galera/")
    assert caught.value.reason is RegistryReason.AUTH
    file.write_text("canary-that-is-wrong\n", encoding="utf-8")
    with pytest.raises(RegistryError, match="authentication failed"):
        etcd.range("/galera/")
    file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    assert etcd.range("/galera/").pairs == ()
    etcd.close()


def test_a_rotated_password_is_read_when_the_token_is_refused(guarded: EtcdCluster, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD, encoding="utf-8")
    etcd = Etcd(replace(settings_of(guarded), password_file=file))
    etcd.range("/galera/")
    old = etcd._gateway._login.token
    file.write_text("canary-number-two", encoding="utf-8")
    guarded.ctl("user", "passwd", "sidecar", "--interactive=false", stdin="canary-number-two\n")
    assert etcd.range("/galera/").pairs == ()
    assert etcd._gateway._login.token != old
    etcd.close()


def test_without_a_user_an_etcd_that_asks_for_one_is_an_auth_failure(guarded: EtcdCluster) -> None:
    etcd = Etcd(EtcdSettings(endpoints=guarded.endpoints))
    with pytest.raises(RegistryError, match="user name is empty") as caught:
        etcd.range("/galera/")
    assert caught.value.reason is RegistryReason.AUTH
    etcd.close()


def test_a_user_for_an_etcd_without_authentication_is_let_be_and_logged_once(
    lone: Callable[..., EtcdCluster], caplog: pytest.LogCaptureFixture
) -> None:
    cluster = lone()
    etcd = Etcd(settings_of(cluster))
    with caplog.at_level(logging.WARNING):
        assert etcd.range("/galera/").pairs == ()
        assert etcd.range("/galera/").pairs == ()
    assert [record.getMessage() for record in caplog.records] == [
        "etcd user 'sidecar' is set, but etcd has authentication off: going on without"
    ]
    enable_authentication(cluster)
    assert etcd.range("/galera/").pairs == ()
    etcd.close()
