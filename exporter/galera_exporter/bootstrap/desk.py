"""What the parts of the coordinator work with: the label of the data, the writes to etcd, and the present start."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from galera_exporter.bootstrap import transactions as txn
from galera_exporter.bootstrap.handoff import Handoff
from galera_exporter.bootstrap.journal import Journal
from galera_exporter.bootstrap.local import LocalState
from galera_exporter.bootstrap.membership import same_election
from galera_exporter.bootstrap.peers import Peers
from galera_exporter.bootstrap.state import Activity, Held, Phase, Report, Snapshot, Timers
from galera_exporter.bootstrap.statefile import StateFile
from galera_exporter.bootstrap.store import operations, snapshot_of
from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.model import Position
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import Range
from galera_exporter.registry.lease import Lease
from galera_exporter.settings import Config

_SLACK: Final = 2.0
"""Seconds beyond the time to live in which etcd notices that a lease has ended."""


@dataclass(slots=True)
class Boot:
    """One start of the database, from its decision on; a sidecar that starts later knows little of it."""

    boot_id: str
    report: Report
    """What stands in etcd until it is a member."""
    decided: float = float("-inf")
    was_primary: bool = True
    answered: float | None = None
    """When the database answered last; None: it never did."""
    told: bool = False
    """Whether the wrapper was told that this start is confirmed."""
    beat: int = 0
    extended: float = float("-inf")
    """When the wrapper was last told that the lease holds."""
    stopping: bool = False
    closed: float | None = None
    """Since when Galera has no connection."""
    caught_up: float | None = None
    """Since when it joins and has all that the members have."""
    orphaned: float | None = None
    """Since when it has not answered yet, and nobody is Primary."""
    received: int | None = None
    """Bytes that a state transfer had brought by then."""
    seen: bool = False
    """Whether this sidecar ever had an answer of it."""
    incarnation: str = ""


class Desk:
    """Shared by the gate and the watch; belongs to the heartbeat's thread."""

    def __init__(
        self,
        config: Config,
        etcd: Etcd,
        lease: Lease,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        settings = config.bootstrap
        if settings.handoff_dir is None or settings.state_dir is None:
            raise ValueError("the bootstrap part needs a handoff folder and a state folder")
        self.config = config
        self.clock = clock
        self.handoff = Handoff(settings.handoff_dir)
        self.peers = Peers(settings, config.node, clock=clock)
        self.journal = Journal(clock=clock)
        self.state = LocalState()
        self.fault = ""
        """Why the label of the data is not known, although there is one."""
        self.snapshot: Snapshot | None = None
        self.found: Range | None = None
        self._etcd = etcd
        self._lease = lease
        self._answering: float | None = None
        self._observed = clock()
        self._boot: Boot | None = None
        self._absent: tuple[int, float] | None = None
        self._states = StateFile(settings.state_dir)
        try:
            self.state = self._states.load()
        except (OSError, ValueError) as error:
            self.fault = str(error)

    def observe(self, found: Range | None) -> Snapshot | None:
        """Take in a read of the registry."""
        self.found = found
        now = self.clock()
        if now - self._observed > self.config.etcd.ttl / 2:
            self._answering = self._absent = None  # this process slept: what it did not see does not count
        self._observed = now
        if found is None:
            self._answering = None
        elif self._answering is None:
            self._answering = self.clock()
        self.snapshot = None if found is None else snapshot_of(self.config.etcd.prefix, found)
        self._watch_elected(self.snapshot)
        return self.snapshot

    @property
    def timers(self) -> Timers:
        """What has lasted long enough."""
        now, ttl = self.clock(), self.config.etcd.ttl
        absent, answering = self._absent, self._answering
        return Timers(
            takeover=absent is not None and now - absent[1] >= self.config.bootstrap.takeover,
            settled=answering is not None and now - answering >= ttl + _SLACK,
            # A new leader of etcd gives each lease its full time again.
            detached=self.state.begun and now - self._lease.renewed > 2 * ttl,
        )

    def store(self, state: LocalState) -> None:
        """Have a new label on disk. Raises OSError where it cannot be written: then the old one still holds."""
        if state != self.state:
            self._states.store(state)
            self.state = state

    def write(self, transaction: txn.Transaction) -> bool:
        """Do a transaction; return whether its guards held. Raises RegistryError."""
        if self.found is None:
            return False
        lease = 0
        if any(isinstance(change, txn.Put) and change.leased for change in transaction.changes):
            lease = self._lease.kept()
        compares, changes = operations(self.config.etcd.prefix, transaction, lease, self.found)
        try:
            return self._etcd.transaction(compares, changes).succeeded
        except RegistryError as error:
            if error.reason is RegistryReason.LEASE_EXPIRED:
                self._lease.forget()
            raise

    def publish(self, report: Report, snapshot: Snapshot) -> bool:
        """Have the own report in etcd, under a lease that lives, never over another owner's; return whether written."""
        if snapshot.owners.get(report.node) not in {None, report.owner}:
            return False
        if not self._lease.held or self.clock() - self._lease.renewed >= self.config.etcd.ttl / 3:
            self._lease.kept()
        if snapshot.reports.get(report.node) == report:
            return False
        self.write(txn.publish(report, snapshot))
        return True

    def extend(self, boot: Boot) -> None:
        """Tell the wrapper that the lease of an unconfirmed bootstrap holds; only after it was renewed."""
        if not self._lease.held or self.state.confirmed or self.taken_over or not boot.boot_id:
            return
        if self._lease.renewed > boot.extended:
            boot.beat += 1
            self.handoff.lease(boot.boot_id, boot.beat, confirmed=False)
            boot.extended = self._lease.renewed

    def confirm(self, boot: Boot) -> None:
        """Have the wrapper know that this start is confirmed: it would end the database when no lease is renewed."""
        if self.state.confirmed and boot.boot_id and not boot.told:
            self.handoff.lease(boot.boot_id, boot.beat, confirmed=True)
            boot.told = True

    @property
    def taken_over(self) -> bool:
        """Whether this node was let out to begin an epoch whose election is no longer its own."""
        if self.snapshot is None or self.state.confirmed or not self.state.epoch:
            return False
        bootstrap, own = self.snapshot.bootstrap, self.state.history.get(self.state.epoch)
        return (
            bootstrap is None or own is None or bootstrap.phase is Phase.VOID or not same_election(own, bootstrap.epoch)
        )

    def begin(self, boot: Boot) -> None:
        """Take in that a start was decided."""
        self._boot = boot

    def boot(self, boot_id: str) -> Boot:
        """Return what is known of a start."""
        if self._boot is None or self._boot.boot_id != boot_id:
            report = self.report(boot_id, Activity.STARTING, Position())
            self._boot = Boot(boot_id, report, answered=self.clock())
        return self._boot

    def report(self, boot_id: str, activity: Activity, position: Position, incarnation: str = "") -> Report:
        """Return the report of a database that runs."""
        return Report(
            node=self.config.node,
            owner=self.config.owner,
            boot_id=boot_id,
            activity=activity,
            held=Held.DATA,
            position=position,
            epoch=self.state.epoch,
            tainted=self.state.tainted,
            incarnation=incarnation,
            expected=self.config.expected,
            history=self.state.history,
        )

    def _watch_elected(self, snapshot: Snapshot | None) -> None:
        """Note since when the elected node has shown no key; what was not seen does not count."""
        bootstrap = None if snapshot is None else snapshot.bootstrap
        elected = bootstrap is not None and bootstrap.phase is Phase.ELECTED
        if snapshot is None or bootstrap is None or not elected or bootstrap.epoch.node in snapshot.owners:
            self._absent = None
        elif self._absent is None or self._absent[0] != bootstrap.epoch.number:
            self._absent = bootstrap.epoch.number, self.clock()
