"""The files of a data directory: whole, broken, and in the middle of a state transfer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galera_exporter.mariadb import datadir
from galera_exporter.model import ZERO_UUID, Position

MANY = settings(max_examples=10_000, deadline=None, database=None)
UUID = "c58fcf34-e769-11f1-a9e0-eb4fc005f309"
LINES = (
    f"uuid:    {UUID}",
    "seqno:   42",
    "seqno:   -1",
    "seqno:   99999999999999999999",
    "safe_to_bootstrap: 1",
    "version: 2.1",
    f"my_uuid: {UUID}",
    f"view_id: 3 {UUID} 7",
    "#vwbeg",
    f"member: {UUID} 0",
    "#vwend",
    f"[Note] WSREP: Recovered position: {UUID}:7",
    f"WSREP: Recovered position: {UUID}:7,0-1-2",
    "uuid:",
    ":",
    f"{UUID}:7",
)


def text_of(seed: bytes) -> str:
    """Make a file of lines that stand in real ones, cut and mixed with noise; each byte decides on one."""
    lines = [LINES[byte % len(LINES)][: byte // 2 if byte > 128 else None] for byte in seed]
    return "\n".join(lines) + seed.decode("latin-1")


TEXTS = st.binary(max_size=16).map(text_of)
GRASTATE = f"# GALERA saved state\nversion: 2.1\nuuid:    {UUID}\nseqno:   42\nsafe_to_bootstrap: 1\n"


@pytest.mark.parametrize(
    ("text", "position"),
    [
        (f"{UUID}:42", Position(UUID, 42)),
        (f"{UUID.upper()}:42\n", Position(UUID, 42)),
        (f"{UUID}:42,0-1-7", Position(UUID, 42)),
        (f"{ZERO_UUID}:-1", Position(ZERO_UUID, -1)),
        (f"{UUID}:18446744073709551615", None),
        (f"{UUID}:9223372036854775808", Position(UUID, -1)),
        (f"{UUID}:", None),
        (f"{UUID}:42,x", None),
        (UUID, None),
        ("", None),
    ],
)
def test_a_position_is_a_uuid_and_a_seqno(text: str, position: Position | None) -> None:
    assert datadir.parse_position(text) == position


@MANY
@given(TEXTS)
def test_the_parsers_are_total(text: str) -> None:
    grastate = datadir.parse_grastate(text)
    positions = [
        datadir.parse_position(text),
        None if grastate is None else grastate.position,
    ]
    assert all(found is None or -1 <= found.seqno < 1 << 63 for found in positions)


def test_an_empty_directory_says_that_nothing_is_there(tmp_path: Path) -> None:
    facts = datadir.read_datadir(tmp_path)
    assert not facts.present
    assert facts.grastate is None
    assert facts.safe_to_bootstrap is None
    assert (facts.sst_in_progress, facts.sst_start, facts.sst_received_bytes) == (False, None, None)
    assert (facts.gcache_page_files, facts.gcache_page_bytes, facts.gra_log_files) == (0, 0, 0)


def test_a_full_directory_is_counted(tmp_path: Path) -> None:
    (tmp_path / "mysql").mkdir()
    (tmp_path / "grastate.dat").write_text(GRASTATE)
    (tmp_path / "gvwstate.dat").touch()
    for name, size in (("gcache.page.000000", 1000), ("gcache.page.000001", 24), ("galera.cache", 5000)):
        (tmp_path / name).write_bytes(bytes(size))
    for name in ("GRA_1_2.log", "GRA_1_2_v2.log", "GRA_notes.txt", "error.log"):
        (tmp_path / name).touch()
    facts = datadir.read_datadir(tmp_path)
    assert facts.present
    assert facts.grastate == Position(UUID, 42)
    assert facts.safe_to_bootstrap is True
    assert facts.gvwstate_present
    assert (facts.gcache_page_files, facts.gcache_page_bytes, facts.gra_log_files) == (2, 1024, 2)


def test_a_transfer_shows_its_start_and_what_came_so_far(tmp_path: Path) -> None:
    (tmp_path / "sst_in_progress").touch()
    os.utime(tmp_path / "sst_in_progress", (1_700_000_000, 1_700_000_000))
    deep = tmp_path / ".sst" / "mysql"
    deep.mkdir(parents=True)
    (tmp_path / ".sst" / "ibdata1").write_bytes(bytes(4096))
    (deep / "user.frm").write_bytes(bytes(100))
    (deep / "loop").symlink_to(tmp_path / ".sst")
    (tmp_path / "grastate.dat").touch()  # of no bytes during the first transfer, as 10.11 leaves it
    facts = datadir.read_datadir(tmp_path)
    assert facts.sst_in_progress
    assert facts.sst_start == 1_700_000_000
    assert facts.sst_received_bytes == 4196
    assert facts.grastate is None
    assert not facts.present


def test_a_directory_that_is_not_there_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        datadir.read_datadir(tmp_path / "none")


def test_a_file_instead_of_a_directory_raises(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        datadir.read_datadir(tmp_path / "file")


def test_what_is_no_regular_file_counts_as_absent_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "grastate.dat")
    (tmp_path / ".sst").touch()
    (tmp_path / "gcache.page.000000").symlink_to("nowhere")
    facts = datadir.read_datadir(tmp_path)
    assert facts.grastate is None
    assert facts.sst_received_bytes is None
    assert (facts.gcache_page_files, facts.gcache_page_bytes) == (1, 0)


def test_a_folder_in_the_place_of_grastate_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / "grastate.dat").mkdir()
    assert datadir.read_datadir(tmp_path).grastate is None


def test_a_huge_grastate_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "grastate.dat").open("wb") as file:
        file.truncate(1 << 36)
    assert datadir.read_datadir(tmp_path).grastate is None


def test_looking_ends_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datadir, "MOST_ENTRIES", 3)
    (tmp_path / ".sst").mkdir()
    for n in range(10):
        (tmp_path / ".sst" / str(n)).write_bytes(b"x")
    assert datadir.read_datadir(tmp_path).sst_received_bytes == 3
