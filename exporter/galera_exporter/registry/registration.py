"""This node's key: written under a lease, never over the key of another owner."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.model import NodeRecord
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import Operation, Pair, Range, get, mod_is, put
from galera_exporter.registry.lease import Lease
from galera_exporter.registry.records import decode, encode, live_key
from galera_exporter.settings import EtcdSettings

Beside = Callable[[NodeRecord, int], Sequence[Operation]]
"""What else is written with a record, under this lease where it needs one."""


class Registration:
    """Holds ``live/<node>``. For one thread at a time; methods that ask etcd raise RegistryError."""

    def __init__(self, etcd: Etcd, settings: EtcdSettings, node: str, owner: str, lease: Lease) -> None:
        self._etcd = etcd
        self._node = node
        self._owner = owner
        self._live = live_key(settings.prefix, node)
        self._lease = lease

    def owns(self, found: Range) -> bool:
        """Whether the key is there, and ours."""
        pair = self._pair(found)
        return pair is not None and self._holder(pair) == self._owner

    def write(self, record: NodeRecord, found: Range, beside: Beside) -> None:
        """Write the record under our lease, and what goes beside it, in one transaction.

        ``found`` is the read that this write builds on: it is done only while the key is
        still as it was there. A key that ends with another lease, or with none, comes under ours.

        Raises:
            RegistryError: DUPLICATE where another owner holds the key, which then stays as it is.
        """
        value = encode(record)
        pair = self._pair(found)
        for _ in range(3):
            self._refuse_other_owner(pair)
            lease = self._lease.kept()
            try:
                outcome = self._etcd.transaction(
                    [mod_is(self._live, 0 if pair is None else pair.mod_revision)],
                    [put(self._live, value, lease), *beside(record, lease)],
                    [get(self._live)],
                )
            except RegistryError as error:
                if error.reason is not RegistryReason.LEASE_EXPIRED:
                    raise
                self._lease.forget()  # it ended between keepalive and write
                continue
            if outcome.succeeded:
                return
            pair = next(iter(outcome.responses[0].pairs), None)
        raise RegistryError(RegistryReason.OTHER, f"{self._live.decode()} is written by others all the time")

    def _pair(self, found: Range) -> Pair | None:
        return next((pair for pair in found.pairs if pair.key == self._live), None)

    def _holder(self, pair: Pair) -> str | None:
        record = decode(pair.value, self._node)
        return None if record is None else record.owner

    def _refuse_other_owner(self, pair: Pair | None) -> None:
        """Raise where a readable record names another owner. A value that is no record has none: it is overwritten."""
        holder = None if pair is None else self._holder(pair)
        if holder not in {None, self._owner}:
            text = f"{self._live.decode()} is held by {holder}, we are {self._owner}: do two nodes have one name?"
            raise RegistryError(RegistryReason.DUPLICATE, text)
