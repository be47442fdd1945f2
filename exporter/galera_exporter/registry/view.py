"""From reads of the prefix to what is known of each node: who is there, for how long not, how often it went.

Pure: no clock is read here. Every time is an argument, in seconds of one monotonic clock of
this process, so no two clocks are ever compared.

A key's age counts from the read at which this process saw it change, and goes on counting
when the key has gone. A node without a ``live`` key stays in the view for FORGET seconds
after the last change of any key of it, then it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from galera_exporter.model import ClusterStatus, ClusterView, NodeRecord, NodeState, NodeView
from galera_exporter.registry.keyvalue import Pair, Range
from galera_exporter.registry.records import Kind, classify, decode
from galera_exporter.split_brain import Suspicion

FORGET: Final = 3600.0
"""Seconds."""

FRESH: Final = 10.0
"""Seconds since its key changed for which a node's word on its component counts: more than three heartbeats."""

_WITH_DATA: Final = frozenset({NodeState.JOINED, NodeState.SYNCED, NodeState.DONOR})

MAX_NODES: Final = 128
"""Galera itself has no limit; nobody runs more than some dozens. A registry full of junk must not fill this process."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one node between two reads."""

    present: bool = False
    record: NodeRecord | None = None
    leased: bool = False
    expirations: int = 0
    created: int = 0
    """create_revision of the ``live`` key while it is present."""
    mark: tuple[int, int] = (0, 0)
    """create_revision and mod_revision of the ``live`` key as last seen."""
    changed: float | None = None
    """When the ``live`` key was seen to change."""
    last_mark: int = 0
    """mod_revision of the ``nodes`` key as last seen, 0 where there is none."""
    touched: float = 0.0
    """When anything of the node was seen to change, the loss of its key too."""


class Tracker:
    """The nodes below one prefix. Feed it each successful read by ``observe``; ``view_at`` is valid at any time."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._nodes: dict[str, _Known] = {}
        self._decoded: dict[Pair, NodeRecord | None] = {}
        """The last read, decoded: two thirds of the pairs are the same in the next one."""
        self._revision = -1
        self._foreign = 0
        self._reports = f"{prefix}report/".encode()
        self._reporting: tuple[str, ...] = ()
        self._suspicion = Suspicion()

    def observe(self, found: Range, now: float) -> None:
        """Take in a read of the whole prefix, made at ``now``."""
        live: dict[str, Pair] = {}
        last: dict[str, Pair] = {}
        reporting: list[str] = []
        foreign = 0
        for pair in found.pairs:
            kind, node = classify(self._prefix, pair.key)
            if kind is Kind.LIVE:
                live[node] = pair
            elif kind is Kind.NODES:
                last[node] = pair
            elif kind is Kind.FOREIGN:
                foreign += 1
            elif pair.key.startswith(self._reports):
                reporting.append(pair.key[len(self._reports) :].decode())
        self._decoded = {
            pair: self._decoded[pair] if pair in self._decoded else decode(pair.value, node)
            for node, pair in (*live.items(), *last.items())
        }
        records = {node: self._decoded[pair] for node, pair in live.items()}
        remembered = {node: self._decoded[pair] for node, pair in last.items()}
        foreign += sum(record is None for record in (*records.values(), *remembered.values()))
        if (
            found.revision < self._revision
        ):  # wiped or restored: what is there now is not what was there, whatever its numbers
            self._nodes = {node: replace(known, created=0, mark=(0, 0)) for node, known in self._nodes.items()}
        names = self._chosen(live, records, remembered, now)
        foreign += sum(records[node] is not None for node in live if node not in names)
        self._nodes = {
            node: _follow(
                self._nodes.get(node, _Known(touched=now)),
                live.get(node),
                last.get(node),
                records.get(node) or remembered.get(node),
                now,
            )
            for node in names
        }
        self._foreign = foreign
        self._revision = found.revision
        self._reporting = tuple(reporting[:MAX_NODES])
        self._suspicion.observe(self._components(now), now)

    def view_at(self, now: float, members: frozenset[str] | None = None) -> ClusterView:
        """Return the cluster as known at ``now``; ``members`` are the member UUIDs of the own Galera view."""
        shown = [
            _view(node, known, now, members)
            for node, known in sorted(self._nodes.items())
            if known.present or now - known.touched <= FORGET
        ]
        here = {view.record.member_uuid for view in shown if view.present and view.record is not None}
        return ClusterView(
            nodes=tuple(shown),
            revision=self._revision,
            foreign=self._foreign,
            missing=None if members is None else len(members - here),
            orphans=None if members is None else sum(view.present and view.in_view is False for view in shown),
            contradicting=self._suspicion.nodes,
            reporting=self._reporting,
        )

    def _components(self, now: float) -> dict[str, tuple[str, int, int]]:
        """Return what each node that is Primary names as its component, of those that speak now.

        A joiner that takes a transfer is left out: its state UUID is still that of its old data.
        """
        return {
            node: (record.position.uuid, record.conf_id, record.size)
            for node, known in self._nodes.items()
            if known.present and known.leased and known.changed is not None and now - known.changed <= FRESH
            if (record := known.record) is not None
            and record.status is ClusterStatus.PRIMARY
            and record.state in _WITH_DATA
        }

    def _chosen(
        self,
        live: Iterable[str],
        records: dict[str, NodeRecord | None],
        remembered: dict[str, NodeRecord | None],
        now: float,
    ) -> frozenset[str]:
        """Choose at most MAX_NODES: nodes that can be read first, then those known before, then by name."""
        gone = {node for node, known in self._nodes.items() if now - known.touched <= FORGET}
        names = {*live, *gone, *(node for node, record in remembered.items() if record is not None)}
        ranked = sorted(
            names,
            key=lambda node: (records.get(node) is None, node not in self._nodes, remembered.get(node) is None, node),
        )
        return frozenset(ranked[:MAX_NODES])


def _follow(known: _Known, live: Pair | None, last: Pair | None, record: NodeRecord | None, now: float) -> _Known:
    """Return what is known of a node after a read that found these keys of it."""
    last_mark = 0 if last is None else last.mod_revision
    touched = now if last_mark not in {known.last_mark, 0} else known.touched
    after = replace(known, record=record or known.record, last_mark=last_mark, touched=touched)
    if live is None:
        if not known.present:
            return after
        return replace(after, present=False, leased=False, expirations=known.expirations + 1, touched=now)
    mark = (live.create_revision, live.mod_revision)
    # Deleted and written again between two reads: it went all the same.
    flapped = known.present and known.created != live.create_revision
    changed = now if mark != known.mark or not known.present else known.changed
    return replace(
        after,
        present=True,
        leased=live.lease != 0,
        expirations=known.expirations + flapped,
        created=live.create_revision,
        mark=mark,
        changed=changed,
        touched=now,
    )


def _view(node: str, known: _Known, now: float, members: frozenset[str] | None) -> NodeView:
    in_view = None if members is None or known.record is None else known.record.member_uuid in members
    age = None if known.changed is None else max(0.0, now - known.changed)
    return NodeView(node, known.present, known.record, age, known.leased, known.expirations, in_view)
