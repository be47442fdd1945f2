"""The watch: a database that answers is confirmed, adopted, checked or stopped, as the protocol says."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from galera_exporter.bootstrap import transactions as txn
from galera_exporter.bootstrap.decisions import Adopt, Confirm, Keep, Relabel, RunDecision, Stop, Wait
from galera_exporter.bootstrap.desk import Boot, Desk
from galera_exporter.bootstrap.gate import PROBE
from galera_exporter.bootstrap.lineage import newest_confirmed
from galera_exporter.bootstrap.local import LocalState, confirmed, synced, tainted
from galera_exporter.bootstrap.membership import caught_up
from galera_exporter.bootstrap.protocol import decide, supervise
from galera_exporter.bootstrap.reading import NodePhase
from galera_exporter.bootstrap.state import Activity, Running, Snapshot
from galera_exporter.model import NodeSample, NodeState

_STRANDED: Final = 10.0
"""Seconds that Galera may be closed while a server starts or changes its view."""
_FORGOTTEN: Final = 30.0
"""Seconds from all data to Synced; it takes one."""
_ORPHANED: Final = 60.0
"""Seconds without a Primary component after which a joiner finds none any more; Galera itself gives up after 30."""


class Watch:
    """Asks the protocol for a running database, and carries out what it says."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._without_primary: float | None = None

    def look(self, sample: NodeSample, boot: Boot, group: str) -> tuple[Running, bool]:
        """Do what is to be done now; return what was seen, and whether etcd was written to.

        ``group``: the server's ``wsrep_cluster_name``; empty where it is not known.
        """
        desk = self._desk
        snapshot = desk.snapshot
        boot.answered, boot.seen = desk.clock(), True
        boot.incarnation = sample.member_uuid or boot.incarnation
        running = self._describe(sample, boot, group)
        # Of a label that cannot be read nothing is guessed, and it is not written over.
        decision = Keep() if desk.fault else supervise(running, snapshot)
        wrote = self._carry_out(decision, running, boot, snapshot)
        if self._whole_again(decision, running, boot, snapshot):
            desk.store(synced(desk.state))
        if isinstance(decision, Stop):
            desk.journal.stands(NodePhase.STARTING, desk.state.epoch, sample.position, boot.boot_id)
            return running, wrote
        if not sample.primary:
            return running, self._lonely(running, boot, snapshot) or wrote
        self._without_primary, boot.was_primary = None, True
        phase = NodePhase.CONFIRMED
        if not running.confirmed:
            phase = NodePhase.BOOTSTRAPPING
            if snapshot is not None:
                wrote = desk.publish(boot.report, snapshot) or wrote
                desk.extend(boot)
        elif desk.state.tainted or (snapshot is not None and running.epoch < newest_confirmed(snapshot.history)):
            phase = NodePhase.STARTING  # its data are not whole, or its component is of the past
        desk.journal.stands(phase, desk.state.epoch, sample.position, boot.boot_id)
        return running, wrote

    def _describe(self, sample: NodeSample, boot: Boot, group: str) -> Running:
        state = self._desk.state
        return Running(
            node=self._desk.config.node,
            epoch=state.epoch,
            confirmed=state.confirmed or state.epoch == 0,
            primary=sample.primary,
            synced=sample.primary and sample.state is NodeState.SYNCED,
            position=sample.position,
            component=(sample.cluster_uuid, sample.conf_id),
            inconsistent=sample.state is NodeState.INCONSISTENT,
            group=group,
            stranded=self._stranded(sample, boot),
            forgotten=self._forgotten(sample, boot),
            history=state.history,
        )

    def _stranded(self, sample: NodeSample, boot: Boot) -> bool:
        if sample.connected or not boot.boot_id:
            boot.closed = None
            return False
        now = self._desk.clock()
        boot.closed = now if boot.closed is None else boot.closed
        return now - boot.closed >= _STRANDED

    def _forgotten(self, sample: NodeSample, boot: Boot) -> bool:
        snapshot = self._desk.snapshot
        joining = boot.boot_id and sample.primary and sample.state is NodeState.JOINING
        if not joining or snapshot is None or not caught_up(self._desk.config.node, sample.position, snapshot):
            boot.caught_up = None
            return False
        now = self._desk.clock()
        boot.caught_up = now if boot.caught_up is None else boot.caught_up
        return now - boot.caught_up >= _FORGOTTEN

    def orphaned(self, boot: Boot, read_received: Callable[[], int | None]) -> bool:
        """Stop a joiner that has answered nobody yet and waits for a component that is gone; return whether it was.

        Galera gives up where it never found the group. Where it lost it before its state transfer had begun, it waits
        for ever (seen with 26.4.23), and while it may run nobody can be elected. ``read_received``: gives the bytes of
        a state transfer; one that makes progress is left alone, whatever etcd and the other sidecars say.
        """
        desk = self._desk
        alone = (
            not boot.seen
            and desk.state.confirmed
            and desk.snapshot is not None
            and not desk.snapshot.primary
            and not any(peer.primary for peer in desk.peers.probe(PROBE))
        )
        if not alone:
            boot.orphaned = None
            return False
        now, received = desk.clock(), read_received()
        if boot.orphaned is None or received != boot.received:
            boot.orphaned, boot.received = now, received
        if now - boot.orphaned < _ORPHANED:
            return False
        self.stop(Stop("the Primary component that it was to join is gone: it reports again"), boot)
        return True

    def _carry_out(self, decision: RunDecision, running: Running, boot: Boot, snapshot: Snapshot | None) -> bool:
        desk = self._desk
        match decision:
            case Stop():
                self.stop(decision, boot)
            case Confirm() if snapshot is not None:
                if desk.write(txn.confirm(decision, snapshot, running.position.uuid, running.component)):
                    epoch = replace(decision.epoch, uuid=running.position.uuid, confirmed=True)
                    self._confirmed(confirmed(desk.state, epoch), boot, decision)
                return True
            case Adopt() if snapshot is not None:
                if desk.write(txn.adopt(decision, snapshot, desk.state, str(uuid.uuid4()))):
                    self._confirmed(confirmed(desk.state, decision.epoch), boot, decision)
                return True
            case Relabel() if snapshot is not None and decision.epoch in snapshot.history:
                self._confirmed(confirmed(desk.state, snapshot.history[decision.epoch]), boot, decision)
        return False

    def _confirmed(self, state: LocalState, boot: Boot, decision: RunDecision) -> None:
        self._desk.store(state)
        self._desk.confirm(boot)
        self._desk.journal.carried_out(decision)

    def stop(self, decision: Stop, boot: Boot) -> None:
        """Have the wrapper stop the database of this start, once."""
        desk = self._desk
        if decision.taint:
            desk.store(tainted(desk.state))
        if boot.stopping or not boot.boot_id:
            return
        desk.handoff.stop(boot.boot_id, decision.text)
        boot.stopping = True
        desk.journal.carried_out(decision)

    def _whole_again(self, decision: RunDecision, running: Running, boot: Boot, snapshot: Snapshot | None) -> bool:
        """Whether the data that a transfer brought are complete, and those of the cluster."""
        state = self._desk.state
        return (
            state.tainted
            and isinstance(decision, Keep)
            and running.synced
            and not boot.stopping
            and (snapshot is None or state.epoch == newest_confirmed(snapshot.history))
        )

    def _lonely(self, running: Running, boot: Boot, snapshot: Snapshot | None) -> bool:
        """Without a Primary component: after a while it offers itself for an election.

        A joiner that found none ends by itself after half a minute; one that lost it again does not.
        """
        desk = self._desk
        now = desk.clock()
        self._without_primary = now if self._without_primary is None else self._without_primary
        if snapshot is None or now - self._without_primary < desk.config.bootstrap.survivor:
            phase = NodePhase.NON_PRIMARY if boot.was_primary else self._starting(running)
            desk.journal.stands(phase, running.epoch, running.position, boot.boot_id)
            if snapshot is None or boot.was_primary:
                return False
            wrote = desk.publish(boot.report, snapshot)
            desk.extend(boot)
            return wrote
        report = desk.report(boot.boot_id, Activity.SURVIVOR, running.position, boot.incarnation)
        decision = decide(report, snapshot, desk.peers.probe(PROBE), desk.timers)
        wait = decision if isinstance(decision, Wait) else None
        desk.journal.stands(NodePhase.SURVIVOR, running.epoch, running.position, boot.boot_id, wait)
        if isinstance(decision, Stop):
            self.stop(decision, boot)
            return False
        return desk.publish(report, snapshot)

    def _starting(self, running: Running) -> NodePhase:
        return NodePhase.STARTING if running.confirmed else NodePhase.BOOTSTRAPPING
