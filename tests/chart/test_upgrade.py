"""An upgrade from the chart as it was released: what cannot be changed in place is as it was."""

from __future__ import annotations

import json

import pytest

from chart import immutable
from chart.release import CASES, case, render

KEPT = json.loads(immutable.FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CASES)
def test_no_field_has_changed_that_kubernetes_does_not_let_change(name: str) -> None:
    """Write the file anew only for a new case: for one that is there it means that users must reinstall."""
    assert immutable.fields(case(name)) == KEPT[name]


def test_more_nodes_change_no_immutable_field() -> None:
    assert immutable.fields(render({"replicaCount": 5})) == KEPT["default"]


def test_features_that_are_switched_on_later_change_no_immutable_field() -> None:
    later = {
        "etcd": {"auth": {"enabled": True}},
        "tls": {"enabled": True, "existingSecret": "db-galera-cert"},
        "metrics": {"podMonitor": {"enabled": True}},
        "networkPolicy": {"enabled": True},
        "commonLabels": {"team": "dba"},
        "nameOverride": "",
    }
    found = immutable.fields(render(later))
    assert {name: part for name, part in found.items() if name in KEPT["default"]} == KEPT["default"]


def test_a_new_version_changes_no_immutable_field() -> None:
    before = json.dumps(KEPT["default"])
    assert "helm.sh/chart" not in before
    assert "app.kubernetes.io/version" not in before
