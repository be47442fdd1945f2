"""The sampler on a real server: one statement in flight, whoever asks, and an answer in time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace

import pytest

from galera_exporter.errors import DatabaseReason
from galera_exporter.mariadb.connection import Connection, ServerError
from galera_exporter.mariadb.sampler import Sampler
from galera_exporter.model import DatabaseReading, NodeState
from galera_exporter.settings import MariadbSettings, Secret
from lab import GaleraNode, wait_until
from lab.slow import slow_link

Stopped = Callable[[], AbstractContextManager[None]]


@contextmanager
def sampling(settings: MariadbSettings) -> Iterator[Sampler]:
    with closing(Sampler(Connection(settings), settings)) as made:
        made.start()
        yield made


@pytest.fixture
def sampler(settings: MariadbSettings) -> Iterator[Sampler]:
    with sampling(settings) as made:
        yield made


def counted(node: GaleraNode, name: str) -> int:
    return int(node.sql(f"SHOW GLOBAL STATUS LIKE '{name}'")[0]["Value"])


def at_once(sampler: Sampler, callers: int, max_age: float, timeout: float) -> list[tuple[DatabaseReading, float]]:
    """Let all callers read at the same moment; each answer comes with how long it took."""
    barrier = threading.Barrier(callers)

    def call(_: int) -> tuple[DatabaseReading, float]:
        barrier.wait()
        began = time.monotonic()
        reading = sampler.read(max_age, timeout)
        return reading, time.monotonic() - began

    with ThreadPoolExecutor(callers) as pool:
        return list(pool.map(call, range(callers)))


def test_a_reading_has_status_variables_and_members(sampler: Sampler, single_node: GaleraNode) -> None:
    reading = sampler.read(1.0, 5.0)
    assert reading.up
    assert reading.sample is not None
    assert (reading.sample.state, reading.sample.cluster_size) == (NodeState.SYNCED, 1)
    assert reading.variables is not None
    assert reading.variables.node_name == single_node.name
    assert reading.members is not None
    assert [member.uuid for member in reading.members] == [reading.sample.member_uuid]
    assert {name: run.success for name, run in reading.runs.items()} == dict.fromkeys(
        ("status", "variables", "members"), True
    )
    assert all(0 < run.seconds < 5 for run in reading.runs.values())


def test_a_reading_that_is_young_enough_is_shared_and_an_older_one_is_not(sampler: Sampler) -> None:
    first = sampler.read(0.0, 5.0)
    assert sampler.read(60.0, 5.0) is first
    asked = time.monotonic()
    fresh = sampler.read(0.0, 5.0)
    assert fresh.taken >= asked


def test_most_readings_cost_one_statement(sampler: Sampler, single_node: GaleraNode) -> None:
    sampler.read(0.0, 5.0)
    before = counted(single_node, "Questions")
    for _ in range(50):
        assert sampler.read(0.0, 5.0).up
    # Each count is a login of its own, with a handful of statements.
    assert 50 <= counted(single_node, "Questions") - before <= 62


def test_sixty_four_callers_share_one_connection_and_one_flight(sampler: Sampler, single_node: GaleraNode) -> None:
    sampler.read(0.0, 5.0)
    connections, questions = counted(single_node, "Connections"), counted(single_node, "Questions")
    for _ in range(5):
        answers = at_once(sampler, 64, 0.5, 5.0)
        assert all(reading.up for reading, _ in answers)
        assert len({reading.taken for reading, _ in answers}) <= 2
    assert counted(single_node, "Connections") - connections <= 3  # those that count
    assert counted(single_node, "Questions") - questions <= 40


def test_callers_that_accept_no_age_at_all_share_too(sampler: Sampler) -> None:
    answers = at_once(sampler, 64, 0.0, 5.0)
    assert all(reading.up for reading, _ in answers)
    assert len({reading.taken for reading, _ in answers}) < 32


def test_a_stopped_server_keeps_no_caller_past_its_time(settings: MariadbSettings, stopped: Stopped) -> None:
    with sampling(replace(settings, timeout=2.0)) as sampler:
        before = sampler.read(0.0, 5.0)
        assert before.up
        with stopped():
            wait_until(lambda: time.monotonic() - before.taken > 0.3, 5, "the last sample is too old")
            first = at_once(sampler, 16, 0.2, 0.3)
            assert all(took < 1.9 for _, took in first), "before the flight has timed out"
            assert {reading.reason for reading, _ in first} == {DatabaseReason.TIMEOUT}
            later = sampler.read(0.0, 0.2)
            assert later.reason is DatabaseReason.BUSY
            assert not later.runs["status"].success
            assert all(reading.sample is None for reading in (later, *(reading for reading, _ in first)))

            wait_until(lambda: sampler.read(0.0, 0.1).reason is DatabaseReason.TIMEOUT, 10, "the flight has timed out")
            # From now on most callers are told at once, although one flight after the other hangs.
            waits = [took for _ in range(4) for _, took in at_once(sampler, 16, 0.0, 5.0)]
            assert sorted(waits)[len(waits) * 8 // 10] < 1.0
            assert max(waits) < 4.9
        wait_until(lambda: sampler.read(0.0, 3.0).up, 10, "the server goes on")


def test_a_server_that_answers_late_is_up_and_one_that_answers_too_late_is_a_timeout(
    settings: MariadbSettings, single_node: GaleraNode
) -> None:
    with slow_link(("127.0.0.1", single_node.port), 0.0) as link, sampling(replace(settings, port=link.port)) as made:
        assert made.read(0.0, 5.0).up
        link.delay, before = 0.4, link.delayed
        answers = at_once(made, 16, 0.0, 5.0)
        assert all(reading.up for reading, _ in answers)
        assert min(reading.runs["status"].seconds for reading, _ in answers) >= 0.4, "the statement itself was late"
        assert link.delayed - before <= 4, "one statement in flight, whoever asks"
        link.delay = 3.0
        late, took = at_once(made, 1, 0.0, 2.0)[0]
        assert late.reason is DatabaseReason.TIMEOUT
        assert late.sample is None
        assert took < 2.9, "before the answer came"
        link.delay = 0.0
        wait_until(lambda: made.read(0.0, 5.0).up, 10, "the server is quick again")


class Slow:
    """A connection whose statements take their time, or time out: what a busy server does, at will."""

    def __init__(self) -> None:
        self.opened = 1
        self.hangs = True
        self.takes = 0.1

    def query(self, _statement: str) -> tuple[tuple[str, str], ...]:
        time.sleep(self.takes)
        if self.hangs:
            raise ServerError(DatabaseReason.TIMEOUT, "no answer in time", 2013)
        return (("wsrep_provider_name", "Galera"), ("wsrep_cluster_status", "Disconnected"))

    def close(self) -> None:
        """Nothing to close."""


def test_after_a_timeout_the_first_that_can_wait_gets_the_answer_though_another_began_the_flight() -> None:
    connection = Slow()
    sampler = Sampler(connection, MariadbSettings())  # type: ignore[arg-type]  # same shape
    sampler.start()
    try:
        assert sampler.read(0.0, 5.0).reason is DatabaseReason.TIMEOUT
        connection.hangs = False
        sampler.read(0.0, 0.0)
        assert sampler.read(0.05, 5.0).up
        connection.hangs = True
        assert sampler.read(0.0, 5.0).reason is DatabaseReason.TIMEOUT
        connection.takes = 2.0
        answers = at_once(sampler, 16, 0.0, 5.0)
        assert sorted(took for _, took in answers)[-3] < 1.5, "all but the one that waits are told at once"
    finally:
        sampler.close()


def test_a_server_that_is_gone_is_told_at_once_and_found_again(
    sampler: Sampler, single_node: GaleraNode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "galera_exporter")
    assert sampler.read(0.0, 5.0).up
    single_node.kill()
    began = time.monotonic()
    readings = [sampler.read(0.0, 5.0) for _ in range(200)]
    assert time.monotonic() - began < 60
    assert {reading.reason for reading in readings} == {DatabaseReason.REFUSED}
    assert {(reading.sample, reading.variables, reading.members) for reading in readings} == {(None, None, None)}
    single_node.start(new_cluster=True)
    wait_until(lambda: sampler.read(0.0, 5.0).up, 60, "the server is back", single_node.logs)
    messages = [record.getMessage() for record in caplog.records]
    assert sum(message.startswith("MariaDB: refused") for message in messages) == 1
    assert messages[-1] == "MariaDB: ok"


def test_a_missing_grant_fails_the_members_alone_and_is_logged_once(
    settings: MariadbSettings, single_node: GaleraNode, caplog: pytest.LogCaptureFixture
) -> None:
    single_node.sql("CREATE OR REPLACE USER usage_only@'127.0.0.1' IDENTIFIED BY 'x'")
    with sampling(replace(settings, user="usage_only", password=Secret("x"))) as sampler:
        readings = [sampler.read(0.0, 5.0) for _ in range(20)]
    assert all(reading.up and reading.variables is not None for reading in readings)
    assert all(reading.members is None and not reading.runs["members"].success for reading in readings)
    assert sum("members" in record.getMessage() for record in caplog.records) == 1
    single_node.sql("DROP USER usage_only@'127.0.0.1'")


def test_a_locked_members_table_does_not_stop_the_status(settings: MariadbSettings, single_node: GaleraNode) -> None:
    with closing(single_node.connect()) as admin, admin.cursor() as cursor:
        cursor.execute("LOCK TABLES mysql.wsrep_cluster_members WRITE")
        with sampling(settings) as sampler:
            first = sampler.read(0.0, 5.0)
            assert first.up
            assert first.members is None
            began = time.monotonic()
            assert sampler.read(0.0, 5.0).up
            assert time.monotonic() - began < 0.9, "before the lock would be given up"


def test_a_desynced_node_and_its_settings_are_seen(settings: MariadbSettings, single_node: GaleraNode) -> None:
    with sampling(replace(settings, variables_interval=0.0)) as sampler:
        single_node.sql("SET GLOBAL wsrep_desync = ON")
        try:
            reading = sampler.read(0.0, 5.0)
        finally:
            single_node.sql("SET GLOBAL wsrep_desync = OFF")
    assert reading.sample is not None
    assert reading.variables is not None
    assert (reading.sample.state, reading.sample.desync_count) == (NodeState.DONOR, 1)
    assert reading.variables.settings["desync"] == 1.0


def test_a_disconnected_node_shows_no_members_of_its_past(sampler: Sampler, single_node: GaleraNode) -> None:
    assert sampler.read(0.0, 5.0).members
    single_node.sql("SET GLOBAL wsrep_cluster_address = ''")
    try:
        assert single_node.status()["wsrep_cluster_status"] == "Disconnected"
        reading = sampler.read(0.0, 5.0)
        assert reading.up
        assert reading.sample is not None
        assert not reading.sample.primary
        assert reading.members is None
    finally:
        single_node.sql("SET GLOBAL wsrep_cluster_address = 'gcomm://'")
        single_node.wait_synced()
    wait_until(lambda: sampler.read(0.0, 5.0).members, 10, "the members are back")


def test_a_server_that_comes_back_as_another_version_is_shown_as_that_at_once(
    sampler: Sampler, single_node: GaleraNode
) -> None:
    """There is one version on this machine: the server says another. What 11.8 answers is in tests/corpus."""
    other = "11.8.99-MariaDB-lab"
    before = sampler.read(0.0, 5.0).variables
    assert before is not None
    options = single_node.config.options
    try:
        single_node.kill()
        options["version"] = other
        single_node.start(new_cluster=True)
        single_node.wait_synced()
        assert single_node.sql("SELECT VERSION() AS is_now")[0]["is_now"].startswith(other)
        wait_until(lambda: sampler.read(0.0, 5.0).up, 10, "the server is back")
        after = sampler.read(0.0, 5.0).variables
    finally:
        single_node.kill()
        del options["version"]
        single_node.start(new_cluster=True)
        single_node.wait_synced()
    assert after is not None
    assert after.version.startswith(other)
    assert after.version != before.version


def test_a_server_with_wsrep_off_is_not_galera(settings: MariadbSettings, single_node: GaleraNode) -> None:
    single_node.sql("SET GLOBAL wsrep_on = OFF")
    try:
        with sampling(settings) as sampler:
            reading = sampler.read(0.0, 5.0)
    finally:
        single_node.sql("SET GLOBAL wsrep_on = ON")
    assert reading.reason is DatabaseReason.NOT_GALERA
    assert reading.sample is not None
    assert not reading.up


def test_a_server_without_a_provider_is_not_galera(settings: MariadbSettings, single_node: GaleraNode) -> None:
    single_node.stop()
    options = single_node.config.options
    options["wsrep_on"] = "OFF"
    try:
        single_node.start()
        with sampling(settings) as sampler:
            wait_until(lambda: sampler.read(0.0, 5.0).sample is not None, 60, "SQL", single_node.logs)
            reading = sampler.read(0.0, 5.0)
    finally:
        single_node.stop()
        del options["wsrep_on"]
        single_node.start(new_cluster=True)
        single_node.wait_synced()
    assert reading.reason is DatabaseReason.NOT_GALERA
    assert reading.members is None


def test_close_lets_waiting_callers_go_and_ends_the_thread(settings: MariadbSettings, stopped: Stopped) -> None:
    before = threading.active_count()
    with sampling(settings) as sampler:
        assert sampler.read(0.0, 5.0).up
        with stopped(), ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(sampler.read, 0.0, 30.0)
            began = time.monotonic()
            sampler.close()
            assert time.monotonic() - began < 3
            assert waiting.result(5).reason in {DatabaseReason.OTHER, DatabaseReason.TIMEOUT}
    wait_until(lambda: threading.active_count() == before, 5, "its thread has ended")
    assert sampler.read(0.0, 1.0).detail == "the sampler is closed"


def test_a_reading_is_cheap(sampler: Sampler) -> None:
    sampler.read(0.0, 5.0)
    cpu = time.process_time()
    for _ in range(300):
        sampler.read(0.0, 5.0)
    # 0.25 ms on one core of 2023; the limit leaves room for slow and busy machines.
    assert (time.process_time() - cpu) / 300 < 0.002
