"""What is asked in each flight, and when again: a scripted server, for a real one cannot be caught halfway."""

from __future__ import annotations

import pytest

from galera_exporter.errors import DatabaseReason
from galera_exporter.mariadb.collectors import Collectors
from galera_exporter.mariadb.connection import Connection, Rows, ServerError
from galera_exporter.mariadb.status import MEMBERS, STATUS, VARIABLES
from galera_exporter.settings import MariadbSettings

NAMES = {STATUS: "status", MEMBERS: "members", VARIABLES: "variables"}


class Script(Connection):
    """Answers from a table instead of a server, and notes what was asked."""

    def __init__(self) -> None:
        super().__init__(MariadbSettings())
        self.opened = 1
        self.asked: list[str] = []
        self.size = 2
        self.members = 2
        self.failures: dict[str, ServerError] = {}

    def query(self, statement: str) -> Rows:
        name = NAMES[statement]
        self.asked.append(name)
        if name in self.failures:
            raise self.failures[name]
        if name == "members":
            return tuple((f"c58fcf34-e769-11f1-a9e0-eb4fc005f30{n}", f"n{n}", "") for n in range(self.members))
        if name == "variables":
            return (("wsrep_on", "ON"), ("wsrep_node_name", "n0"))
        return (
            ("wsrep_cluster_status", "Primary"),
            ("wsrep_ready", "ON"),
            ("wsrep_cluster_size", str(self.size)),
            ("wsrep_provider_name", "Galera"),
        )

    def since(self) -> list[str]:
        """What was asked since the last call."""
        asked, self.asked = self.asked, []
        return asked


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def collectors(script: Script) -> Collectors:
    return Collectors(script, 60.0, clock=lambda: 0.0)


def test_each_collector_keeps_its_interval(script: Script, collectors: Collectors) -> None:
    asked = {second: (collectors.collect(second), script.since())[1] for second in range(100, 171)}
    assert asked.pop(100) == ["status", "variables", "members"]
    assert [second for second, names in asked.items() if "members" in names] == [110, 120, 130, 140, 150, 160, 170]
    assert [second for second, names in asked.items() if "variables" in names] == [160]


def test_a_new_connection_forgets_what_the_old_server_said(script: Script, collectors: Collectors) -> None:
    collectors.collect(100.0)
    script.since()
    script.opened = 2
    collectors.collect(101.0)
    assert script.since() == ["status", "variables", "members"]


def test_members_of_another_view_are_not_shown_and_asked_for_again(script: Script, collectors: Collectors) -> None:
    collectors.collect(100.0)
    script.size = 3
    assert collectors.collect(101.0).members is None
    assert collectors.collect(101.1).members is None
    script.members = 3
    found = collectors.collect(101.2).members
    assert found is not None
    assert len(found) == 3
    script.since()
    collectors.collect(101.3)
    assert script.since() == ["status"]


def test_a_missing_grant_is_tried_again_after_a_minute(
    script: Script, collectors: Collectors, caplog: pytest.LogCaptureFixture
) -> None:
    script.failures["members"] = ServerError(DatabaseReason.OTHER, "1142 SELECT command denied", 1142)
    asked = {}
    for second in range(100, 230):
        reading = collectors.collect(second)
        asked[second] = script.since()
        assert reading.up
        assert reading.members is None
        assert not reading.runs["members"].success
    assert [second for second, names in asked.items() if "members" in names] == [100, 160, 220]
    assert sum("members" in record.getMessage() for record in caplog.records) == 1


def test_variables_that_fail_leave_the_status_alone(script: Script, collectors: Collectors) -> None:
    script.failures["variables"] = ServerError(DatabaseReason.TIMEOUT, "1969 Query was interrupted", 1969)
    reading = collectors.collect(100.0)
    assert reading.up
    assert reading.variables is None
    assert {name: run.success for name, run in reading.runs.items()} == {
        "status": True,
        "variables": False,
        "members": True,
    }


def test_a_fault_of_our_own_is_a_reading_too(
    script: Script, collectors: Collectors, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(script, "query", lambda _: 1 / 0)
    reading = collectors.collect(100.0)
    assert (reading.reason, reading.sample) == (DatabaseReason.OTHER, None)
    assert "ZeroDivisionError" in reading.detail
    assert "fault of the exporter's own" in caplog.text
