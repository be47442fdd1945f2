"""One short run of random faults against the real whole system, with a seed that is always the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from chaos.elections import _grant
from chaos.report import table
from lab.namespaces import namespaces_missing

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(namespaces_missing()), reason=namespaces_missing()),
]
SEED = 7
_LONGEST = 840


def chaos(*arguments: str, scratch: str | None = None) -> subprocess.Popen[str]:
    """Start it with the same imports as this process; its servers live below ``scratch``."""
    place = {} if scratch is None else {"TMPDIR": scratch}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **place}
    command = [sys.executable, "-m", "chaos", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def test_a_minute_of_random_faults_breaks_no_promise(tmp_path: Path) -> None:
    process = chaos(f"--seed={SEED}", "--seconds=60", f"--output={tmp_path}")
    try:
        said, _ = process.communicate(timeout=_LONGEST)
    except BaseException:
        process.send_signal(signal.SIGTERM)
        process.communicate()
        raise
    assert process.returncode == 0, said
    found = json.loads((tmp_path / str(SEED) / "report.json").read_text())
    assert found["broken"] == []
    assert found["harness_errors"] == []
    assert found["lost"] == 0
    assert found["acknowledged"] > 0
    assert found["effective"] >= found["faults"] / 2
    assert (tmp_path / "summary.md").read_text().splitlines() == table([found])


def test_ctrl_c_ends_a_run_and_leaves_nothing(tmp_path: Path, lab_folder: Path) -> None:
    process = chaos(f"--seed={SEED}", "--seconds=60", f"--output={tmp_path}", scratch=str(lab_folder))
    assert process.stdout is not None
    line = ""
    while "all serve" not in line:
        line = process.stdout.readline()
        assert line, "it ended before it began"
    assert len(servers(lab_folder)) > 9, "three databases, sidecars and members of etcd"
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert servers(lab_folder) == []
    assert list(lab_folder.iterdir()) == []


def servers(folder: Path) -> list[str]:
    """Return the command lines of all processes that are about something below a folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            text = file.read_text()
            if f"{folder}/" in text:
                found.append(text.replace("\0", " "))
    return found


def test_only_an_election_is_a_grant() -> None:
    # The store's bytes are base64 in JSON: the key is galera/v1/default/lab/bootstrap with a slash before it.
    assert _grant({"key": "L2dhbGVyYS92MS9kZWZhdWx0L2xhYi9ib290c3RyYXA=", "value": "", "mod_revision": 3}) is None
    assert _grant({"key": "L2E=", "value": "e30=", "mod_revision": 3}) is None
