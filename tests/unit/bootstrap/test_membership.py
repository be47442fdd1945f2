"""What a database that answers is told about its election."""

from __future__ import annotations

from dataclasses import replace

from galera_exporter.bootstrap.decisions import Confirm, Relabel, Stop
from galera_exporter.bootstrap.membership import own_confirmation
from galera_exporter.bootstrap.state import Bootstrap, Epoch, Mode, Phase, Rule, Running, Snapshot
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
