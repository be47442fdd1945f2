"""The chart's TLS options on two real servers: replication and a state transfer, by a certificate without addresses."""

from __future__ import annotations

import configparser
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chart.release import case
from lab import GaleraCluster, scratch
from lab.galera_config import give
from lab.namespaces import Namespaces, namespaces_missing

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(namespaces_missing()), reason=namespaces_missing()),
]

# As cert-manager makes it: no common name, and no address of a pod.
_EXTENSIONS = """\
keyUsage = digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, DNS:*.db-galera-nodes.galera.svc.cluster.local
"""


def openssl(folder: Path, command: str) -> None:
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def certificates() -> Iterator[Path]:
    """A folder with ca.crt, tls.crt and tls.key, which the servers can read."""
    with scratch() as folder:
        key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /O=galera"
        openssl(folder, f"req -x509 {key} -days 2 -keyout ca.key -out ca.crt")
        openssl(folder, f"req {key} -keyout tls.key -out tls.csr")
        (folder / "extensions").write_text(_EXTENSIONS)
        openssl(
            folder,
            "x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out tls.crt",
        )
        give(folder)
        yield folder


def moved(text: str, certificates: Path) -> str:
    """Options with the container's paths replaced."""
    return text.replace("/etc/galera/tls", str(certificates))


def options(certificates: Path) -> dict[str, str]:
    """What the chart's my.cnf says of TLS, [sst] included, as options of a node of the lab."""
    text = moved(case("tls").config("my.cnf"), certificates)
    parser = configparser.ConfigParser(allow_no_value=True, interpolation=None)
    parser.read_string(text)
    found = {name: value for name, value in parser["mysqld"].items() if name.startswith(("ssl_", "require_secure"))}
    sst = "\n".join(f"{name} = {value}" for name, value in parser["sst"].items())
    *_, last = found
    return {**found, last: f"{found[last]}\n\n[sst]\n{sst}"}


def provider_options(certificates: Path) -> dict[str, str]:
    """What the chart says of TLS to the library of Galera."""
    text = moved(case("tls").pod("galera").container("mariadb").env["GALERA_PROVIDER_OPTIONS"], certificates)
    pairs = (each.split("=", maxsplit=1) for each in text.split(";"))
    return {name: value for name, value in pairs if name.startswith("socket.")}


def test_a_node_joins_by_an_encrypted_state_transfer_over_an_encrypted_group(certificates: Path) -> None:
    with scratch() as folder:
        hosts = Namespaces(("a", "b"))
        cluster = GaleraCluster(
            2,
            folder,
            hosts=(hosts["a"], hosts["b"]),
            options=options(certificates),
            provider_options=provider_options(certificates),
        )
        first, second = cluster.nodes
        try:
            cluster.bootstrap()
            first.sql("CREATE DATABASE shop")
            second.start()  # without data: it takes a full copy
            cluster.wait_joined(second)
            cluster.wait_synced(60)
            assert {"shop"} <= {row["Database"] for row in second.sql("SHOW DATABASES")}
            said = second.log.read_text(errors="replace")
            assert re.search(r"listening at ssl://", said)
            assert "Using openssl based encryption with socat: with key and crt" in said
            assert "verify=0" not in said
            assert first.sql("SHOW VARIABLES LIKE 'have_ssl'")[0]["Value"] == "YES"
        finally:
            cluster.close()
            hosts.close()
