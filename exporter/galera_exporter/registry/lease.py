"""The lease that all keys of this node hang on."""

from __future__ import annotations

import time
from collections.abc import Callable

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.registry.etcd import Etcd


class Lease:
    """One lease, kept alive or granted anew. For one thread at a time; its methods raise RegistryError."""

    def __init__(self, etcd: Etcd, ttl: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._etcd = etcd
        self._ttl = ttl
        self._clock = clock
        self._id: int | None = None
        self.renewed = clock()
        """When it was renewed last; at first when this process began: one of its predecessor may live so long."""

    @property
    def held(self) -> bool:
        """Whether there is one, as far as is known."""
        return self._id is not None

    def kept(self) -> int:
        """Return the id of a lease that etcd has just renewed or granted."""
        if self._id is not None:
            try:
                self._etcd.keepalive(self._id)
            except RegistryError as error:
                if error.reason is not RegistryReason.LEASE_EXPIRED:
                    raise
                self._id = None
        if self._id is None:
            self._id = self._etcd.grant(self._ttl)
        self.renewed = self._clock()
        return self._id

    def forget(self) -> None:
        """Take in that etcd says that it has ended."""
        self._id = None

    def end(self) -> None:
        """End it, and all keys under it."""
        if self._id is not None:
            self._etcd.revoke(self._id)
            self._id = None
