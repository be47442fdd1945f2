"""What stands between a sidecar and etcd is cut, refused, lossy, slow, or has lost its names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from bootstrap_real.scenario import stays_so
from host.names import NameServer, resolving_by
from host.stand import ETCD, KEPT, POD, PREFIX, TTL, Stand, in_time, place, wait_registered
from lab import Page, wait_until
from lab.slow import SlowLink, slow_link

pytestmark = pytest.mark.xdist_group("host-1")

NAME = "etcd.lab.test"
SLACK = 3
"""Seconds that a key may be older than its last refresh when the sidecar is cut off."""


def failures(stand: Stand, reason: str) -> float:
    return stand.sidecar.metrics().value("galera_heartbeat_failures_total", reason=reason) or 0


def losses(page: Page) -> float:
    """Return how often the sidecar has seen the node's key go."""
    return next((count for _, count in page.series("galera_registry_key_expirations_total")), 0)


def lost_and_found(stand: Stand, reason: str) -> None:
    """Cut off, the sidecar says why, and the key ends with its lease; joined again, all is as before."""
    before = failures(stand, reason)
    with in_time(stand.sidecar):
        stand.sidecar.until(lambda page: page.value("galera_registry_up") == 0, 10, "sees that etcd is away")
        wait_until(lambda: failures(stand, reason) > before, 10, f"says why: {reason}", [stand.sidecar.log])
        wait_until(lambda: not stand.key, 4 * TTL, "the key ends with its lease")
        page = stand.sidecar.metrics()
        assert (page.value("galera_etcd_key_age_seconds", node=stand.node.name) or 0) > TTL - SLACK
        stand.network.heal()
        wait_registered(stand.sidecar, 15)
    assert stand.key


def test_a_node_that_is_cut_off_from_etcd_without_a_word_loses_its_key_and_gets_it_back(stand: Stand) -> None:
    for name in ETCD:
        stand.network.cut(POD, name)
    with pytest.raises(TimeoutError):
        stand.reaches(stand.etcd.endpoints[0])
    lost_and_found(stand, "timeout")


def test_a_node_whose_way_to_etcd_is_refused_loses_its_key_and_gets_it_back(stand: Stand) -> None:
    for name in ETCD:
        stand.network.reject(POD, name)
    for endpoint in stand.etcd.endpoints:
        with pytest.raises(ConnectionRefusedError):
            stand.reaches(endpoint)
    lost_and_found(stand, "unreachable")


def half_open(stand: Stand, member: str) -> int:
    """Return how many connections a member has heard of that nobody has finished."""
    syn_received = "03"  # net/tcp_states.h
    with stand.network[member].entered():
        rows = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
    return sum(row.split()[3] == syn_received for row in rows)


def test_a_member_that_is_heard_no_more_though_it_hears_costs_no_key(stand: Stand) -> None:
    with stand.instead(stand.beside(stand.etcd.endpoints)) as sidecar:
        (member,) = stand.answered_by()
        stand.network.drop(member, POD)
        with pytest.raises(TimeoutError):
            stand.reaches(stand.etcd.endpoints[ETCD.index(member)])
        assert half_open(stand, member), "the question arrives"
        with in_time(sidecar):
            wait_until(lambda: stand.answered_by() - {member}, 10, "another member is asked", [sidecar.log])
            stays_so(lambda: stand.key, KEPT + 2, "the key is there")
            page = wait_registered(sidecar, 5)
        assert losses(page) == 0


def test_with_every_second_packet_lost_pages_come_in_time_and_all_is_well_afterwards(stand: Stand) -> None:
    stand.network.lose(POD, percent=50)
    with in_time(stand.sidecar):
        time.sleep(3 * TTL)
        lost, came = stand.network.counted(POD)
        stand.network.heal()
        wait_registered(stand.sidecar, 15)
    assert lost > 10
    assert 0.25 < lost / (lost + came) < 0.75, "the rest came through"
    assert stand.key


@pytest.mark.parametrize("delay", [0.2, 0.5], ids=["200ms", "500ms"])
def test_an_etcd_whose_answers_are_late_keeps_the_key(stand: Stand, delay: float) -> None:
    with slow_links(stand, delay) as links:
        sidecar = stand.beside([f"http://127.0.0.1:{link.port}" for link in links])
        with stand.instead(sidecar):
            with in_time(sidecar) as pages:
                stays_so(lambda: stand.key, KEPT + 2, "the key is there")
            assert all(page.value("galera_registry_up") == 1 for page in pages)
            assert min(page.value("galera_registry_request_duration_seconds") or 0 for page in pages) >= delay
            assert losses(pages[-1]) == 0
        assert sum(link.delayed for link in links) > KEPT


@contextmanager
def slow_links(stand: Stand, delay: float) -> Iterator[list[SlowLink]]:
    """A slow way to each member of etcd, on the pod's host."""
    with ExitStack() as stack:
        yield [stack.enter_context(slow_link(place(url), delay, stand.host)) for url in stand.etcd.endpoints]


@pytest.mark.parametrize("way", ["silent", "gone"])
def test_a_name_of_etcd_that_is_not_resolved_any_more_delays_no_page_and_is_found_again(stand: Stand, way: str) -> None:
    address, port = place(stand.etcd.endpoints[0])
    server = NameServer(stand.host, {NAME: address})
    sidecar = stand.beside([f"http://{NAME}:{port}"], ttl=TTL, under=resolving_by(stand.root))
    try:
        with stand.instead(sidecar):
            assert server.answered, "the name is asked for"
            if way == "silent":
                server.silent = True
            else:
                server.close()
            member = stand.etcd.members[0]
            member.kill()  # a connection that is there needs no name
            stand.etcd.start()
            stand.etcd.wait_healthy()
            assert stand.etcd.keys(PREFIX), "etcd itself is well"
            with in_time(sidecar):
                sidecar.until(lambda page: page.value("galera_registry_up") == 0, 20, "sees that etcd is away")
                wait_until(lambda: not stand.key, 4 * TTL, "the key ends with its lease")
                if way == "silent":
                    assert server.unanswered, "the name was asked for in vain"
                    server.silent = False
                else:
                    wait_until(lambda: "name resolution" in sidecar.log.read_text(), 10, "says why", [sidecar.log])
                    server = NameServer(stand.host, {NAME: address})
                wait_registered(sidecar, 20)
    finally:
        server.close()


def test_without_database_and_etcd_the_probes_of_the_sidecar_say_yes(stand: Stand) -> None:
    for name in ETCD:
        stand.network.cut(POD, name)
    stand.node.freeze()
    try:
        stand.sidecar.until(
            lambda page: page.value("galera_up") == 0 and page.value("galera_registry_up") == 0, 20, "sees neither"
        )
        for path in ("/-/healthy", "/-/ready"):
            began = time.monotonic()
            assert stand.sidecar.get(path) == "ok\n"
            assert time.monotonic() - began < 4, "before a reading of the database would be given up"
        with pytest.raises(OSError, match="503"):
            stand.sidecar.get("/-/serving")
    finally:
        stand.node.thaw()
