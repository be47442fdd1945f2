"""On what the shipped rules say nothing, and that they ask only for what a real cluster has."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Final

import yaml

from alerts.runbook import commands
from alerts_live.stand import CLUSTER, Stand
from alerts_live.values import ALERTS, sources
from lab import wait_until
from lab.sidecar import environment

FROM_ELSEWHERE: Final = {
    "kube_pod_status_ready": "kube-state-metrics'",
    "kube_statefulset_created": "kube-state-metrics'",
    "kube_namespace_created": "kube-state-metrics'",
    "galera_observer_up": "the observer's, which is a Deployment of its own",
    "galera_observer_primary": "the observer's",
    "galera_kube_pod_ready": "the observer's, from the API of Kubernetes",
    "galera_kube_replicas": "the observer's, from the API of Kubernetes",
}
NOT_NOW: Final = {
    "etcd_network_peer_sent_failures_total": "etcd has it from the first failure on",
    "wsrep_evs_repl_latency_seconds": "absent on a node that sent nothing to the group in the last seconds",
}
GALERACTL: Final = (sys.executable, "-W", "error", "-m", "galera_exporter.galeractl")
_LABELS: Final = re.compile(r"\b(by|on|group_left) \([^)]*\)")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR: Final = re.compile(r"\b((?:galera|wsrep|etcd|kube|up)\w*)(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')


def selectors() -> set[tuple[str, str]]:
    """Return the name and the matchers of each series that the shipped rules ask for, but for recorded ones."""
    document = yaml.safe_load((ALERTS / "prometheus" / "galera.rules.yaml").read_text())
    found: set[tuple[str, str]] = set()
    for rule in (rule for group in document["groups"] for rule in group["rules"]):
        code = "\n".join(line for line in rule["expr"].splitlines() if not line.strip().startswith("#"))
        code = _LABELS.sub("", code)
        for match in _SELECTOR.finditer(code):
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


MISSING: Final = "No such file"
"""mariabackup's logs are there on a node that took or gave a full state transfer."""


def test_what_the_runbooks_have_people_look_at_can_be_looked_at(stand: Stand) -> None:
    node, etcd = stand.trio.galera.nodes[0], stand.trio.etcd
    looks = {(each.kind, each.text) for each in commands() if each.kind != "kubectl" and not each.has_side_effects}
    first = {_inner(source["command"]) for source in sources().values()}
    assert {kind for kind, _ in looks} == {"galeractl", "etcdctl", "mariadb", "mariadb-dump", "sql", "tail", "ls", "df"}
    flags = [f"--cluster-name={CLUSTER}", "--expected-size=3", f"--etcd.endpoints={','.join(etcd.endpoints)}"]
    for kind, text in sorted(looks | {("galeractl", text) for text in first if text.startswith("galeractl ")}):
        words = shlex.split(text)
        if kind == "sql":
            node.sql(text.replace("%", "%%"))
        elif kind == "etcdctl":
            assert etcd.ctl(*words[1:]) or "alarm" in text, text
        elif kind == "galeractl":
            done = _run([*GALERACTL, *words[1:], *flags], until="--watch" in words)
            assert done.returncode == 0, f"{text}: {done.stdout}{done.stderr}"
        elif kind in ("mariadb", "mariadb-dump"):
            program, *rest = words
            done = _run([program, f"--socket={node.socket}", *rest, *(["-e", "SELECT 1"] if kind == "mariadb" else [])])
            assert done.returncode == 0, f"{text}: {done.stderr}"
        else:
            done = _run([word.replace("/var/lib/mysql", str(node.datadir)) for word in words])
            assert done.returncode == 0 or (kind == "tail" and MISSING in done.stderr), f"{text}: {done.stderr}"


def _inner(command: str) -> str:
    """Return what a first command runs in the container; the whole, if it runs nothing there."""
    return command.partition(" -- ")[2] or command


def _run(words: Sequence[str], *, until: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; one that goes on for ever (``until``) until it has shown something, then Ctrl-C."""
    if until:
        # In the foreground: otherwise it sends the signal twice, to its child and to the group.
        words = ["timeout", "--foreground", "--preserve-status", "-s", "INT", "3", *words]
    return subprocess.run(
        words, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


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
            # Variables are read once a minute, which is nothing in the 30m of a stuck donor, and on a new connection.
            node.sql("KILL USER exporter")
            sidecar.until(lambda page: page.value("galera_config_desync") == 1, 70, "knows that it was by hand")
            wait_until(
                lambda: stand.prometheus.query("galera_config_desync == 1") and not stand.active(),
                20,
                "nothing is pending",
                stand.logs(),
            )
            end = time.monotonic() + 10
            while time.monotonic() < end:
                assert [each for each in stand.active() if each.firing] == []
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
