"""What a database that answers is told about its election."""

from __future__ import annotations

from dataclasses import replace

from galera_exporter.bootstrap.decisions import Confirm, Relabel, Stop
from galera_exporter.bootstrap.membership import caught_up, own_confirmation
from galera_exporter.bootstrap.protocol import supervise
from galera_exporter.bootstrap.state import Bootstrap, Epoch, LastKnown, Mode, Phase, Rule, Running, Snapshot
from galera_exporter.model import Position

UUID = "11111111-1111-1111-1111-111111111111"
OWN = Epoch(4, 3, 50, UUID, "galera-0", Mode.RECOVER, Rule.ALL, group="galera-4-0a1b2c3d")


def told(elected: Epoch, phase: Phase = Phase.ELECTED) -> object:
    running = Running(
        "galera-0",
        4,
        confirmed=False,
        primary=True,
        synced=True,
        position=Position(UUID, 51),
        component=(UUID, 7),
        history={4: OWN},
    )
    return own_confirmation(running, Snapshot(bootstrap=Bootstrap(phase, elected, "token")))


def test_an_election_is_confirmed_by_the_node_that_it_is_of() -> None:
    assert told(OWN) == Confirm(OWN)
    assert told(OWN, Phase.PRIMARY) == Relabel(4)


def test_another_election_of_the_same_node_and_number_is_another() -> None:
    # etcd had lost its memory, and gave the number anew.
    assert isinstance(told(replace(OWN, group="galera-4-4e5f6071")), Stop)


def test_an_election_of_another_node_or_number_is_another() -> None:
    assert isinstance(told(replace(OWN, node="galera-1")), Stop)
    assert isinstance(told(replace(OWN, number=5)), Stop)
    assert isinstance(told(OWN, Phase.VOID), Stop)


def members(**seqnos: int) -> Snapshot:
    """What etcd knows of members of the Primary component."""
    names = {name.replace("_", "-"): seqno for name, seqno in seqnos.items()}
    nodes = {name: LastKnown(name, Position(UUID, seqno), 4, "") for name, seqno in names.items()}
    return Snapshot(nodes=nodes, primary=dict.fromkeys(names, (UUID, 7)))


def test_a_joiner_has_caught_up_with_what_every_other_member_is_known_to_have() -> None:
    own = Position(UUID, 51)
    assert caught_up("galera-0", own, members(galera_1=50, galera_2=51))
    assert not caught_up("galera-0", own, members(galera_1=50, galera_2=52))
    assert not caught_up("galera-0", replace(own, uuid=UUID.replace("1", "2")), members(galera_1=50))


def test_a_joiner_has_not_caught_up_where_nothing_is_known_of_other_members() -> None:
    assert not caught_up("galera-0", Position(UUID, 51), Snapshot())
    assert not caught_up("galera-0", Position(UUID, 51), members(galera_0=40))
    assert not caught_up("galera-0", Position(UUID, 51), members(galera_1=-1))


def test_a_joiner_that_the_group_has_forgotten_is_stopped_to_ask_anew() -> None:
    running = Running(
        "galera-0", 4, confirmed=True, primary=True, synced=False, position=Position(UUID, 51), component=(UUID, 7)
    )
    assert not isinstance(supervise(running, members(galera_1=50)), Stop)
    assert isinstance(supervise(replace(running, forgotten=True), members(galera_1=50)), Stop)
