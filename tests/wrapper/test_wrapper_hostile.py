"""A sidecar that was taken over can write what it likes into the folders it shares, and gets no further."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from decider import Decider, Make, text

from lab import wait_until
from lab.wrapper import INIT_SQL


def replant(link: Path, target: Path, end: threading.Event) -> None:
    """Make the link again whenever it is gone."""
    while not end.wait(0.0005):
        try:
            link.symlink_to(target)
        except FileExistsError:
            continue


@pytest.mark.parametrize("name", ["handoff/phase.new", "handoff/datadir.new", "handoff/request.new"])
def test_no_link_to_a_file_of_the_database_is_written_through(stopped: Decider, name: str) -> None:
    node = stopped.node
    folder = node.datadir.parent
    victim = node.datadir / "mysql" / "global_priv.MAD"
    before = victim.read_bytes()
    (folder / name).symlink_to(victim)
    end = threading.Event()
    planter = threading.Thread(target=replant, args=(folder / name, victim, end))
    planter.start()
    try:
        node.start()
        # It may find that it cannot write at all: then it says so, and begins nothing.
        said = "waits for the sidecar's decision"
        wait_until(lambda: not node.alive or said in text(node.log), 30, "the wrapper has written", [node.log])
    finally:
        end.set()
        planter.join()
    assert victim.read_bytes() == before
    assert not victim.is_symlink()


def test_a_link_to_a_folder_is_replaced_and_not_written_into(stopped: Decider) -> None:
    node = stopped.node
    for name in ("phase", "request", "datadir"):
        (node.handoff / name).symlink_to(node.datadir)
    before = {entry.name for entry in node.datadir.iterdir()}
    node.start()
    stopped.request()
    assert {entry.name for entry in node.datadir.iterdir()} == before


@pytest.mark.parametrize("action", ["join", "join:", "join:1", "bootstrap"])
def test_a_number_in_a_decision_is_never_run_as_a_command(stopped: Decider, action: str) -> None:
    node = stopped.node
    proof = node.handoff / "proof"
    node.start()
    position = stopped.request()["position"]
    stopped.decide(action=action, position=position, initialize=0, fresh=0, lease_seconds=f"a[$(touch {proof})]")
    wait_until(lambda: "ignored a decision that makes no sense" in text(node.log), 10, "ignored", [node.log])
    assert node.state.phase == "waiting"
    assert not proof.exists()


def test_the_server_that_is_told_the_passwords_listens_where_no_other_could_stand_in_for_it(make: Make) -> None:
    tells = "CREATE DATABASE proof;\nCREATE TABLE proof.place AS SELECT @@socket AS socket;\n"
    decider = make(init=f"{INIT_SQL}{tells}")
    node = decider.node
    node.start()
    decider.request()
    decider.bootstrap(initialize=True)
    node.wait_synced(60)
    (place,) = node.sql("SELECT socket FROM proof.place")
    assert Path(place["socket"]).parent == node.datadir, "which the sidecar does not see"
