"""The label of a node's data, on its volume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from galera_exporter.bootstrap.local import LocalState
from galera_exporter.bootstrap.state import Epoch, Mode, Rule
from galera_exporter.bootstrap.statefile import NAME, StateFile

UUID = "11111111-1111-1111-1111-111111111111"
STATE = LocalState(
    2,
    confirmed=True,
    tainted=True,
    begun=True,
    history={
        1: Epoch(1, 0, -1, UUID, "galera-0", Mode.INITIAL, Rule.INITIAL, confirmed=True),
        2: Epoch(2, 1, 40, UUID, "galera-1", Mode.RECOVER, Rule.ALL, lossy=True, confirmed=True, group="0a1b2c3d"),
    },
)


def test_a_node_without_a_file_has_no_label(tmp_path: Path) -> None:
    assert StateFile(tmp_path).load() == LocalState()


def test_what_was_stored_is_loaded_and_nothing_else_is_left(tmp_path: Path) -> None:
    StateFile(tmp_path).store(STATE)
    assert StateFile(tmp_path).load() == STATE
    assert [entry.name for entry in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        json.dumps({"schema": 2, "epoch": 1, "confirmed": True, "tainted": False, "begun": True, "history": []}),
        json.dumps({"schema": 1, "epoch": "1", "confirmed": True, "tainted": False, "begun": True, "history": []}),
        json.dumps({"schema": 1, "epoch": 1, "confirmed": True, "tainted": False, "begun": 1, "history": []}),
        json.dumps({"schema": 1, "epoch": 1, "confirmed": 1, "tainted": False, "begun": True, "history": []}),
        json.dumps(
            {"schema": 1, "epoch": 1, "confirmed": True, "tainted": False, "begun": True, "history": [{"number": 1}]}
        ),
        json.dumps({"schema": 1, "epoch": 1, "confirmed": True, "tainted": False, "begun": True}),
    ],
)
def test_a_file_that_is_not_whole_is_an_error_that_names_it_and_not_a_node_without_a_label(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(ValueError, match=r"state\.json"):
        StateFile(tmp_path).load()


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    states = StateFile(tmp_path)
    states.store(STATE)
    (tmp_path / "state.new").mkdir()
    with pytest.raises(OSError, match=r"state\.new"):
        states.store(LocalState())
    assert states.load() == STATE


def test_a_file_of_a_version_that_did_not_know_of_begun_makes_the_node_careful(tmp_path: Path) -> None:
    text = json.dumps({"schema": 1, "epoch": 1, "confirmed": True, "tainted": False, "history": []})
    (tmp_path / NAME).write_text(text)
    assert StateFile(tmp_path).load() == LocalState(1, confirmed=True, begun=False)
