"""The tour: a node dies and comes back, one is desynced, one brakes the others, and the power fails."""

from __future__ import annotations

import threading
from contextlib import closing, suppress

import pymysql

from demo.outage import outage
from demo.stage import Stage, title
from demo.story import Expect, Story
from lab import GaleraNode

TTL = 10
DETECTION = TTL + 10
"""Seconds: the TTL, a heartbeat, a poll of the registry, and a slow machine."""


def tour(stage: Stage) -> Story:
    """Play all steps; raises StoryError at the first expectation that fails."""
    story = Story(stage.screen, stage.inbox)
    _healthy(stage, story)
    _crash(stage, story)
    _return(stage, story)
    _desync(stage, story)
    _flow_control(stage, story)
    outage(stage, story)
    return story


def _healthy(stage: Stage, story: Story) -> None:
    story.step("Healthy: three nodes, one Primary component")
    for sidecar in stage.trio.sidecars:
        story.see(
            Expect(sidecar, "galera_up", "==", 1),
            Expect(sidecar, "wsrep_cluster_size", "==", 3),
            Expect(sidecar, "wsrep_cluster_status", "==", 1, {"status": "Primary"}),
            Expect(sidecar, "wsrep_local_state", "==", 4),
            Expect(sidecar, "galera_registry_up", "==", 1),
            within=20,
        )
    for node in stage.trio.galera.nodes:
        story.see(
            Expect(stage.trio.sidecars[0], "galera_etcd_key_age_seconds", "<", TTL, {"node": node.name}),
            within=20,
        )


def _crash(stage: Stage, story: Story) -> None:
    survivor, _, own = stage.trio.sidecars
    node = own.node
    gone = {"node": node.name}
    story.step(f"kill -9 of {node.name}; its sidecar goes on")
    node.kill()
    story.see(
        Expect(own, "galera_up", "==", 0),
        Expect(own, "galera_up_reason", "==", 1, {"reason": "refused"}),
        Expect(survivor, "galera_etcd_key_age_seconds", ">", TTL / 2, gone),
        Expect(survivor, "wsrep_cluster_size", "==", 2),
        Expect(survivor, "galera_registry_node_in_view", "==", 0, gone),
        Expect(survivor, "galera_etcd_key_present", "==", 0, gone),
        Expect(survivor, "galera_etcd_key_age_seconds", ">", TTL, gone),
        Expect(survivor, "galera_registry_key_expirations_total", ">=", 1, gone),
        Expect(own, "galera_etcd_key_age_seconds", ">", TTL, gone),
        within=DETECTION,
    )
    story.hear(title("FIRING warning: GaleraNodeDown", node.name), DETECTION + 15)
    stage.galeractl("status")


def _return(stage: Stage, story: Story) -> None:
    survivor, _, own = stage.trio.sidecars
    node = own.node
    back = {"node": node.name}
    survivor.node.sql("CREATE DATABASE demo")
    story.step(f"{node.name} comes back and catches up by IST")
    length = node.log.stat().st_size
    node.start()
    story.see(
        Expect(own, "galera_up", "==", 1),
        Expect(own, "wsrep_local_state", "==", 4),
        Expect(survivor, "wsrep_cluster_size", "==", 3),
        Expect(survivor, "galera_etcd_key_present", "==", 1, back),
        Expect(survivor, "galera_etcd_key_age_seconds", "<", TTL, back),
        Expect(survivor, "galera_registry_node_in_view", "==", 1, back),
        within=60,
    )
    story.find(f"{node.name}: mariadbd's log says IST", lambda: _logged(node, length, "IST received"), 60)
    story.hear(title("RESOLVED warning: GaleraNodeDown", node.name), 60)


def _desync(stage: Stage, story: Story) -> None:
    observer, own, _ = stage.trio.sidecars
    name = own.name
    story.step(f"{name} is desynced by hand (SET GLOBAL wsrep_desync = ON)")
    own.node.sql("SET GLOBAL wsrep_desync = ON")
    story.see(
        Expect(own, "wsrep_local_state_comment", "==", 1, {"state": "donor_desynced"}),
        Expect(own, "wsrep_local_state", "==", 2),
        Expect(own, "wsrep_desync_count", "==", 1),
        Expect(observer, "galera_registry_node_state", "==", 1, {"node": name, "state": "donor_desynced"}),
        within=20,
    )
    story.step(f"{name} is in sync again")
    own.node.sql("SET GLOBAL wsrep_desync = OFF")
    story.see(
        Expect(own, "wsrep_local_state_comment", "==", 1, {"state": "synced"}),
        Expect(own, "wsrep_desync_count", "==", 0),
        Expect(observer, "galera_registry_node_state", "==", 1, {"node": name, "state": "synced"}),
        within=20,
    )


def _flow_control(stage: Stage, story: Story) -> None:
    """A table lock holds up the applier; FLUSH TABLES WITH READ LOCK would not do: it desyncs the node."""
    writer, slow, _ = stage.trio.sidecars
    writer.node.sql("CREATE TABLE demo.t (id INT AUTO_INCREMENT PRIMARY KEY, x TEXT)")
    slow.node.sql("SET GLOBAL wsrep_provider_options = 'gcs.fc_limit=4'")
    before = writer.metrics().value("wsrep_flow_control_paused_seconds_total") or 0.0
    story.step(f"Flow control: {slow.name} holds a lock, {writer.name} writes and has to wait")
    ended = threading.Event()
    threads = [threading.Thread(target=_write, args=(writer.node, ended), daemon=True) for _ in range(3)]
    with closing(slow.node.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLES demo.t READ")
        for thread in threads:
            thread.start()
        try:
            story.see(
                Expect(slow, "wsrep_flow_control_requested", "==", 1),
                Expect(writer, "wsrep_flow_control_active", "==", 1),
                Expect(slow, "wsrep_local_recv_queue", ">", 4),
                Expect(writer, "wsrep_flow_control_paused_seconds_total", ">", before + 2),
                within=30,
            )
        finally:
            ended.set()
            with suppress(pymysql.MySQLError):
                cursor.execute("UNLOCK TABLES")
    story.step("The lock is gone: the writers go on")
    story.see(
        Expect(writer, "wsrep_flow_control_active", "==", 0),
        Expect(slow, "wsrep_flow_control_requested", "==", 0),
        Expect(slow, "wsrep_local_recv_queue", "==", 0),
        within=30,
    )
    for thread in threads:
        thread.join(10)


def _write(node: GaleraNode, ended: threading.Event) -> None:
    with suppress(OSError, pymysql.MySQLError), closing(node.connect()) as connection, connection.cursor() as cursor:
        while not ended.is_set():
            cursor.execute("INSERT INTO demo.t (x) VALUES (REPEAT('x', 500))")


def _logged(node: GaleraNode, offset: int, words: str) -> bool:
    with node.log.open("rb") as log:
        log.seek(offset)
        return words in log.read().decode(errors="replace")
