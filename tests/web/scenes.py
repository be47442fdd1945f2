"""Clusters as the pages and the verdict see them, in the states that matter. Values only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.bootstrap.reading import Action, BootstrapReading, NodePhase
from galera_exporter.bootstrap.state import Reason
from galera_exporter.errors import DatabaseReason, RegistryReason
from galera_exporter.model import (
    ZERO_UUID,
    ClusterStatus,
    ClusterView,
    DatabaseReading,
    DatadirFacts,
    Member,
    NodeRecord,
    NodeSample,
    NodeState,
    NodeVariables,
    NodeView,
    Position,
    PositionSource,
    RegistryReading,
)
from galera_exporter.web.pages import Glance
from samples import running_files

NOW = 1_790_000_000.0
UUID = "6f1d2c3e-8c5b-11f0-9d7a-2b6c5d4e3f2a"
OTHER_UUID = "a0b1c2d3-8c5b-11f0-9d7a-2b6c5d4e3f2a"
NAMES = ("galera-0", "galera-1", "galera-2")


def record(name: str, **changes: Any) -> NodeRecord:
    usual = NodeRecord(
        node=name,
        owner=f"pod-{name}",
        address=f"{name}.galera:3306",
        status=ClusterStatus.PRIMARY,
        state=NodeState.SYNCED,
        position=Position(UUID, 1_284_113),
        source=PositionSource.STATUS,
        conf_id=7,
        size=3,
        ready=True,
        member_uuid=f"{name}-uuid",
        members=NAMES,
        expected=3,
        ttl=10,
        version="0.1.0",
    )
    return replace(usual, **changes)


def view(name: str, *, age: float | None = 1.2, **changes: Any) -> NodeView:
    fields = {key: changes.pop(key) for key in ("present", "leased", "in_view") if key in changes}
    usual = NodeView(
        node=name,
        present=True,
        record=record(name, **changes),
        age=age,
        leased=True,
        expirations=0,
        in_view=True,
    )
    return replace(usual, **fields)


def gone(name: str, age: float = 52.0, **changes: Any) -> NodeView:
    return view(name, age=age, present=False, **{"in_view": False, **changes})


def registry(*nodes: NodeView, **changes: Any) -> RegistryReading:
    usual = RegistryReading(
        up=True,
        view=ClusterView(nodes=nodes, revision=48_213),
        last_success=NOW - 1,
        request_seconds=0.0013,
        registered=True,
        heartbeat_last_success=NOW - 2,
    )
    return replace(usual, **changes)


def unreadable(*nodes: NodeView) -> RegistryReading:
    return registry(
        *nodes,
        up=False,
        reason=RegistryReason.UNREACHABLE,
        detail="etcd-0:2379, etcd-1:2379, etcd-2:2379: connection refused",
        last_success=NOW - 184,
        heartbeat_last_success=NOW - 186,
        registered=False,
    )


def sample(**changes: Any) -> NodeSample:
    usual = NodeSample(
        raw={
            "wsrep_local_recv_queue": "3",
            "wsrep_local_recv_queue_avg": "0.137",
            "wsrep_local_send_queue": "0",
            "wsrep_local_send_queue_avg": "0.01",
            "wsrep_flow_control_paused_ns": "2310000000",
            "wsrep_flow_control_active": "false",
            "wsrep_incoming_addresses": "10.0.0.1:3306,10.0.0.2:3306,10.0.0.3:3306",
        },
        cluster_status=ClusterStatus.PRIMARY,
        state=NodeState.SYNCED,
        local_state=4,
        cluster_size=3,
        conf_id=7,
        local_index=0,
        connected=True,
        ready=True,
        cluster_uuid=UUID,
        local_uuid=UUID,
        last_committed=1_284_119,
        cached_downto=1_201_877,
        desync_count=0,
        member_uuid="galera-0-uuid",
    )
    return replace(usual, **changes)


def database(*, members: tuple[str, ...] = NAMES, **changes: Any) -> DatabaseReading:
    return DatabaseReading(
        taken=1000.0,
        reason=DatabaseReason.OK,
        sample=sample(**changes),
        variables=NodeVariables(
            settings={},
            provider={},
            node_name="galera-0",
            node_address="10.0.0.1",
            cluster_name="shop",
            version="10.11.19-MariaDB",
            sst_method="mariabackup",
            segment=0,
        ),
        members=tuple(Member(f"{name}-uuid", name, "10.0.0.1") for name in members),
    )


def silent(reason: DatabaseReason = DatabaseReason.REFUSED) -> DatabaseReading:
    return DatabaseReading(taken=1000.0, reason=reason, detail="127.0.0.1:3306: Connection refused")


def datadir(**changes: Any) -> DatadirFacts:
    return running_files(UUID, **changes)


MISSING = Wait(Reason.MISSING, ("galera-2",), "2 of 3 nodes report")


def bootstrap(phase: NodePhase = NodePhase.GATE, wait: Wait | None = MISSING, **changes: Any) -> BootstrapReading:
    usual = BootstrapReading(
        phase=phase,
        since=812.0,
        epoch=4,
        position=Position(UUID, 1_284_119),
        boot_id="0b8a6d9e-4b0e-4c57-8a35-6f1f3f1f8c5d",
        wait=wait,
        decisions={Action.JOIN: 2, Action.START: 1},
    )
    return replace(usual, **changes)


def glance(**changes: Any) -> Glance:
    usual = Glance(
        cluster="shop",
        node="galera-0",
        expected=3,
        now=NOW,
        monotonic=1000.4,
        version="0.1.0",
        database=database(),
        registry=registry(*(view(name) for name in NAMES)),
        datadir=datadir(),
    )
    return replace(usual, **changes)


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x00\u202e{{7*7}}"

SCENES: dict[str, Glance] = {
    "healthy": glance(
        registry=registry(
            view("galera-0", age=0.8),
            view("galera-1", age=2.4, state=NodeState.DONOR, position=Position(UUID, 1_284_071)),
            view("galera-2", age=1.6, position=Position(UUID, 1_284_110)),
        )
    ),
    "degraded": glance(
        database=database(members=NAMES[:2], cluster_size=2),
        registry=registry(
            view("galera-0", size=2, members=NAMES[:2]),
            view("galera-1", size=2, members=NAMES[:2], age=6.4),
            gone("galera-2", position=Position(UUID, 1_281_002)),
        ),
    ),
    "joining": glance(
        node="galera-2",
        database=silent(),
        registry=registry(
            view("galera-0", state=NodeState.DONOR),
            view("galera-1"),
            view(
                "galera-2",
                status=ClusterStatus.UNKNOWN,
                state=NodeState.RECEIVING,
                ready=False,
                position=Position(UUID, -1),
                source=PositionSource.GRASTATE,
                in_view=None,
            ),
        ),
        datadir=datadir(sst_in_progress=True, sst_start=NOW - 312, sst_received_bytes=7_312_000_000, gra_log_files=2),
    ),
    "down": glance(
        database=database(
            members=(),
            cluster_status=ClusterStatus.NON_PRIMARY,
            state=NodeState.INITIALIZED,
            cluster_size=1,
            ready=False,
        ),
        registry=registry(
            view("galera-0", status=ClusterStatus.NON_PRIMARY, state=NodeState.INITIALIZED, size=1, ready=False),
            gone("galera-1", age=73.0),
            gone("galera-2", age=71.5),
        ),
    ),
    "split": glance(
        database=database(members=NAMES[:1], cluster_size=1),
        registry=registry(
            view("galera-0", size=1, members=NAMES[:1]),
            view("galera-1", size=2, members=NAMES[1:], in_view=False),
            view("galera-2", size=2, members=NAMES[1:], in_view=False),
        ),
    ),
    "registry-down": glance(
        registry=unreadable(*(view(name, age=185.0 + index) for index, name in enumerate(NAMES))),
    ),
    "gate": glance(
        database=silent(),
        registry=replace(
            registry(),
            view=ClusterView(nodes=tuple(gone(name, age=200.0) for name in NAMES), reporting=NAMES[:2]),
        ),
        datadir=datadir(gvwstate_present=False),
        bootstrap=bootstrap(),
    ),
    "gate-passing": glance(
        database=silent(),
        registry=replace(registry(), view=ClusterView(reporting=NAMES)),
        datadir=None,
        bootstrap=bootstrap(wait=Wait(Reason.BOOTSTRAPPER_STARTING, ("galera-1",)), decisions={}),
    ),
    "confirmed": glance(bootstrap=bootstrap(NodePhase.CONFIRMED, None)),
    "alone": glance(registry=None, datadir=None, expected=0),
    "nothing": glance(database=None, registry=None, datadir=None, expected=0, cluster="default/galera"),
    "hostile": glance(
        cluster=HOSTILE,
        node=HOSTILE,
        version=HOSTILE,
        database=replace(silent(), detail=HOSTILE * 50),
        bootstrap=bootstrap(wait=Wait(Reason.ORDER_REFUSED, (HOSTILE, HOSTILE * 9), HOSTILE * 20)),
        registry=registry(
            view(HOSTILE, address=HOSTILE * 30, version=HOSTILE, position=Position(HOSTILE, 5), owner=HOSTILE),
            view("x" * 400, address="y" * 4000, position=Position(ZERO_UUID, -1), leased=False),
        ),
    ),
}
