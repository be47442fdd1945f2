"""Changes of the etcd cluster itself: its members, and who may do what."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from galera_exporter.registry.gateway import Gateway
from galera_exporter.registry.keyvalue import span
from galera_exporter.settings import EtcdSettings

_ANY_KEY: Final = b"/"


class Administration:
    """An etcd cluster, by the endpoints of ``settings``, for its keeper. For one thread at a time.

    Its methods raise RegistryError, and AmbiguousError where a change may have been made all the same.
    """

    def __init__(self, settings: EtcdSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._gateway = Gateway(settings, 2.5 * settings.timeout, clock)

    def close(self) -> None:
        """Close the connections."""
        self._gateway.close()

    def confirm_quorum(self) -> int:
        """Read linearizably, which only a majority can answer; return the id of the cluster."""
        return self._gateway.call(
            "/kv/range",
            {**span(_ANY_KEY, None), "count_only": True},
            lambda answer: int(answer["header"]["cluster_id"]),
        )

    def add_learner(self, peer_url: str) -> tuple[int, int]:
        """Add a member that does not vote yet; return the ids of the cluster and of the new member."""
        return self._gateway.call(
            "/cluster/member/add",
            {"peerURLs": [peer_url], "isLearner": True},
            lambda answer: (int(answer["header"]["cluster_id"]), int(answer["member"]["ID"])),
            once=True,
        )

    def remove(self, member: int) -> None:
        """Remove a member for good."""
        self._gateway.call("/cluster/member/remove", {"ID": str(member)}, lambda _: None, once=True)

    def promote(self, member: int) -> None:
        """Make a learner that has caught up a voter."""
        self._gateway.call("/cluster/member/promote", {"ID": str(member)}, lambda _: None, once=True)
