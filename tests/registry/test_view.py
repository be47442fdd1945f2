"""The view of all nodes: ages, losses, strangers. Reads are made by hand, times are numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_records import PREFIX, RECORD

from galera_exporter.model import ClusterView, NodeView
from galera_exporter.registry.keyvalue import Pair, Range
from galera_exporter.registry.records import encode, live_key, nodes_key
from galera_exporter.registry.view import FORGET, MAX_NODES, Tracker


def uuid_of(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


@dataclass
class Store:
    """As much of etcd as a read shows: keys with their revisions."""

    revision: int = 1
    pairs: dict[bytes, Pair] = field(default_factory=dict)

    def put(self, key: bytes, value: bytes, lease: int = 0) -> None:
        self.revision += 1
        old = self.pairs.get(key)
        created = old.create_revision if old else self.revision
        self.pairs[key] = Pair(key, value, created, self.revision, old.version + 1 if old else 1, lease)

    def delete(self, key: bytes) -> None:
        self.revision += 1
        self.pairs.pop(key, None)

    def beat(self, node: str, number: int = 1, lease: int = 5) -> None:
        value = encode(replace(RECORD, node=node, member_uuid=uuid_of(number)))
        self.put(live_key(PREFIX, node), value, lease)
        self.put(nodes_key(PREFIX, node), value)

    def gone(self, node: str) -> None:
        self.delete(live_key(PREFIX, node))

    def read(self) -> Range:
        return Range(self.revision, 2, tuple(self.pairs[key] for key in sorted(self.pairs)))


def only(view: ClusterView) -> NodeView:
    assert len(view.nodes) == 1
    return view.nodes[0]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def tracker() -> Tracker:
    return Tracker(PREFIX)


def test_before_the_first_read_nothing_is_known(tracker: Tracker) -> None:
    assert tracker.view_at(100.0) == ClusterView(revision=-1)


def test_the_age_counts_from_the_read_that_saw_the_change(store: Store, tracker: Tracker) -> None:
    store.beat("a")
    tracker.observe(store.read(), 10.0)
    tracker.observe(store.read(), 11.0)
    assert only(tracker.view_at(12.5)).age == 2.5
    store.beat("a")
    tracker.observe(store.read(), 13.0)
    node = only(tracker.view_at(13.5))
    assert (node.age, node.present, node.leased, node.expirations) == (0.5, True, True, 0)
    assert tracker.view_at(13.5).revision == store.revision


def test_the_age_rises_while_nothing_can_be_read(store: Store, tracker: Tracker) -> None:
    store.beat("a")
    tracker.observe(store.read(), 10.0)
    assert [only(tracker.view_at(now)).age for now in (10.0, 40.0, 5000.0)] == [0.0, 30.0, 4990.0]


def test_a_key_that_vanished_is_counted_once_and_its_age_goes_on_for_an_hour(store: Store, tracker: Tracker) -> None:
    store.beat("a")
    tracker.observe(store.read(), 10.0)
    store.gone("a")
    tracker.observe(store.read(), 20.0)
    tracker.observe(store.read(), 21.0)
    node = only(tracker.view_at(25.0))
    assert (node.age, node.present, node.leased, node.expirations) == (15.0, False, False, 1)
    assert node.record is not None
    assert node.record.position == RECORD.position
    assert only(tracker.view_at(20.0 + FORGET)).age == 10.0 + FORGET
    assert tracker.view_at(20.1 + FORGET).nodes == ()


def test_a_forgotten_node_that_comes_back_has_a_new_age_and_its_count(store: Store, tracker: Tracker) -> None:
    store.beat("a")
    tracker.observe(store.read(), 0.0)
    store.gone("a")
    tracker.observe(store.read(), 1.0)
    tracker.observe(store.read(), 2.0 + FORGET)
    assert tracker.view_at(2.0 + FORGET).nodes == ()
    store.beat("a")
    tracker.observe(store.read(), 3.0 + FORGET)
    node = only(tracker.view_at(4.0 + FORGET))
    assert (node.age, node.present, node.expirations) == (1.0, True, 1)


def test_a_key_that_went_and_came_back_between_two_reads_is_counted(store: Store, tracker: Tracker) -> None:
    store.beat("a")
    tracker.observe(store.read(), 10.0)
    store.gone("a")
    store.beat("a")
    tracker.observe(store.read(), 11.0)
    node = only(tracker.view_at(11.0))
    assert (node.present, node.expirations, node.age) == (True, 1, 0.0)


def test_a_key_that_comes_back_after_it_was_seen_to_go_is_counted_once(store: Store, tracker: Tracker) -> None:
    store.beat("a")
    tracker.observe(store.read(), 10.0)
    store.gone("a")
    tracker.observe(store.read(), 11.0)
    store.beat("a")
    tracker.observe(store.read(), 12.0)
    assert only(tracker.view_at(12.0)).expirations == 1


def test_a_restarted_sidecar_that_writes_over_its_key_is_no_loss(store: Store, tracker: Tracker) -> None:
    store.beat("a", lease=5)
    tracker.observe(store.read(), 10.0)
    store.beat("a", lease=6)
    tracker.observe(store.read(), 11.0)
    assert only(tracker.view_at(11.0)).expirations == 0


def test_a_node_known_only_by_its_last_record_is_absent_and_has_no_age(store: Store, tracker: Tracker) -> None:
    store.beat("a")
    store.gone("a")
    tracker.observe(store.read(), 10.0)
    node = only(tracker.view_at(11.0))
    assert (node.present, node.age, node.expirations) == (False, None, 0)
    assert node.record is not None
    assert tracker.view_at(10.1 + FORGET).nodes == ()


def test_a_key_without_a_lease_is_flagged(store: Store, tracker: Tracker) -> None:
    store.beat("a", lease=0)
    tracker.observe(store.read(), 10.0)
    node = only(tracker.view_at(10.0))
    assert node.present
    assert not node.leased


def test_foreign_keys_and_values_are_counted_and_a_live_one_is_shown_without_a_record(
    store: Store, tracker: Tracker
) -> None:
    store.put(PREFIX.encode() + b"stray", b"")
    store.put(PREFIX.encode() + b"\xff\xfe", b"")
    store.put(live_key(PREFIX, "junk"), b"10.0.0.1")
    store.put(nodes_key(PREFIX, "junk2"), b"10.0.0.1")
    store.put(PREFIX.encode() + b"bootstrap", b"{}")
    tracker.observe(store.read(), 10.0)
    view = tracker.view_at(10.0)
    assert view.foreign == 4
    assert only(view).node == "junk"
    assert only(view).record is None


def test_junk_over_a_key_leaves_the_last_record(store: Store, tracker: Tracker) -> None:
    store.beat("a")
    tracker.observe(store.read(), 10.0)
    store.put(live_key(PREFIX, "a"), b"junk")
    tracker.observe(store.read(), 11.0)
    view = tracker.view_at(11.0)
    assert view.foreign == 1
    assert only(view).record is not None
    assert not only(view).leased


def test_of_too_many_nodes_those_that_can_be_read_and_were_known_stay(store: Store, tracker: Tracker) -> None:
    store.beat("zzz")
    tracker.observe(store.read(), 10.0)
    for number in range(1000):
        store.put(live_key(PREFIX, f"junk{number:04d}"), b"junk")
    for number in range(150):
        store.beat(f"node{number:03d}")
    tracker.observe(store.read(), 11.0)
    view = tracker.view_at(11.0)
    assert len(view.nodes) == MAX_NODES
    assert view.nodes[-1].node == "zzz"
    assert all(node.record is not None for node in view.nodes)
    assert view.foreign == 1000 + 151 - MAX_NODES


def test_the_registry_is_held_against_the_own_galera_view(store: Store, tracker: Tracker) -> None:
    store.beat("a", 1)
    store.beat("b", 2)
    store.beat("c", 3)
    store.beat("gone", 4)
    tracker.observe(store.read(), 10.0)
    store.gone("gone")
    store.put(live_key(PREFIX, "junk"), b"junk")
    tracker.observe(store.read(), 11.0)
    members = frozenset({uuid_of(1), uuid_of(2), uuid_of(4), uuid_of(5)})
    view = tracker.view_at(11.0, members)
    assert {node.node: node.in_view for node in view.nodes} == {
        "a": True,
        "b": True,
        "c": False,
        "gone": True,
        "junk": None,
    }
    assert view.missing == 2
    assert view.orphans == 1


def test_where_the_own_view_is_not_known_nothing_is_missing_and_nothing_an_orphan(
    store: Store, tracker: Tracker
) -> None:
    store.beat("a")
    tracker.observe(store.read(), 10.0)
    view = tracker.view_at(10.0, None)
    assert (view.missing, view.orphans, only(view).in_view) == (None, None, None)


def test_nodes_that_report_to_the_bootstrap_are_named(store: Store, tracker: Tracker) -> None:
    store.beat("db-0")
    for node in ("db-2", "db-1"):
        store.put(f"{PREFIX}report/{node}".encode(), b"whatever a later version writes")
    store.put(f"{PREFIX}bootstrap".encode(), b"{}")
    tracker.observe(store.read(), 10.0)
    assert tracker.view_at(10.0).reporting == ("db-1", "db-2")
    assert tracker.view_at(10.0).foreign == 0
    store.delete(f"{PREFIX}report/db-1".encode())
    tracker.observe(store.read(), 11.0)
    assert tracker.view_at(11.0).reporting == ("db-2",)


def test_a_store_that_was_wiped_and_filled_again_is_a_loss_and_a_new_age(store: Store, tracker: Tracker) -> None:
    for _ in range(5):
        store.beat("a")
    tracker.observe(store.read(), 10.0)
    fresh = Store()
    fresh.beat("a")
    tracker.observe(fresh.read(), 20.0)
    node = only(tracker.view_at(20.0))
    assert (node.age, node.expirations) == (0.0, 1)
    assert tracker.view_at(20.0).revision == fresh.revision


steps = st.lists(
    st.tuples(
        st.sampled_from(["beat", "gone", "flap", "junk", "read", "read", "look"]),
        st.sampled_from(["a", "b", "c"]),
        st.floats(0.0, 2000.0),
    ),
    max_size=60,
)


@settings(max_examples=500, deadline=None)
@given(steps)
def test_whatever_happens_ages_and_counts_keep_their_promises(story: list[tuple[str, str, float]]) -> None:
    store, tracker = Store(), Tracker(PREFIX)
    now = 1000.0
    counts: dict[str, int] = {}
    before: dict[str, NodeView] = {}
    seen_at = now
    for what, node, pause in story:
        now += pause
        if what == "beat":
            store.beat(node)
        elif what == "gone":
            store.gone(node)
        elif what == "flap":
            store.gone(node)
            store.beat(node)
        elif what == "junk":
            store.put(live_key(PREFIX, node), b"junk")
        elif what == "read":
            tracker.observe(store.read(), now)
            before = {}
        view = tracker.view_at(now)
        assert [each.node for each in view.nodes] == sorted(each.node for each in view.nodes)
        for each in view.nodes:
            assert each.age is not None or not each.present
            assert each.age is None or each.age >= 0.0
            assert each.expirations >= counts.get(each.node, 0)
            if each.node in before and (old := before[each.node].age) is not None:
                assert each.age == pytest.approx(old + now - seen_at)
        if what == "read":
            there = {key for key in store.pairs if b"/live/" in key}
            assert {live_key(PREFIX, each.node) for each in view.nodes if each.present} == there
        before = {each.node: each for each in view.nodes}
        counts = {each.node: each.expirations for each in view.nodes}  # one that is forgotten counts anew
        seen_at = now
