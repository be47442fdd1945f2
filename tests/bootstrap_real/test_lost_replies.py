"""Scenario 32: answers of etcd that are refused, late, lost after the write, or garbage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from bootstrap_real.proxy import CALM, GARBAGE, LATE, LOST, NO_LEASE, UNAVAILABLE, Faults, FaultyGateway
from bootstrap_real.scenario import Scenario, check_elected_once
from lab import scratch
from lab.site import Site

pytestmark = pytest.mark.xdist_group("bootstrap-1")

# Elections need some seconds of unbroken reads, so most faults hit writes: they are what can go wrong twice.
MIXED = Faults(
    {UNAVAILABLE: 0.01, LOST: 0.01, LATE: 0.01, GARBAGE: 0.01},
    {UNAVAILABLE: 0.1, LOST: 0.15, LATE: 0.05, NO_LEASE: 0.1, GARBAGE: 0.05},
)
EVERY_SECOND_REPLY_LOST = Faults({}, {LOST: 0.5})


@pytest.fixture(scope="module")
def gateways() -> Iterator[dict[str, FaultyGateway]]:
    """The proxies, by the name of the node whose sidecar asks through them."""
    made: dict[str, FaultyGateway] = {}
    yield made
    for gateway in made.values():
        gateway.close()


@pytest.fixture(scope="module")
def site(gateways: dict[str, FaultyGateway]) -> Iterator[Site]:
    """Three pods, each with a proxy of its own before etcd."""

    def through(name: str, endpoints: object) -> list[str]:
        assert isinstance(endpoints, tuple)
        gateways[name] = FaultyGateway(endpoints[0], seed=len(gateways))
        return [gateways[name].endpoint]

    with scratch() as folder:
        made = Site(folder, endpoints=through)
        try:
            yield made
        finally:
            made.close()


@pytest.mark.parametrize("faults", [MIXED, EVERY_SECOND_REPLY_LOST], ids=["mixed", "lost"])
def test_32_whatever_becomes_of_etcds_answers_one_is_elected_and_nobody_twice(
    scenario: Scenario, gateways: dict[str, FaultyGateway], faults: Faults
) -> None:
    site = scenario.site
    for _ in range(2):
        scenario.write()
        before = scenario.outage()
        for pod in site.pods:
            pod.mark()
        for gateway in gateways.values():
            gateway.done.clear()
            gateway.faults = faults
        try:
            site.start()
            site.wait_serving(timeout=150)
        finally:
            for gateway in gateways.values():
                gateway.faults = CALM
        done = sum((gateway.done for gateway in gateways.values()), start=Counter[str]())
        assert done[LOST] >= 2, done
        check_elected_once(site, before, "A")
    scenario.check()
