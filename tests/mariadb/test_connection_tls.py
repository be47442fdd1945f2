"""The connection by TLS, with certificates of a throw-away CA."""

from __future__ import annotations

import os
import ssl
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from galera_exporter.errors import DatabaseReason
from galera_exporter.mariadb.connection import Connection, ServerError, tls_context
from galera_exporter.settings import MariadbSettings, Secret
from lab import GaleraNode


def openssl(*arguments: str, cwd: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True, timeout=30)


def make_ca(folder: Path, name: str) -> None:
    subject = f"/CN={name}"
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key")
    openssl("req", "-x509", *key, "-out", f"{name}.pem", "-days", "2", "-subj", subject, cwd=folder)


def make_certificate(folder: Path, name: str, ca: str) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key")
    openssl("req", *key, "-out", f"{name}.csr", "-subj", f"/CN={name}", cwd=folder)
    signer = ("-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-days", "2")
    openssl("x509", "-req", "-in", f"{name}.csr", *signer, "-out", f"{name}.pem", cwd=folder)


@pytest.fixture(scope="module")
def certificates(single_node: GaleraNode) -> Path:
    """The single node, started again with a certificate, and the folder of all certificates."""
    folder = single_node.config.folder / "tls"
    folder.mkdir()
    for ca in ("ca", "stranger"):
        make_ca(folder, ca)
    for name, ca in (("server", "ca"), ("client", "ca"), ("client-of-a-stranger", "stranger")):
        make_certificate(folder, name, ca)
    for file in folder.iterdir():
        file.chmod(0o644)
    single_node.stop()
    options = single_node.config.options
    options.update(
        ssl_ca=str(folder / "ca.pem"), ssl_cert=str(folder / "server.pem"), ssl_key=str(folder / "server.key")
    )
    single_node.start(new_cluster=True)
    single_node.wait_synced()
    single_node.sql("CREATE OR REPLACE USER certified@'127.0.0.1' REQUIRE X509")
    return folder


def query(settings: MariadbSettings) -> str:
    with closing(Connection(settings)) as connection:
        rows = connection.query("SHOW SESSION STATUS LIKE 'Ssl_version'")
        return str(rows[0][1])


def failure(settings: MariadbSettings) -> ServerError:
    with closing(Connection(settings)) as connection, pytest.raises(ServerError) as caught:
        connection.query("SELECT 1")
    return caught.value


def test_without_a_ca_nothing_is_encrypted_and_with_one_it_is(settings: MariadbSettings, certificates: Path) -> None:
    assert query(settings) == ""
    assert query(replace(settings, tls_ca=certificates / "ca.pem")) in {"TLSv1.2", "TLSv1.3"}


def test_a_server_of_a_strange_ca_is_not_trusted(settings: MariadbSettings, certificates: Path) -> None:
    error = failure(replace(settings, tls_ca=certificates / "stranger.pem"))
    assert error.reason is DatabaseReason.OTHER
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)


def test_an_account_that_needs_a_certificate_gets_in_with_one(settings: MariadbSettings, certificates: Path) -> None:
    chosen = replace(settings, user="certified", password=Secret(""), tls_ca=certificates / "ca.pem")
    assert failure(chosen).reason is DatabaseReason.AUTH
    with_certificate = replace(chosen, tls_cert=certificates / "client.pem", tls_key=certificates / "client.key")
    assert query(with_certificate).startswith("TLS")


def test_tls_files_that_are_not_there_or_do_not_fit_are_named(settings: MariadbSettings, certificates: Path) -> None:
    missing = failure(replace(settings, tls_ca=certificates / "none.pem"))
    mixed = failure(
        replace(
            settings,
            tls_ca=certificates / "ca.pem",
            tls_cert=certificates / "client.pem",
            tls_key=certificates / "client-of-a-stranger.key",
        )
    )
    assert "none.pem" in str(missing)
    assert "KEY_VALUES_MISMATCH" in str(mixed)
    assert {missing.reason, mixed.reason} == {DatabaseReason.OTHER}


def test_a_renewed_ca_file_is_read_before_the_next_connect(settings: MariadbSettings, certificates: Path) -> None:
    bundle = certificates / "bundle.pem"
    bundle.write_bytes((certificates / "ca.pem").read_bytes())
    with closing(Connection(replace(settings, tls_ca=bundle))) as connection:
        connection.query("SELECT 1")
        connection.close()
        bundle.write_bytes((certificates / "stranger.pem").read_bytes())
        os.utime(bundle, (1_700_000_000, 1_700_000_000))
        with pytest.raises(ServerError, match="CERTIFICATE_VERIFY_FAILED"):
            connection.query("SELECT 1")


def test_the_oldest_version_is_1_2(certificates: Path) -> None:
    context = tls_context(certificates / "ca.pem", None, None)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_the_name_in_the_certificate_counts_for_other_hosts_than_this(
    settings: MariadbSettings, certificates: Path
) -> None:
    # 127.1 is the same machine, but not written as a loopback address.
    error = failure(replace(settings, host="127.1", tls_ca=certificates / "ca.pem"))
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
