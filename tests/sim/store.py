"""An etcd in memory: revisions, leases, transactions. It takes the protocol's values as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from galera_exporter.bootstrap.lineage import merge
from galera_exporter.bootstrap.local import newest_epochs
from galera_exporter.bootstrap.state import Bootstrap, Epoch, Snapshot
from galera_exporter.bootstrap.transactions import BOOTSTRAP, HOLD, LIVE, NoneBelow, Put, Transaction

FOLDERS = ("", "report/", "nodes/", "primary/", "history/", "override/", "override-used/", "join/", LIVE)


class Store:
    """Keys with their revisions. Folders and revisions are replaced, never changed: snapshots share them."""

    __slots__ = ("_snapshot", "ends", "folders", "leases", "next_lease", "revision", "revisions")

    def __init__(self) -> None:
        self.revision = 0
        self.folders: dict[str, dict[str, Any]] = {folder: {} for folder in FOLDERS}
        self.revisions: dict[str, int] = {}
        self.leases: dict[str, int] = {}
        """Lease of each leased key."""
        self.ends: dict[int, float] = {}
        """When each lease ends, if nobody renews it."""
        self.next_lease = 1
        self._snapshot: Snapshot | None = None

    def copy(self) -> Store:
        """Return a copy: values are frozen, folders are never changed in place."""
        other = Store.__new__(Store)
        other.revision, other.folders, other.revisions = self.revision, dict(self.folders), self.revisions
        other.leases, other.ends = dict(self.leases), dict(self.ends)
        other.next_lease, other._snapshot = self.next_lease, self._snapshot
        return other

    def grant(self) -> int:
        """Return a new lease. Who holds it says when it ends."""
        self.next_lease += 1
        return self.next_lease - 1

    def expire(self, now: float) -> None:
        """End the leases that nobody renewed."""
        for lease in [lease for lease, end in self.ends.items() if end < now]:
            self._end(lease)

    def _end(self, lease: int) -> None:
        del self.ends[lease]
        keys = [key for key, holder in self.leases.items() if holder == lease]
        if keys:
            self.revision += 1
            for key in keys:
                self._drop(key)

    def get(self, key: str) -> Any:
        """Return the value of a key; None without one."""
        folder, _, name = key.rpartition("/")
        return self.folders[folder + "/" if folder else ""].get(name)

    def execute(self, transaction: Transaction, lease: int) -> bool:
        """Do all of its changes if all of its guards hold; return whether they did."""
        for guard in transaction.guards:
            if isinstance(guard, NoneBelow):
                if self.folders[guard.folder]:
                    return False
            elif self.revisions.get(guard.key, 0) != guard.revision:
                return False
        self.write(transaction.changes, lease)
        return True

    def write(self, changes: Any, lease: int) -> None:
        """Do the changes, at one revision."""
        self.revision += 1
        for change in changes:
            if isinstance(change, Put):
                self._put(change.key, change.value, lease if change.leased else 0)
            else:
                self._drop(change.key)

    def snapshot(self) -> Snapshot:
        """Return all keys at this revision; made once for each."""
        if self._snapshot is None:
            folders = self.folders
            reports = folders["report/"]
            history: Mapping[int, Epoch] = {int(number): epoch for number, epoch in folders["history/"].items()}
            for report in reports.values():
                history = merge(history, report.history)
            orders = folders["override/"]
            single: dict[str, Any] = folders[""]
            bootstrap: Bootstrap | None = single.get(BOOTSTRAP)
            owners = {node: report.owner for node, report in reports.items()}
            owners.update(folders[LIVE])
            self._snapshot = Snapshot(
                bootstrap=bootstrap,
                history=newest_epochs(history),
                reports=reports,
                nodes=folders["nodes/"],
                primary=folders["primary/"],
                owners=owners,
                joining=None if (turn := folders["join/"].get("turn")) is None else turn.node,
                hold=single.get(HOLD),
                orders=tuple(orders[token] for token in sorted(orders)) if orders else (),
                revisions=self.revisions,
            )
        return self._snapshot

    def holds(self, key: str, value: Any, lease: int) -> bool:
        """Whether a key has this value under this lease: to write it again would change nothing but its revision."""
        return self.leases.get(key, 0) == lease and key in self.revisions and self.get(key) == value

    def _put(self, key: str, value: Any, lease: int) -> None:
        path, _, name = key.rpartition("/")
        folder = path + "/" if path else ""
        self.folders[folder] = {**self.folders[folder], name: value}
        self.revisions = {**self.revisions, key: self.revision}
        if lease:
            self.leases[key] = lease
        else:
            self.leases.pop(key, None)
        self._snapshot = None

    def _drop(self, key: str) -> None:
        path, _, name = key.rpartition("/")
        folder = path + "/" if path else ""
        if name in self.folders[folder]:
            self.folders[folder] = {k: v for k, v in self.folders[folder].items() if k != name}
            self.revisions = {k: v for k, v in self.revisions.items() if k != key}
            self.leases.pop(key, None)
            self._snapshot = None
