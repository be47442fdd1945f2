"""The demo as a user runs it: it ends as it should, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import yaml

from demo.alerting import ALERTS, EXAMPLE, SHORTENED, configuration, shortened, write_rules
from demo.inbox import Inbox
from demo.machine import faults
from demo.outage import ROWS
from demo.screen import Screen
from demo.story import Expect, Story, StoryError
from demo.voices import Voices
from lab import Page, Pod, Process, Sidecar, wait_until

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


def said(run: Process, words: str, timeout: float, after: int = 0) -> None:
    """Wait until the demo says something behind its first ``after`` characters; raise at once when it ends."""

    def look() -> bool:
        if not run.alive:
            raise AssertionError(run.log.read_text()[-20_000:])
        return words in run.log.read_text()[after:]

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
        "+ e-mail: FIRING warning: GaleraNodeDown in default/demo, galera-2",
        "| Run first: kubectl -n default exec galera-2 -c exporter -- galeractl explain",
        "| Runbook:   alerts/runbooks/GaleraNodeDown.md",
        "+ e-mail: RESOLVED warning: GaleraNodeDown in default/demo, galera-2",
        'wsrep_local_state_comment{state="donor_desynced"} 1',
        "wsrep_flow_control_active 1",
        "transactions are applied on galera-2 alone",
        'galera-0: galera_bootstrap_waiting{reason="missing"} 1',
        'galera-1: galera_bootstrap_waiting_for{node="galera-2"} 1',
        "+ page: FIRING critical: GaleraClusterNoPrimary in default/demo",
        "+ page: FIRING critical: GaleraClusterNeedsBootstrap in default/demo",
        "a node that may have newer data is missing: galera-2",
        "+ page: RESOLVED critical: GaleraClusterNoPrimary in default/demo",
        "+ page: RESOLVED critical: GaleraClusterNeedsBootstrap in default/demo",
        "nobody was elected, and no database was started",
        "galera-2: elected itself by rule A",
        "galera-2: needed nothing, by its log",
        "galera-1: caught up by IST, by its log",
        "galera-0: caught up by IST, by its log",
        "all tables have equal checksums on all nodes",
        "What was seen",
    ):
        assert seen in text
    for node in ("galera-0", "galera-1", "galera-2"):
        (acknowledged,) = re.findall(rf"^ .* \+ {node}: 0 of (\d+) acknowledged rows lost$", text, re.MULTILINE)
        assert int(acknowledged) > 2 * ROWS


@pytest.mark.servers
def test_two_demos_run_side_by_side_one_is_killed_and_the_other_gets_its_node_back(folders: list[Path]) -> None:
    first, second = (demo(folder) for folder in folders)
    try:
        for run in (first, second):
            said(run, " s   galera-0 synced (size 3)", 200)
        second.signal(signal.SIGKILL)
        second.wait(10)
        assert_nothing_is_left(folders[1])
        assert len(processes(folders[0])) >= 8, "the other goes on"
        victim = re.search(r"Try: kill -9 (\d+) +\(galera-2;", first.log.read_text())
        assert victim is not None
        assert " ! " not in first.log.read_text(), "nobody is told of anything while all is well"
        os.kill(int(victim[1]), signal.SIGKILL)
        said(first, "galera-2 refused (size -)", 20)
        at = len(first.log.read_text())
        said(first, "! e-mail: FIRING warning: GaleraNodeDown in default/demo, galera-2", 40)
        said(first, "galera-2 synced (size 3)", 90, after=at)
        said(first, "! e-mail: RESOLVED warning: GaleraNodeDown in default/demo, galera-2", 30, after=at)
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
        (signal.SIGTERM, "3 pods at once"),
        (signal.SIGINT, "starts epoch 1 with an empty database"),
        (signal.SIGHUP, "joins epoch 1"),
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
    inbox = Inbox()
    yield Story(Screen(out), inbox), out
    inbox.close()


def test_an_expectation_that_fails_names_what_was_expected_and_what_was_seen(story: tuple[Story, StringIO]) -> None:
    told, _ = story
    told.step("A step")
    with pytest.raises(StoryError) as failed:
        told.see(Expect(StubSidecar("x 3\n"), "x", "==", 2), within=0.3)
    assert "A step" in str(failed.value)
    assert "expected within 0.3 s: galera-0: x == 2" in str(failed.value)
    assert "seen: galera-0: x 3" in str(failed.value)


def test_a_fact_that_does_not_hold_ends_the_story(story: tuple[Story, StringIO]) -> None:
    told, out = story
    told.step("A step")
    told.fact("one thing is so", holds=True)
    with pytest.raises(StoryError, match=r"A step\n  not as expected: another is so"):
        told.fact("another is so", holds=False)
    assert "+ one thing is so" in out.getvalue()


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


def test_the_voices_say_whole_lines_of_the_bootstrap_that_came_meanwhile(tmp_path: Path) -> None:
    out = StringIO()
    sidecar = StubSidecar("")
    sidecar.log = tmp_path / "sidecar.log"
    stamp = "2026-01-31T09:00:00.000Z"
    sidecar.log.write_text(f"{stamp} info bootstrap: elect: of yesterday\n")
    pod = SimpleNamespace(name="galera-0", sidecar=sidecar)
    with Voices(Screen(out), [cast("Pod", pod)]).aloud(), sidecar.log.open("a") as log:
        log.write(f"{stamp} info bootstrap: phase gate (epoch 0)\n{stamp} info registry.heartbeat: etcd answers\n")
        log.write(f"{stamp} warn bootstrap: waits: missing (galera-2)\n{stamp} info bootstrap: jo")
        log.flush()
        wait_until(lambda: "missing" in out.getvalue(), 5, "the line is said")
        log.write("in: joins epoch 1\n")
    assert [line.partition("> ")[2] for line in out.getvalue().splitlines()] == [
        "galera-0: waits: missing (galera-2)",
        "galera-0: join: joins epoch 1",
    ]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    opened = Inbox()
    yield opened
    opened.close()


def test_an_e_mail_comes_in_with_its_subject_and_its_plain_text(inbox: Inbox) -> None:
    mail = EmailMessage()
    mail["Subject"] = "FIRING warning: an alert"
    mail.set_content("What: a line\n.one that begins with a dot\n갈레라\n")
    mail.add_alternative("<p>the same for others</p>", subtype="html")
    with smtplib.SMTP(inbox.smarthost, timeout=5) as smarthost:
        smarthost.send_message(mail, "a@localhost", ["b@localhost"])
    (message,) = inbox.seen
    assert (message.way, message.title) == ("e-mail", "FIRING warning: an alert")
    assert message.text.splitlines() == ["What: a line", ".one that begins with a dot", "갈레라"]


def test_a_message_is_heard_of_if_it_came_after_the_step_began(story: tuple[Story, StringIO], inbox: Inbox) -> None:
    inbox._mail(b"Subject: of before\n\n")
    told = Story(story[0]._screen, inbox)
    told.step("A step")
    with pytest.raises(StoryError, match=r"expected within 0\.3 s: a message: of before"):
        told.hear("of before", 0.3)
    inbox._mail(b"Subject: of now\n\n")
    told.hear("of now", 0.3)
    assert "+ e-mail: of now" in story[1].getvalue()


def test_the_demo_changes_only_durations_in_the_rules_and_says_each(tmp_path: Path) -> None:
    shipped = yaml.safe_load((ALERTS / "prometheus" / "galera.rules.yaml").read_text())["groups"]
    own = yaml.safe_load(write_rules(tmp_path).read_text())["groups"]
    pairs = zip(*([rule for group in groups for rule in group["rules"]] for groups in (shipped, own)), strict=True)
    changed = [(before, after) for before, after in pairs if before != after]
    told = [f"{rule['alert']} fires after {rule['for']}, as shipped after {before['for']}" for before, rule in changed]
    assert told == shortened()
    assert {after["alert"] for _, after in changed} == SHORTENED.keys()
    for before, after in changed:
        assert (before["expr"], before["labels"]) == (after["expr"], after["labels"])


def test_the_demo_routes_and_mutes_as_the_shipped_example_does(tmp_path: Path) -> None:
    shipped, own = yaml.safe_load(EXAMPLE.read_text()), configuration("127.0.0.1:1", "127.0.0.1:2")
    assert own["inhibit_rules"] == shipped["inhibit_rules"]
    waits = {"group_wait": "1s", "group_interval": "2s"}
    routes = zip(shipped["route"]["routes"][0]["routes"], own["route"]["routes"][0]["routes"], strict=True)
    assert all({**before, **waits} == after for before, after in routes)
    file = tmp_path / "alertmanager.yaml"
    file.write_text(json.dumps(own))
    subprocess.run(["amtool", "check-config", file], check=True, capture_output=True, timeout=30)
