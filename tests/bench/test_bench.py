"""The pure parts of the benchmark, and its client and load against a real server that answers as told."""

from __future__ import annotations

import gzip
import json
import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from bench import rules
from bench.answer import PLAIN, PROMETHEUS, ProtocolError, Reader, request
from bench.client import Client
from bench.fleet import DOWN_AT, RULES, STEP, Fleet, Needs, Sources
from bench.load import put_load
from bench.report import Row, Target, missed, number, percentile, table, write
from bench.usage import cpu_seconds, resident_mib
from lab import Trio

PLAIN_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nmark 1"
CHUNKED_ANSWER = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nmar\r\n3\r\nk 1\r\n0\r\n\r\n"


def test_a_percentile_is_a_value_that_was_seen() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, share) for share in (0, 0.5, 0.99, 1)] == [1, 50, 99, 100]
    assert percentile([7.0], 0.99) == 7


def test_a_percentile_of_nothing_is_not_a_number() -> None:
    assert math.isnan(percentile([], 0.5))


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.floats(0.01, 1))
def test_at_least_the_share_of_all_values_is_not_above_the_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("no target", 1, ""), None),
        (Row("at the limit", 40, "MiB", target=Target(40)), True),
        (Row("above it", 40.1, "MiB", target=Target(40)), False),
        (Row("enough", 1000, "/s", target=Target(1000, least=True)), True),
        (Row("too few", 999, "/s", target=Target(1000, least=True)), False),
        (Row("a fifth of the peer's", 1, "ms", 5, Target(0.2, of_peer=True)), True),
        (Row("more than a fifth", 1.1, "ms", 5, Target(0.2, of_peer=True)), False),
        (Row("no peer to compare with", 1, "ms", None, Target(0.2, of_peer=True)), False),
        (Row("not measured", math.nan, "ms", target=Target(100)), False),
        (Row("no answer", math.inf, "s", target=Target(10)), False),
    ],
    ids=lambda value: value.name if isinstance(value, Row) else "",
)
def test_a_target_is_met_or_not(row: Row, met: bool | None) -> None:  # noqa: FBT001 - a parameter of the table above
    assert row.met is met
    assert missed([row]) == ([row] if met is False else [])


def test_bench_json_has_every_field_of_every_row_and_only_what_json_knows(tmp_path: Path) -> None:
    rows = [
        Row("scrape p50", 1.5, "ms", 6, Target(0.25, of_peer=True)),
        Row("page", 27, "KiB"),
        Row("stopped", math.inf, "s", math.nan, Target(10)),
    ]
    write(rows, tmp_path / "new" / "bench.json")
    nothing = {"peer": None, "ratio": None}
    assert json.loads((tmp_path / "new" / "bench.json").read_text()) == [
        {
            "name": "scrape p50",
            "value": 1.5,
            "unit": "ms",
            "peer": 6,
            "ratio": 0.25,
            "target": "<= 0.25 of peer",
            "met": True,
        },
        {"name": "page", "value": 27, "unit": "KiB", **nothing, "target": None, "met": None},
        {"name": "stopped", "value": None, "unit": "s", **nothing, "target": "<= 10", "met": False},
    ]


def test_the_table_aligns_and_shouts_what_is_missed() -> None:
    lines = table([Row("short", 1, "ms", 4), Row("a longer name", 1234.5, "/s", target=Target(2000, least=True))])
    assert lines == [
        "                sidecar  peer  ratio   target  met",
        "short           1.00 ms  4.00  0.250        -    -",
        "a longer name  1,234 /s     -      -  >= 2000   NO",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.02471, "0.0247"),
        (1.234, "1.23"),
        (42.42, "42.4"),
        (1259.4, "1,259"),
        (math.inf, "none"),
        (None, "-"),
    ],
)
def test_a_figure_has_three_digits_that_count(value: float | None, text: str) -> None:
    assert number(value) == text


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


def test_cpu_time_of_another_process_is_told_to_less_than_a_clock_tick() -> None:
    spin = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", spin], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert 0.2 <= cpu_seconds(process.pid) < 0.5
        assert resident_mib(process.pid) > 1
        process.communicate(b"\n")


def test_cpu_time_counts_threads_that_have_ended() -> None:
    def spin() -> None:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    before = cpu_seconds(os.getpid())
    thread = threading.Thread(target=spin)
    thread.start()
    thread.join()
    assert cpu_seconds(os.getpid()) - before >= 0.05


