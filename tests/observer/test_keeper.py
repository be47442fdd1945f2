"""The observer at work: a Kubernetes API over HTTP, the registry's keys, and turns given by hand."""

from __future__ import annotations

import logging

import pytest
from board import NODES, RUNS, epoch, report
from watching import Watch

from galera_exporter.bootstrap.state import Activity, Phase, Reason
from galera_exporter.errors import ConfigError, KubernetesReason, RegistryReason
from galera_exporter.model import ClusterStatus, NodeState
from galera_exporter.observer.choice import BLIND
from galera_exporter.observer.kube import Kubernetes
from galera_exporter.observer.notices import LASTING, REPEAT
from galera_exporter.observer.registry import SETTLING
from galera_exporter.settings import ObserverSettings

FIRST, SECOND, THIRD = NODES


def only(name: str) -> frozenset[str]:
    return frozenset({name})


def test_the_first_turn_gives_the_label_to_one_pod_and_later_ones_leave_it(watch: Watch) -> None:
    assert watch.turn() == only(FIRST)
    patches = [request for request in watch.api.requests if request[0] == "PATCH"]
    for _ in range(5):
        assert watch.turn() == only(FIRST)
    assert [request for request in watch.api.requests if request[0] == "PATCH"] == patches
    assert watch.keeper.reading().changes == 1


def test_a_quiet_turn_costs_one_request_that_the_api_server_answers_from_memory(watch: Watch) -> None:
    watch.turn()
    watch.turn()
    watch.api.requests.clear()
    watch.turn()
    assert watch.api.requests == [
        ("GET", "/api/v1/namespaces/galera/pods?labelSelector=app%3Dgalera&resourceVersion=0")
    ]


