"""What sidecars say to one another, over real HTTP."""

from __future__ import annotations

import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from galera_exporter.bootstrap.peers import PATH, Peers, parse, render
from galera_exporter.bootstrap.state import Epoch, Mode, Peer, Rule
from galera_exporter.settings import BootstrapSettings

UUID = "11111111-1111-1111-1111-111111111111"
PEER = Peer(
    "galera-1",
    primary=True,
    confirmed=True,
    epoch=2,
    history={
        1: Epoch(1, 0, -1, UUID, "galera-0", Mode.INITIAL, Rule.INITIAL, confirmed=True),
        2: Epoch(2, 1, 40, UUID, "galera-1", Mode.RECOVER, Rule.ALL, confirmed=True),
    },
)


@contextmanager
def sidecar(answer: Callable[[BaseHTTPRequestHandler], None], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def say(body: bytes, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status if handler.path == PATH else 404)
        for name, text in headers.items():
            handler.send_header(name, text)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def probe(**urls: str) -> tuple[Peer, ...]:
    settings = BootstrapSettings(peers=tuple((name.replace("_", "-"), url) for name, url in urls.items()))
    return Peers(settings, "galera-0").probe(1.0)


def test_what_is_rendered_is_understood() -> None:
    assert parse("galera-1", render(PEER)) == PEER
    assert parse("galera-2", render(PEER)) is None


@given(st.binary(max_size=200))
def test_no_answer_makes_it_fail(body: bytes) -> None:
    assert parse("galera-1", body) is None


def test_who_answers_is_heard_and_the_own_sidecar_is_not_asked() -> None:
    with sidecar(say(render(PEER))) as url:
        assert probe(galera_0="http://127.0.0.1:9", galera_1=url) == (PEER,)


def test_one_that_hangs_or_refuses_or_talks_nonsense_costs_the_others_nothing() -> None:
    ending = threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> None:
        ending.wait(5)

    with sidecar(say(render(PEER))) as good, sidecar(hang) as stuck, sidecar(say(b"<html>")) as nonsense:
        try:
            started = time.monotonic()
            found = probe(
                galera_1=good,
                galera_2=stuck,
                galera_3="http://127.0.0.1:9",
                galera_4=nonsense,
            )
            assert found == (PEER,)
            assert time.monotonic() - started < 4.5
        finally:
            ending.set()


def test_an_answer_under_another_status_or_elsewhere_is_none() -> None:
    with sidecar(say(render(PEER), 503)) as broken, sidecar(say(b"", 302, Location="/elsewhere")) as moved:
        assert probe(galera_1=broken, galera_2=moved) == ()


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)


def signed_by_a_plain_ca(folder: Path) -> ssl.SSLContext:
    """Return a server's side of TLS whose CA, ``ca.crt``, has no key usage, as many private ones."""
    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/O=galera")
    (folder / "ca.cnf").write_text("[req]\ndistinguished_name=n\n[n]\n[e]\nbasicConstraints=CA:TRUE\n")
    (folder / "ext").write_text("subjectAltName = IP:127.0.0.1\n")
    plain = ("-config", "ca.cnf", "-extensions", "e")
    openssl(folder, *new, "-x509", *plain, "-days", "2", "-keyout", "ca.key", "-out", "ca.crt")
    openssl(folder, *new, "-keyout", "tls.key", "-out", "tls.csr")
    ca = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext")
    openssl(folder, "x509", "-req", "-in", "tls.csr", *ca, "-out", "tls.crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


def test_over_tls_any_private_ca_is_taken_and_no_other(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
    tls = signed_by_a_plain_ca(ours)
    signed_by_a_plain_ca(theirs)
    with sidecar(say(render(PEER)), tls) as url:
        for folder, heard in ((ours, (PEER,)), (theirs, ())):
            settings = BootstrapSettings(peers=(("galera-1", url),), tls_ca=folder / "ca.crt")
            assert Peers(settings, "galera-0").probe(3.0) == heard
