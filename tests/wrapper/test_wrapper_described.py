"""What the wrapper tells the sidecar, which has no right to see it, of the data directory."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from decider import Decider, Make

from galera_exporter.bootstrap.handoff import Handoff
from galera_exporter.mariadb.datadir import read_datadir
from galera_exporter.model import DatadirFacts
from lab import wait_until
from lab.galera_config import give
from lab.wrapper import WrappedNode


def told(node: WrappedNode) -> DatadirFacts:
    """Return what the sidecar reads."""
    facts = Handoff(node.handoff).datadir()
    assert facts is not None
    return facts


def seen(node: WrappedNode) -> DatadirFacts:
    """Return what somebody reads who may look into the folder; the wrapper tells whole seconds."""
    facts = read_datadir(node.datadir)
    start, changed = (None if moment is None else float(int(moment)) for moment in (facts.sst_start, facts.sst_changed))
    return replace(facts, sst_start=start, sst_changed=changed)


def transfer(folder: Path, received: int) -> None:
    """Leave the files of a state transfer, and what a busy server leaves."""
    (folder / "sst_in_progress").touch()
    (folder / ".sst" / "shop").mkdir(parents=True, exist_ok=True)
    (folder / ".sst" / "ibdata1").write_bytes(bytes(received))
    (folder / ".sst" / "shop" / "a name | of=two\nlines").write_bytes(bytes(10))
    os.utime(folder / ".sst" / "ibdata1", (1_700_000_000, 1_700_000_000))
    for name, size in (("gcache.page.000000", 100), ("gcache.page.000001", 23), ("GRA_7_1_v2.log", 5), ("GRA_x", 9)):
        (folder / name).write_bytes(bytes(size))
    give(folder)


def test_it_tells_what_the_files_say(stopped: Decider) -> None:
    node = stopped.node
    transfer(node.datadir, 5_000)
    node.start()
    stopped.request()
    facts = told(node)
    assert facts == seen(node)
    assert (facts.present, facts.sst_in_progress, facts.sst_received_bytes) == (True, True, 5_010)
    assert (facts.gcache_page_files, facts.gcache_page_bytes, facts.gra_log_files) == (2, 123, 1)
    assert facts.grastate is not None
    assert facts.grastate.defined


def test_it_tells_how_a_transfer_goes_on(stopped: Decider) -> None:
    node = stopped.node
    transfer(node.datadir, 5_000)
    node.start()
    stopped.request()
    with (node.datadir / ".sst" / "ibdata1").open("ab") as file:
        file.write(bytes(2_000))
    wait_until(lambda: told(node).sst_received_bytes == 7_010, 10, "it is told", [node.log])
    assert told(node) == seen(node)


def test_an_empty_directory_has_nothing(make: Make) -> None:
    decider = make()
    decider.node.start()
    decider.request()
    assert told(decider.node) == seen(decider.node)
    assert not told(decider.node).present


def test_a_server_that_ended_in_order_has_its_position_told_before_its_end_is(running: Decider) -> None:
    node = running.node
    wait_until(lambda: told(node).gvwstate_present, 10, "the view is told", [node.log])
    assert told(node).grastate is not None
    node.stop()
    assert node.state.phase == "exited"
    facts = told(node)
    assert facts == seen(node)
    assert facts.grastate is not None
    assert facts.grastate.defined
    assert not facts.gvwstate_present
