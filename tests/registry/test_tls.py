"""TLS with client certificates, made by openssl for this run."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from etcd_cluster import EtcdCluster
from urllib3.util import ssl_

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import put
from galera_exporter.settings import EtcdSettings

pytestmark = pytest.mark.servers


def openssl(*arguments: str, folder: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)


def issue(folder: Path, name: str, subject: str, extension: str) -> None:
    """Write ``name``.key and ``name``.pem, signed by ca.pem."""
    (folder / f"{name}.ext").write_text(extension, encoding="ascii")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", *curve, "-keyout", f"{name}.key", "-subj", subject, "-out", f"{name}.csr", folder=folder)
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext")
    openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem", folder=folder)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ca", "other-ca"):
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        openssl("req", "-x509", *curve, *files, "-days", "2", "-subj", f"/CN={name}", folder=folder)
    issue(folder, "server", "/O=etcd", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth")
    issue(folder, "client", "/O=sidecar", "subjectAltName=DNS:sidecar\nextendedKeyUsage=clientAuth")
    issue(folder, "named", "/CN=sidecar", "subjectAltName=DNS:sidecar\nextendedKeyUsage=clientAuth")
    return folder


@pytest.fixture
def secured(lone: Callable[..., EtcdCluster], certificates: Path) -> tuple[EtcdCluster, EtcdSettings]:
    flags = (
        f"--cert-file={certificates}/server.pem",
        f"--key-file={certificates}/server.key",
        f"--trusted-ca-file={certificates}/ca.pem",
        "--client-cert-auth",
    )
    settings = EtcdSettings(
        tls_ca=certificates / "ca.pem", tls_cert=certificates / "client.pem", tls_key=certificates / "client.key"
    )
    cluster = lone(scheme="https", flags=flags, settings=settings)
    return cluster, replace(settings, endpoints=cluster.endpoints)


def test_with_its_certificate_a_client_reads_and_writes(secured: tuple[EtcdCluster, EtcdSettings]) -> None:
    etcd = Etcd(secured[1])
    assert etcd.transaction([], [put(b"/x", b"1")]).succeeded
    assert [pair.value for pair in etcd.range("/x").pairs] == [b"1"]
    etcd.close()


def test_an_authority_without_key_usage_is_trusted_whatever_python_asks_for(
    secured: tuple[EtcdCluster, EtcdSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssl_, "sys", SimpleNamespace(version_info=(3, 13)))  # from there on its checks are strict
    assert ssl_.create_urllib3_context().verify_flags & ssl.VERIFY_X509_STRICT
    etcd = Etcd(secured[1])
    assert etcd.transaction([], [put(b"/x", b"1")]).succeeded
    etcd.close()


def test_without_a_certificate_the_client_is_not_let_in(secured: tuple[EtcdCluster, EtcdSettings]) -> None:
    etcd = Etcd(replace(secured[1], tls_cert=None, tls_key=None))
    with pytest.raises(RegistryError, match=r"(?i)certificate") as caught:
        etcd.range("/")
    assert caught.value.reason is RegistryReason.UNREACHABLE
    etcd.close()


def test_a_server_of_another_authority_is_not_trusted(
    secured: tuple[EtcdCluster, EtcdSettings], certificates: Path
) -> None:
    etcd = Etcd(replace(secured[1], tls_ca=certificates / "other-ca.pem"))
    with pytest.raises(RegistryError, match=r"(?i)certificate verify failed") as caught:
        etcd.range("/")
    assert caught.value.reason is RegistryReason.UNREACHABLE
    etcd.close()


def test_a_server_under_another_name_is_not_trusted(secured: tuple[EtcdCluster, EtcdSettings]) -> None:
    etcd = Etcd(replace(secured[1], endpoints=tuple(e.replace("127.0.0.1", "localhost") for e in secured[1].endpoints)))
    with pytest.raises(RegistryError, match=r"(?i)certificate") as caught:
        etcd.range("/")
    assert caught.value.reason is RegistryReason.UNREACHABLE
    etcd.close()


def test_plain_http_to_a_tls_port_fails_by_name(secured: tuple[EtcdCluster, EtcdSettings]) -> None:
    etcd = Etcd(EtcdSettings(endpoints=tuple(e.replace("https", "http") for e in secured[1].endpoints)))
    with pytest.raises(RegistryError, match=r"closed connection|hung up|HTTPS server"):
        etcd.range("/")
    etcd.close()


@pytest.mark.parametrize("field", ["tls_ca", "tls_cert", "tls_key"])
def test_a_certificate_file_that_is_missing_is_named(
    secured: tuple[EtcdCluster, EtcdSettings], tmp_path: Path, field: str
) -> None:
    etcd = Etcd(replace(secured[1], **{field: tmp_path / "no-such-file.pem"}))
    with pytest.raises(RegistryError, match=r"no-such-file\.pem"):
        etcd.range("/")
    etcd.close()


def test_a_certificate_that_was_replaced_is_used_by_the_next_connection(
    secured: tuple[EtcdCluster, EtcdSettings], certificates: Path, tmp_path: Path
) -> None:
    settings = secured[1]
    cert = tmp_path / "tls.crt"
    key = tmp_path / "tls.key"
    cert.write_bytes((certificates / "other-ca.pem").read_bytes())
    key.write_bytes((certificates / "other-ca.key").read_bytes())
    etcd = Etcd(replace(settings, tls_cert=cert, tls_key=key))
    with pytest.raises(RegistryError, match=r"(?i)certificate"):
        etcd.range("/")
    cert.write_bytes((certificates / "client.pem").read_bytes())
    key.write_bytes((certificates / "client.key").read_bytes())
    assert etcd.range("/").pairs == ()
    etcd.close()


def test_a_certificate_with_a_common_name_is_refused_by_name_once_authentication_is_on(
    secured: tuple[EtcdCluster, EtcdSettings], certificates: Path
) -> None:
    cluster, settings = secured
    etcd = Etcd(replace(settings, tls_cert=certificates / "named.pem", tls_key=certificates / "named.key"))
    assert etcd.range("/").pairs == ()
    cluster.ctl("user", "add", "root:canary")
    cluster.ctl("user", "grant-role", "root", "root")
    cluster.ctl("auth", "enable")
    with pytest.raises(RegistryError, match="CommonName") as caught:
        etcd.range("/")
    assert caught.value.reason is RegistryReason.AUTH
    etcd.close()
