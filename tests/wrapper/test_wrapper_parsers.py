"""What the wrapper reads in files of real servers, and in broken ones: its own functions over tests/corpus."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.wrapper import WRAPPER

CORPUS = Path(__file__).parents[1] / "corpus"
UUID = "c58fcf34-e769-11f1-a9e0-eb4fc005f309"
ZERO = "00000000-0000-0000-0000-000000000000"


def functions(*names: str) -> str:
    """Return the definitions of the wrapper's functions, and its constants."""
    text = WRAPPER.read_text()
    constants = next(line for line in text.splitlines() if line.startswith("readonly ZERO="))
    parts = [text[text.index(f"\n{name}() {{") :] for name in names]
    return "\n".join([constants, *(part[: part.index("\n}") + 3] for part in parts)])


def call(script: str, *arguments: object) -> list[str]:
    done = subprocess.run(
        ["bash", "-uc", script, "test", *map(str, arguments)], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def view(name: str, folder: Path) -> tuple[str, str, list[str]]:
    (folder / "last-view").write_bytes((CORPUS / name).read_bytes())
    script = functions("pick", "read_view") + '\nstate=$1\nread_view\nprintf "%s\\n" "$own_uuid" "$view_seq" "$view"'
    own, seq, members = call(script, folder)
    return own, seq, members.split(",") if members else []


def recovered(name: str) -> str:
    found = call(functions("pick", "read_recovered") + '\nread_recovered "$1"', CORPUS / name)
    return "".join(found)


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("gvwstate-*.good.dat")))
def test_a_recorded_view_is_understood(name: str, tmp_path: Path) -> None:
    own, seq, members = view(name, tmp_path)
    assert own in members
    assert 1 <= len(members) <= 3
    assert int(seq) >= 1


@pytest.mark.parametrize("name", ["gvwstate-empty.bad.dat", "gvwstate-binary.bad.dat"])
def test_a_file_that_is_no_view_gives_nothing(name: str, tmp_path: Path) -> None:
    assert view(name, tmp_path) == ("", "", [])


@pytest.mark.parametrize(
    ("name", "position"),
    [
        ("recover-gtid.good.log", f"{UUID}:1234"),
        ("recover-twice.good.log", f"{UUID}:12"),
        ("recover-undefined.good.log", f"{ZERO}:-1"),
    ],
)
def test_the_last_position_of_a_recovery_counts(name: str, position: str) -> None:
    assert recovered(name) == position


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("recover-mariadb-*.good.log")))
def test_a_recorded_recovery_gives_a_position(name: str) -> None:
    uuid, _, seqno = recovered(name).partition(":")
    assert len(uuid) == len(ZERO)
    assert int(seqno) >= 0


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("recover-*.bad.log")))
def test_a_recovery_without_a_position_gives_none(name: str) -> None:
    assert recovered(name) == ""
