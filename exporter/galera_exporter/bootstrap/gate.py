"""The gate: a stopped database asks for a decision, and gets it once."""

from __future__ import annotations

import uuid
from dataclasses import replace

from galera_exporter.bootstrap import transactions as txn
from galera_exporter.bootstrap.decisions import Elect, Join, Resign, Start, Stop, Wait
from galera_exporter.bootstrap.desk import Boot, Desk
from galera_exporter.bootstrap.local import Request, begun, joined, report_of, started
from galera_exporter.bootstrap.protocol import decide
from galera_exporter.bootstrap.reading import NodePhase
from galera_exporter.bootstrap.state import Activity, Held, Reason, Report, Snapshot
from galera_exporter.model import Position

PROBE = 1.0
"""Seconds that a step waits for the other sidecars."""


class Gate:
    """Asks the protocol for a stopped database, and carries out what it says."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._handed = ""

    def decided(self, boot_id: str) -> bool:
        """Whether this start has its decision, taken by the wrapper or not; the sidecar may have restarted since."""
        return self._handed == boot_id or self._desk.handoff.decided(boot_id)

    def ask(self, request: Request) -> bool:
        """Do what is to be done now; return whether etcd was written to."""
        desk = self._desk
        config, snapshot = desk.config, desk.snapshot
        me = report_of(desk.state, request, config.node, config.owner, config.expected)
        decision: Wait | Join | Elect | Start | Resign | Stop
        if desk.fault:
            decision = Wait(Reason.UNREADABLE_RECORD, (config.node,), desk.fault)
        else:
            decision = decide(me, snapshot, desk.peers.probe(PROBE), desk.timers)
        wait = decision if isinstance(decision, Wait) else None
        desk.journal.stands(NodePhase.GATE, desk.state.epoch, request.position, request.boot_id, wait)
        if isinstance(decision, Join | Start):
            return self._let_out(decision, me, snapshot)
        if snapshot is None or desk.fault:
            return False
        if isinstance(decision, Elect):
            done = desk.write(txn.elect(decision, snapshot, str(uuid.uuid4()), config.etcd.cluster))
        elif isinstance(decision, Resign) and snapshot.bootstrap is not None:
            done = desk.write(txn.resign(snapshot.bootstrap, snapshot))
        else:
            return desk.publish(me, snapshot)
        if done:
            desk.journal.carried_out(decision)
        return True

    def _let_out(self, decision: Join | Start, me: Report, snapshot: Snapshot | None) -> bool:
        """Label the data on disk, bind the decision in etcd, and only then hand it out."""
        desk = self._desk
        joins = isinstance(decision, Join)
        fresh = isinstance(decision, Join) and decision.fresh
        desk.store(joined(desk.state, decision, me) if isinstance(decision, Join) else started(desk.state, decision))
        if snapshot is not None:
            if not desk.write(txn.begin(decision, me, snapshot)):
                return True
            desk.store(begun(desk.state))
        position = me.position if me.held is Held.DATA and not fresh else Position()
        starting = replace(me, activity=Activity.STARTING)
        desk.begin(Boot(me.boot_id, starting, desk.clock(), was_primary=False))
        fields: dict[str, object] = {
            "action": "join" if joins else "bootstrap",
            "epoch": desk.state.epoch,
            "position": position if position.defined else "",
            "initialize": int(isinstance(decision, Start) and decision.initialize),
            "fresh": int(fresh),
            "group": decision.group,
        }
        if isinstance(decision, Start):
            fields["lease_seconds"] = desk.config.bootstrap.lease
        desk.handoff.decide(me.boot_id, fields)
        self._handed = me.boot_id
        desk.journal.carried_out(decision)
        return True
