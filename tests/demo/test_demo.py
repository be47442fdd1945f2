"""The demo as a user runs it: it ends as it should, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from demo.machine import faults
from demo.screen import Screen
from demo.story import Expect, Story, StoryError
from lab import Page, Process, Receiver, Sidecar, wait_until

TESTS = Path(__file__).parents[1]


def demo(folder: Path, *flags: str, **env: str) -> Process:
    """Start a demo whose temporary folder is ``folder``."""
    return Process(
        [sys.executable, "-m", "demo", *flags],
        log=folder.with_name(f"{folder.name}.log"),
        env={**os.environ, "PYTHONPATH": str(TESTS), "PYTHONUNBUFFERED": "1", "TMPDIR": str(folder), **env},
    )


def processes(folder: Path) -> list[str]:
    """Return the command lines of all processes that were started on files below ``folder``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has just ended
            continue
        if f"{folder}/" in words:
            found.append(words)
    return found


def said(run: Process, words: str, timeout: float) -> None:
    """Wait until the demo says something; raise at once when it ends."""

    def look() -> bool:
        if not run.alive:
            raise AssertionError(run.log.read_text()[-20_000:])
        return words in run.log.read_text()

    wait_until(look, timeout, words, [run.log])


def assert_nothing_is_left(folder: Path) -> None:
    wait_until(lambda: not processes(folder), 15, f"no process is left on {folder}: {processes(folder)}")
    wait_until(lambda: not list(folder.iterdir()), 15, f"{folder} is empty")


@pytest.fixture
def folders(lab_folder: Path) -> Iterator[list[Path]]:
    """Two folders that MariaDB may pass, each to be the temporary folder of a demo."""
    made = [lab_folder / "a", lab_folder / "b"]
    for folder in made:
        folder.mkdir(mode=0o711)
    yield made
    for folder in made:
        assert_nothing_is_left(folder)


@pytest.mark.servers
@pytest.mark.timeout(400)
def test_the_tour_sees_all_that_it_expects_and_exits_0(folders: list[Path]) -> None:
    run = demo(folders[0], "--tour")
    try:
        status = run.wait(360)
    finally:
        run.kill()
    text = run.log.read_text()
    assert status == 0, text[-3000:]
    for seen in (
        "galera-0: wsrep_cluster_size 2",
        'galera-0: galera_etcd_key_present{node="galera-2"} 0',
        "notification: GaleraNodeGone firing",
        "notification: GaleraNodeGone resolved",
        'wsrep_local_state_comment{state="donor_desynced"} 1',
        "wsrep_flow_control_active 1",
        "What was seen",
    ):
        assert seen in text


@pytest.mark.servers
@pytest.mark.timeout(400)
def test_two_demos_run_side_by_side_and_one_that_is_killed_leaves_nothing_either(folders: list[Path]) -> None:
    first, second = (demo(folder) for folder in folders)
    try:
        for run in (first, second):
            said(run, " s   galera-0 synced (size 3)", 200)
        second.signal(signal.SIGKILL)
        second.wait(10)
        assert_nothing_is_left(folders[1])
        assert len(processes(folders[0])) >= 8, "the other goes on"
        first.signal(signal.SIGINT)
        assert first.wait(30) == 0
        assert "nothing is left behind" in first.log.read_text()
    finally:
        for run in (first, second):
            run.kill()


@pytest.mark.servers
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "etcd: 3 members"),
        (signal.SIGTERM, "galera-0: bootstraps"),
        (signal.SIGHUP, "galera-1: joins"),
    ],
)
def test_a_signal_while_it_starts_ends_it_with_nothing_left(
    folders: list[Path], number: signal.Signals, moment: str
) -> None:
    run = demo(folders[0])
    try:
        said(run, moment, 60)
        run.signal(number)
        assert run.wait(20) == 128 + number
        assert "Traceback" not in run.log.read_text()
    finally:
        run.kill()


def test_a_machine_without_the_servers_is_told_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo"],
        env={"PATH": str(tmp_path), "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "mariadbd" in done.stderr
    assert "Traceback" not in done.stderr
    assert "This machine has no apt-get" in done.stderr


def test_a_machine_with_apt_is_given_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = shutil.which("true")
    assert apt is not None
    (tmp_path / "apt-get").symlink_to(apt)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install --no-install-recommends" in faults()[0]
    assert "etcd-server" in faults()[0]


class StubSidecar(Sidecar):
    """A sidecar whose page is given: what is tested here is the story, not the sidecar."""

    def __init__(self, text: str) -> None:
        self.name = "galera-0"
        self.text = text

    def metrics(self) -> Page:
        return Page.parse(self.text)


@pytest.fixture
def story() -> Iterator[tuple[Story, StringIO]]:
    out = StringIO()
    receiver = Receiver()
    yield Story(Screen(out), receiver), out
    receiver.close()


def test_an_expectation_that_fails_names_what_was_expected_and_what_was_seen(story: tuple[Story, StringIO]) -> None:
    told, _ = story
    told.step("A step")
    with pytest.raises(StoryError) as failed:
        told.see(Expect(StubSidecar("x 3\n"), "x", "==", 2), within=0.3)
    assert "A step" in str(failed.value)
    assert "expected within 0.3 s: galera-0: x == 2" in str(failed.value)
    assert "seen: galera-0: x 3" in str(failed.value)


def test_a_series_that_is_absent_is_said_to_be_absent(story: tuple[Story, StringIO]) -> None:
    told, _ = story
    told.step("A step")
    with pytest.raises(StoryError, match=r'seen: galera-0: no series x\{a="b"\}'):
        told.see(Expect(StubSidecar('x{a="c"} 2\n'), "x", "==", 2, {"a": "b"}), within=0.3)


def test_the_summary_has_every_sight_with_its_seconds(story: tuple[Story, StringIO]) -> None:
    told, out = story
    told.step("First")
    told.see(Expect(StubSidecar("x 2\n"), "x", ">=", 2), within=1)
    told.step("Second")
    told.find("a thing", lambda: True, 1)
    told.summary()
    summary = out.getvalue().partition("What was seen")[2]
    assert "First" in summary
    assert "0.0 s  galera-0: x 2" in summary
    assert "0.0 s  a thing" in summary
