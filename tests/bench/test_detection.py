"""From a kill to who is told of it: the pure parts, and one kill on a real cluster."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts_live.values import ALERTS
from bench.detection import ABSENT, KEY, SIZE, STORIES, Told, configuration, lose, short, story_rows, until_all
from galera_exporter.registry.etcd import Etcd
from galera_exporter.settings import EtcdSettings
from lab import LabTimeoutError, Trio


def test_each_sign_has_the_time_of_its_first_sight() -> None:
    looks: list[str] = []
    began = time.monotonic()
    at = {"early": 0.0, "late": 0.2}

    def sign(name: str) -> bool:
        looks.append(name)
        return time.monotonic() - began >= at[name]

    seen = until_all({"late": lambda: sign("late"), "early": lambda: sign("early")}, began, 5)
    assert [*seen] == ["late", "early"]
    assert 0 <= seen["early"] < 0.2 <= seen["late"] < 5
    assert looks.count("early") == 1, "what was seen is not looked for again"


def test_a_sign_that_does_not_come_ends_the_wait() -> None:
    with pytest.raises(LabTimeoutError, match="this one"):
        until_all({"this one": lambda: False}, time.monotonic(), 0.1)


def test_the_slowest_end_of_a_key_has_the_target() -> None:
    middle, slowest = short(KEY, [9.0, 13.5, 8.0])
    assert (middle.value, middle.target) == (9.0, None)
    assert (slowest.value, str(slowest.target), slowest.met) == (13.5, "<= 13", False)
    assert [row.target for row in short(SIZE, [6.0])] == [None, None]


def test_a_row_names_what_the_shipped_rule_and_the_route_wait_for() -> None:
    told, seen = story_rows("kill -9 of a pod", [Told("GaleraNodeDown", "warning", 380.0, 21.0)])
    assert told.name == "kill -9 of a pod until GaleraNodeDown is told (warning: for 5m, group_wait 60s)"
    assert (told.value, seen.value) == (380.0, 21.0)


def test_each_story_waits_for_alerts_that_are_shipped() -> None:
    for story in STORIES:
        for name, severity in story.told:
            assert severity in yaml.safe_load((ALERTS / f"{name}.yaml").read_text())["levels"]


def test_routes_waits_and_inhibitions_are_the_shipped_ones(tmp_path: Path) -> None:
    shipped: dict[str, Any] = yaml.safe_load((ALERTS / "alertmanager" / "alertmanager.yaml").read_text())
    made = configuration("http://127.0.0.1:1/")
    assert (made["route"], made["inhibit_rules"]) == (shipped["route"], shipped["inhibit_rules"])
    assert [each["name"] for each in made["receivers"] if "webhook_configs" in each] == ["page", "ticket"]
    file = tmp_path / "alertmanager.yaml"
    file.write_text(yaml.safe_dump(made))
    amtool = shutil.which("amtool")
    assert amtool is not None, "make setup installs it"
    subprocess.run([amtool, "check-config", file], check=True, capture_output=True, timeout=20)


def test_a_kill_is_seen_in_etcd_and_on_the_pages_of_both_others(cluster: Trio) -> None:
    etcd = Etcd(EtcdSettings(endpoints=cluster.etcd.endpoints, cluster="lab"))
    try:
        seen = lose(cluster, cluster.pods[1], etcd, "lab")
    finally:
        etcd.close()
    assert set(seen) == {KEY, ABSENT, SIZE}
    assert seen[KEY] > 3, "the lease was kept until the kill"
    assert seen[SIZE] > 1, "Galera waits for a sign of the node"
