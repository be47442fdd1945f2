"""Which pod takes the writes: one at most, the same as before where it may, never one that is unfit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from board import NODES, Board, epoch, pod, record, report
from hypothesis import given
from hypothesis import strategies as st

from galera_exporter.bootstrap.state import Phase
from galera_exporter.model import ClusterStatus, NodeRecord, NodeState
from galera_exporter.observer.choice import choose, step
from galera_exporter.observer.pods import Pod
from galera_exporter.observer.standing import Fitness, Registered, standing
from galera_exporter.registry.records import encode


def trio(labelled: int | None = None) -> list[Pod]:
    return [pod(number, labelled=number == labelled) for number in range(3)]


def changed(pods: Sequence[Pod], number: int, **fields: object) -> list[Pod]:
    return [replace(each, **fields) if each.ordinal == number else each for each in pods]


def all_serve(**exceptions: NodeRecord | None) -> Registered:
    """All three nodes in service and confirmed, but for those named by their number: ``_0=record`` or ``_0=None``."""
    found = {node: exceptions.get(f"_{number}", record(node)) for number, node in enumerate(NODES)}
    nodes = {node: each for node, each in found.items() if each is not None}
    return Registered(nodes, frozenset(nodes))


def chosen(pods: Sequence[Pod], registry: Registered | None, *, blind: bool = False) -> int | None:
    found = choose(pods, registry, blind=blind)
    return None if found is None else found.ordinal


def test_the_first_choice_is_the_lowest_number() -> None:
    assert chosen(trio(), all_serve()) == 0


@pytest.mark.parametrize("holder", range(3))
def test_a_pod_that_serves_keeps_the_label(holder: int) -> None:
    assert chosen(trio(holder), all_serve()) == holder


def test_a_pod_that_comes_back_does_not_draw_the_writes_to_it() -> None:
    pods = changed(trio(1), 0, ready=False)
    assert chosen(pods, all_serve()) == 1
    assert chosen(changed(pods, 0, ready=True), all_serve()) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ready": False}, "is not Ready"),
        ({"terminating": True}, "is being deleted"),
        ({"excluded": True, "labelled": False}, "is set aside by its label galera.role=excluded"),
        ({"ordinal": -1}, "is not a pod of the StatefulSet"),
    ],
)
def test_the_writes_leave_a_pod_that_kubernetes_has_as_unfit(fields: dict[str, object], words: str) -> None:
    pods = [replace(pod(0, labelled=True), **fields), pod(1), pod(2)]
    assert chosen(pods, all_serve()) == 1
    assert standing(pods[0], all_serve()).words == words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": ClusterStatus.NON_PRIMARY}, "is non-Primary"),
        ({"status": ClusterStatus.DISCONNECTED}, "is Disconnected"),
        ({"status": ClusterStatus.UNKNOWN, "state": NodeState.RECEIVING}, "is not known to be Primary"),
        ({"state": NodeState.JOINED}, "is joined"),
        ({"state": NodeState.INCONSISTENT, "ready": False}, "is inconsistent, and wsrep_ready is OFF"),
        ({"state": NodeState.DONOR, "ready": False}, "is donor desynced, and wsrep_ready is OFF"),
        ({"ready": False}, "is synced, and wsrep_ready is OFF"),
    ],
)
def test_the_writes_leave_a_node_that_says_that_it_does_not_serve(fields: dict[str, object], words: str) -> None:
    registry = all_serve(_0=record(NODES[0], **fields))
    assert chosen(trio(0), registry) == 1
    assert standing(pod(0), registry).words == words


def test_the_writes_leave_a_node_that_is_not_confirmed() -> None:
    registry = replace(all_serve(), confirmed=frozenset(NODES[1:]))
    assert chosen(trio(0), registry) == 1
    assert standing(pod(0), registry).words == "is not a confirmed member of the Primary component"


def test_the_writes_leave_a_node_without_a_key_where_another_has_one() -> None:
    assert chosen(trio(0), all_serve(_0=None)) == 1


def test_a_node_that_lost_its_key_keeps_the_writes_where_no_other_could_have_them() -> None:
    joiner = record(NODES[1], state=NodeState.JOINED, ready=False)
    registry = all_serve(_0=None, _1=joiner, _2=None)
    assert chosen(changed(trio(0), 1, ready=False), registry) == 0


def test_a_node_without_a_key_is_not_chosen_anew() -> None:
    assert chosen(trio(), all_serve(_0=None, _1=None, _2=None)) is None


def test_the_writes_leave_a_donor_for_a_node_that_is_synced() -> None:
    assert chosen(trio(0), all_serve(_0=record(NODES[0], state=NodeState.DONOR))) == 1


def test_a_donor_takes_the_writes_where_nobody_is_synced() -> None:
    registry = all_serve(
        _0=None, _1=record(NODES[1], state=NodeState.DONOR), _2=record(NODES[2], state=NodeState.JOINED)
    )
    assert chosen(trio(0), registry) == 1
    assert chosen(trio(1), registry) == 1


def test_nobody_takes_writes_without_a_primary_component() -> None:
    """The key of node 0 is gone: where the others are not Primary, it is not either, or it would be with them."""
    lost = {f"_{number}": record(NODES[number], status=ClusterStatus.NON_PRIMARY) for number in (1, 2)}
    assert chosen(trio(0), all_serve(_0=None, **lost)) is None
    assert chosen(trio(0), all_serve(_0=record(NODES[0], status=ClusterStatus.NON_PRIMARY), **lost)) is None


def test_without_etcd_the_writes_stay_while_the_pod_is_ready() -> None:
    assert chosen(trio(2), None) == 2
    assert chosen(trio(2), None, blind=True) == 2


def test_without_etcd_nobody_is_chosen_until_it_has_been_silent_for_long() -> None:
    pods = changed(trio(0), 0, ready=False)
    assert chosen(pods, None) is None
    assert chosen(pods, None, blind=True) == 1


def test_an_etcd_that_forgot_every_node_is_as_good_as_none() -> None:
    assert chosen(trio(1), Registered({})) == 1
    assert chosen(trio(), Registered({})) is None
    assert chosen(trio(), Registered({}), blind=True) == 0


def test_the_label_is_taken_from_one_before_another_gets_it() -> None:
    pods = changed(trio(0), 0, ready=False)
    first = step(pods, choose(pods, all_serve()))
    assert ([each.ordinal for each in first.remove], first.add) == ([0], None)
    pods = changed(pods, 0, labelled=False)
    second = step(pods, choose(pods, all_serve()))
    assert second.remove == ()
    assert second.add is not None
    assert second.add.ordinal == 1


def test_of_two_that_have_the_label_the_fitter_keeps_it_and_else_the_lower_number() -> None:
    pods = changed(trio(1), 2, labelled=True)
    assert [each.ordinal for each in step(pods, choose(pods, all_serve())).remove] == [2]
    registry = all_serve(_1=record(NODES[1], state=NodeState.DONOR))
    assert [each.ordinal for each in step(pods, choose(pods, registry)).remove] == [1]


def test_a_stranger_that_copied_the_labels_loses_it() -> None:
    stranger = replace(pod(0, labelled=True), name="db-galera-0-debug", uid="other", ordinal=-1)
    assert step([*trio(1), stranger], choose([*trio(1), stranger], all_serve())).remove == (stranger,)


def test_no_confirmation_is_asked_for_where_no_election_was_ever_written() -> None:
    board = Board()
    board.serves(*NODES, confirmed=False)
    assert chosen(trio(), board.registered) == 0
    board.elects(epoch(1), Phase.ELECTED)
    assert chosen(trio(), board.registered) is None


def test_a_node_that_reports_does_not_serve_whatever_its_pod_says() -> None:
    board = Board()
    board.elects(epoch(1))
    board.serves(NODES[0], NODES[1])
    board.reports(report(NODES[0]))
    assert chosen(trio(0), board.registered) == 1
    assert standing(pod(0), board.registered).words == "takes part in the bootstrap, and does not serve"
    board.gone(NODES[1])
    board.drop(f"live/{NODES[0]}", f"primary/{NODES[0]}")
    assert board.registered.primary is False
    assert chosen(trio(1), board.registered, blind=True) is None


def test_a_newer_version_of_the_election_does_not_make_confirmations_needless() -> None:
    board = Board()
    board.serves(*NODES, confirmed=False)
    board.put("bootstrap", b'{"schema":99}')
    assert chosen(trio(), board.registered) is None


def test_a_key_without_a_lease_is_no_sign_of_life() -> None:
    board = Board()
    board.serves(NODES[0])
    assert board.registered.nodes.keys() == {NODES[0]}
    board.put(f"live/{NODES[0]}", encode(record(NODES[0])), lease=0)
    assert not board.registered.nodes


# Properties: any pods, any words of etcd.

pods_strategy = st.lists(
    st.builds(
        Pod,
        name=st.just(""),
        uid=st.just(""),
        version=st.just("1"),
        ordinal=st.just(0),
        ready=st.booleans(),
        terminating=st.booleans(),
        running=st.booleans(),
        labelled=st.booleans(),
    ),
    max_size=5,
).map(
    lambda found: [
        replace(each, name=f"db-galera-{number}", uid=f"uid-{number}", ordinal=number)
        for number, each in enumerate(found)
    ]
)
records_strategy = st.builds(
    record,
    st.just(NODES[0]),
    status=st.sampled_from(ClusterStatus),
    state=st.sampled_from(NodeState),
    ready=st.booleans(),
)
names = st.sampled_from([f"db-galera-{number}" for number in range(5)])
registries = st.none() | st.builds(
    Registered,
    st.dictionaries(names, records_strategy).map(
        lambda found: {name: replace(each, node=name) for name, each in found.items()}
    ),
    st.none() | st.frozensets(names),
    st.frozensets(names, max_size=2),
)


@given(pods_strategy, registries, st.booleans())
def test_nobody_is_given_the_label_while_another_has_it(
    pods: list[Pod],
    registry: Registered | None,
    blind: bool,  # noqa: FBT001 - drawn
) -> None:
    what = step(pods, choose(pods, registry, blind=blind))
    assert what.add is None or not any(each.labelled for each in pods)
    assert what.add is None or what.remove == ()


@given(pods_strategy, registries, st.booleans())
def test_two_steps_lead_to_what_was_chosen_and_then_nothing_moves(
    pods: list[Pod],
    registry: Registered | None,
    blind: bool,  # noqa: FBT001 - drawn
) -> None:
    first = choose(pods, registry, blind=blind)
    for _ in range(2):
        what = step(pods, choose(pods, registry, blind=blind))
        lost = {each.uid for each in what.remove}
        pods = [replace(each, labelled=(each.labelled and each.uid not in lost) or each == what.add) for each in pods]
    assert [each.uid for each in pods if each.labelled] == ([] if first is None else [first.uid])
    assert not step(pods, choose(pods, registry, blind=blind))


@given(pods_strategy, registries, st.booleans())
def test_whoever_is_chosen_is_fit_and_nobody_is_fitter(
    pods: list[Pod],
    registry: Registered | None,
    blind: bool,  # noqa: FBT001 - drawn
) -> None:
    found = choose(pods, registry, blind=blind)
    fitness = {each.uid: standing(each, registry).fitness for each in pods}
    if found is None:
        assert not any(each.labelled and fitness[each.uid] is not Fitness.UNFIT for each in pods)
        assert max(fitness.values(), default=Fitness.UNFIT) <= Fitness.UNKNOWN
        return
    assert found.ready
    assert not found.terminating
    assert fitness[found.uid] is not Fitness.UNFIT
    assert fitness[found.uid] == max(fitness.values())


@given(pods_strategy, registries, st.booleans())
def test_a_pod_that_has_the_label_alone_keeps_it_while_nobody_is_fitter(
    pods: list[Pod],
    registry: Registered | None,
    blind: bool,  # noqa: FBT001 - drawn
) -> None:
    holders = [each for each in pods if each.labelled]
    if len(holders) != 1:
        return
    fitness = {each.uid: standing(each, registry).fitness for each in pods}
    mine = fitness[holders[0].uid]
    stays = mine is not Fitness.UNFIT and mine == max(fitness.values())
    assert (choose(pods, registry, blind=blind) == holders[0]) == stays


@given(pods_strategy, registries, st.booleans())
def test_without_a_primary_component_nobody_takes_writes(
    pods: list[Pod],
    registry: Registered | None,
    blind: bool,  # noqa: FBT001 - drawn
) -> None:
    if registry is not None and registry.primary is False:
        assert choose(pods, registry, blind=blind) is None


@given(pods_strategy, registries, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_the_pods_does_not_matter(
    pods: list[Pod],
    registry: Registered | None,
    blind: bool,  # noqa: FBT001 - drawn
    order: random.Random,
) -> None:
    shuffled = list(pods)
    order.shuffle(shuffled)
    assert choose(shuffled, registry, blind=blind) == choose(pods, registry, blind=blind)


@given(pods_strategy)
def test_a_short_silence_of_etcd_moves_nothing_to_anybody(pods: list[Pod]) -> None:
    what = step(pods, choose(pods, None))
    assert what.add is None
    ready = [each for each in pods if each.labelled and each.ready and not each.terminating]
    if len(ready) == 1:
        assert ready[0] not in what.remove
