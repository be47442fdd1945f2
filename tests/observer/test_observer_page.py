"""The observer's two pages: what they say in each situation."""

from __future__ import annotations

import pytest
from board import NODES, pod

from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.bootstrap.state import Reason
from galera_exporter.errors import KubernetesReason
from galera_exporter.observer.keeper import Reading
from galera_exporter.observer.metrics import ObserverPage, rows
from galera_exporter.observer.page import render, verdict
from galera_exporter.observer.standing import Fitness, Standing

ALL_WELL = Reading(
    up=True,
    registry_up=True,
    replicas=3,
    pods=tuple(pod(number, labelled=number == 1) for number in range(3)),
    standings={node: Standing(Fitness.SYNCED) for node in NODES},
    registered=frozenset(NODES),
    changes=2,
    failures=dict.fromkeys(KubernetesReason, 0),
)
AWAY = Reading(up=False, registry_up=True, changes=2, failures=ALL_WELL.failures)


def changed(**fields: object) -> Reading:
    return Reading(**{**{name: getattr(ALL_WELL, name) for name in ALL_WELL.__slots__}, **fields})  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("reading", "tone", "words"),
    [
        (ALL_WELL, "good", "Writes go to db-galera-1."),
        (changed(registry_up=False), "fair", "etcd cannot be read: it stays there while the pod is Ready"),
        (changed(pods=(pod(0),)), "bad", "No pod takes the writes."),
        (changed(pods=(pod(0, labelled=True), pod(1, labelled=True))), "bad", "Writes go to db-galera-0, db-galera-1."),
        (AWAY, "bad", "The Kubernetes API does not answer"),
    ],
)
def test_the_status_page_has_one_sentence_for_what_is_so(reading: Reading, tone: str, words: str) -> None:
    assert verdict(reading)[0] == tone
    assert words in verdict(reading)[1]
    page = render(reading, namespace="galera", statefulset="db-galera", now=0.0, telemetry_path="/metrics")
    assert words in page


def test_a_row_says_why_a_pod_is_not_fit_and_what_its_node_waits_for() -> None:
    reading = changed(
        standings={**ALL_WELL.standings, NODES[0]: Standing(Fitness.UNFIT, "is not Ready")},
        waits={NODES[0]: Wait(Reason.MISSING, (NODES[2],))},
    )
    page = render(reading, namespace="galera", statefulset="db-galera", now=0.0, telemetry_path="/metrics")
    assert "is not Ready" in page
    assert "waits: a node that may have newer data is missing: db-galera-2" in page


def test_what_others_wrote_cannot_become_markup() -> None:
    evil = "<script>alert(1)</script>"
    reading = changed(
        standings={**ALL_WELL.standings, NODES[0]: Standing(Fitness.UNFIT, evil)},
        waits={NODES[0]: Wait(Reason.MISSING, (evil,), evil)},
    )
    page = render(reading, namespace=evil, statefulset=evil, now=0.0, telemetry_path="/metrics")
    assert "<script" not in page


def test_of_pods_that_are_not_known_no_series_is_served() -> None:
    names = {name for name, samples in rows(AWAY) if samples}
    assert names == {
        "galera_observer_up",
        "galera_observer_registry_up",
        "galera_observer_primary_changes_total",
        "galera_kube_request_failures_total",
    }


def test_registered_pods_are_not_counted_while_etcd_cannot_be_read() -> None:
    assert dict(rows(changed(registered=None)))["galera_kube_registered_pods"] == ()


def test_constant_labels_are_on_every_series() -> None:
    text, _ = ObserverPage(lambda: ALL_WELL, lambda: None, {"dc": "seoul"}).render("")
    lines = [line for line in text.decode().splitlines() if line.startswith("galera_")]
    assert len(lines) > 10
    assert all('dc="seoul"' in line for line in lines)
