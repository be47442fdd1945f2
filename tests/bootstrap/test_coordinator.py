"""What the coordinator does between the wrapper's files, its own file and a real etcd."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap.bench import UUID, Bench
from galera_exporter.bootstrap.local import LocalState
from galera_exporter.bootstrap.reading import Action, NodePhase
from galera_exporter.bootstrap.records import encode
from galera_exporter.bootstrap.state import Activity, Peer, Phase, Reason, group_name
from galera_exporter.bootstrap.statefile import StateFile
from galera_exporter.registry.keyvalue import delete, put
from galera_exporter.settings import EtcdSettings
from lab import EtcdCluster, wait_until

MakeBench = Callable[..., Bench]


@pytest.fixture
def make(tmp_path: Path, settings: EtcdSettings) -> Iterator[MakeBench]:
    made: list[Bench] = []

    def one(name: str = "galera-0", **options: object) -> Bench:
        made.append(Bench(name, tmp_path, settings, **options))  # type: ignore[arg-type]  # passed on as given
        return made[-1]

    yield one
    for bench in made:
        bench.close()


def reason(bench: Bench) -> Reason | None:
    wait = bench.coordinator.reading().wait
    return None if wait is None else wait.reason


def test_a_lone_empty_node_reports_elects_itself_and_is_let_out_once(make: MakeBench) -> None:
    bench = make()
    bench.ask("boot-1")
    bench.step()
    assert bench.snapshot.reports["galera-0"].activity is Activity.GATE
    bench.step()
    bootstrap = bench.snapshot.bootstrap
    assert bootstrap is not None
    assert (bootstrap.phase, bootstrap.epoch.number, bootstrap.epoch.node) == (Phase.ELECTED, 1, "galera-0")
    assert bench.decision == {}
    bench.step()
    assert bench.decision["boot_id"] == "boot-1"
    assert (bench.decision["action"], bench.decision["initialize"]) == ("bootstrap", "1")
    token, name = bootstrap.token, bench.decision["group"]
    assert bootstrap.epoch.group == name == group_name(bench.config.etcd.cluster, 1, token)
    assert len(name) <= 32
    assert name.endswith(f"-1-{token[:8]}")
    assert bench.snapshot.reports["galera-0"].activity is Activity.STARTING

    (bench.handoff / "decision").unlink()  # the wrapper took it, and has not said so yet
    bench.step(3)
    assert bench.decision == {}
    assert bench.coordinator.reading().decisions[Action.START] == 1


def test_the_label_is_on_disk_before_the_decision_is_handed_out(make: MakeBench) -> None:
    bench = make()
    bench.ask("boot-1")
    bench.step(2)
    (bench.states / "state.new").mkdir()  # nothing can be stored now
    bench.step(2)
    assert bench.decision == {}
    assert bench.snapshot.reports["galera-0"].activity is Activity.GATE
    (bench.states / "state.new").rmdir()
    bench.step()
    assert bench.decision["epoch"] == "1"
    assert json.loads((bench.states / "state.json").read_text())["epoch"] == 1


def test_a_label_that_cannot_be_read_lets_nobody_out(make: MakeBench, tmp_path: Path) -> None:
    states = tmp_path / "galera-0" / "state"
    states.mkdir(parents=True)
    (states / "state.json").write_text("{}")
    bench = make()
    bench.ask("boot-1")
    bench.step(4)
    assert reason(bench) is Reason.UNREADABLE_RECORD
    assert bench.snapshot.reports == {}
    assert bench.decision == {}


def test_a_sidecar_that_restarts_before_the_wrapper_took_its_decision_makes_no_second_one(make: MakeBench) -> None:
    first = make()
    first.ask("boot-1")
    first.step(3)
    text = (first.handoff / "decision").read_text()
    second = make()
    second.step(3)
    assert (second.handoff / "decision").read_text() == text
    assert second.coordinator.reading().decisions == {}
    assert second.snapshot.reports["galera-0"].activity is Activity.STARTING


def test_a_new_start_needs_a_new_decision(make: MakeBench) -> None:
    bench = make()
    bench.ask("boot-1")
    bench.step(3)
    (bench.handoff / "decision").unlink()
    bench.phase("boot-1", "exited", exit=1)
    bench.step()
    bench.ask("boot-2", data="incomplete")
    bench.step(2)
    assert bench.decision["boot_id"] == "boot-2"
    assert bench.decision["initialize"] == "1"


def test_who_is_killed_within_a_recovery_gives_its_election_back_only_when_its_data_changed(make: MakeBench) -> None:
    bench = make()
    bench.ask("boot-1", data="data", position=f"{UUID}:42", source="recover")
    bench.after(10)
    assert (bench.decision["action"], bench.decision["position"]) == ("bootstrap", f"{UUID}:42")
    bench.phase("boot-1", "exited", exit=137)
    bench.ask("boot-2", data="data", position=f"{UUID}:43", source="recover")
    bench.step(2)
    assert bench.decision["position"] == f"{UUID}:43"  # a view change used a seqno: it had begun

    bench.ask("boot-3", data="empty")
    bench.step(2)
    bootstrap = bench.snapshot.bootstrap
    assert bootstrap is not None
    assert bootstrap.phase is Phase.VOID


def test_where_there_are_data_nobody_is_elected_before_etcd_has_answered_for_the_life_of_a_lease(
    make: MakeBench,
) -> None:
    bench = make()
    bench.ask("boot-1", data="data", position=f"{UUID}:42", source="recover")
    bench.after(5)
    assert reason(bench) is Reason.SETTLING
    bench.coordinator.step(None)  # etcd is silent for a moment: what stands in it may be old again
    bench.after(5)
    assert reason(bench) is Reason.SETTLING
    bench.ahead += 60  # this process slept: what it did not see does not count
    bench.after(5)
    assert reason(bench) is Reason.SETTLING
    assert bench.snapshot.bootstrap is None
    bench.after(5)
    assert bench.snapshot.bootstrap is not None


def test_without_etcd_nobody_is_let_out_and_the_node_says_why(make: MakeBench) -> None:
    bench = make()
    bench.ask("boot-1", data="data", position=f"{UUID}:42", source="grastate", safe=1)
    bench.coordinator.step(None)
    assert reason(bench) is Reason.ETCD_UNAVAILABLE
    assert bench.decision == {}


def test_a_write_that_cannot_reach_etcd_is_tried_again(make: MakeBench, shared_etcd: EtcdCluster) -> None:
    bench = make()
    bench.ask("boot-1")
    found = bench.etcd.range(bench.config.etcd.prefix)
    shared_etcd.members[0].freeze()
    assert bench.coordinator.step(found)
    shared_etcd.members[0].thaw()
    bench.step(3)
    assert bench.decision["boot_id"] == "boot-1"


def test_the_keys_of_another_owner_are_left_alone(make: MakeBench) -> None:
    old, new = make(owner="pod-1"), make(owner="pod-2")
    old.ask("boot-1")
    old.step()
    new.step(3)
    assert reason(new) is Reason.DUPLICATE_IDENTITY
    assert new.snapshot.reports["galera-0"].owner == "pod-1"
    assert new.decision == {}


def test_an_election_that_was_built_on_what_has_changed_is_not_written(make: MakeBench) -> None:
    one, other = make("galera-0", expected=2), make("galera-1", expected=2)
    one.ask("boot-1")
    other.ask("boot-1")
    one.step()
    other.step()
    stale = one.etcd.range(one.config.etcd.prefix)
    other.ask("boot-2", data="data", position=f"{UUID}:7", source="recover")
    other.step()
    one.coordinator.step(stale)
    assert one.snapshot.bootstrap is None
    one.after(8)
    assert reason(one) is Reason.ELECTING


def test_an_election_that_was_taken_over_gets_no_lease_and_is_stopped(make: MakeBench) -> None:
    bench = make(expected=1)
    bench.ask("boot-1")
    bench.step(3)
    (bench.handoff / "decision").rename(bench.handoff / "decision.used")
    bench.phase("boot-1", "initializing")
    bench.step()
    beats = (bench.handoff / "lease").read_text()
    snapshot = bench.snapshot
    assert snapshot.bootstrap is not None
    other = replace(snapshot.bootstrap, epoch=replace(snapshot.bootstrap.epoch, number=2, node="galera-1"))
    bench.etcd.transaction([], [put(f"{bench.config.etcd.prefix}bootstrap".encode(), encode(other))])
    bench.after(6)
    assert (bench.handoff / "lease").read_text() == beats
    assert "taken over" in (bench.handoff / "order").read_text()


def test_a_wrapper_that_missed_the_confirmation_is_told_again(make: MakeBench, tmp_path: Path) -> None:
    first = make()
    first.ask("boot-1")
    first.step(3)
    state = first.states / "state.json"
    state.write_text(state.read_text().replace('"confirmed": false', '"confirmed": true', 1))
    first.phase("boot-1", "starting", pid=1)
    second = make()  # the sidecar was killed between the label and the wrapper's file
    second.step()
    assert "confirmed=1" in (tmp_path / "galera-0" / "handoff" / "lease").read_text()


def test_a_stop_order_that_could_not_be_written_is_given_again(make: MakeBench) -> None:
    bench = make()
    bench.ask("boot-1")
    bench.step(3)
    bench.phase("boot-1", "starting", pid=1)
    bench.etcd.transaction([], [delete(f"{bench.config.etcd.prefix}bootstrap".encode())])
    (bench.handoff / ".order.sidecar").mkdir()
    bench.step()
    assert not (bench.handoff / "order").exists()
    (bench.handoff / ".order.sidecar").rmdir()
    bench.step()
    assert (bench.handoff / "order").exists()


def test_a_database_that_stops_answering_for_a_moment_keeps_its_keys(make: MakeBench) -> None:
    bench = make()
    bench.phase("boot-1", "starting", pid=1)  # the sidecar comes when the database runs already
    bench.step()
    assert bench.snapshot.reports == {}
    wait_until(lambda: (bench.step(), bench.snapshot.reports)[1], 10, "a silent database is reported", [], 0.2)
    assert bench.coordinator.reading().phase in {NodePhase.STARTING, NodePhase.BOOTSTRAPPING}


def test_the_wrapper_is_told_that_the_lease_holds_until_etcd_is_gone(make: MakeBench, shared_etcd: EtcdCluster) -> None:
    bench = make()
    bench.ask("boot-1")
    bench.step(3)
    (bench.handoff / "decision").unlink()
    bench.phase("boot-1", "starting", pid=1)

    def beat() -> int:
        lines = (bench.handoff / "lease").read_text().splitlines()
        return int(dict(line.split("=") for line in lines)["beat"])

    wait_until(lambda: (bench.step(), (bench.handoff / "lease").exists())[1], 10, "a first beat", [], 0.2)
    seen = beat()
    wait_until(lambda: (bench.step(), beat() > seen)[1], 10, "a further beat", [], 0.2)
    seen = beat()
    for _ in range(5):
        bench.coordinator.step(None)
    assert beat() == seen
    shared_etcd.members[0].freeze()
    bench.coordinator.step(None)
    assert beat() == seen


def test_who_may_stand_in_etcd_as_cleanly_stopped_waits_for_etcd_before_it_joins(
    make: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make()
    bench.ask("boot-1", data="data", position=f"{UUID}:42", source="recover")
    bench.after(14)
    assert bench.decision["action"] == "bootstrap"
    state = bench.states / "state.json"
    assert '"begun": true' in state.read_text()
    epoch = bench.snapshot.history[1]
    peer = Peer("galera-1", primary=True, confirmed=True, epoch=1, history={1: replace(epoch, confirmed=True)})
    state.write_text(
        state.read_text().replace('"begun": true', '"begun": false').replace('"confirmed": false', '"confirmed": true')
    )
    again = make()
    monkeypatch.setattr(again.coordinator._desk.peers, "probe", lambda _timeout: (peer,))
    again.ask("boot-2", data="data", position=f"{UUID}:42", source="recover")
    again.ahead = 60
    again.coordinator.step(None)
    assert reason(again) is Reason.ETCD_UNAVAILABLE
    state.write_text(state.read_text().replace('"begun": false', '"begun": true'))
    third = make()
    monkeypatch.setattr(third.coordinator._desk.peers, "probe", lambda _timeout: (peer,))
    third.ahead = 60
    third.coordinator.step(None)
    assert third.decision["action"] == "join"


def joiner(make: MakeBench, tmp_path: Path) -> Bench:
    """A node that was let join an epoch, of which nobody is Primary; its database does not answer yet."""
    states = tmp_path / "galera-0" / "state"
    states.mkdir(parents=True)
    StateFile(states).store(LocalState(3, confirmed=True))
    bench = make(expected=3)
    bench.phase("boot-1", "starting", pid=1)
    bench.after(5)  # what it may have been before the sidecar came
    return bench


def test_a_joiner_whose_component_is_gone_is_told_to_stop_after_a_minute(make: MakeBench, tmp_path: Path) -> None:
    bench = joiner(make, tmp_path)
    bench.after(50)
    assert bench.snapshot.reports["galera-0"].activity is Activity.STARTING
    assert not (bench.handoff / "order").exists()
    bench.after(12)
    assert "is gone: it reports again" in (bench.handoff / "order").read_text()


def test_a_joiner_stays_while_somebody_is_primary_or_its_transfer_goes_on(make: MakeBench, tmp_path: Path) -> None:
    bench = joiner(make, tmp_path)
    primary = f"{bench.config.etcd.prefix}primary/galera-1".encode()
    bench.after(50)
    bench.etcd.transaction([], [put(primary, encode((UUID, 1)))])
    assert bench.snapshot.primary
    bench.after(70)
    bench.etcd.transaction([], [delete(primary)])
    for received in range(3):
        bench.describe(mysql=0, sst_start=1, sst_received=received, sst_changed=received)
        bench.after(50)
    assert not (bench.handoff / "order").exists()
    bench.after(62)
    assert (bench.handoff / "order").exists()


def test_a_joiner_stays_while_etcd_does_not_say_whether_somebody_is_primary(make: MakeBench, tmp_path: Path) -> None:
    bench = joiner(make, tmp_path)
    for _ in range(3):
        bench.after(50)
        bench.coordinator.step(None)
    assert not (bench.handoff / "order").exists()
