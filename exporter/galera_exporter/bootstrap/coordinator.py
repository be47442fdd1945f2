"""Carries the protocol out for one node: reads, decides by the pure core, writes, and hands decisions to the wrapper.

Each step asks the pure core once and does at most one thing; what failed, or whose outcome
is not known, is looked at again by the next step: etcd and the local state say what became of it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from galera_exporter.bootstrap import transactions as txn
from galera_exporter.bootstrap.handoff import Handoff, Wrapper, WrapperPhase
from galera_exporter.bootstrap.journal import Journal
from galera_exporter.bootstrap.lineage import newest_confirmed
from galera_exporter.bootstrap.local import LocalState, Request, confirmed, joined, report_of, started, synced, tainted
from galera_exporter.bootstrap.peers import Peers
from galera_exporter.bootstrap.protocol import decide, registers, supervise
from galera_exporter.bootstrap.reading import BootstrapReading, NodePhase
from galera_exporter.bootstrap.state import (
    Activity,
    Adopt,
    Confirm,
    Elect,
    Held,
    Join,
    Keep,
    LastKnown,
    Peer,
    Phase,
    Reason,
    Relabel,
    Report,
    Resign,
    RunDecision,
    Running,
    Snapshot,
    Start,
    Stop,
    Timers,
    Wait,
)
from galera_exporter.bootstrap.statefile import StateFile
from galera_exporter.bootstrap.store import operations, snapshot_of
from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.model import DatabaseReading, NodeRecord, NodeSample, NodeState, Position
from galera_exporter.node import Node
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import Operation, Range, put
from galera_exporter.registry.lease import Lease
from galera_exporter.registry.records import encode, nodes_key

_PROBE = 1.0
"""Seconds that a step waits for the other sidecars."""
_STRANDED = 10.0
"""Seconds that Galera may be closed while a server starts or changes its view."""


@dataclass(slots=True)
class _Boot:
    """One start of the database, from its decision on. Rebuilt without its past when the sidecar starts later."""

    boot_id: str
    decided: float
    before: Position | None
    """As Running.before; None: not known, the present position stands for it."""
    was_primary: bool
    report: Report
    beat: int = 0
    extended: float = float("-inf")
    stopping: bool = False
    closed: float | None = None
    """Since when Galera has no connection."""
    incarnation: str = ""


class Coordinator:
    """The bootstrap part of one sidecar. ``step`` and its like belong to the heartbeat's thread."""

    def __init__(
        self,
        node: Node,
        etcd: Etcd,
        lease: Lease,
        handoff: Handoff,
        states: StateFile,
        peers: Peers,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = node.config
        self._node = node
        self._etcd = etcd
        self._lease = lease
        self._handoff = handoff
        self._states = states
        self._peers = peers
        self._clock = clock
        self._journal = Journal(clock=clock)
        self._state = LocalState()
        self._fault = ""
        try:
            self._state = states.load()
        except (OSError, ValueError) as error:
            self._fault = str(error)
        self._boot: _Boot | None = None
        self._handed = ""
        self._snapshot: Snapshot | None = None
        self._found: Range | None = None
        self._running: Running | None = None
        self._record: NodeRecord | None = None
        self._renewed = float("-inf")
        self._absent: tuple[int, float] | None = None
        self._without_primary: float | None = None
        self._final = ""

    # What others call ---------------------------------------------------------------------------

    def reading(self) -> BootstrapReading:
        """Return where this node stands, for pages. From any thread."""
        return self._journal.reading()

    def peer(self, timeout: float) -> Peer:
        """Return what this node says to the others. From any thread."""
        sample = self._node.database(timeout).sample
        state = self._state
        return Peer(
            node=self._config.node,
            primary=sample is not None and sample.primary,
            confirmed=state.confirmed and not state.tainted,
            epoch=state.epoch,
            history=state.history,
        )

    def step(self, found: Range | None) -> bool:
        """Do what is to be done now; ``found`` is a read of the registry, None where etcd does not answer."""
        try:
            wrote = self._step(found)
        except RegistryError as error:
            self._journal.failed(f"etcd ({error.reason}): {error}")
            return True  # it may have been written: read again
        except OSError as error:
            self._journal.failed(f"cannot be carried out: {error}")
            return False
        self._journal.fine()
        return wrote

    def dress(self, record: NodeRecord) -> NodeRecord:
        """Return the record with the label of the data."""
        return replace(record, epoch=self._state.epoch, confirmed=self._state.confirmed)

    def beside(self, record: NodeRecord, lease: int) -> Sequence[Operation]:
        """Return what is written with the record: membership, and the position of the beat before, which is on disk."""
        snapshot, running = self._snapshot, self._running
        if snapshot is None or running is None or self._found is None:
            self._record = None
            return []
        prefix = self._config.etcd.prefix
        _, writes = operations(prefix, txn.Transaction((), txn.beat(running, snapshot)), lease, self._found)
        durable, self._record = self._record, record if registers(running, snapshot) else None
        if durable is not None and self._record is not None and durable.epoch == record.epoch:
            writes.append(put(nodes_key(prefix, record.node), encode(durable)))
        return writes

    def leave(self, found: Range | None) -> None:
        """Say that the database ended cleanly, if it did, before the sidecar ends."""
        self.step(found)

    # One step -----------------------------------------------------------------------------------

    def _step(self, found: Range | None) -> bool:
        self._found = found
        self._snapshot = snapshot = None if found is None else snapshot_of(self._config.etcd.prefix, found)
        self._watch_elected(snapshot)
        self._running = None
        wrapper = self._handoff.wrapper()
        if wrapper.phase is WrapperPhase.WAITING:
            request = self._handoff.request()
            if request is None or request.boot_id != wrapper.boot_id or self._decided(wrapper.boot_id):
                return self._between(wrapper, snapshot)
            return self._gate(request, snapshot)
        reading = self._node.database(self._limit)
        if reading.sample is not None and not self._stale(reading):
            return self._run(reading.sample, wrapper, snapshot)
        return self._between(wrapper, snapshot)

    @property
    def _limit(self) -> float:
        return min(self._config.mariadb.timeout, self._config.etcd.ttl / 5)

    def _stale(self, reading: DatabaseReading) -> bool:
        """Whether a reading is of the run before: the sampler shares readings that are up to a second old."""
        return self._boot is not None and reading.taken < self._boot.decided

    # In the gate --------------------------------------------------------------------------------

    def _gate(self, request: Request, snapshot: Snapshot | None) -> bool:
        config = self._config
        me = report_of(self._state, request, config.node, config.owner, config.expected)
        self._without_primary = None
        if self._fault:
            broken = Wait(Reason.UNREADABLE_RECORD, (config.node,), self._fault)
            self._journal.stands(NodePhase.GATE, 0, request.position, request.boot_id, broken)
            return False
        decision = decide(me, snapshot, self._peers.probe(_PROBE), self._timers)
        wait = decision if isinstance(decision, Wait) else None
        self._journal.stands(NodePhase.GATE, self._state.epoch, request.position, request.boot_id, wait)
        if isinstance(decision, Join | Start):
            return self._let_out(decision, me, snapshot)
        if snapshot is None:
            return False
        if isinstance(decision, Elect):
            done = self._write(txn.elect(decision, snapshot, str(uuid.uuid4())))
        elif isinstance(decision, Resign) and snapshot.bootstrap is not None:
            done = self._write(txn.resign(snapshot.bootstrap, snapshot))
        else:
            return self._publish(me, snapshot)
        if done:
            self._journal.carried_out(decision)
        return True

    def _publish(self, report: Report, snapshot: Snapshot) -> bool:
        """Have the own report in etcd, under a lease that lives. Never over another owner's."""
        if snapshot.owners.get(report.node) not in {None, report.owner}:
            return False
        self._renew()
        if snapshot.reports.get(report.node) == report:
            return False
        self._write(txn.publish(report, snapshot))
        return True

    def _let_out(self, decision: Join | Start, me: Report, snapshot: Snapshot | None) -> bool:
        """Label the data on disk, bind the decision in etcd, and only then hand it out."""
        state = joined(self._state, decision, me) if isinstance(decision, Join) else started(self._state, decision)
        self._store(state)
        if snapshot is not None and not self._write(txn.begin(decision, me, snapshot)):
            return True
        whole = me.held is Held.DATA and not (isinstance(decision, Join) and decision.fresh)
        position = me.position if whole else Position()
        self._boot = _Boot(
            me.boot_id, self._clock(), position, was_primary=False, report=replace(me, activity=Activity.STARTING)
        )
        fields: dict[str, object] = {
            "action": "join" if isinstance(decision, Join) else "bootstrap",
            "epoch": state.epoch,
            "position": position if position.defined else "",
            "initialize": int(isinstance(decision, Start) and decision.initialize),
            "fresh": int(isinstance(decision, Join) and decision.fresh),
        }
        if isinstance(decision, Start):
            fields["lease_seconds"] = self._config.bootstrap.lease
        self._handoff.decide(me.boot_id, fields)
        self._handed = me.boot_id
        self._journal.carried_out(decision)
        return True

    # While the database answers -----------------------------------------------------------------

    def _run(self, sample: NodeSample, wrapper: Wrapper, snapshot: Snapshot | None) -> bool:
        boot = self._boot_of(wrapper)
        boot.was_primary = boot.was_primary or sample.primary
        boot.incarnation = sample.member_uuid or boot.incarnation
        running = self._running = self._describe(sample, boot, snapshot)
        decision = supervise(running, snapshot)
        wrote = self._carry_out(decision, running, boot, snapshot)
        if self._whole_again(decision, running, boot, snapshot):
            self._store(synced(self._state))
        if isinstance(decision, Stop):
            return wrote
        if not sample.primary and boot.was_primary:
            return self._lonely(running, boot, snapshot) or wrote
        self._without_primary = None
        unconfirmed = not running.confirmed
        if snapshot is not None and (unconfirmed or not sample.primary):
            wrote = self._publish(boot.report, snapshot) or wrote
            self._extend(boot)
        phase = (
            NodePhase.BOOTSTRAPPING if unconfirmed else NodePhase.CONFIRMED if sample.primary else NodePhase.STARTING
        )
        self._journal.stands(phase, self._state.epoch, sample.position, boot.boot_id)
        return wrote

    def _describe(self, sample: NodeSample, boot: _Boot, snapshot: Snapshot | None) -> Running:
        newest = 0 if snapshot is None else newest_confirmed(snapshot.history)
        own = not sample.primary or newest <= self._state.epoch
        if sample.position.defined and (own or boot.before is None):
            boot.before = sample.position
        return Running(
            node=self._config.node,
            epoch=self._state.epoch,
            confirmed=self._state.confirmed or self._state.epoch == 0,
            primary=sample.primary,
            synced=sample.primary and sample.state is NodeState.SYNCED,
            position=sample.position,
            component=(sample.cluster_uuid, sample.conf_id),
            before=boot.before or Position(),
            inconsistent=sample.state is NodeState.INCONSISTENT,
            stranded=self._stranded(sample, boot),
            history=self._state.history,
        )

    def _stranded(self, sample: NodeSample, boot: _Boot) -> bool:
        if sample.connected or not boot.boot_id:
            boot.closed = None
            return False
        boot.closed = self._clock() if boot.closed is None else boot.closed
        return self._clock() - boot.closed >= _STRANDED

    def _carry_out(self, decision: RunDecision, running: Running, boot: _Boot, snapshot: Snapshot | None) -> bool:
        match decision:
            case Stop():
                self._stop(decision, boot)
            case Confirm() if snapshot is not None:
                done = self._write(txn.confirm(decision, snapshot, running.position.uuid, running.component))
                if done:
                    epoch = replace(decision.epoch, uuid=running.position.uuid, confirmed=True)
                    self._confirmed(confirmed(self._state, epoch), boot, decision)
                return True
            case Adopt() if snapshot is not None:
                if self._write(txn.adopt(decision, snapshot, self._state, str(uuid.uuid4()))):
                    self._confirmed(confirmed(self._state, decision.epoch), boot, decision)
                return True
            case Relabel() if snapshot is not None:
                self._confirmed(confirmed(self._state, snapshot.history[decision.epoch]), boot, decision)
        return False

    def _confirmed(self, state: LocalState, boot: _Boot, decision: RunDecision) -> None:
        self._store(state)
        if boot.boot_id:
            self._handoff.lease(boot.boot_id, boot.beat, confirmed=True)
        self._journal.carried_out(decision)

    def _stop(self, decision: Stop, boot: _Boot) -> None:
        if decision.taint:
            self._store(tainted(self._state))
        if boot.stopping or not boot.boot_id:
            return
        boot.stopping = True
        self._handoff.stop(boot.boot_id, decision.text)
        self._journal.carried_out(decision)

    def _whole_again(self, decision: RunDecision, running: Running, boot: _Boot, snapshot: Snapshot | None) -> bool:
        return (
            self._state.tainted
            and isinstance(decision, Keep)
            and running.synced
            and not boot.stopping
            and snapshot is not None
            and self._state.epoch == newest_confirmed(snapshot.history)
        )

    def _lonely(self, running: Running, boot: _Boot, snapshot: Snapshot | None) -> bool:
        """It was Primary and is not: after a while it offers itself for an election."""
        now = self._clock()
        self._without_primary = now if self._without_primary is None else self._without_primary
        if snapshot is None or now - self._without_primary < self._config.bootstrap.survivor:
            self._journal.stands(NodePhase.NON_PRIMARY, running.epoch, running.position, boot.boot_id)
            return False
        report = Report(
            node=running.node,
            owner=self._config.owner,
            boot_id=boot.boot_id,
            activity=Activity.SURVIVOR,
            held=Held.DATA,
            position=running.position,
            epoch=running.epoch,
            tainted=self._state.tainted,
            incarnation=boot.incarnation,
            expected=self._config.expected,
            history=self._state.history,
        )
        decision = decide(report, snapshot, self._peers.probe(_PROBE), self._timers)
        wait = decision if isinstance(decision, Wait) else None
        self._journal.stands(NodePhase.SURVIVOR, running.epoch, running.position, boot.boot_id, wait)
        if isinstance(decision, Stop):
            self._stop(decision, boot)
            return False
        return self._publish(report, snapshot)

    # Between the gate and the first answer, and after the end ---------------------------------------

    def _between(self, wrapper: Wrapper, snapshot: Snapshot | None) -> bool:
        if wrapper.phase in {WrapperPhase.NONE, WrapperPhase.PREPARING, WrapperPhase.RECOVERING}:
            self._journal.stands(NodePhase.IDLE, self._state.epoch, Position(), wrapper.boot_id)
            return False
        boot = self._boot_of(wrapper)
        if wrapper.phase in {WrapperPhase.INITIALIZING, WrapperPhase.STARTING, WrapperPhase.WAITING}:
            phase = NodePhase.STARTING if self._state.confirmed else NodePhase.BOOTSTRAPPING
            self._journal.stands(phase, self._state.epoch, boot.before or Position(), boot.boot_id)
            if snapshot is None:
                return False
            wrote = self._publish(boot.report, snapshot)
            self._extend(boot)
            return wrote
        self._journal.stands(NodePhase.IDLE, self._state.epoch, Position(), wrapper.boot_id)
        return wrapper.phase is WrapperPhase.EXITED and self._ended(wrapper, boot, snapshot)

    def _ended(self, wrapper: Wrapper, boot: _Boot, snapshot: Snapshot | None) -> bool:
        """Say that the run ended cleanly, and where."""
        state = self._state
        clean = wrapper.exit == 0 and state.confirmed and not state.tainted and boot.incarnation
        if not clean or snapshot is None or self._final == boot.boot_id:
            return False
        facts = self._node.datadir(1.0, max_age=0.0)
        position = None if facts is None or facts.sst_in_progress else facts.grastate
        if position is None or not position.defined:
            return False
        known = LastKnown(self._config.node, position, state.epoch, boot.incarnation)
        if self._write(txn.final(known, snapshot)):
            self._final = boot.boot_id
        return True

    def _decided(self, boot_id: str) -> bool:
        """Whether this start has its decision, taken by the wrapper or not; the sidecar may have restarted since."""
        return self._handed == boot_id or self._handoff.decided(boot_id)

    # Small things -------------------------------------------------------------------------------

    @property
    def _timers(self) -> Timers:
        limit = self._config.bootstrap.takeover
        return Timers(takeover=self._absent is not None and self._clock() - self._absent[1] >= limit)

    def _watch_elected(self, snapshot: Snapshot | None) -> None:
        """Note since when the elected node has shown no key; what was not seen does not count."""
        bootstrap = None if snapshot is None else snapshot.bootstrap
        elected = bootstrap is not None and bootstrap.phase is Phase.ELECTED
        if snapshot is None or bootstrap is None or not elected or bootstrap.epoch.node in snapshot.owners:
            self._absent = None
        elif self._absent is None or self._absent[0] != bootstrap.epoch.number:
            self._absent = bootstrap.epoch.number, self._clock()

    def _boot_of(self, wrapper: Wrapper) -> _Boot:
        """Return what is known of the present start; after a restart of the sidecar that is little."""
        if self._boot is None or self._boot.boot_id != wrapper.boot_id:
            config, state = self._config, self._state
            report = Report(
                node=config.node,
                owner=config.owner,
                boot_id=wrapper.boot_id,
                activity=Activity.STARTING,
                held=Held.DATA,
                epoch=state.epoch,
                tainted=state.tainted,
                expected=config.expected,
                history=state.history,
            )
            self._boot = _Boot(wrapper.boot_id, float("-inf"), None, was_primary=True, report=report)
        return self._boot

    def _extend(self, boot: _Boot) -> None:
        """Tell the wrapper that the lease of an unconfirmed bootstrap holds; only after it was renewed."""
        if not self._state.confirmed and boot.boot_id and self._renewed > boot.extended:
            boot.beat += 1
            self._handoff.lease(boot.boot_id, boot.beat, confirmed=False)
            boot.extended = self._renewed

    def _renew(self) -> None:
        """Keep the lease alive three times in its life; not while a key says that a database lives which does not."""
        if self._clock() - self._renewed >= self._config.etcd.ttl / 3:
            self._lease.kept()
            self._renewed = self._clock()

    def _write(self, transaction: txn.Transaction) -> bool:
        """Do a transaction; return whether its guards held."""
        if self._found is None:
            return False
        lease = 0
        if any(isinstance(change, txn.Put) and change.leased for change in transaction.changes):
            lease = self._lease.kept()
            self._renewed = self._clock()
        compares, changes = operations(self._config.etcd.prefix, transaction, lease, self._found)
        try:
            return self._etcd.transaction(compares, changes).succeeded
        except RegistryError as error:
            if error.reason is RegistryReason.LEASE_EXPIRED:
                self._lease.forget()
            raise

    def _store(self, state: LocalState) -> None:
        if state != self._state:
            self._states.store(state)
            self._state = state
