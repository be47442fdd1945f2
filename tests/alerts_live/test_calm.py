"""On what the shipped rules say nothing, and that they ask only for what a real cluster has."""

from __future__ import annotations

import re
import time
from contextlib import closing
from typing import Final

import pytest
import yaml

from alerts_live.stand import Stand
from alerts_live.values import ALERTS
from lab import wait_until

FROM_ELSEWHERE: Final = {
    "galera_observer_up": "the observer's, which is a Deployment of its own",
    "galera_observer_primary": "the observer's",
    "galera_kube_pod_ready": "the observer's, from the API of Kubernetes",
    "galera_kube_replicas": "the observer's, from the API of Kubernetes",
}
NOT_NOW: Final = {
    "etcd_network_peer_sent_failures_total": "etcd has it from the first failure on",
    "wsrep_evs_repl_latency_seconds": "absent on a node that sent nothing to the group in the last seconds",
}
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR: Final = re.compile(r"\b((?:galera|wsrep|etcd|kube|up)\w*)(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')


def selectors() -> set[tuple[str, str]]:
    """Return the name and the matchers of each series that the shipped rules ask for, but for recorded ones."""
    document = yaml.safe_load((ALERTS / "prometheus" / "galera.rules.yaml").read_text())
    found: set[tuple[str, str]] = set()
    for rule in (rule for group in document["groups"] for rule in group["rules"]):
        code = "\n".join(line for line in rule["expr"].splitlines() if not line.strip().startswith("#"))
        for match in _SELECTOR.finditer(re.sub(r"\b(by|on|group_left) \([^)]*\)", "", code)):
            name, matchers = match[1], match[2] or ""
            if code[match.end(1) : match.end(1) + 1] != ":" and not _in_string(code, match.start()):
                found.add((name, matchers))
    return found


def _in_string(code: str, at: int) -> bool:
    return any(match.start() < at < match.end() for match in _STRING.finditer(code))


def test_every_series_and_label_that_a_rule_asks_for_is_on_a_real_page(stand: Stand) -> None:
    known = {name for name, _ in selectors()}
    assert {"galera_up", "wsrep_cluster_size", "etcd_server_has_leader", "up", *FROM_ELSEWHERE} <= known
    assert len(known) > 40
    for name in sorted(known - {*FROM_ELSEWHERE, *NOT_NOW}):
        rows = stand.prometheus.query(name)
        assert rows, f"{name}: no target has it"
        for labels in (matchers for other, matchers in selectors() if other == name):
            for label, operator, value in _MATCHER.findall(labels):
                assert any(label in row for row, _ in rows) or label == "component", f"{name}: no label {label}"
                if operator in ("=", "=~") and name not in ("up", "galera_node_info"):
                    assert {row.get(label) for row, _ in rows} & set(value.split("|")), f"{name}: no {label}={value}"


def test_an_idle_cluster_is_silent(stand: Stand) -> None:
    fault = stand.fault("idle")
    end = time.monotonic() + 16  # what is true for up to a quarter of an hour would fire
    while time.monotonic() < end:
        assert stand.active() == []
        time.sleep(0.5)
    fault.is_silent()


def test_a_backup_with_a_desynced_node_is_silent(stand: Stand) -> None:
    fault = stand.fault("a backup")
    node, sidecar = stand.trio.galera.nodes[1], stand.trio.sidecars[1]
    node.sql("SET GLOBAL wsrep_desync = ON")
    try:
        with closing(node.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("BACKUP STAGE START")
            cursor.execute("BACKUP STAGE FLUSH")
            shown = {"state": "donor_desynced"}
            sidecar.until(lambda page: page.value("wsrep_local_state_comment", **shown) == 1, 10, "is desynced")
            end = time.monotonic() + 16
            while time.monotonic() < end:
                assert stand.active() == []
                time.sleep(0.5)
            cursor.execute("BACKUP STAGE END")
    finally:
        node.sql("SET GLOBAL wsrep_desync = OFF")
    fault.is_silent()


def test_a_rolling_restart_of_all_three_is_silent(stand: Stand) -> None:
    fault = stand.fault("a rolling restart")
    for pod in reversed(stand.trio.pods):
        before = pod.node.process
        pod.delete()
        assert not pod.node.alive
        assert not pod.sidecar.alive
        pod.start()
        stand.trio.wait_healthy(60)
        assert pod.node.process is not before
    fault.is_silent()
