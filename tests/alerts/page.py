"""A node's page of /metrics: what the exporter's own code makes of the model, name for name and label for label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from alerts.model import Database, Node, uuid_of
from galera_exporter.bootstrap.reading import BootstrapReading, NodePhase
from galera_exporter.errors import DatabaseReason
from galera_exporter.mariadb.status import parse_status, parse_variables
from galera_exporter.metrics import families
from galera_exporter.metrics.catalog import CATALOG
from galera_exporter.metrics.families import Row
from galera_exporter.model import (
    CollectorRun,
    DatabaseReading,
    DatadirFacts,
    EvsState,
    Member,
    NodeSample,
    NodeState,
    NodeVariables,
    Position,
    RegistryReading,
)

CORPUS = Path(__file__).parents[1] / "corpus"
GRACE = 30
"""Seconds without a Primary component after which a node is a survivor."""
LOCAL_STATE = {
    NodeState.JOINING: ("1", "Joining"),
    NodeState.RECEIVING: ("1", "Joining: receiving State Transfer"),
    NodeState.DONOR: ("2", "Donor/Desynced"),
    NodeState.JOINED: ("3", "Joined"),
    NodeState.SYNCED: ("4", "Synced"),
    NodeState.INCONSISTENT: ("5", "Inconsistent"),
}
UNDEFINED = str(2**64 - 1)


def _corpus(name: str) -> dict[str, str]:
    lines = (CORPUS / name).read_text().splitlines()
    return dict(line.split("\t", 1) for line in lines if "\t" in line)


STATUS = _corpus("status-mariadb-10.11-synced.good.tsv")
VARIABLES = _corpus("variables-mariadb-10.11-synced.good.tsv")


def status_of(node: Node) -> NodeSample:
    """Return what the server answers: a real server's answer, with what the model knows in it."""
    view = node.view
    state, comment = LOCAL_STATE.get(node.shown, ("0", "Initialized"))
    status = "Disconnected" if view is None else "Primary" if view.primary else "non-Primary"
    latency = f"{node.latency / 2}/{node.latency}/{node.latency * 2}/0/5" if node.latency else "0/0/0/0/0"
    known = {
        "wsrep_local_state_uuid": node.uuid,
        "wsrep_cluster_state_uuid": node.uuid if view is None else view.uuid,
        "wsrep_gcomm_uuid": uuid_of(node.name),
        "wsrep_cluster_status": status,
        "wsrep_cluster_size": str(0 if view is None else len(view.members)),
        "wsrep_cluster_conf_id": str(view.conf_id) if view is not None and view.primary else UNDEFINED,
        "wsrep_cluster_weight": str(view.votes if view is not None and view.primary else 0),
        "wsrep_connected": "OFF" if view is None else "ON",
        "wsrep_ready": "ON" if node.ready else "OFF",
        "wsrep_local_state": state,
        "wsrep_local_state_comment": comment,
        "wsrep_evs_state": EvsState.CLOSED if view is None else EvsState.OPERATIONAL,
        "wsrep_last_committed": str(node.seqno),
        "wsrep_local_cached_downto": str(node.cached_downto),
        "wsrep_local_recv_queue": str(round(node.queue)),
        "wsrep_evs_repl_latency": latency,
        "wsrep_desync_count": str(int(node.desynced) + int(node.donor)),
        **{name: str(int(STATUS[name]) + round(value)) for name, value in node.counts.items()},
        **node.says,
    }
    return parse_status({**STATUS, **known}.items())


def variables_of(node: Node) -> NodeVariables:
    """Return the server's variables; provider options have a dot in their name."""
    plain = {name: value for name, value in node.options.items() if "." not in name}
    provider = {name: value for name, value in node.options.items() if "." in name} | {"pc.weight": str(node.weight)}
    options = "; ".join(
        f"{name} = {provider.pop(name, value)}"
        for name, _, value in (
            part.partition(" = ") for part in VARIABLES["wsrep_provider_options"].split("; ") if part
        )
    )
    added = "".join(f"; {name} = {value}" for name, value in provider.items())
    found = {**VARIABLES, "wsrep_provider_options": options + added, "wsrep_desync": "ON" if node.desynced else "OFF"}
    return parse_variables({**found, **plain, "wsrep_node_name": node.name}.items())


