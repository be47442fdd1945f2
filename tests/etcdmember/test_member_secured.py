"""Members with TLS everywhere, and with users: real etcd, real certificates."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from etcdmember.stand import Stand, loopback_hosts
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import put
from galera_exporter.settings import EtcdSettings, Secret

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("etcdmember")]

PREFIX = "/galera/v1/default/db-galera/"
MakeStand = Callable[..., Stand]


def openssl(*arguments: str, folder: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)


def issue(folder: Path, hosts: list[str], subject: str = "/CN=etcd") -> None:
    """Write tls.key and tls.crt, for these hosts, signed by ca.crt; as cert-manager does, with a common name."""
    # A member's connections to others come from 127.0.0.1 here, and etcd looks where its peers come from.
    names = ",".join(f"IP:{host}" for host in (*hosts, "127.0.0.1"))
    (folder / "ext").write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", *curve, "-keyout", "new.key", "-subj", subject, "-out", "new.csr", folder=folder)
    signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext")
    openssl("x509", "-req", "-in", "new.csr", *signed, "-out", "new.crt", folder=folder)
    (folder / "new.key").rename(folder / "tls.key")
    (folder / "new.crt").rename(folder / "tls.crt")


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[Path, list[str]]:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=ca", folder=tmp_path
    )
    hosts = loopback_hosts(3)
    issue(tmp_path, hosts)
    return tmp_path, hosts


@pytest.fixture
def accounts(tmp_path: Path) -> dict[str, str]:
    """Options for users, with their password files."""
    (tmp_path / "root-password").write_text("canary-root\n")
    (tmp_path / "password").write_text("canary-user\n")
    return {
        "auth.root-password-file": str(tmp_path / "root-password"),
        "auth.user": "galera",
        "auth.password-file": str(tmp_path / "password"),
        "auth.prefix": PREFIX,
    }


def tls_flags(folder: Path) -> dict[str, str]:
    return {
        f"tls-{name}": str(folder / file) for name, file in (("ca", "ca.crt"), ("cert", "tls.crt"), ("key", "tls.key"))
    }


def serial(stand: Stand, port: int) -> int:
    """Return the serial number of the certificate that a port shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    flags = stand.pods[0].flags
    context.load_verify_locations(flags["tls-ca"])
    context.load_cert_chain(flags["tls-cert"], flags["tls-key"])
    host = stand.pods[0].host
    with (
        socket.create_connection((host, port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        shown = secured.getpeercert()
    assert shown
    return int(str(shown["serialNumber"]), 16)


PROMOTED = "promoted to a voter"


def lose_volume(stand: Stand) -> None:
    pod = stand.pods[2]
    pod.kill()
    pod.wipe()
    promoted = pod.logs[0].read_text().count(PROMOTED)
    pod.start()
    # An etcd that joins takes itself for a voter until it has heard from the others that it is a learner.
    stand.wait(lambda: pod.logs[0].read_text().count(PROMOTED) > promoted, f"{pod.name} is promoted", 60)
    stand.wait_voters()


def test_with_tls_members_find_together_and_a_client_needs_a_certificate(
    stand: MakeStand, certificates: tuple[Path, list[str]]
) -> None:
    folder, hosts = certificates
    three = stand(hosts=hosts, flags=tls_flags(folder))
    three.login = (f"--cacert={folder}/ca.crt", f"--cert={folder}/tls.crt", f"--key={folder}/tls.key")
    three.start()
    three.wait_voters()
    three.ctl("put", "/a", "1")
    three.login = three.login[:1]
    with pytest.raises(AssertionError, match=r"(?i)certificate|deadline"):
        three.ctl("get", "/a")
    # cert-manager replaces the files: the next handshakes show the new certificate, with no restart.
    before = {port: serial(three, port) for port in (2378, 2379)}
    issue(folder, hosts)
    for port, old in before.items():
        three.wait(lambda port=port, old=old: serial(three, port) != old, f"port {port} has the new certificate")
    lose_volume(three)


def test_with_users_root_is_the_members_own_and_the_user_has_its_prefix_only(
    stand: MakeStand, accounts: dict[str, str]
) -> None:
    three = stand(flags=accounts)
    three.start()
    three.wait_voters()
    endpoints = tuple(pod.client for pod in three.pods)
    user = Etcd(EtcdSettings(endpoints=endpoints, user="galera", password=Secret("canary-user")))
    assert user.transaction([], [put(f"{PREFIX}a".encode(), b"1")]).succeeded
    assert len(user.members()) == 3
    with pytest.raises(Exception, match="permission denied"):
        user.range("/elsewhere")
    user.close()
    with pytest.raises(AssertionError, match="user name is empty"):
        three.ctl("get", "/a")
    lose_volume(three)
    written = "".join(log.read_text() for pod in three.pods for log in pod.logs)
    written += "".join(pod.get("/-/state") + pod.config.read_text() for pod in three.pods)
    assert "canary" not in written


def test_passwords_that_were_replaced_in_their_files_are_replaced_in_etcd(
    stand: MakeStand, accounts: dict[str, str], tmp_path: Path
) -> None:
    three = stand(flags=accounts)
    three.start()
    three.wait_voters()
    (tmp_path / "password").write_text("second-user")
    (tmp_path / "root-password").write_text("second-root")

    def logs_in(login: str) -> bool:
        three.login = (f"--user={login}",)
        try:
            return bool(three.ctl("user", "list") if login.startswith("root") else three.ctl("put", f"{PREFIX}a", "1"))
        except AssertionError:
            return False

    three.wait(lambda: logs_in("root:second-root"), "root has its new password")
    three.wait(lambda: logs_in("galera:second-user"), "the user has its new password")
    assert not logs_in("root:canary-root")
    three.wait_voters()  # and nobody waits: the members themselves use it
    lose_volume(three)


def test_a_root_password_that_etcd_does_not_have_is_told_and_disturbs_nothing(
    stand: MakeStand, accounts: dict[str, str], tmp_path: Path
) -> None:
    one = stand(size=1, flags=accounts)
    (pod,) = one.pods
    one.start()
    one.wait_voters()
    pod.stop()
    (tmp_path / "root-password").write_text("unknown")
    pod.start()
    one.wait_for(pod, "accounts")
    assert "authentication failed" in pod.told()
    one.login = ("--user=galera:canary-user",)
    one.ctl("put", f"{PREFIX}a", "1")


def test_with_tls_and_users_a_certificate_with_a_common_name_does_no_harm(
    stand: MakeStand, certificates: tuple[Path, list[str]], accounts: dict[str, str]
) -> None:
    folder, hosts = certificates
    three = stand(hosts=hosts, flags=tls_flags(folder) | accounts)
    three.start()
    three.wait_voters()
    three.login = (f"--cacert={folder}/ca.crt", "--user=galera:canary-user")
    three.ctl("put", f"{PREFIX}a", "1")
    lose_volume(three)
    assert three.ctl("get", f"{PREFIX}a", pod=three.pods[2]).split() == [f"{PREFIX}a", "1"]
    three.login = three.login[:1]
    with pytest.raises(AssertionError, match="user name is empty"):
        three.ctl("get", f"{PREFIX}a")


def test_a_certificate_of_another_authority_is_told_where_the_member_waits(
    stand: MakeStand, certificates: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, hosts = certificates
    other = tmp_path / "other"
    other.mkdir()
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "k", "-out", "ca.crt", "-days", "2", "-subj", "/CN=x", folder=other)
    three = stand(hosts=hosts, flags=tls_flags(folder) | {"tls-ca": str(other / "ca.crt")})
    for pod in three.pods:
        pod.start()
    first, *others = three.pods
    first._trust = ssl.create_default_context(cafile=folder / "ca.crt")

    three.wait_for(first, "members_silent")  # before that it has not looked

    def unexplained() -> list[str]:
        seen = first.state()["others"]
        return [pod.name for pod in others if "certificate verify failed" not in (seen[pod.name]["silence"] or "")]

    three.wait(lambda: not unexplained(), "it says why it does not hear the others", 30)
    three.wait(lambda: "certificate verify failed" in first.state()["wait"]["detail"], "the wait names it too", 10)
    assert first.waits() == "members_silent"


def test_a_certificate_that_is_none_ends_the_process_by_name(
    stand: MakeStand, certificates: tuple[Path, list[str]]
) -> None:
    folder, hosts = certificates
    shutil.copy(folder / "ca.key", folder / "tls.key")
    three = stand(hosts=hosts, flags=tls_flags(folder))
    three.pods[0].start()
    sidecar = three.pods[0].sidecar
    assert sidecar is not None
    assert sidecar.wait(20) == 2
    assert "tls.crt" in three.pods[0].told()
