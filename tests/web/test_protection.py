"""TLS, client certificates, passwords and their reload, against a real server and openssl's own client."""

from __future__ import annotations

import base64
import logging
import os
import ssl
import subprocess
import threading
import time
from pathlib import Path

import bcrypt
import pytest
from serving import PAGE, Certificates, StartServer, trusting, web_config
from wire import CLOSING_GET, GET, connect, exchange, read_answer, request

from galera_exporter.errors import ConfigError
from galera_exporter.web.auth import Access, BasicAuth
from galera_exporter.web.protection import ProtectionSource
from galera_exporter.web.server import Server
from galera_exporter.web.webconfig import load

HASH = bcrypt.hashpw(b"right", b"$2b$04$" + b"saltofatestofthesaltO.").decode()
PASSWORDS = f"basic_auth_users:\n  prometheus: {HASH}\n"
MUTUAL = "  client_ca_file: ca.crt\n  client_auth_type: RequireAndVerifyClientCert\n"


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def openssl_client(server: Server, certificates: Certificates, *arguments: str) -> str:
    done = subprocess.run(
        ("openssl", "s_client", "-connect", "{}:{}".format(*server.addresses[0]), "-CAfile", "ca.crt", *arguments),
        cwd=certificates.folder,
        input="",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.stdout + done.stderr


def await_reload(server: Server, *, success: bool, after: float = 0.0) -> None:
    """Knock until the server has looked at its files: it does so on traffic, once a second at most."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        connect(server).close()
        status = server.reload_status
        if status.success is success and (not success or status.timestamp > after):
            return
        time.sleep(0.05)
    raise AssertionError(server.reload_status)


@pytest.mark.parametrize(
    ("version", "accepted"), [("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)], ids=["1.1", "1.2", "1.3"]
)
def test_tls_from_1_2_on_is_spoken(
    start: StartServer, certificates: Certificates, version: str, *, accepted: bool
) -> None:
    output = openssl_client(start(web_config(certificates)), certificates, version, "-cipher", "ALL:@SECLEVEL=0")
    assert ("BEGIN CERTIFICATE" in output) is accepted
    assert ("alert protocol version" in output) is not accepted


def test_the_configured_suite_and_version_are_the_only_ones(start: StartServer, certificates: Certificates) -> None:
    text = "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n"
    server = start(web_config(certificates, text))
    assert "ECDHE-ECDSA-AES256-GCM-SHA384" in openssl_client(server, certificates)
    assert "Cipher is (NONE)" in openssl_client(server, certificates, "-tls1_3")
    assert "Cipher is (NONE)" in openssl_client(
        server, certificates, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"
    )


def test_pages_and_pipelined_requests_come_through_tls(start: StartServer, certificates: Certificates) -> None:
    server = start(web_config(certificates))
    context = trusting(certificates)
    with connect(server) as plain, context.wrap_socket(plain, server_hostname="localhost") as sock:
        for _ in range(3):
            sock.sendall(GET)
            assert read_answer(sock).body == PAGE
        sock.sendall(request("/-/healthy").replace(b"close", b"keep-alive") + CLOSING_GET)
        stream = b""
        while more := sock.recv(65536):
            stream += more
        assert stream.count(b"HTTP/1.1 200 OK") == 2


def test_plain_http_on_a_tls_port_is_told_so(start: StartServer, certificates: Certificates) -> None:
    answer = exchange(start(web_config(certificates)), CLOSING_GET)
    assert (answer.status, b"HTTPS" in answer.body) == (400, True)


@pytest.mark.parametrize(
    ("pair", "sans", "let_in"),
    [
        ("client", "", True),
        (None, "", False),
        ("stranger", "", False),
        ("client", "  client_allowed_sans: [prometheus.monitoring]\n", True),
        ("client", "  client_allowed_sans: [other.monitoring]\n", False),
    ],
    ids=["own", "none", "foreign", "named", "not-named"],
)
def test_only_verified_and_named_clients_are_let_in(
    start: StartServer, certificates: Certificates, pair: str | None, sans: str, *, let_in: bool
) -> None:
    server = start(web_config(certificates, MUTUAL + sans))
    context = trusting(certificates, pair)
    if let_in:
        assert exchange(server, CLOSING_GET, context=context).body == PAGE
    else:
        with pytest.raises((ssl.SSLError, EOFError, ConnectionError)):
            exchange(server, CLOSING_GET, context=context)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": basic("prometheus", "right")}, 200),
        ({"Authorization": basic("prometheus", "wrong")}, 401),
        ({"Authorization": basic("nobody", "right")}, 401),
        ({"Authorization": basic("prometheus", "")}, 401),
        ({"Authorization": basic("prometheus", "x" * 500)}, 401),
        ({"Authorization": basic("prometheus", "a\0b")}, 401),
        ({"Authorization": "Basic !!!"}, 401),
        ({"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:x").decode()}, 401),
        ({"Authorization": "Bearer right"}, 401),
    ],
)
def test_only_the_right_password_opens(
    start: StartServer, tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    path = tmp_path / "web.yml"
    path.write_text(PASSWORDS)
    server = start(path)
    answer = exchange(server, request(**headers))
    assert answer.status == status
    assert ("www-authenticate" in answer.headers) is (status == 401)
    assert exchange(server, request("/nowhere")).status == 401, "what exists is not told to strangers"
    assert exchange(server, request("/-/healthy")).status == 200, "probes have no password"


def test_a_flood_of_wrong_passwords_does_not_starve_a_known_scraper(start: StartServer, tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    slow = bcrypt.hashpw(b"right", bcrypt.gensalt(12)).decode()
    path.write_text(f"basic_auth_users:\n  prometheus: {slow}\n")
    server = start(path)
    known = request(Authorization=basic("prometheus", "right"))
    assert exchange(server, known).status == 200
    ended = threading.Event()
    statuses: list[int] = []

    def guess(number: int) -> None:
        while not ended.is_set():
            wrong = request(Authorization=basic("prometheus", f"guess {number}"))
            statuses.append(exchange(server, wrong, source=f"127.0.2.{number + 1}").status)

    guessers = [threading.Thread(target=guess, args=(number,)) for number in range(16)]
    for guesser in guessers:
        guesser.start()
    try:
        worst = 0.0
        for _ in range(10):
            began = time.monotonic()
            assert exchange(server, known).status == 200
            worst = max(worst, time.monotonic() - began)
    finally:
        ended.set()
        for guesser in guessers:
            guesser.join(10)
    assert worst < 1.0
    assert set(statuses) <= {401, 429}
    assert 429 in statuses


def test_an_unknown_user_costs_the_same_check_as_a_known_one() -> None:
    auth = BasicAuth({"prometheus": bcrypt.hashpw(b"right", bcrypt.gensalt(10)).decode()})

    def cost(name: str) -> float:
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            assert auth.verify(basic(name, "wrong"), "192.0.2.1") is Access.DENIED
            best = min(best, time.process_time() - began)
        return best

    known, unknown = cost("prometheus"), cost("nobody")
    assert unknown > known / 3


def test_a_right_pair_is_checked_slowly_once() -> None:
    auth = BasicAuth({"prometheus": HASH})
    checks = []
    check = auth._check

    def counted(password: bytes, hashed_password: bytes) -> bool:
        checks.append(hashed_password)
        return check(password, hashed_password)

    auth._check = counted
    results = [auth.verify(basic("prometheus", "right"), "192.0.2.1") for _ in range(5)]
    assert results == [Access.GRANTED] * 5
    assert len(checks) == 1
    assert auth.verify(basic("prometheus", "wrong"), "192.0.2.1") is Access.DENIED


def test_a_rotated_certificate_is_used_without_a_restart(start: StartServer, certificates: Certificates) -> None:
    server = start(web_config(certificates))
    context = trusting(certificates)
    before = certificate_of(server, context)
    loaded = server.reload_status.timestamp
    certificates.issue("server")
    await_reload(server, success=True, after=loaded)
    assert certificate_of(server, context) != before
    assert exchange(server, CLOSING_GET, context=context).body == PAGE


def test_a_certificate_without_its_key_keeps_the_old_pair_until_both_are_there(
    start: StartServer, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(web_config(certificates))
    context = trusting(certificates)
    before = certificate_of(server, context)
    certificates.issue("next")
    os.replace(certificates.path("next.crt"), certificates.path("server.crt"))  # noqa: PTH105 - as a rotation does it
    with caplog.at_level(logging.ERROR):
        await_reload(server, success=False)
    assert certificate_of(server, context) == before
    assert "key values mismatch" in caplog.text
    os.replace(certificates.path("next.key"), certificates.path("server.key"))  # noqa: PTH105 - the same
    await_reload(server, success=True)
    assert certificate_of(server, context) != before


def test_a_broken_configuration_keeps_the_old_one_and_says_so(
    start: StartServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "web.yml"
    path.write_text(PASSWORDS)
    server = start(path)
    path.write_text("basic_auth_users: {prometheus: not-a-hash}\nmistake: 1\n")
    with caplog.at_level(logging.INFO):
        assert not server.reload()
        for _ in range(3):
            assert exchange(server, request()).status == 401
    assert not server.reload_status.success
    assert caplog.text.count("not reloaded") == 1
    assert "not-a-hash" not in caplog.text
    path.write_text("{}\n")
    assert server.reload()
    assert exchange(server, request()).status == 200


def test_a_kept_connection_ends_when_the_configuration_changes(start: StartServer, tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text("{}\n")
    server = start(path)
    with connect(server) as sock:
        sock.sendall(GET)
        assert read_answer(sock).headers["connection"] == "keep-alive"
        path.write_text(PASSWORDS)
        assert server.reload()
        sock.sendall(GET)
        answer = read_answer(sock)
    assert (answer.status, answer.headers["connection"]) == (401, "close")


def test_the_files_are_looked_at_once_a_second_at_most(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text("{}\n")
    now = [100.0]
    source = ProtectionSource(path, clock=lambda: now[0])
    path.write_text("nonsense: 1\n")
    now[0] += 0.5
    assert source.refresh()
    now[0] += 0.6
    assert not source.refresh()


def test_an_encrypted_key_is_refused_and_nothing_asks_on_the_terminal(certificates: Certificates) -> None:
    subprocess.run(
        ("openssl", "ec", "-in", "server.key", "-aes256", "-passout", "pass:x", "-out", "locked.key"),
        cwd=certificates.folder,
        check=True,
        capture_output=True,
        timeout=30,
    )
    os.replace(certificates.path("locked.key"), certificates.path("server.key"))  # noqa: PTH105 - one call, one file
    with pytest.raises(ConfigError, match=r"server\.key"):
        ProtectionSource(web_config(certificates))


GOOD_HEADERS = "http_server_config:\n  http2: false\n  headers: {X-Frame-Options: sameorigin}\n"


def test_configured_headers_are_sent(start: StartServer, tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text(GOOD_HEADERS)
    assert exchange(start(path), request()).headers["x-frame-options"] == "sameorigin"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tls_server_config: {}\n", "cert_file: is missing"),
        ("tls_server_config: {cert_file: nowhere.crt, key_file: server.key}\n", "No such file"),
        ("tls_server_config: {cert: PEM}\n", "put the certificate into a file"),
        ("tls_server_config: {min_version: TLS10}\n", "is not TLS12 or TLS13"),
        ("tls_server_config: {min_version: TLS13, max_version: TLS12}\n", "above max_version"),
        ("tls_server_config: {client_auth_type: RequestClientCert}\n", "nobody verified"),
        ("tls_server_config: {client_auth_type: RequireAnyClientCert}\n", "nobody verified"),
        ("tls_server_config: {client_auth_type: Maybe}\n", "is not one of"),
        ("tls_server_config: {client_auth_type: RequireAndVerifyClientCert}\n", "client_ca_file: is missing"),
        ("tls_server_config: {client_ca_file: ca.crt}\n", "would do nothing"),
        ("tls_server_config: {client_allowed_sans: [a]}\n", "client_allowed_sans: needs"),
        ("tls_server_config: {cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}\n", "RC4_128_SHA is not one of"),
        ("tls_server_config: {curve_preferences: [X25519]}\n", "is not supported here"),
        ("tls_server_config: {prefer_server_cipher_suites: 3}\n", "true or false"),
        ("tls_server_config: [1]\n", "must be a mapping"),
        ("basic_auth_users: {a: plain}\n", "basic_auth_users.a: is not a bcrypt hash"),
        (f"basic_auth_users: {{a: '{HASH.replace('$04$', '$31$')}'}}\n", "cost is 31"),
        (f"basic_auth_users: {{'a:b': '{HASH}'}}\n", "cannot be empty or have a colon"),
        ("basic_auth_users: {7: x}\n", "the key 7 is not text"),
        ("http_server_config: {http2: maybe}\n", "http2: is not true or false"),
        ("http_server_config: {headers: {Set-Cookie: a}}\n", "headers.Set-Cookie: is not known"),
        ("http_server_config: {headers: {X-Frame-Options: allow}}\n", "must be deny or sameorigin"),
        ('http_server_config: {headers: {X-XSS-Protection: "a\\r\\nb"}}\n', "no header can carry"),
        ("rate_limit: {burst: 1}\n", "rate_limit: is not known"),
        ("a: b: c\n", "is not YAML in line 1; mend"),
        ("[1, 2]\n", "must be a mapping"),
        ("!!python/object/apply:os.system [id]\n", "is not YAML"),
        ("\x00", "is not YAML"),
    ],
)
def test_each_fault_of_the_file_is_named_with_its_key(certificates: Certificates, text: str, said: str) -> None:
    path = certificates.path("web.yml")
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert any(said in fault for fault in caught.value.faults), caught.value.faults
    assert all(str(path) in fault for fault in caught.value.faults)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text("a: 1\nbasic_auth_users: {x: y}\ntls_server_config: {key_file: k, zzz: 1}\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert len(caught.value.faults) == 5, caught.value.faults


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "nowhere.yml")


def test_hashes_are_in_no_repr(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text(PASSWORDS)
    assert HASH not in repr(load(path))


def certificate_of(server: Server, context: ssl.SSLContext) -> bytes:
    with connect(server) as plain, context.wrap_socket(plain, server_hostname="localhost") as sock:
        found = sock.getpeercert(binary_form=True)
        assert found
        return found