@contextmanager
def serving(answer: Callable[[int], bytes | None]) -> Iterator[tuple[int, list[socket.socket]]]:
    """Serve ``answer(number)`` to request 0, 1, ...; one that is cut short ends the connection, None is silence."""
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []
    lock = threading.Lock()
    numbers = iter(range(10**6))

    def serve(sock: socket.socket) -> None:
        with sock:
            data = b""
            while chunk := sock.recv(65536):
                data += chunk
                while b"\r\n\r\n" in data:
                    data = data.partition(b"\r\n\r\n")[2]
                    with lock:
                        reply = answer(next(numbers))
                    if reply is None:
                        continue
                    sock.sendall(reply)
                    if not reply.endswith(b"mark 1") or b"Connection: close" in reply:
                        return

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            connections.append(sock)
            threads.append(threading.Thread(target=serve, args=(sock,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepter = threading.Thread(target=accept)
        accepter.start()
        try:
            yield listener.getsockname()[1], connections
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepter.join(5)
            for thread in threads:
                thread.join(5)


def test_what_rules_read_is_found_with_the_longest_time_that_they_look_back(tmp_path: Path) -> None:
    exprs = (
        '# galera_not_this[9h]\nmax by (pod) (galera_up) > on (pod) group_left () wsrep_ready{a="b"}',
        'rate(wsrep_x_total{a="b"}[5m]) and galera_node:serving offset 30m and max_over_time(wsrep_x_total[1h])',
    )
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"rules": [{"expr": expr} for expr in exprs]}]}))
    needs = Needs.read(file)
    assert needs.names == {"galera_up", "wsrep_ready", "wsrep_x_total"}
    assert needs.windows == {"wsrep_x_total": 3600, "galera_node:serving": 1800}


UP = "galera_up 1\nwsrep_last_committed 3\nwsrep_thread_count 9\ngalera_sst_in_progress 0\n"
PAGES = Sources(healthy=UP, survivor=UP, down="galera_up 0\n", etcd="etcd_server_has_leader 1\n")


def test_a_fleet_has_each_series_that_rules_read_once_for_each_node_and_no_other() -> None:
    needs = Needs(frozenset({"galera_up", "wsrep_last_committed", "etcd_server_has_leader"}), {})
    text = Fleet(DOWN_AT + 1, PAGES, needs).page(0, 10).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert len({(name, *sorted(labels.items())) for name, labels, *_ in samples}) == len(samples), "none is there twice"
    up = [sample for sample in samples if sample.name == "galera_up"]
    assert len(up) == 3 * (DOWN_AT + 1)
    assert [sample.labels["pod"] for sample in up if sample.value == 0] == ["galera-0"], "of the one degraded cluster"
    assert sum(sample.name == "etcd_server_has_leader" for sample in samples) == 3 * (DOWN_AT + 1)
    assert not any(sample.name == "wsrep_thread_count" for sample in samples)
    written = {sample.value for sample in samples if sample.name == "wsrep_last_committed"}
    assert written == {1_000_000 + 100 * 10}


def test_history_goes_back_as_far_as_rules_look() -> None:
    windows = {"wsrep_last_committed": 10_800, "galera_sst_in_progress": 600, "galera_cluster:nodes_primary:sum": 60}
    fleet = Fleet(2, PAGES, Needs(frozenset(windows), windows))
    old, recent = ([*fleet.history(1_000_000, begin, end)] for begin, end in ((10_800, 3000), (3000, 0)))
    lines = [*old, *recent]
    for name, seconds in windows.items():
        of_one = 1 if ":" in name else 3
        assert sum(line.startswith(f"{name}{{") for line in lines) == 2 * of_one * seconds / STEP
    times = [int(line.rsplit(" ", 1)[1]) / 1000 for line in lines]
    assert (min(times), max(times)) == (1_000_000 - 10_800, 1_000_000 - STEP)
    assert all(line.startswith("wsrep_last_committed{") for line in old)


@pytest.mark.timeout(300)
def test_prometheus_evaluates_all_rules_over_a_small_fleet_and_sees_the_node_that_is_down(
    cluster: Trio, tmp_path: Path
) -> None:
    survivor, _, dead = cluster.sidecars
    healthy = survivor.get()
    dead.node.kill()
    sources = Sources.take(healthy, survivor, dead, cluster.etcd.endpoints[0])
    said: list[str] = []
    one = rules.measure(tmp_path / "1", 1, sources, said.append, rounds=2)
    ten = rules.measure(tmp_path / "10", 10, sources, said.append, rounds=2)
    assert one.alerts == {}, "all is well in it"
    assert ten.alerts.keys() >= {"GaleraNodeDown"}
    assert ten.alerts["GaleraNodeDown"] == 1
    assert ten.series > 9 * one.series
    for measured in (one, ten):
        assert len(measured.rounds) == 2
        assert all(0 < each.seconds < 5 for each in measured.rounds)
        assert len(measured.rounds[0].rules) == RULES.read_text().count("expr:")
    assert any("10 clusters" in words for words in said)
