"""Which versions and suites the web port speaks, asked one by one by openssl's own client."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from serving import Certificates, StartServer, web_config

from galera_exporter.web.server import Server
from galera_exporter.web.tls import CIPHERS

EVERYTHING = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
WEAK = re.compile(r"NULL|ADH|AECDH|PSK|SRP|RC4|DES|MD5|EXPORT|CAMELLIA|ARIA|SEED|IDEA|CCM|-SHA$")
"""No encryption, no certificate, old ciphers, SHA-1 for integrity, short tags, and what nobody else speaks."""
NAMES = {
    "an elliptic curve": ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
    "RSA": ("rsa:2048",),
}


@pytest.fixture(params=NAMES)
def certificates(request: pytest.FixtureRequest, tmp_path: Path) -> Certificates:
    """A server pair of the kind: suites depend on it."""
    made = Certificates(tmp_path)
    made.authority("ca")
    command = ("openssl", "req", "-x509", "-newkey", *NAMES[request.param], "-nodes", "-days", "2", "-subj", "/CN=x")
    files = ("-keyout", "server.key", "-out", "server.crt")
    subprocess.run((*command, *files), cwd=tmp_path, check=True, capture_output=True, timeout=60)
    return made


def agreed(server: Server, *arguments: str) -> str:
    """Return version and suite that the two agree on, as openssl names them; empty: none."""
    done = subprocess.run(
        ("openssl", "s_client", "-connect", "{}:{}".format(*server.addresses[0]), *arguments),
        input="",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    found = re.search(r"^New, (\S+), Cipher is (\S+)$", done.stdout, re.MULTILINE)
    assert found or "no protocols available" in done.stderr + done.stdout, done
    if found is None or found[2] == "(NONE)":
        return ""
    spoken = re.search(r"^ *Protocol *: (\S+)$", done.stdout, re.MULTILINE)
    return f"{spoken[1] if spoken else found[1]} {found[2]}"


def known(*arguments: str) -> list[str]:
    """Return the suites of TLS 1.2 and older that this openssl has, the worst among them."""
    done = subprocess.run(
        ("openssl", "ciphers", *arguments, EVERYTHING), capture_output=True, text=True, timeout=20, check=True
    )
    return [name for name in done.stdout.strip().split(":") if not name.startswith("TLS_")]


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_older_versions_are_refused_whatever_the_client_puts_up_with(
    start: StartServer, certificates: Certificates, version: str
) -> None:
    assert agreed(start(web_config(certificates)), version, "-cipher", EVERYTHING) == ""


def test_tls_1_3_is_taken_where_both_have_it_and_1_2_where_one_has_not(
    start: StartServer, certificates: Certificates
) -> None:
    server = start(web_config(certificates))
    assert agreed(server).startswith("TLSv1.3 TLS_")
    assert agreed(server, "-tls1_2").startswith("TLSv1.2 ECDHE-")


def test_of_all_suites_of_tls_1_2_only_strong_ones_are_spoken(start: StartServer, certificates: Certificates) -> None:
    server = start(web_config(certificates))
    names = known("-s", "-tls1_2")
    weak = {name for name in names if WEAK.search(name) or not name.startswith(("ECDHE-", "DHE-"))}
    assert {"AES128-SHA", "NULL-SHA256", "ADH-AES128-SHA256"} <= weak, "this openssl can offer them"
    # All weak ones in one offer first: one that is taken fails the test at once. Then each strong one for itself.
    assert agreed(server, "-tls1_2", "-cipher", ":".join([*sorted(weak), "@SECLEVEL=0"])) == ""
    strong = [name for name in names if name not in weak]
    taken = {name for name in strong if agreed(server, "-tls1_2", "-cipher", f"{name}:@SECLEVEL=0")}
    kind = "ECDSA" if any("ECDSA" in name for name in taken) else "RSA"
    assert taken >= {suite for suite in CIPHERS.values() if kind in suite}, "what can be configured is spoken"


def test_a_session_is_not_renegotiated(start: StartServer, certificates: Certificates) -> None:
    server = start(web_config(certificates))
    done = subprocess.run(
        ("openssl", "s_client", "-connect", "{}:{}".format(*server.addresses[0]), "-tls1_2"),
        input="R\n",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "RENEGOTIATING" in done.stdout + done.stderr
    assert "no renegotiation" in done.stdout + done.stderr
