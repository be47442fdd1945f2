"""What the Kubernetes API writes, as values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from galera_exporter.observer.pods import Workload, read_pods, read_workload


def pods(*items: Any) -> dict[str, Any]:
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": list(items)}


def item(name: str, *, labels: dict[str, str] | None = None, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": f"uid of {name}", "resourceVersion": "7", "labels": labels},
        "status": status,
    }


READY = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}]


def test_pods_come_by_number_and_strangers_first() -> None:
    found = read_pods(pods(item("db-10"), item("db-2"), item("db-x"), item("other-1"), item("db-01")), "db")
    assert found is not None
    assert [(pod.name, pod.ordinal) for pod in found] == [
        ("db-01", -1),
        ("db-x", -1),
        ("other-1", -1),
        ("db-2", 2),
        ("db-10", 10),
    ]


def test_a_pods_condition_phase_and_label_are_read() -> None:
    ready, not_ready, leaving = (
        item("db-0", labels={"galera.role": "primary"}, phase="Running", conditions=READY),
        item(
            "db-1",
            labels={"galera.role": "excluded"},
            phase="Pending",
            conditions=[{"type": "Ready", "status": "False"}],
        ),
        item("db-2", phase="Running", conditions=READY),
    )
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    found = read_pods(pods(ready, not_ready, leaving), "db")
    assert found is not None
    assert [(p.ready, p.running, p.labelled, p.excluded, p.terminating) for p in found] == [
        (True, True, True, False, False),
        (False, False, False, True, False),
        (True, True, False, False, True),
    ]


def test_a_list_without_pods_is_one_and_anything_else_is_none() -> None:
    assert read_pods(pods(), "db") == ()
    assert read_pods({"kind": "PodList", "items": None}, "db") == ()
    assert read_pods({"kind": "Status"}, "db") is None
    assert read_pods([], "db") is None


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        (
            {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["x", "y"]}]},
            "a=1,k in (x,y)",
        ),
        ({"matchExpressions": [{"key": "k", "operator": "NotIn", "values": ["x"]}]}, "k notin (x)"),
        ({"matchExpressions": [{"key": "k", "operator": "Exists"}, {"key": "g", "operator": "DoesNotExist"}]}, "k,!g"),
    ],
)
def test_a_selector_becomes_the_query_of_a_list(selector: dict[str, Any], text: str) -> None:
    assert read_workload({"spec": {"replicas": 5, "selector": selector}}) == Workload(5, text)


def test_a_statefulset_that_names_no_number_has_one_pod_and_one_that_selects_nothing_is_none() -> None:
    assert read_workload({"spec": {"selector": {"matchLabels": {"a": "1"}}}}) == Workload(1, "a=1")
    assert read_workload({"spec": {"replicas": 3, "selector": {}}}) is None
    assert read_workload({"spec": {"replicas": "3", "selector": {"matchLabels": {"a": "1"}}}}) is None


NAMES = (
    *("kind", "items", "metadata", "status", "spec", "name", "uid", "resourceVersion", "labels", "conditions", "type"),
    *("selector", "matchLabels", "matchExpressions", "key", "operator", "values", "replicas"),
)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)


@given(json)
def test_any_answer_is_read_without_a_failure(found: Any) -> None:
    read_workload(found)
    read_pods(found, "db")
    read_pods({"kind": "PodList", "items": [found]}, "db")
