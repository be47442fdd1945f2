"""The request parser is total and strict; answers are what RFC 9112 asks for."""

from __future__ import annotations

import gzip
from http import HTTPStatus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from galera_exporter.web.message import MAX_HEAD, BadRequest, Request, Response, encode, parse, scrape_timeout

PIECES = st.sampled_from(
    [
        *(
            b"GET",
            b" ",
            b"/",
            b"/metrics?a=b",
            b"HTTP/1.1",
            b"HTTP/1.0",
            b"HTTP/9.9",
            b"\r\n",
            b"\r\n\r\n",
            b"\n",
            b"\r",
        ),
        *(
            b"Host: a",
            b"Content-Length: 7",
            b"Content-Length: x",
            b"Transfer-Encoding: chunked",
            b":",
            b"\x00",
            b"\xff",
        ),
        *(b"Connection: close", b"X-Prometheus-Scrape-Timeout-Seconds: 1e9", b"http://h/x", b"%zz", b"\x16\x03\x01"),
    ]
)
GET = b"GET /metrics?name=a&name=b HTTP/1.1\r\nHost: x\r\n"


@settings(max_examples=10_000, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=14).map(b"".join)))
@example(b"")
@example(b"\r\n")
@example(b"x" * (MAX_HEAD + 1))
def test_any_bytes_give_a_request_or_not_yet_or_a_refusal(data: bytes) -> None:
    refusal: BadRequest | None = None
    parsed = None
    try:
        parsed = parse(data)
    except BadRequest as error:
        refusal = error
    if refusal is not None:
        assert 400 <= refusal.status < 600
        assert str(refusal).isprintable()
    elif parsed is not None:
        request, used = parsed
        assert 0 < used <= len(data)
        assert data[:used].endswith(b"\r\n\r\n")
        assert request.path.startswith("/")
        assert 0 < request.timeout <= 10


@settings(max_examples=1_000, deadline=None)
@given(st.lists(PIECES, max_size=10).map(b"".join), st.integers(0, 200))
def test_what_is_refused_early_would_be_refused_whole(rest: bytes, cut: int) -> None:
    whole = GET + rest
    try:
        parse(whole[:cut])
    except BadRequest:
        with pytest.raises(BadRequest):
            parse(whole)


def test_a_request_that_comes_in_single_bytes_is_taken_with_its_last() -> None:
    data = GET + b"Accept: */*\r\n\r\n"
    assert all(parse(data[:size]) is None for size in range(len(data)))
    parsed = parse(data, "192.0.2.1")
    assert parsed is not None
    request, used = parsed
    assert used == len(data)
    assert (request.method, request.path, request.peer) == ("GET", "/metrics", "192.0.2.1")
    assert request.query == {"name": ("a", "b")}
    assert request.headers == {"host": "x", "accept": "*/*"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 10.0),
        ("10", 9.0),
        ("2", 1.5),
        ("3.5", 3.0),
        ("0.5", 0.1),
        ("120", 10.0),
        ("-1", 10.0),
        ("1e3", 10.0),
        ("nan", 10.0),
        ("9" * 400, 10.0),
    ],
)
def test_the_scrape_timeout_leaves_a_margin_and_is_capped(text: str, seconds: float) -> None:
    assert scrape_timeout(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_a_connection_is_kept_as_its_version_and_header_say(head: bytes, *, kept: bool) -> None:
    parsed = parse(head)
    assert parsed is not None
    assert parsed[0].keep_alive is kept


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("br", False),
        ("", False),
    ],
)
def test_pages_are_compressed_for_those_who_take_it(accepted: str, *, zipped: bool) -> None:
    request = Request("GET", "/", {}, {"accept-encoding": accepted})
    head, _, body = encode(Response(HTTPStatus.OK, {}, b"x" * 100_000), request, keep_alive=True).partition(b"\r\n\r\n")
    assert (b"Content-Encoding: gzip" in head) is zipped
    assert (gzip.decompress(body) if zipped else body) == b"x" * 100_000
    assert b"Vary: Accept-Encoding" in head
    assert b"Content-Length: %d\r\n" % len(body) in head


def test_the_operators_headers_win_and_head_has_no_body() -> None:
    request = Request("HEAD", "/", {}, {})
    page = Response.html("<p>page")
    data = encode(page, request, keep_alive=False, extra={"X-Frame-Options": "sameorigin"})
    assert data.endswith(b"\r\n\r\n")
    assert b"X-Frame-Options: sameorigin\r\n" in data
    assert b"X-Frame-Options: deny" not in data
    assert b"Content-Length: 7\r\n" in data
    assert b"default-src 'none'" in data
