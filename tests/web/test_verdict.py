"""The verdict, state by state, in its own words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import (
    NAMES,
    OTHER_UUID,
    SCENES,
    UUID,
    bootstrap,
    database,
    gone,
    record,
    registry,
    silent,
    unreadable,
    view,
)

from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.bootstrap.reading import BootstrapReading, NodePhase
from galera_exporter.bootstrap.state import Reason
from galera_exporter.errors import DatabaseReason, RegistryReason
from galera_exporter.model import (
    ZERO_UUID,
    ClusterStatus,
    ClusterView,
    DatabaseReading,
    NodeState,
    NodeView,
    Position,
    RegistryReading,
)
from galera_exporter.verdict import Level, judge

TRIO = tuple(view(name) for name in NAMES)
TWO = NAMES[:2]
HALF: dict[str, Any] = {"size": 2, "members": TWO}
LOST: dict[str, Any] = {"status": ClusterStatus.NON_PRIMARY, "state": NodeState.INITIALIZED, "ready": False, "size": 1}
JOINING: dict[str, Any] = {"status": ClusterStatus.UNKNOWN, "state": NodeState.RECEIVING, "ready": False}

TABLE: dict[str, tuple[DatabaseReading | None, RegistryReading | None, int, str]] = {
    "all well": (database(), registry(*TRIO), 3, "Healthy: 3 of 3 nodes are Synced in one Primary component."),
    "expected is not known": (
        None,
        registry(*TRIO),
        0,
        "Healthy: 3 of 3 nodes are Synced in one Primary component.",
    ),
    "a donor that serves": (
        database(),
        registry(TRIO[0], TRIO[1], view("galera-2", state=NodeState.DONOR)),
        3,
        "Healthy: 3 of 3 nodes serve in one Primary component; galera-2 is a donor and serves.",
    ),
    "a donor that does not": (
        database(),
        registry(TRIO[0], TRIO[1], view("galera-2", state=NodeState.DONOR, ready=False)),
        3,
        "Degraded: galera-2 is a donor and not ready; 2 of 3 nodes serve.",
    ),
    "one gone": (
        database(cluster_size=2, members=TWO),
        registry(view("galera-0", **HALF), view("galera-1", **HALF), gone("galera-2")),
        3,
        "Degraded: galera-2 is gone (key expired 42 s ago); 2 of 3 nodes serve.",
    ),
    "one stopped in good order": (
        database(cluster_size=2, members=TWO),
        registry(view("galera-0", **HALF), view("galera-1", **HALF), gone("galera-2", age=4)),
        3,
        "Degraded: galera-2 is gone (key removed, last change 4 s ago); 2 of 3 nodes serve.",
    ),
    "one never came": (
        database(cluster_size=2, members=TWO),
        registry(view("galera-0", **HALF), view("galera-1", **HALF)),
        3,
        "Degraded: 1 of 3 nodes never registered; 2 of 3 nodes serve.",
    ),
    "a sidecar died and its MariaDB did not": (
        database(),
        registry(TRIO[0], TRIO[1], gone("galera-2", in_view=True)),
        3,
        (
            "Degraded: galera-2 is silent (key expired 42 s ago) though MariaDB still counts it: look at its sidecar; "
            "2 of 3 nodes serve."
        ),
    ),
    "a key that no longer changes": (
        database(),
        registry(TRIO[0], TRIO[1], view("galera-2", age=95.0, leased=False)),
        3,
        "Degraded: galera-2 is silent (key unchanged for 95 s, without a lease); 2 of 3 nodes serve.",
    ),
    "a key that cannot be read": (
        database(),
        registry(TRIO[0], TRIO[1], replace(TRIO[2], record=None)),
        3,
        "Degraded: galera-2 has a key that cannot be read; 2 of 3 nodes serve.",
    ),
    "a node scaled away on purpose": (
        database(cluster_size=2, members=TWO),
        registry(view("galera-0", **HALF), view("galera-1", **HALF), gone("galera-2")),
        2,
        "Healthy: 2 of 2 nodes are Synced in one Primary component.",
    ),
    "a joiner by SST": (
        database(),
        registry(TRIO[0], TRIO[1], view("galera-2", **JOINING)),
        3,
        "Degraded: galera-2 is receiving a state transfer; 2 of 3 nodes serve.",
    ),
    "this node joins by SST": (
        silent(),
        registry(view("galera-0", **JOINING), TRIO[1], TRIO[2]),
        3,
        "Degraded: galera-0 is receiving a state transfer; 2 of 3 nodes serve.",
    ),
    "a joiner that catches up": (
        database(),
        registry(TRIO[0], TRIO[1], view("galera-2", state=NodeState.JOINED)),
        3,
        "Degraded: galera-2 is catching up; 2 of 3 nodes serve.",
    ),
    "this node's database is gone": (
        silent(),
        registry(*TRIO),
        3,
        "Degraded: galera-0 has no usable MariaDB (refused); 2 of 3 nodes serve.",
    ),
    "this node is not registered": (
        database(),
        registry(*TRIO, registered=False, reason=RegistryReason.DUPLICATE),
        3,
        "Degraded: this node is not registered (duplicate); 3 of 3 nodes serve.",
    ),
    "orphans": (
        database(),
        replace(registry(*TRIO), view=ClusterView(nodes=TRIO, orphans=1)),
        3,
        "Degraded: 1 registered and alive, but not in the Galera view; 3 of 3 nodes serve.",
    ),
    "the view is changing": (
        database(),
        registry(TRIO[0], TRIO[1], view("galera-2", **HALF)),
        3,
        "Degraded: nodes count 2 and 3 members: the view is changing; 3 of 3 nodes serve.",
    ),
    "no node is Primary": (
        database(
            **{key: value for key, value in LOST.items() if key in {"state", "ready"}},
            cluster_status=ClusterStatus.NON_PRIMARY,
        ),
        registry(view("galera-0", **LOST), gone("galera-1"), gone("galera-2")),
        3,
        (
            "Down: no node is Primary. galera-0 is non-Primary; galera-1 is gone (key expired 42 s ago); "
            "galera-2 is gone (key expired 42 s ago)."
        ),
    ),
    "Primary, and none serves": (
        None,
        registry(view("galera-0", state=NodeState.JOINED, ready=False)),
        1,
        "Down: no node serves. galera-0 is catching up.",
    ),
    "all gone": (
        None,
        registry(*(gone(name) for name in NAMES)),
        3,
        (
            "Down: no node is Primary. galera-0 is gone (key expired 42 s ago); "
            "galera-1 is gone (key expired 42 s ago); galera-2 is gone (key expired 42 s ago)."
        ),
    ),
    "two histories": (
        None,
        registry(TRIO[0], TRIO[1], view("galera-2", position=Position(OTHER_UUID, 9))),
        3,
        (
            "Down: split brain suspected: Primary nodes have different state UUIDs: "
            "galera-0, galera-1 (6f1d2c3e) and galera-2 (a0b1c2d3)."
        ),
    ),
    "two components": (
        None,
        registry(view("galera-0", size=1, members=("galera-0",)), view("galera-1", size=1, members=("galera-1",))),
        2,
        "Down: split brain suspected: galera-0 and galera-1 are both Primary, and neither counts the other.",
    ),
    "Galera's names are not those of the registry": (
        None,
        registry(*(view(name, size=3, members=("db1", "db2", "db3")) for name in NAMES)),
        3,
        "Healthy: 3 of 3 nodes are Synced in one Primary component.",
    ),
    "two components by their sizes, members not known": (
        None,
        registry(
            view("galera-0", size=1, members=()),
            view("galera-1", size=2, members=()),
            view("galera-2", size=2, members=()),
        ),
        3,
        (
            "Down: split brain suspected: Primary nodes form more than one component: "
            "galera-0 counts 1, galera-1 counts 2, galera-2 counts 2."
        ),
    ),
    "the last words of a dead node are no split": (
        database(cluster_size=2, members=TWO),
        registry(
            view("galera-0", **HALF),
            view("galera-1", **HALF),
            view("galera-2", age=7.0, size=1, members=("galera-2",)),
        ),
        3,
        "Degraded: the component has 2 of 3 nodes; 3 of 3 nodes serve.",
    ),
    "history lost": (
        None,
        registry(*(view(name, position=Position(ZERO_UUID, -1)) for name in NAMES[:1])),
        1,
        "Down: history lost: galera-0 is Primary and Synced with the all-zero state UUID.",
    ),
    "registry unreachable, this node well": (
        database(),
        unreadable(*TRIO),
        3,
        "Degraded: the registry is unreachable; galera-0 is Primary and Synced, size 3 of 3.",
    ),
    "registry without a leader": (
        database(),
        replace(unreadable(), reason=RegistryReason.NO_LEADER),
        3,
        "Degraded: the registry cannot be read (no leader); galera-0 is Primary and Synced, size 3 of 3.",
    ),
    "registry unreachable, this node not well": (
        database(cluster_status=ClusterStatus.NON_PRIMARY),
        unreadable(*TRIO),
        3,
        "Down as far as this node sees: galera-0 is non-Primary; the registry is unreachable.",
    ),
    "registry unreachable, database too": (
        silent(DatabaseReason.TIMEOUT),
        unreadable(*TRIO),
        3,
        "Unknown: the registry is unreachable; galera-0 has no usable MariaDB (timeout).",
    ),
    "no registry": (
        database(),
        None,
        3,
        "Healthy: galera-0 is Synced in a Primary component of 3; no registry is configured.",
    ),
    "no registry, too small": (
        database(cluster_size=2),
        None,
        3,
        "Degraded: the component has 2 of 3 nodes; 1 of 3 nodes serve.",
    ),
    "an empty registry": (None, registry(), 3, "Unknown: the registry has no node of this cluster."),
    "nothing": (None, None, 0, "Unknown: there is no source."),
}


@pytest.mark.parametrize("name", TABLE)
def test_each_state_has_its_sentence(name: str) -> None:
    own, read, expected, text = TABLE[name]
    verdict = judge(own, read, expected, node="galera-0")
    assert verdict.text == text
    assert verdict.level == text.split(":")[0].split(" ")[0].lower()


NON_PRIMARY = database(cluster_status=ClusterStatus.NON_PRIMARY, ready=False)
ALL_GONE = replace(
    registry(), view=ClusterView(nodes=tuple(gone(name) for name in NAMES), reporting=("galera-0", "galera-1"))
)
PARTS: dict[str, tuple[DatabaseReading, RegistryReading | None, BootstrapReading, str]] = {
    "it waits in the gate": (
        silent(),
        ALL_GONE,
        bootstrap(),
        (
            "Down: no node is Primary. galera-0 waits to start: a node that may have newer data is missing (galera-2); "
            "galera-1 is down (its sidecar reports); galera-2 is gone (key expired 42 s ago)."
        ),
    ),
    "it waits while others serve": (
        silent(),
        registry(gone("galera-0"), TRIO[1], TRIO[2]),
        bootstrap(wait=Wait(Reason.DIVERGED, ("galera-0",), "too far")),
        (
            "Degraded: galera-0 waits to start: data are not a part of the cluster's history (galera-0); "
            "2 of 3 nodes serve."
        ),
    ),
    "etcd is down": (
        silent(),
        unreadable(),
        bootstrap(wait=Wait(Reason.ETCD_UNAVAILABLE)),
        "Unknown: the registry is unreachable; galera-0 waits to start: etcd does not answer.",
    ),
    "its decision is on the way": (
        silent(),
        registry(),
        bootstrap(wait=None),
        "Down: no node is Primary. galera-0 is about to start.",
    ),
    "it joins": (
        silent(),
        registry(gone("galera-0"), TRIO[1], TRIO[2]),
        bootstrap(NodePhase.STARTING, None),
        "Degraded: galera-0 is starting, to join the Primary component; 2 of 3 nodes serve.",
    ),
    "it joins and takes a transfer": (
        silent(),
        registry(view("galera-0", **JOINING), TRIO[1], TRIO[2]),
        bootstrap(NodePhase.STARTING, None),
        "Degraded: galera-0 is receiving a state transfer; 2 of 3 nodes serve.",
    ),
    "Primary, Synced, and not confirmed": (
        database(cluster_size=1, members=NAMES[:1]),
        registry(view("galera-0", size=1, members=NAMES[:1])),
        bootstrap(NodePhase.BOOTSTRAPPING, None),
        "Down: no node serves. galera-0 is starting a new Primary component, which is not confirmed yet.",
    ),
    "a survivor": (
        NON_PRIMARY,
        registry(view("galera-0", **LOST), gone("galera-1")),
        bootstrap(NodePhase.SURVIVOR, Wait(Reason.MISSING, ("galera-2",))),
        (
            "Down: no node is Primary. galera-0 is non-Primary and waits: a node that may have newer data is missing "
            "(galera-2); galera-1 is gone (key expired 42 s ago)."
        ),
    ),
    "a survivor that yields": (
        NON_PRIMARY,
        None,
        bootstrap(NodePhase.SURVIVOR, None),
        "Down: no node is Primary. galera-0 is non-Primary and offers itself for an election.",
    ),
    "confirmed": (
        database(),
        registry(*TRIO),
        bootstrap(NodePhase.CONFIRMED, None),
        "Healthy: 3 of 3 nodes are Synced in one Primary component.",
    ),
    "the wrapper does not run": (
        silent(),
        registry(gone("galera-0"), TRIO[1], TRIO[2]),
        bootstrap(NodePhase.IDLE, None),
        "Degraded: galera-0 has no usable MariaDB (refused); 2 of 3 nodes serve.",
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_node_in_the_bootstrap_is_not_down_without_a_word(name: str) -> None:
    own, read, part, text = PARTS[name]
    assert judge(own, read, 3, node="galera-0", bootstrap=part).text == text


def test_nodes_that_contradict_each_other_for_long_are_a_split_brain() -> None:
    read = registry(*TRIO)
    read = replace(read, view=replace(read.view, contradicting=("galera-0", "galera-2")))
    assert judge(None, read, 3).text == (
        "Down: split brain suspected: galera-0, galera-2 are Primary and have named different components for a while."
    )


def test_without_a_name_the_registry_alone_speaks_while_it_can_be_read() -> None:
    assert judge(silent(), registry(*TRIO), 3).level is Level.HEALTHY
    assert judge(database(), unreadable(), 3).text.startswith(
        "Degraded: the registry is unreachable; this node is Prim"
    )


def test_the_own_database_is_believed_before_the_own_key() -> None:
    verdict = judge(database(cluster_status=ClusterStatus.NON_PRIMARY), registry(*TRIO), 3, node="galera-0")
    assert verdict.text == "Degraded: galera-0 is non-Primary; 2 of 3 nodes serve."


RECORDS = st.builds(
    record,
    st.sampled_from(NAMES),
    status=st.sampled_from(ClusterStatus),
    state=st.sampled_from(NodeState),
    ready=st.booleans(),
    size=st.integers(-1, 4),
    members=st.lists(st.sampled_from(NAMES), max_size=3).map(tuple),
    position=st.builds(Position, st.sampled_from([UUID, OTHER_UUID, ZERO_UUID, ""]), st.integers(-1, 9)),
    expected=st.integers(-1, 4),
    ttl=st.integers(0, 12),
)
VIEWS = st.builds(
    NodeView,
    node=st.sampled_from(NAMES),
    present=st.booleans(),
    record=st.none() | RECORDS,
    age=st.none() | st.floats(0, 100),
    leased=st.booleans(),
    expirations=st.integers(0, 3),
    in_view=st.none() | st.booleans(),
)
READINGS = st.builds(
    registry, up=st.booleans(), view=st.lists(VIEWS, max_size=4).map(lambda nodes: ClusterView(nodes=tuple(nodes)))
)
DATABASES = st.none() | st.builds(
    silent, st.sampled_from(DatabaseReason).filter(lambda it: it is not DatabaseReason.OK)
)
DATABASES |= st.builds(
    database, cluster_status=st.sampled_from(ClusterStatus), state=st.sampled_from(NodeState), ready=st.booleans()
)


@settings(max_examples=2_000, deadline=None)
@given(DATABASES, st.none() | READINGS, st.integers(0, 4), st.sampled_from(["", *NAMES]))
def test_every_reading_gets_a_sentence_and_health_is_never_claimed_without_a_node_that_serves(
    own: DatabaseReading | None, read: RegistryReading | None, expected: int, node: str
) -> None:
    verdict = judge(own, read, expected, node=node)
    assert verdict.text.startswith(verdict.level.capitalize())
    assert verdict.text.endswith(".")
    assert verdict.level is not Level.DEGRADED or verdict.reasons
    if verdict.level is Level.HEALTHY:
        assert verdict.serving >= 1
        if read is not None:
            assert verdict.serving >= expected


@pytest.mark.parametrize("name", SCENES)
def test_each_scene_has_a_verdict(name: str) -> None:
    scene = SCENES[name]
    assert judge(scene.database, scene.registry, scene.expected, node=scene.node).text