def members_of(node: Node) -> tuple[Member, ...] | None:
    """Return the view's members; the exporter asks for them only where the node is Primary and ready."""
    if node.view is None or not node.ready or "members" in node.failing:
        return None
    return tuple(Member(uuid_of(member.name), member.name, "") for member in node.view.members)


def reading_of(node: Node) -> DatabaseReading:
    """Return what the sampler brings home."""
    fine = node.speaks and "status" not in node.failing
    runs = {
        name: CollectorRun(success=name not in node.failing and (fine or name != "status"), seconds=0.01)
        for name in ("status", "variables", "members")
    }
    if not fine:
        reason = DatabaseReason.REFUSED if node.database is not Database.HUNG else DatabaseReason.TIMEOUT
        return DatabaseReading(0, DatabaseReason.AUTH if "status" in node.failing else reason, runs=runs)
    off = node.options.get("wsrep_on") == "OFF"
    return DatabaseReading(
        0,
        DatabaseReason.NOT_GALERA if off else DatabaseReason.OK,
        sample=status_of(node),
        variables=None if "variables" in node.failing else variables_of(node),
        members=members_of(node),
        runs=runs,
    )


def facts_of(node: Node) -> DatadirFacts:
    """Return what the files say."""
    return DatadirFacts(
        present=True,
        grastate=Position(node.uuid, node.stopped_at if node.database is Database.STOPPED else -1),
        safe_to_bootstrap=node.safe and node.database is Database.STOPPED,
        sst_in_progress=node.marker is not None,
        sst_start=node.marker,
        sst_received_bytes=1_000_000 if node.database is Database.TRANSFER else None,
        gcache_page_files=0,
        gcache_page_bytes=0,
        gra_log_files=0,
        gvwstate_present=node.primary,
    )


def phase_of(node: Node, now: float) -> NodePhase:
    """Return where the node stands in the bootstrap protocol."""
    if node.database in {Database.RUNNING, Database.HUNG}:
        if node.primary and node.state in {NodeState.SYNCED, NodeState.INCONSISTENT}:
            return NodePhase.CONFIRMED
        if node.primary:
            return NodePhase.STARTING
        return NodePhase.SURVIVOR if now - node.last_primary >= GRACE else NodePhase.NON_PRIMARY
    if node.database is Database.STOPPED:
        return NodePhase.IDLE if node.wait is None else NodePhase.GATE
    return NodePhase.STARTING


def bootstrap_of(node: Node, now: float) -> BootstrapReading:
    """Return the bootstrap part's word."""
    return BootstrapReading(
        phase=phase_of(node, now),
        since=0,
        epoch=node.epoch,
        position=Position(node.uuid, node.seqno),
        wait=node.wait,
        decisions=node.decisions,
    )


def rows(node: Node, registry: RegistryReading | None, now: float, *, bootstrap: bool = True) -> Iterator[Row]:
    """Yield the page, in the order of the exporter's own."""
    reading = reading_of(node)
    runs = dict(reading.runs)
    yield from families.database(reading)
    if reading.sample is not None:
        yield from families.status(reading.sample, queue_stats=False)
        if reading.sample.primary:
            node.largest = max(node.largest, reading.sample.cluster_size)
        if reading.variables is not None:
            yield from families.variables(reading.variables, reading.sample.cluster_size)
        if reading.members is not None:
            yield from families.members(reading.members)
    if node.expected or node.largest:
        yield families.one("galera_expected_cluster_size", node.expected or node.largest)
    runs["datadir"] = CollectorRun(success="datadir" not in node.failing, seconds=0.001)
    if "datadir" not in node.failing:
        yield from families.datadir(facts_of(node))
    if registry is not None:
        runs["registry"] = CollectorRun(success=True, seconds=0.001)
        yield from families.registry(registry)
    if bootstrap:
        runs["bootstrap"] = CollectorRun(success=True, seconds=0.001)
        yield from families.bootstrap(bootstrap_of(node, now))
    yield "galera_exporter_collector_success", tuple(((name,), float(run.success)) for name, run in runs.items())
    yield "galera_exporter_collector_duration_seconds", tuple(((name,), run.seconds) for name, run in runs.items())
    yield "galera_exporter_build_info", ((("0.1.0", "3.11.7"), 1.0),)


def samples(row: Row) -> Iterator[tuple[dict[str, str], float]]:
    """Yield the labels and the value of each sample of a row."""
    name, found = row
    names = CATALOG[name].labels
    for values, value in found:
        yield dict(zip(names, values, strict=True)), value
