"""HTTP answers, however they arrive."""

from __future__ import annotations

import gzip

import pytest

from bench.answer import PLAIN, PROMETHEUS, ProtocolError, Reader, request
from bench.serving import PLAIN_ANSWER

CHUNKED_ANSWER = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nmar\r\n3\r\nk 1\r\n0\r\n\r\n"


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
@pytest.mark.parametrize("data", [PLAIN_ANSWER, CHUNKED_ANSWER], ids=["length", "chunks"])
def test_an_answer_is_read_whole_however_it_is_cut(data: bytes, step: int) -> None:
    reader = Reader()
    for _ in range(2):  # a kept connection brings the next one
        pieces = [data[at : at + step] for at in range(0, len(data), step)]
        assert [reader.feed(piece) for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
        answer = reader.feed(pieces[-1])
        assert answer is not None
        assert (answer.status, answer.text(), answer.closes) == (200, "mark 1", False)


def test_a_last_chunk_inside_the_text_does_not_end_the_answer() -> None:
    text = b"a\r\n0\r\n\r\nb"
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(text), text)
    reader = Reader()
    assert reader.feed(data[: data.index(b"b\r\n0\r\n")]) is None
    answer = reader.feed(data[data.index(b"b\r\n0\r\n") :])
    assert answer is not None
    assert answer.body == text


def test_a_compressed_page_is_read() -> None:
    body = gzip.compress(b"galera_up 1\n")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    answer = Reader().feed(head + body)
    assert answer is not None
    assert (answer.text(), answer.closes) == ("galera_up 1\n", True)


def test_what_is_not_http_is_refused() -> None:
    with pytest.raises(ProtocolError):
        Reader().feed(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


def test_the_request_tells_the_deadline() -> None:
    assert b"\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n" in request(PLAIN)
    assert b"\r\nX-Prometheus-Scrape-Timeout-Seconds: 0.5\r\n\r\n" in request(PROMETHEUS, 0.5)
