"""The suspicion of two Primary components: it takes a contradiction that lasts, between nodes that speak now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_records import PREFIX, RECORD
from test_view import Store

from galera_exporter.model import ClusterStatus, NodeState
from galera_exporter.registry.records import encode, live_key
from galera_exporter.registry.view import FRESH, Tracker
from galera_exporter.split_brain import LASTS, Suspicion

NAMES = ("galera-0", "galera-1", "galera-2")


class Registry:
    """A cluster whose nodes write their records every three seconds; it is read each second."""

    def __init__(self) -> None:
        self._store = Store()
        self._tracker = Tracker(PREFIX)
        self.now = 100.0
        self.says: dict[str, dict[str, Any]] = {name: {"conf_id": 3, "size": 3} for name in NAMES}
        self.lease = 5

    def run(self, seconds: int) -> tuple[str, ...]:
        for second in range(seconds):
            self.now += 1.0
            if second % 3 == 0:
                for node, said in self.says.items():
                    usual = {"status": ClusterStatus.PRIMARY, "state": NodeState.SYNCED, "node": node}
                    record = replace(RECORD, **{**usual, **said})
                    self._store.put(live_key(PREFIX, node), encode(record), self.lease)
            self._tracker.observe(self._store.read(), self.now)
        return self._tracker.view_at(self.now).contradicting


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    assert registry.run(60) == ()
    return registry


SIDES: dict[str, dict[str, Any]] = {
    "another conf id": {"conf_id": 1},
    "another size": {"size": 1},
    "another state UUID": {"position": replace(RECORD.position, uuid="a0b1c2d3-8c5b-11f0-9d7a-2b6c5d4e3f2a")},
}


@pytest.mark.parametrize("side", SIDES.values(), ids=list(SIDES))
def test_a_contradiction_is_told_when_it_has_lasted_and_ends_with_it(registry: Registry, side: dict[str, Any]) -> None:
    registry.says["galera-0"].update(side)
    assert registry.run(int(LASTS)) == ()
    assert registry.run(4) == NAMES
    registry.says["galera-0"] = {"conf_id": 3, "size": 3}
    assert registry.run(1) == ()


def test_a_node_that_changes_its_view_later_than_the_others_is_no_split_brain(registry: Registry) -> None:
    for conf_id in range(4, 40):
        registry.says["galera-1"]["conf_id"] = conf_id
        assert registry.run(3) == ()
        registry.says["galera-0"]["conf_id"] = registry.says["galera-2"]["conf_id"] = conf_id
        assert registry.run(3) == ()


def test_the_last_words_of_a_dead_node_are_no_evidence_whatever_its_ttl(registry: Registry) -> None:
    del registry.says["galera-2"]
    for said in registry.says.values():
        said.update(conf_id=4, size=2)
    assert all(registry.run(1) == () for _ in range(int(FRESH + 2 * LASTS)))


def test_a_key_without_a_lease_and_nodes_that_do_not_serve_are_no_evidence(registry: Registry) -> None:
    registry.says["galera-0"].update(conf_id=1, status=ClusterStatus.NON_PRIMARY)
    registry.says["galera-1"].update(conf_id=2, state=NodeState.JOINING)
    assert registry.run(60) == ()
    registry.says["galera-0"].update(status=ClusterStatus.PRIMARY)
    registry.lease = 0
    assert registry.run(60) == ()


def test_only_the_pairs_that_contradict_each_other_all_the_time_are_suspected() -> None:
    suspicion = Suspicion()
    for second in range(40):
        turn = second % 10 == 0
        suspected = suspicion.observe({"a": 1, "b": 1 if turn else 2, "c": 3}, float(second))
    assert suspected
    assert suspicion.nodes == ("a", "b", "c"), "a and c, b and c; a and b agree now and then"
    assert not suspicion.observe({"a": 1, "b": 2}, 41.0)
    assert not suspicion.observe({"a": 1, "b": 1}, 60.0)
    assert suspicion.nodes == ()
