"""One short run of random faults against the real whole system, with a seed that is always the same."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from chaos.elections import take
from chaos.history import Grant
from chaos.report import table
from lab.namespaces import namespaces_missing
from lab.site import PREFIX

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


def change(record: object, revision: int, key: str = f"{PREFIX}bootstrap") -> dict[str, str | int]:
    value = "" if record is None else json.dumps(record)
    encoded = {"key": key, "value": value}
    return {
        **{name: base64.b64encode(text.encode()).decode() for name, text in encoded.items()},
        "mod_revision": revision,
    }


def test_elections_are_read_with_what_became_of_them() -> None:
    epoch = {"number": 2, "node": "galera-0"}
    found: list[Grant] = []
    for pair in (
        change(None, 3),
        change({}, 4, f"{PREFIX}bootstrap-read-to-here"),
        change({"phase": "elected", "token": "a", "epoch": epoch}, 5),
        change(None, 6),
        change({"phase": "elected", "token": "b", "epoch": epoch}, 7),
        change({"phase": "primary", "token": "b", "epoch": epoch}, 8),
    ):
        take(found, pair)
    assert found == [Grant(2, "a", "galera-0", 5, forgotten=True), Grant(2, "b", "galera-0", 7, primary=True)]
