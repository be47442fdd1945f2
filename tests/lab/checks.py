"""What must hold whatever was broken: one lineage, equal data, and a way back that the logs confirm."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations, pairwise
from pathlib import Path

from lab.mariadb import GaleraNode

_ROUND = 0.25
_IST = re.compile(r"Running IST|WSREP: Receiving IST: ")


@dataclass(frozen=True, slots=True)
class Component:
    """A Primary component as one of its members shows it."""

    uuid: str
    conf_id: int
    members: frozenset[str]
    """Their SQL addresses."""


@dataclass(frozen=True, slots=True)
class Split:
    """Two Primary components at one time."""

    moment: float
    one: tuple[str, Component]
    other: tuple[str, Component]


class Watch:
    """Looks at all nodes four times a second, in a thread of its own, and remembers each Primary component."""

    def __init__(self, nodes: Sequence[GaleraNode]) -> None:
        self._nodes = tuple(nodes)
        self._rounds: list[tuple[float, Mapping[str, Component]]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join(30)

    @property
    def uuids(self) -> list[str]:
        """State UUIDs of all Primary components seen, in the order of their first sight."""
        return list(dict.fromkeys(c.uuid for _, seen in tuple(self._rounds) for c in seen.values()))

    def splits(self) -> list[Split]:
        """Return where two Primary components without a common member were seen, in two rounds one after another.

        A view change reaches the nodes at different moments, but any two views of one lineage have a
        member in common. One round alone may join a node's last answer with another's first.
        """
        return [
            Split(later[0], *pair)
            for earlier, later in pairwise(tuple(self._rounds))
            for pair in _apart(later[1])
            if all(earlier[1].get(name) == component for name, component in pair)
        ]

    def check(self, lineages: int = 1) -> None:
        """Fail where two clusters were seen at once, or more state UUIDs than ``lineages``."""
        assert not self.splits(), f"two Primary components at once: {self.splits()[0]}"
        assert len(self.uuids) <= lineages, f"more than {lineages} state UUIDs: {self.uuids}"

    def _run(self) -> None:
        while not self._stop.wait(_ROUND):
            seen = {node.name: found for node in self._nodes if node.alive and (found := component(node)) is not None}
            self._rounds.append((time.monotonic(), seen))


def _apart(seen: Mapping[str, Component]) -> Iterable[tuple[tuple[str, Component], tuple[str, Component]]]:
    return (pair for pair in combinations(seen.items(), 2) if pair[0][1].members.isdisjoint(pair[1][1].members))


def component(node: GaleraNode) -> Component | None:
    """Return the Primary component that a node says it is in."""
    status = node.status()
    members = frozenset(filter(None, status.get("wsrep_incoming_addresses", "").split(",")))
    if status.get("wsrep_cluster_status") != "Primary" or not members:
        return None
    return Component(status["wsrep_cluster_state_uuid"], int(status["wsrep_cluster_conf_id"]), members)


def checksums(node: GaleraNode) -> dict[str, int]:
    """Return the checksum of each user table, once the node has applied what the cluster committed."""
    with closing(node.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION wsrep_sync_wait = 1")
        cursor.execute(
            "SELECT CONCAT(table_schema, '.', table_name) AS name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE'"
            " AND table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')"
        )
        found: dict[str, int] = {}
        for name in sorted(row["name"] for row in cursor.fetchall()):
            cursor.execute(f"CHECKSUM TABLE {name}")
            found[name] = int(cursor.fetchall()[0]["Checksum"])
    return found


def check_equal(nodes: Iterable[GaleraNode]) -> None:
    """Fail unless all nodes have the same tables with the same rows; nobody may write meanwhile."""
    found = {node.name: checksums(node) for node in nodes}
    assert len({tuple(sums.items()) for sums in found.values()}) == 1, f"the data differ: {found}"


class Transfer(StrEnum):
    """How a node got the state of the cluster."""

    NONE = "none"
    """It had it already."""
    IST = "IST"
    SST = "SST"


class LogMark:
    """The present end of a log: what is written from now on can be read apart."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._at = log.stat().st_size if log.exists() else 0

    @property
    def text(self) -> str:
        """All that was written since."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as stream:
            stream.seek(self._at)
            return stream.read().decode(errors="replace")

    def transfer(self) -> Transfer:
        """Return which state transfer a node took since, by what mariadbd and its script wrote of the last join."""
        found = Transfer.NONE
        for line in self.text.splitlines():
            if "WSREP: State transfer required" in line:
                found = Transfer.NONE
            elif "Proceeding with SST" in line:
                found = Transfer.SST
            elif found is not Transfer.SST and _IST.search(line):  # an SST may end with an IST of what came meanwhile
                found = Transfer.IST
        return found
