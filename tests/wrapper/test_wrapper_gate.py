"""What the wrapper looks at, says and refuses before anything is started."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from decider import NOWHERE, Decider, Make, text

from lab import wait_until
from lab.galera_config import give, other_user
from lab.template import fill
from lab.wrapper import PATH, WrappedNode, read_fields

ZERO = NOWHERE.partition(":")[0]
OTHER = "9ef11f73-e76c-11f1-a4de-b73b4d6708b1"


def grastate(uuid: str, seqno: object, safe: int = 0) -> str:
    return f"# GALERA saved state\nversion: 2.1\nuuid:    {uuid}\nseqno:   {seqno}\nsafe_to_bootstrap: {safe}\n"


def position_of(node: WrappedNode) -> str:
    """Return what grastate.dat of a node that was stopped in order says."""
    found = re.search(r"uuid:\s+(\S+)\nseqno:\s+(\d+)", (node.datadir / "grastate.dat").read_text())
    assert found is not None
    return f"{found[1]}:{found[2]}"


def test_an_empty_directory_is_reported_as_empty_and_nothing_is_run_on_it(make: Make) -> None:
    decider = make()
    decider.node.start()
    request = decider.request()
    assert request == {
        "version": "1",
        "boot_id": decider.boot_id,
        "data": "empty",
        "position": NOWHERE,
        "source": "none",
        "safe": "0",
        "grastate": "absent",
        "sst_interrupted": "0",
        "own_uuid": "",
        "view_seq": "-1",
        "view": "",
    }
    assert list(decider.node.datadir.iterdir()) == []


def test_the_files_of_the_handoff_are_for_the_group_and_for_nobody_else(waiting: WrappedNode) -> None:
    for name in ("request", "phase"):
        assert (waiting.handoff / name).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("stopped", {"source": "grastate", "grastate": "ok", "safe": "0"}),
        (None, {"source": "recover", "grastate": "absent", "safe": "0"}),
        ("", {"source": "recover", "grastate": "unreadable", "safe": "0"}),
        ("\0" * 113, {"source": "recover", "grastate": "unreadable", "safe": "0"}),
        ("no state at all\n", {"source": "recover", "grastate": "unreadable", "safe": "0"}),
        (grastate(OTHER, "five", 1), {"source": "recover", "grastate": "unreadable", "safe": "0"}),
        (grastate(ZERO, -1, 1), {"source": "recover", "grastate": "corrupt", "safe": "1"}),
        (grastate(ZERO, 7, 1), {"source": "recover", "grastate": "corrupt", "safe": "1"}),
    ],
    ids=[
        "as stopped",
        "absent",
        "0 bytes",
        "only NUL",
        "garbage",
        "seqno is no number",
        "zero uuid",
        "zero uuid, seqno",
    ],
)
def test_a_position_is_grastate_s_where_that_can_be_believed_and_else_recovered(
    stopped: Decider, content: str | None, expected: dict[str, str]
) -> None:
    state = stopped.node.datadir / "grastate.dat"
    position = position_of(stopped.node)
    if content is None:
        state.unlink()
    elif content != "stopped":
        state.write_text(content)
    stopped.node.start()
    request = stopped.request()
    assert {name: request[name] for name in expected} == expected
    assert (request["data"], request["position"]) == ("data", position)


def test_a_crlf_and_a_safe_flag_of_grastate_are_read(stopped: Decider) -> None:
    (stopped.node.datadir / "grastate.dat").write_bytes(grastate(OTHER, 42, 1).replace("\n", "\r\n").encode())
    stopped.node.start()
    request = stopped.request()
    assert (request["position"], request["source"], request["safe"]) == (f"{OTHER}:42", "grastate", "1")


def test_a_recovery_that_fails_is_shown_and_gives_no_position(stopped: Decider) -> None:
    (stopped.node.datadir / "grastate.dat").unlink()
    (stopped.node.datadir / "ibdata1").write_bytes(b"not InnoDB's" * 500_000)
    stopped.node.start()
    request = stopped.request()
    assert (request["data"], request["position"], request["source"]) == ("data", NOWHERE, "none")
    log = text(stopped.node.log)
    assert "mariadbd --wsrep-recover ended with status 1 and gave no position" in log
    assert "[ERROR] InnoDB" in log


def test_a_recovery_is_bounded_in_time(make: Make) -> None:
    decider = make(env={"GALERA_RECOVER_SECONDS": "0"})
    fill(decider.node, bootstrap=False)
    (decider.node.datadir / "grastate.dat").unlink()
    decider.node.start()
    assert decider.request()["source"] == "none"
    assert "mariadbd --wsrep-recover ended with status 137" in text(decider.node.log)


def test_a_transfer_that_was_interrupted_is_reported_until_a_decision_was_given(stopped: Decider) -> None:
    datadir = stopped.node.datadir
    (datadir / "sst_in_progress").touch()
    (datadir / ".sst").mkdir()
    (datadir / ".sst" / "ibdata1").touch()
    (datadir / "wsrep_sst.pid").write_text("1\n")
    give(datadir)
    for _ in range(2):  # a crash of the wrapper in between loses nothing
        stopped.node.start()
        assert stopped.request()["sst_interrupted"] == "1"
        stopped.node.kill()
    stopped.node.start()
    stopped.restart()
    assert not [name for name in ("sst_in_progress", ".sst", "wsrep_sst.pid") if (datadir / name).exists()]


def test_what_a_donor_that_crashed_leaves_is_no_interrupted_transfer(stopped: Decider) -> None:
    for name in ("wsrep_sst.pid", "xtrabackup_galera_info", "donor_galera_info"):
        (stopped.node.datadir / name).write_text("1\n")
    stopped.node.start()
    assert stopped.request()["sst_interrupted"] == "0"


def test_a_view_that_a_crash_left_is_kept_and_cannot_be_restored(stopped: Decider) -> None:
    members = [f"{n}39c31b4-e76e-11f1-9e29-72cfdb85340e" for n in range(3)]
    view = f"my_uuid: {members[1]}\n#vwbeg\nview_id: 3 {members[0]} 7\nbootstrap: 0\n"
    view += "".join(f"member: {member} 0\n" for member in members) + "#vwend\n"
    (stopped.node.datadir / "gvwstate.dat").write_text(view)
    stopped.node.start()
    request = stopped.request()
    assert (request["own_uuid"], request["view_seq"], request["view"]) == (members[1], "7", ",".join(members))
    assert not (stopped.node.datadir / "gvwstate.dat").exists()
    stopped.node.kill()
    (stopped.node.datadir / "gvwstate.dat").write_text(view[:150])  # a torn one does not replace it
    stopped.node.start()
    assert stopped.request()["view"] == ",".join(members)
    assert not (stopped.node.datadir / "gvwstate.dat").exists()


def test_sigterm_ends_the_wait_at_once(waiting: WrappedNode) -> None:
    assert waiting.process is not None
    waiting.process.signal(signal.SIGTERM)
    assert waiting.process.wait(5) == 0
    assert (waiting.state.phase, waiting.state.exit) == ("exited", 0)


def test_a_stopped_recovery_takes_its_mariadbd_along(stopped: Decider) -> None:
    (stopped.node.datadir / "grastate.dat").unlink()
    stopped.node.start()
    state = stopped.node.wait_phase("recovering")
    assert stopped.node.process is not None
    stopped.node.process.signal(signal.SIGTERM)
    assert stopped.node.process.wait(15) == 0
    assert stopped.node.state.phase == "exited"
    assert not read_fields(stopped.node.handoff / "request"), state


def test_waiting_costs_next_to_nothing_and_says_so_once(waiting: WrappedNode) -> None:
    assert waiting.process is not None
    stat = Path(f"/proc/{waiting.process.pid}/stat")

    def ticks() -> int:
        fields = stat.read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15]))  # user and system time, of ended children too

    before = ticks()
    time.sleep(2)
    assert (ticks() - before) / os.sysconf("SC_CLK_TCK") / 2 < 0.02
    assert text(waiting.log).count("waits for the sidecar's decision") == 1


def test_decisions_for_another_start_or_without_sense_are_removed_and_ignored(stopped: Decider) -> None:
    node = stopped.node
    node.start()
    position = stopped.request()["position"]
    senseless: list[dict[str, object]] = [
        {"boot_id": "another", "action": "bootstrap", "position": position, "lease_seconds": 30},
        {"version": 2, "action": "join"},
        {"action": "dance"},
        {"action": "bootstrap", "position": position},
        {"action": "join", "position": "$(touch /etc/owned)"},
        {"action": "join", "group": "galera --wsrep-on=OFF"},
    ]
    for number, fields in enumerate(senseless, 1):
        stopped.decide(**fields)
        wait_until(lambda n=number: text(node.log).count("ignored a decision") == n, 10, "ignored", [node.log])
        assert not (node.handoff / "decision").exists()
    assert node.state.phase == "waiting"
    stopped.restart_from(position)


def test_what_an_earlier_start_left_in_the_handoff_folder_is_removed(stopped: Decider) -> None:
    stopped.boot_id = "earlier"
    stopped.bootstrap()
    stopped.order()
    stopped.lease(1, confirmed=True)
    stopped.node.start()
    stopped.request()
    names = {entry.name for entry in stopped.node.handoff.iterdir()}
    assert names == {"phase", "request", "datadir"}


@pytest.mark.parametrize(("missing", "said"), [("mariadb-backup", "mariadb-backup or mariabackup"), ("socat", "socat")])
def test_without_the_programs_of_an_sst_it_ends_with_status_78(
    make: Make, lab_folder: Path, missing: str, said: str
) -> None:
    tools = lab_folder / "bin"
    tools.mkdir()
    for folder in map(Path, PATH.split(":")):
        for program in folder.iterdir() if folder.exists() else ():
            if program.name not in {missing, "mariabackup"} and not (tools / program.name).exists():
                (tools / program.name).symlink_to(program)
    refuses(make(env={"PATH": str(tools)}), f"no program {said} in PATH")


def test_without_the_provider_it_ends_with_status_78(make: Make) -> None:
    refuses(make(options={"wsrep_provider": "/usr/lib/galera/gone.so"}), "'/usr/lib/galera/gone.so', which is no file")


def test_a_server_option_that_mariadbd_does_not_know_ends_it_with_status_78(make: Make) -> None:
    refuses(make(options={"wsrep_on": "ON", "no_such_option": "1"}), "unknown variable 'no_such_option=1'")


def test_another_data_directory_than_mariadbd_s_ends_it_with_status_78(make: Make, lab_folder: Path) -> None:
    other = lab_folder / "other"
    other.mkdir()
    give(other)
    refuses(make(env={"GALERA_DATADIR": str(other)}), f"GALERA_DATADIR is '{other}'")


def test_a_folder_that_cannot_be_written_ends_it_with_status_78(make: Make) -> None:
    decider = make(env={"GALERA_STATE_DIR": "/proc"})
    refuses(decider, "cannot write the directory '/proc'")


@pytest.mark.skipif(other_user() is None, reason="only root can give files to somebody else")
def test_data_of_another_owner_end_it_with_status_78(stopped: Decider) -> None:
    stopped.node.config.file.write_text(stopped.node.config.text())
    node = stopped.node
    node.start()
    stopped.request()
    node.kill()
    shutil.chown(node.datadir / "ibdata1", "root", "root")
    (node.datadir / "ibdata1").chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.wrapper.give", lambda _folder: None)
        refuses(stopped, "ibdata1, which belongs to root:root (0:0), mode 600")


def refuses(decider: Decider, said: str) -> None:
    """Start a node that cannot work and see it say why."""
    decider.node.start()
    assert decider.node.process is not None
    assert decider.node.process.wait(10) == 78
    assert said in text(decider.node.log)
    state = decider.node.state
    assert (state.phase, state.exit) == ("exited", 78)
    assert said in state.text
