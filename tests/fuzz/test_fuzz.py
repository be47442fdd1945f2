"""The fuzzer itself, for a second or two: that it reaches the readers, and that a defect does not pass it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import __main__ as fuzz
from fuzz.readers import ALL

pytest.importorskip("atheris", reason="there is none for this machine", exc_type=ModuleNotFoundError)

PLANTED = """
import sys
from fuzz import one
read, documented = one.ALL["request over HTTP"]
def planted(data, folder):
    if data.startswith(b"GET /metrics"):
        raise MemoryError("planted")
    return read(data, folder)
one.ALL = {"request over HTTP": (planted, documented)}
one.main()
"""


def test_a_reader_gets_many_inputs_and_what_reaches_new_lines_is_kept(tmp_path: Path) -> None:
    result = fuzz.fuzz("request over HTTP", 2, tmp_path)
    assert result.fault is None, (tmp_path / "request-over-HTTP" / "log").read_text()
    assert result.executions > 500
    assert 0 < result.found == len(list((tmp_path / "request-over-HTTP" / "found").iterdir()))


def test_what_a_reader_does_not_document_ends_the_run_and_leaves_its_input(tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            *(sys.executable, "-c", PLANTED, "request over HTTP", "-max_total_time=60"),
            *(f"-artifact_prefix={tmp_path}/", str(fuzz.CORPUS)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PYTHONPATH": str(Path(fuzz.__file__).parents[1]), "TMPDIR": str(tmp_path)},
    )
    assert ended.returncode != 0
    assert "planted" in ended.stdout + ended.stderr
    (found,) = tmp_path.glob("crash-*")
    assert found.read_bytes().startswith(b"GET /metrics")


def test_a_run_that_ended_early_or_did_nothing_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "CORPUS", tmp_path / "none")  # libFuzzer refuses a folder that is not there
    result = fuzz.fuzz("grastate", 1, tmp_path)
    assert result.fault is not None
    assert "fuzz.one grastate" in result.fault


def test_the_table_adds_up_and_names_what_was_found() -> None:
    lines = fuzz.table([fuzz.Result("a", 1_000, 1_800.0, 3, None), fuzz.Result("b", 500, 1_800.0, 0, "see b")])
    assert "| a | 1,000 | 1800 | 3 | none |" in lines
    assert "| b | 500 | 1800 | 0 | see b |" in lines
    assert lines[-1].startswith("1,500 inputs in 1.00 hours of CPU, from ")


def test_there_is_a_reader_for_each_kind_of_input_that_is_promised() -> None:
    assert {"status", "grastate", "data directory", "request over HTTP", "pairs", "responses", "record"} <= set(ALL)