def test_the_label_moves_in_the_turn_that_sees_the_pod_fail_and_never_two_have_it(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    watch.turn()
    watch.api.set_ready(FIRST, ready=False)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert watch.turn() == only(SECOND)
    assert watch.api.labels == [frozenset(), only(FIRST), frozenset(), only(SECOND)]
    assert [record.getMessage() for record in caplog.records] == [
        f"{FIRST} loses galera.role=primary: it is not Ready",
        f"{SECOND} gets galera.role=primary",
    ]
    assert watch.api.told(FIRST)[-1] == (
        "WritePodLeft",
        "The write Service no longer sends connections here: the pod is not Ready.",
    )
    assert watch.api.told(SECOND) == [("WritePod", "The write Service sends its connections here from now on.")]
    watch.api.set_ready(FIRST, ready=True)
    assert watch.turn() == only(SECOND)


def test_a_pod_that_is_being_deleted_and_its_successor(watch: Watch) -> None:
    watch.turn()
    watch.api.terminate(FIRST)
    assert watch.turn() == only(SECOND)
    watch.api.remove(FIRST)
    assert watch.turn() == only(SECOND)
    watch.api.pod(FIRST)
    assert watch.turn() == only(SECOND)


def test_a_write_pod_that_vanishes_at_once_is_replaced(watch: Watch) -> None:
    watch.turn()
    watch.api.remove(FIRST)
    assert watch.turn() == only(SECOND)


def test_an_operator_moves_the_writes_with_the_label_excluded(watch: Watch) -> None:
    watch.turn()
    with watch.api.lock:
        watch.api.pods[FIRST]["metadata"]["labels"]["galera.role"] = "excluded"
        watch.api.touch(watch.api.pods[FIRST])
    assert watch.turn() == only(SECOND)
    assert watch.turn() == only(SECOND)


def test_without_a_primary_component_no_pod_keeps_the_label_and_the_log_says_why(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    watch.turn()
    watch.board.serves(*NODES, status=ClusterStatus.NON_PRIMARY, ready=False)
    assert watch.turn() == frozenset()
    assert watch.turn() == frozenset()
    lines = [record.getMessage() for record in caplog.records if "no pod may" in record.getMessage()]
    assert lines == [
        f"no pod may be the write pod: {FIRST} is non-Primary; {SECOND} is non-Primary; {THIRD} is non-Primary"
    ]
    watch.board.serves(THIRD)
    assert watch.turn() == only(THIRD)


def test_a_label_that_a_pod_got_meanwhile_is_seen_before_another_gets_one(watch: Watch) -> None:
    """What the API server has in memory may be older than what is so: the pods are read anew before a patch."""
    reads = []

    def label_the_third(method: str, path: str) -> None:
        if method == "GET" and "/pods?" in path:
            reads.append(path)
            if len(reads) == 2:
                watch.api.pod(THIRD, labelled=True)

    watch.api.before = label_the_third
    assert watch.turn() == only(THIRD)
    assert "resourceVersion=0" in reads[0]
    assert "resourceVersion" not in reads[1]


def test_a_pod_that_changes_between_the_read_and_the_patch_is_not_labelled_on_old_evidence(watch: Watch) -> None:
    def fail_it(method: str, path: str) -> None:
        if method == "PATCH" and path.endswith(FIRST):
            watch.api.before = lambda _method, _path: None
            watch.api.set_ready(FIRST, ready=False)

    watch.api.before = fail_it
    watch.turn()
    assert watch.turn() == only(SECOND)
    assert only(FIRST) not in watch.api.labels


def test_a_second_observer_finds_the_choice_and_leaves_it(
    watch: Watch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    watch.board.gone(FIRST)
    assert watch.turn() == only(SECOND)
    watch.board.serves(FIRST)
    other = Watch(watch.api, watch.board, watch.api.kubeconfig(tmp_path_factory.mktemp("other")))
    for _ in range(3):
        assert other.turn() == only(SECOND)
        assert watch.turn() == only(SECOND)
    watch.api.set_ready(SECOND, ready=False)
    assert other.turn() == only(FIRST)
    assert watch.turn() == only(FIRST)
    other.keeper.close()
    moves = [reason for name in NODES for reason, _ in watch.api.told(name)]
    assert moves.count("WritePod") == 2


def test_a_stranger_with_the_label_loses_it(watch: Watch) -> None:
    watch.api.pod("db-galera-0-copy", labelled=True)
    assert watch.turn() == only(FIRST)
    assert watch.api.labels[-2:] == [frozenset(), only(FIRST)]


def test_a_stranger_that_may_not_be_changed_does_not_keep_the_others_from_the_label(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    watch.api.pod("db-galera-0-copy", labelled=True)
    watch.api.refusals["PATCH db-galera-0-copy"] = 403
    watch.turn()
    for _ in range(3):
        assert watch.turn() == {FIRST, "db-galera-0-copy"}
    assert watch.keeper.reading().up
    words = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert words == ["db-galera-0-copy has galera.role=primary, is not a pod of the StatefulSet, and keeps it"]


# etcd away.


def test_while_etcd_is_silent_the_label_stays_and_leaves_only_a_pod_that_is_not_ready(watch: Watch) -> None:
    watch.turn()
    watch.board.fault = RegistryReason.UNREACHABLE
    for _ in range(60):
        assert watch.turn(10.0) == only(FIRST)
    watch.api.set_ready(FIRST, ready=False)
    assert watch.turn() == only(SECOND)  # etcd has been silent for minutes: Kubernetes' word has to do


def test_a_short_silence_of_etcd_gives_the_label_to_nobody_new(watch: Watch) -> None:
    watch.turn()
    watch.board.fault = RegistryReason.NO_LEADER
    watch.turn(6.0)
    watch.api.set_ready(FIRST, ready=False)
    assert watch.turn() == frozenset()
    watch.board.fault = None
    assert watch.turn() == only(SECOND)


def test_an_observer_that_begins_without_etcd_waits_before_it_chooses(watch: Watch) -> None:
    watch.board.fault = RegistryReason.UNREACHABLE
    assert watch.turn(BLIND - 1.0) == frozenset()
    assert watch.turn(1.0) == only(FIRST)


def test_a_wiped_etcd_moves_nothing_while_the_nodes_come_back_into_it(watch: Watch) -> None:
    watch.turn()
    watch.board.wipe()
    assert watch.turn() == only(FIRST)
    watch.board.elects(epoch(1))
    watch.board.serves(THIRD)
    assert watch.turn() == only(FIRST)
    watch.board.serves(*NODES)
    assert watch.turn(SETTLING) == only(FIRST)
    assert len(watch.api.labels) == 2


def test_a_rebuilt_etcd_is_not_believed_at_once_either(watch: Watch) -> None:
    watch.turn()
    watch.board.fault = RegistryReason.WRONG_CLUSTER
    watch.turn()
    watch.board.fault = None
    watch.board.gone(FIRST)
    assert watch.turn() == only(FIRST)
    watch.board.serves(SECOND, THIRD)
    assert watch.turn(SETTLING) == only(SECOND)


def test_a_key_that_no_longer_changes_is_no_sign_of_life(watch: Watch) -> None:
    watch.turn()
    for _ in range(12):
        watch.board.serves(SECOND, THIRD)
        watch.turn()
    assert watch.api.primary() == only(SECOND)


# Kubernetes away.


def test_while_kubernetes_is_away_the_reading_says_so_and_has_no_pods(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    assert not watch.keeper.ready
    watch.turn()
    reading = watch.keeper.reading()
    assert watch.keeper.ready
    assert (reading.up, reading.replicas, len(reading.pods)) == (True, 3, 3)
    assert reading.registered == frozenset(NODES)
    watch.api.refusals["GET"] = 503
    for _ in range(15):
        watch.turn()
    reading = watch.keeper.reading()
    assert (reading.up, reading.replicas, reading.pods, reading.registered) == (False, None, (), frozenset())
    assert reading.failures[KubernetesReason.SERVER] == 15
    assert watch.keeper.ready  # it was: a restart would mend nothing
    watch.api.refusals.clear()
    watch.turn()
    assert watch.keeper.reading().up
    words = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert words == ["Kubernetes (server): refused: GET"]


def test_an_observer_that_may_not_patch_says_that_it_does_not_work(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    watch.api.refusals["PATCH"] = 403
    watch.turn()
    assert not watch.keeper.reading().up
    assert caplog.records[-1].getMessage() == "Kubernetes (forbidden): refused: PATCH"


def test_events_that_may_not_be_written_cost_nothing_but_a_line_in_the_log(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    watch.api.refusals["POST"] = 403
    for _ in range(3):
        assert watch.turn() == only(FIRST)
    assert watch.keeper.reading().up
    words = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert words == ["events cannot be written (forbidden): refused: POST"]


def test_events_that_could_not_be_written_for_now_are_written_later(watch: Watch) -> None:
    watch.api.refusals["POST"] = 503
    watch.turn()
    assert watch.api.told(FIRST) == []
    watch.api.refusals.clear()
    watch.turn()
    assert [reason for reason, _ in watch.api.told(FIRST)] == ["WritePod"]


def test_a_statefulset_that_cannot_be_read_any_more_does_not_stop_the_label(watch: Watch) -> None:
    watch.turn()
    watch.api.statefulset = None
    watch.api.set_ready(FIRST, ready=False)
    assert watch.turn(20.0) == only(SECOND)
    assert (watch.keeper.reading().up, watch.keeper.reading().replicas) == (True, None)


def test_without_a_statefulset_from_the_first_turn_nothing_is_done(watch: Watch) -> None:
    watch.api.statefulset = None
    assert watch.turn() == frozenset()
    assert not watch.keeper.reading().up


# Events.


def test_a_wait_becomes_one_event_that_is_renewed_with_its_count(watch: Watch) -> None:
    for node in NODES:
        watch.api.set_ready(node, ready=False)
    watch.board.gone(*NODES)
    watch.board.reports(report(FIRST))
    watch.turn()
    watch.turn(LASTING)
    watch.turn(REPEAT)
    (event,) = watch.api.events.values()
    assert (event["reason"], event["type"], event["count"]) == ("BootstrapWaits", "Warning", 2)
    assert event["involvedObject"]["uid"] == watch.api.pods[FIRST]["metadata"]["uid"]
    assert event["firstTimestamp"] < event["lastTimestamp"]
    assert event["message"].startswith("Waits: a node that may have newer data is missing")
    assert watch.keeper.reading().waits[FIRST].reason is Reason.MISSING


def test_an_event_that_kubernetes_has_dropped_is_written_anew(watch: Watch) -> None:
    watch.board.gone(*NODES)
    watch.board.reports(report(FIRST))
    watch.turn()
    watch.turn(LASTING)
    waits = [name for name, event in watch.api.events.items() if event["reason"] == "BootstrapWaits"]
    for name in waits:
        del watch.api.events[name]
    watch.turn(REPEAT)
    assert [event["count"] for name, event in watch.api.events.items() if name in waits] == [1]


def test_two_observers_write_each_decision_once_and_share_the_event_of_a_wait(
    watch: Watch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Watch(watch.api, watch.board, watch.api.kubeconfig(tmp_path_factory.mktemp("other")))
    both = (watch, other)
    for node in NODES:
        watch.api.set_ready(node, ready=False)
    watch.board.gone(*NODES)
    watch.board.reports(report(FIRST), report(SECOND))
    for each in both:
        each.turn()
    watch.board.elects(epoch(2, SECOND, confirmed=False), Phase.ELECTED, "t2")
    watch.board.reports(report(SECOND, activity=Activity.STARTING))
    for each in both:
        each.turn()
    for each in both:
        each.turn(REPEAT)
    other.keeper.close()
    assert sorted(reason for reason, _ in watch.api.told(SECOND)) == ["BootstrapElected", "BootstrapStarts"]
    assert [reason for reason, _ in watch.api.told(FIRST)] == ["BootstrapWaits"]


def test_an_observer_that_takes_over_renews_the_event_of_a_wait_that_lasts(
    watch: Watch, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    watch.board.gone(*NODES)
    watch.board.reports(report(FIRST))
    watch.turn()
    watch.turn(LASTING)
    (event,) = [event for event in watch.api.events.values() if event["reason"] == "BootstrapWaits"]
    before = event["lastTimestamp"]
    later = Watch(watch.api, watch.board, watch.api.kubeconfig(tmp_path_factory.mktemp("later")))
    later.now = watch.now + 60.0
    later.turn()
    later.turn(LASTING)
    later.keeper.close()
    assert event["lastTimestamp"] > before
    assert not [record for record in caplog.records if "events" in record.getMessage()]


def test_a_node_without_a_pod_gets_no_event(watch: Watch) -> None:
    watch.turn()
    watch.board.serves("db-galera-7", state=NodeState.INCONSISTENT, member_uuid=RUNS[0])
    watch.turn()
    assert {event["involvedObject"]["name"] for event in watch.api.events.values()} == {FIRST}


def test_no_service_account_and_no_kubeconfig_is_a_fault_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigError) as caught:
        Kubernetes(ObserverSettings(), "galera")
    assert "automountServiceAccountToken" in caught.value.faults[0]
