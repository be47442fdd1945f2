"""Carries the protocol out for one node: reads, decides by the pure core, writes, and hands decisions to the wrapper.

Each step asks the pure core once and does at most one thing; what failed, or whose outcome
is not known, is looked at again by the next step: etcd and the local state say what became of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from galera_exporter.bootstrap import transactions as txn
from galera_exporter.bootstrap.decisions import Stop
from galera_exporter.bootstrap.desk import Boot, Desk
from galera_exporter.bootstrap.gate import Gate
from galera_exporter.bootstrap.handoff import Wrapper, WrapperPhase
from galera_exporter.bootstrap.local import ended
from galera_exporter.bootstrap.membership import registers
from galera_exporter.bootstrap.reading import BootstrapReading, NodePhase
from galera_exporter.bootstrap.state import LastKnown, Peer, Running
from galera_exporter.bootstrap.store import operations
from galera_exporter.bootstrap.watch import Watch
from galera_exporter.errors import DatabaseReason, RegistryError
from galera_exporter.model import NodeRecord, Position
from galera_exporter.node import Node
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import Operation, Range, put
from galera_exporter.registry.lease import Lease
from galera_exporter.registry.records import encode, nodes_key

_DURABLE: Final = 2.5
"""Seconds after which a position is on disk for certain, also with innodb_flush_log_at_trx_commit 0 or 2."""
_STOPPED: Final = frozenset({WrapperPhase.PREPARING, WrapperPhase.RECOVERING, WrapperPhase.EXITED})


class Coordinator:
    """The bootstrap part of one sidecar: the heartbeat's companion, on its thread except where said."""

    def __init__(self, node: Node, etcd: Etcd, lease: Lease, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = node.config
        self._node = node
        self._desk = Desk(node.config, etcd, lease, clock=clock)
        self._gate = Gate(self._desk)
        self._watch = Watch(self._desk)
        self._running: Running | None = None
        self._record: tuple[NodeRecord, float] | None = None
        """What may be on disk soon, and when it was seen."""
        self._final = ""

    def reading(self) -> BootstrapReading:
        """Return where this node stands, for pages. From any thread."""
        return self._desk.journal.reading()

    def peer(self, timeout: float) -> Peer:
        """Return what this node says to the others. From any thread."""
        sample = self._node.database(timeout).sample
        state = self._desk.state
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
            self._desk.journal.failed(f"etcd ({error.reason}): {error}")
            return found is not None  # it may have been written: read again
        except OSError as error:
            self._desk.journal.failed(f"cannot be carried out: {error}")
            return False
        self._desk.journal.fine()
        return wrote

    def dress(self, record: NodeRecord) -> NodeRecord:
        """Return the record with the label of the data."""
        return replace(record, epoch=self._desk.state.epoch, confirmed=self._desk.state.confirmed)

    def beside(self, record: NodeRecord, lease: int) -> Sequence[Operation]:
        """Return what is written with the record: membership, and the position of the beat before, which is on disk."""
        desk, running = self._desk, self._running
        if desk.snapshot is None or desk.found is None or running is None:
            self._record = None
            return []
        prefix = self._config.etcd.prefix
        _, writes = operations(prefix, txn.Transaction((), txn.beat(running, desk.snapshot)), lease, desk.found)
        if not registers(running, desk.snapshot):
            self._record = None
            return writes
        durable, now = self._record, desk.clock()
        if durable is not None and now - durable[1] < _DURABLE:
            return writes
        self._record = record, now
        if durable is not None and (durable[0].epoch, durable[0].member_uuid) == (record.epoch, record.member_uuid):
            writes.append(put(nodes_key(prefix, record.node), encode(durable[0])))
        elif record.node not in desk.snapshot.nodes:
            writes.append(put(nodes_key(prefix, record.node), encode(replace(record, position=Position()))))
        return writes

    def leave(self, found: Range | None) -> bool:
        """Say that the database ended cleanly, if it did, before the sidecar ends; return whether it is stopped."""
        desk = self._desk
        try:
            desk.observe(found)
            wrapper = desk.handoff.wrapper()
            if wrapper.phase is WrapperPhase.EXITED:
                self._ended(wrapper, desk.boot(wrapper.boot_id))
            waits = wrapper.phase is WrapperPhase.WAITING and not self._gate.decided(wrapper.boot_id)
        except (RegistryError, OSError) as error:
            desk.journal.failed(f"cannot be carried out: {error}")
            return False
        return waits or wrapper.phase in _STOPPED

    def _step(self, found: Range | None) -> bool:
        self._desk.observe(found)
        self._running = None
        wrapper = self._desk.handoff.wrapper()
        if wrapper.phase is WrapperPhase.WAITING and not self._gate.decided(wrapper.boot_id):
            request = self._desk.handoff.request()
            return request is not None and request.boot_id == wrapper.boot_id and self._gate.ask(request)
        if wrapper.phase in {WrapperPhase.PREPARING, WrapperPhase.RECOVERING}:
            return self._idle(wrapper)
        boot = self._desk.boot(wrapper.boot_id)
        if wrapper.phase is WrapperPhase.EXITED:
            self._idle(wrapper)
            return self._ended(wrapper, boot)
        self._desk.confirm(boot)
        reading = self._node.database(min(self._config.mariadb.timeout, self._config.etcd.ttl / 5))
        # The sampler shares readings that are up to a second old: one of the run before says nothing of this one.
        if reading.sample is not None and reading.taken >= boot.decided:
            group = "" if reading.variables is None else reading.variables.cluster_name
            self._running, wrote = self._watch.look(reading.sample, boot, group)
            return wrote
        if wrapper.phase in {WrapperPhase.INITIALIZING, WrapperPhase.STARTING, WrapperPhase.WAITING}:
            refused = reading.reason is DatabaseReason.AUTH and reading.taken >= boot.decided
            return self._silent(boot, refused=refused)
        return self._idle(wrapper)

    def _idle(self, wrapper: Wrapper) -> bool:
        self._record = None
        self._desk.journal.stands(NodePhase.IDLE, self._desk.state.epoch, Position(), wrapper.boot_id)
        return False

    def _silent(self, boot: Boot, *, refused: bool) -> bool:
        """The database starts, and does not answer yet: others must know that it may run.

        One that had answered may only be slow: its keys end with their lease, which nobody
        renews meanwhile. Until then they keep others from an election.
        """
        desk = self._desk
        if boot.answered is not None and desk.clock() - boot.answered < self._config.etcd.ttl:
            return False
        phase = NodePhase.STARTING if desk.state.confirmed else NodePhase.BOOTSTRAPPING
        desk.journal.stands(phase, desk.state.epoch, boot.report.position, boot.boot_id)
        if self._watch.orphaned(boot, self._received) or desk.snapshot is None:
            return False
        if desk.taken_over:
            self._watch.stop(Stop(f"the election of epoch {desk.state.epoch} was taken over"), boot)
            return False  # no lease for it: the wrapper ends it, or never starts it
        wrote = desk.publish(replace(boot.report, refused=refused), desk.snapshot)
        desk.extend(boot)
        return wrote

    def _received(self) -> int | None:
        try:
            facts = self._node.datadir(1.0, max_age=0.0)
        except OSError:
            return None
        return None if facts is None else facts.sst_received_bytes

    def _ended(self, wrapper: Wrapper, boot: Boot) -> bool:
        """Say that the run ended cleanly, and where."""
        desk = self._desk
        clean = wrapper.exit == 0 and desk.state.confirmed and not desk.state.tainted and boot.incarnation
        if not clean or desk.snapshot is None or self._final == boot.boot_id:
            return False
        facts = self._node.datadir(1.0, max_age=0.0)
        position = None if facts is None or facts.sst_in_progress else facts.grastate
        if position is None or not position.defined:
            return False
        known = LastKnown(self._config.node, position, desk.state.epoch, boot.incarnation)
        desk.store(ended(desk.state))
        if desk.write(txn.final(known, desk.snapshot)):
            self._final = boot.boot_id
        return True
