"""The sidecar's side of the files that it shares with the wrapper."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from galera_exporter.bootstrap.handoff import Handoff, Wrapper, WrapperPhase, parse_datadir, parse_request
from galera_exporter.bootstrap.local import Request
from galera_exporter.bootstrap.state import Held, View
from galera_exporter.model import DatadirFacts, Position

UUID = "11111111-1111-1111-1111-111111111111"
WHOLE = {
    "version": "1",
    "boot_id": "b-1",
    "data": "data",
    "position": f"{UUID}:42",
    "source": "grastate",
    "safe": "1",
    "grastate": "ok",
    "sst_interrupted": "0",
    "own_uuid": UUID,
    "view_seq": "3",
    "view": f"{UUID},{UUID[:-1]}0",
}


def test_a_request_is_read_as_the_wrapper_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "request").write_text("".join(f"{name}={text}\n" for name, text in WHOLE.items()))
    view = View(3, (f"{UUID[:-1]}0", UUID))
    assert Handoff(tmp_path).request() == Request(
        "b-1", Held.DATA, Position(UUID, 42), safe=True, dubious=False, incarnation=UUID, view=view
    )


@pytest.mark.parametrize(
    ("change", "safe", "dubious"),
    [
        ({"safe": "0"}, False, False),
        ({"source": "recover"}, False, False),  # the flag is of the file, the position is not
        (
            {"position": "00000000-0000-0000-0000-000000000000:-1"},
            False,
            False,
        ),  # "safe" of a state that was never there
        ({"sst_interrupted": "1"}, True, True),
        ({"sst_interrupted": ""}, True, True),
        ({"grastate": "corrupt"}, True, True),
    ],
)
def test_what_a_request_leaves_open_counts_as_the_worse(change: dict[str, str], *, safe: bool, dubious: bool) -> None:
    request = parse_request(WHOLE | change)
    assert request is not None
    assert (request.safe, request.dubious) == (safe, dubious)


@pytest.mark.parametrize("change", [{"boot_id": ""}, {"boot_id": "../x"}, {"data": "some"}, {"data": ""}])
def test_what_is_no_request_is_none(change: dict[str, str]) -> None:
    assert parse_request(WHOLE | change) is None


@given(st.dictionaries(st.sampled_from(sorted(WHOLE)), st.text(max_size=60)))
def test_reading_a_request_never_fails(fields: dict[str, str]) -> None:
    parse_request(WHOLE | fields)


def test_what_the_wrapper_tells_of_the_data_directory_is_read(tmp_path: Path) -> None:
    assert Handoff(tmp_path).datadir() is None, "it has told nothing yet"
    (tmp_path / "datadir").write_text(
        f"mysql=1\ngrastate=# GALERA saved state|version: 2.1|uuid:    {UUID}|seqno:   42|safe_to_bootstrap: 1|\n"
        "gvwstate=1\nsst_start=100\nsst_received=0\nsst_changed=0\npages=2\npage_bytes=99\ngra_logs=3\n"
    )
    assert Handoff(tmp_path).datadir() == DatadirFacts(
        present=True,
        grastate=Position(UUID, 42),
        safe_to_bootstrap=True,
        sst_in_progress=True,
        sst_start=100,
        sst_received_bytes=0,
        sst_changed=100,
        gcache_page_files=2,
        gcache_page_bytes=99,
        gra_log_files=3,
        gvwstate_present=True,
    )


FACTS = ("mysql", "grastate", "gvwstate", "sst_start", "sst_received", "sst_changed", "pages", "page_bytes", "gra_logs")


@given(st.dictionaries(st.sampled_from(FACTS), st.text(max_size=60) | st.integers().map(str)))
def test_reading_of_a_data_directory_never_fails_and_tells_no_number_that_is_none(fields: dict[str, str]) -> None:
    facts = parse_datadir(fields)
    assert facts.sst_in_progress is (facts.sst_start is not None)
    assert min(facts.gcache_page_files, facts.gcache_page_bytes, facts.gra_log_files) >= 0


def test_without_files_there_is_no_wrapper_and_no_request(tmp_path: Path) -> None:
    handoff = Handoff(tmp_path)
    assert handoff.wrapper() == Wrapper()
    assert handoff.request() is None
    assert not handoff.decided("b-1")


def test_a_phase_that_this_version_does_not_know_is_none(tmp_path: Path) -> None:
    (tmp_path / "phase").write_text("boot_id=b-1\nphase=dancing\nexit=x\n")
    assert Handoff(tmp_path).wrapper() == Wrapper(WrapperPhase.NONE, "b-1", None)


def test_a_named_pipe_in_place_of_a_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "phase")
    assert Handoff(tmp_path).wrapper() == Wrapper()


def test_what_is_written_appears_whole_readable_by_the_group_and_without_a_line_too_many(tmp_path: Path) -> None:
    previous = os.umask(0o077)
    try:
        Handoff(tmp_path).stop("b-1", "two\nlines boot_id=b-2")
    finally:
        os.umask(previous)
    assert (tmp_path / "order").read_text() == "boot_id=b-1\naction=stop\nreason=two lines boot_id=b-2\n"
    assert stat.S_IMODE((tmp_path / "order").stat().st_mode) == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["order"]


def test_a_decision_that_lies_there_is_seen_until_the_wrapper_takes_it(tmp_path: Path) -> None:
    handoff = Handoff(tmp_path)
    handoff.decide("b-1", {"action": "join"})
    assert handoff.decided("b-1")
    assert not handoff.decided("b-2")
    (tmp_path / "decision").unlink()
    assert not handoff.decided("b-1")
