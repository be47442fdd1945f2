"""When clients may be sent to a node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.bootstrap.reading import BootstrapReading, NodePhase
from galera_exporter.bootstrap.state import Reason
from galera_exporter.mariadb.status import parse_status
from galera_exporter.model import ClusterStatus, NodeState
from galera_exporter.serving import why_not

SYNCED = replace(
    parse_status([]), cluster_status=ClusterStatus.PRIMARY, state=NodeState.SYNCED, ready=True, connected=True
)
CONFIRMED = BootstrapReading(NodePhase.CONFIRMED, 0.0)


def test_a_synced_member_of_a_confirmed_component_serves() -> None:
    assert why_not(SYNCED, CONFIRMED) == ""


def test_a_node_without_the_bootstrap_part_has_nothing_to_confirm() -> None:
    assert why_not(SYNCED, None) == ""


def test_a_donor_serves_unless_it_says_that_it_is_not_ready() -> None:
    assert why_not(replace(SYNCED, state=NodeState.DONOR), CONFIRMED) == ""
    assert "wsrep_ready is OFF" in why_not(replace(SYNCED, state=NodeState.DONOR, ready=False), CONFIRMED)


@pytest.mark.parametrize("phase", sorted(set(NodePhase) - {NodePhase.CONFIRMED}))
def test_a_synced_primary_node_whose_epoch_is_not_confirmed_does_not_serve(phase: NodePhase) -> None:
    assert phase in why_not(SYNCED, replace(CONFIRMED, phase=phase))


def test_a_stopped_database_says_what_it_waits_for() -> None:
    waiting = replace(CONFIRMED, phase=NodePhase.GATE, wait=Wait(Reason.MISSING, ("galera-2",)))
    assert "missing" in why_not(None, waiting)
    assert why_not(None, None) == "the database does not answer"


def test_a_node_without_a_primary_component_does_not_serve() -> None:
    assert "non-Primary" in why_not(replace(SYNCED, cluster_status=ClusterStatus.NON_PRIMARY), CONFIRMED)
