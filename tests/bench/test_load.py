"""The client and the load, against a real server that answers as told."""

from __future__ import annotations

import socket

import pytest

from bench.answer import PLAIN, request
from bench.client import Client
from bench.load import put_load
from bench.serving import PLAIN_ANSWER, serving


def test_the_client_keeps_its_connection_until_the_server_closes_it() -> None:
    closing = PLAIN_ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with (
        serving(lambda number: closing if number == 1 else PLAIN_ANSWER) as (port, connections),
        Client(port) as client,
    ):
        for _ in range(4):
            answer, seconds = client.scrape(request(PLAIN))
            assert answer.status == 200
            assert 0 < seconds < 5
        assert len(connections) == 2


def test_a_load_sends_exactly_what_it_should_and_times_each() -> None:
    with serving(lambda _: PLAIN_ANSWER) as (port, connections):
        load = put_load(port, request(PLAIN), "mark 1", scrapers=8, total=500)
        assert (len(load.latencies), load.errors, len(connections)) == (500, {}, 8)
        assert load.rate == pytest.approx(500 / load.seconds)
        assert max(load.latencies) <= load.seconds


def test_a_load_counts_what_goes_wrong_by_kind() -> None:
    bad = {
        3: PLAIN_ANSWER.replace(b"200 OK", b"503 Busy"),
        5: b"",  # closed without an answer
        7: PLAIN_ANSWER[:-1],  # closed too early
    }
    with serving(lambda number: bad.get(number, PLAIN_ANSWER)) as (port, _):
        load = put_load(port, request(PLAIN), "mark 1", scrapers=1, total=20)
    assert len(load.latencies) == 17
    assert load.errors == {"status 503": 1, "ConnectionResetError": 2}


def test_a_load_looks_at_every_fiftieth_page() -> None:
    with serving(lambda _: PLAIN_ANSWER) as (port, _):
        load = put_load(port, request(PLAIN), "mark 0", scrapers=1, total=100)
    assert (len(load.latencies), load.errors) == (98, {"no 'mark 0' on the page": 2})


def test_a_load_gives_up_on_an_answer_at_the_deadline() -> None:
    with serving(lambda number: None if number == 1 else PLAIN_ANSWER) as (port, _):
        load = put_load(port, request(PLAIN), "mark 1", scrapers=1, total=3, deadline=0.2)
    assert (len(load.latencies), load.errors) == (2, {"no answer in 0.2 s": 1})


def test_a_load_on_a_port_where_nobody_listens_ends_with_errors_only() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        load = put_load(held.getsockname()[1], request(PLAIN), "", scrapers=4, total=20)
    assert (len(load.latencies), load.errors) == (0, {"ConnectionRefusedError": 20})
    assert load.rate == 0
