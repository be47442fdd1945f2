"""What is told on a pod, and when: each decision once, a wait only when it lasts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from board import NODES, RUNS, Board, epoch, pod, record, report
from hypothesis import given
from hypothesis import strategies as st

from galera_exporter.bootstrap.state import Activity, Held, Mode, Order, Phase, Purpose, Reason, Rule
from galera_exporter.bootstrap.words import WORDS
from galera_exporter.model import NodeState, Position
from galera_exporter.observer.notices import CHANGED, LASTING, PASSING, REPEAT, Narrator, Notice
from galera_exporter.registry.records import encode

PODS = tuple(pod(number, ready=False) for number in range(3))


class Story:
    """A board, and a narrator who looks at it once a second."""

    def __init__(self) -> None:
        self.board = Board()
        self.narrator = Narrator()
        self.now = 0.0
        self.silent = False

    def look(self, after: float = 1.0) -> list[Notice]:
        self.now += after
        if self.silent:
            return list(self.narrator.look(None, None, PODS, self.now))
        return list(self.narrator.look(self.board.snapshot, self.board.registered, PODS, self.now))

    def told(self, after: float = 1.0) -> list[tuple[str, str]]:
        return [(notice.pod, notice.reason) for notice in self.look(after)]


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_first_start_is_told_from_the_election_to_the_last_member(story: Story) -> None:
    board = story.board
    empty = [report(node, held=Held.EMPTY, position=Position(), epoch=0) for node in NODES]
    board.reports(*empty)
    assert story.told() == []
    first = epoch(1, mode=Mode.INITIAL, rule=Rule.INITIAL, confirmed=False)
    board.elects(first, Phase.ELECTED)
    (elected,) = story.look()
    assert (elected.pod, elected.reason, elected.warning) == (NODES[0], "BootstrapElected", False)
    assert elected.text == (
        "Elected for epoch 1: begins a new Primary component with an empty database, for all nodes were empty."
    )
    board.reports(replace(empty[0], activity=Activity.STARTING))
    assert story.told() == [(NODES[0], "BootstrapStarts")]
    board.drop(f"report/{NODES[0]}")
    board.elects(replace(first, confirmed=True))
    board.serves(NODES[0])
    assert story.told() == [(NODES[0], "BootstrapConfirmed")]
    board.reports(replace(empty[1], activity=Activity.STARTING))
    (joins,) = story.look()
    assert (joins.pod, joins.reason) == (NODES[1], "BootstrapJoins")
    assert joins.text == "Starts its database, to join the Primary component of epoch 1."
    board.drop(f"report/{NODES[1]}")
    board.serves(NODES[1])
    assert story.told() == [(NODES[1], "PrimaryMember")]
    assert story.told() == []


def test_what_was_decided_before_the_observer_came_is_not_told_again(story: Story) -> None:
    story.board.elects(epoch(4))
    story.board.serves(*NODES)
    assert story.told() == []
    assert story.told() == []


def test_an_election_under_way_is_told_by_an_observer_that_has_just_begun(story: Story) -> None:
    story.board.elects(epoch(4, confirmed=False), Phase.ELECTED)
    assert story.told() == [(NODES[0], "BootstrapElected")]


def test_data_that_were_given_up_are_told_with_the_election(story: Story) -> None:
    story.board.elects(epoch(4))
    story.look()
    story.board.elects(epoch(5, NODES[2], confirmed=False, lossy=True, rule=Rule.ORDER), Phase.ELECTED, "other")
    (notice,) = story.look()
    assert notice.pod == NODES[2]
    assert notice.text.endswith("from seqno 40 of epoch 4, for an operator ordered it. Data loss was accepted.")


@pytest.mark.parametrize(
    ("phase", "mode", "reason"),
    [(Phase.VOID, Mode.RECOVER, "BootstrapResigned"), (Phase.PRIMARY, Mode.ADOPTED, "BootstrapAdopted")],
)
def test_an_election_given_back_and_a_component_found_are_told(
    story: Story, phase: Phase, mode: Mode, reason: str
) -> None:
    story.board.elects(epoch(4))
    story.look()
    story.board.elects(epoch(5, mode=mode), phase, "other")
    assert story.told() == [(NODES[0], reason)]


def test_an_order_is_told_on_the_pod_it_is_for(story: Story) -> None:
    story.board.elects(epoch(1))
    story.look()
    story.board.orders(Order("t1", Purpose.DISCARD, NODES[1], lossy=False, by="kim"))
    (notice,) = story.look()
    assert (notice.pod, notice.reason) == (NODES[1], "BootstrapOrdered")
    assert notice.text == "Ordered by kim: to throw this node's data away and take a full state transfer."


def test_a_survivor_that_an_election_stops_is_told_so_once(story: Story) -> None:
    board = story.board
    board.elects(epoch(1))
    survivor = report(NODES[0], activity=Activity.SURVIVOR, boot_id="", incarnation=RUNS[0])
    board.reports(survivor)
    assert story.told() == []
    board.reports(report(NODES[1]), report(NODES[2]))
    (stops,) = [notice for notice in story.look() if notice.reason == "BootstrapStops"]
    assert stops.pod == NODES[0]
    assert not [notice for notice in story.look() if notice.reason == "BootstrapStops"]


def test_an_inconsistent_node_is_told_as_long_as_its_key_says_so(story: Story) -> None:
    story.board.elects(epoch(1))
    story.board.serves(*NODES)
    story.look()
    story.board.serves(NODES[2], state=NodeState.INCONSISTENT, ready=False)
    (notice,) = story.look()
    assert (notice.pod, notice.reason, notice.warning) == (NODES[2], "DataInconsistent", True)
    assert story.told() == []


def outage(board: Board) -> None:
    """Two of three report: the third may have more."""
    board.elects(epoch(1))
    board.reports(report(NODES[0]), report(NODES[1]))


def test_a_wait_is_told_when_it_lasts_with_the_reason_the_action_and_where_there_is_more(story: Story) -> None:
    outage(story.board)
    assert story.told() == []
    assert story.told(LASTING - 1.0) == []
    first, second = story.look(1.0)
    assert (first.pod, second.pod) == (NODES[0], NODES[1])
    assert (first.reason, first.warning, first.lasting) == ("BootstrapWaits", True, True)
    assert first.text.startswith(f"Waits: {WORDS[Reason.MISSING].title}")
    assert WORDS[Reason.MISSING].action in first.text
    assert first.text.endswith("More: galeractl explain, docs/operations.md#missing")


def test_a_wait_that_lasts_is_told_again_before_kubernetes_drops_the_event(story: Story) -> None:
    outage(story.board)
    story.look()
    story.look(LASTING)
    assert story.told(REPEAT - 1.0) == []
    assert len(story.told(1.0)) == 2


def test_a_wait_whose_words_change_is_told_anew_but_not_at_each_change(story: Story) -> None:
    for node in NODES:
        story.board.put(f"nodes/{node}", encode(record(node, epoch=1)))
    story.board.elects(epoch(1))
    story.board.reports(report(NODES[0]))
    story.look()
    (before,) = story.look(LASTING)
    assert f"{NODES[1]}, {NODES[2]}" in before.text
    story.board.reports(report(NODES[1]))
    assert story.told() == []
    after, _ = story.look(CHANGED - 1.0)
    assert (after.pod, after.key) == (before.pod, before.key)
    assert NODES[1] not in after.text


def test_a_wait_that_passes_by_itself_gets_two_minutes(story: Story) -> None:
    story.board.elects(epoch(1, NODES[2], confirmed=False), Phase.ELECTED)
    story.board.reports(report(NODES[0]), report(NODES[2], activity=Activity.STARTING))
    story.look()
    assert WORDS[Reason.BOOTSTRAPPER_STARTING].passes
    assert story.told(PASSING - 1.0) == []
    assert story.told(1.0) == [(NODES[0], "BootstrapWaits")]


def test_a_wait_that_ended_begins_anew_when_it_comes_again(story: Story) -> None:
    outage(story.board)
    story.look()
    story.board.gone(NODES[0], NODES[1])
    story.look(LASTING - 1.0)
    outage(story.board)
    assert story.told(1.0) == []
    assert story.told(LASTING - 1.0) == []


def test_while_etcd_is_silent_pods_that_are_not_ready_are_told_that_they_wait_for_it(story: Story) -> None:
    story.silent = True
    assert story.told() == []
    assert story.told(LASTING) == [(node, "BootstrapWaits") for node in NODES]


def test_a_pod_that_is_not_running_yet_waits_for_something_else_than_etcd() -> None:
    narrator = Narrator()
    pods = (pod(0, ready=False, running=False), pod(1, ready=True))
    narrator.look(None, None, pods, 0.0)
    assert narrator.look(None, None, pods, 2 * LASTING) == ()


def test_the_same_story_gives_the_same_keys_to_two_observers(story: Story) -> None:
    other = Story()
    other.board = story.board
    for each in (story, other):
        each.board.elects(epoch(1))
        each.look()
    story.board.elects(epoch(2, confirmed=False), Phase.ELECTED, "t2")
    story.board.reports(report(NODES[0], activity=Activity.STARTING))
    keys = [[notice.key for notice in each.look(5.0)] for each in (story, other)]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 2


actions = st.lists(
    st.tuples(
        st.sampled_from(["serves", "reports", "starts", "gone", "elects", "confirms", "wipe", "silence", "speech"]),
        st.integers(0, 2),
        st.floats(0.5, 700.0),
    ),
    max_size=25,
)


@given(actions)
def test_a_second_look_at_the_same_tells_nothing_and_every_text_fits_an_event(
    drawn: list[tuple[str, int, float]],
) -> None:
    story = Story()
    number = 1
    for action, node, after in drawn:
        board = story.board
        match action:
            case "serves":
                board.drop(f"report/{NODES[node]}")
                board.serves(NODES[node])
            case "reports":
                board.drop(f"live/{NODES[node]}", f"primary/{NODES[node]}")
                board.reports(report(NODES[node], boot_id=f"boot-{number}"))
            case "starts":
                board.reports(report(NODES[node], boot_id=f"boot-{number}", activity=Activity.STARTING))
            case "gone":
                board.gone(NODES[node])
            case "elects":
                number += 1
                board.elects(epoch(number, NODES[node], confirmed=False), Phase.ELECTED, f"token-{number}")
            case "confirms":
                board.elects(epoch(number, NODES[node]), Phase.PRIMARY, f"token-{number}")
            case "wipe":
                board.wipe()
            case _:
                story.silent = action == "silence"
        for notice in story.look(after):
            assert notice.pod in NODES
            assert notice.reason.isalpha()
            assert 0 < len(notice.text) < 1000
        assert not story.look(0.0)
