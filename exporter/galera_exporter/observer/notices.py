"""What is told on a pod as a Kubernetes event: the decisions of the bootstrap, and waits that last. Pure.

It is found by comparing what the registry says with what it said before; clocks are arguments, in
seconds of one monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from galera_exporter.bootstrap.decisions import Stop, Wait
from galera_exporter.bootstrap.lineage import newest_confirmed
from galera_exporter.bootstrap.protocol import foresee
from galera_exporter.bootstrap.state import Activity, Bootstrap, Mode, Order, Phase, Purpose, Reason, Snapshot
from galera_exporter.bootstrap.words import RULES, WORDS, headline, section
from galera_exporter.model import NodeRecord, NodeState
from galera_exporter.observer.pods import Pod
from galera_exporter.observer.standing import Registered

LASTING: Final = 20.0
"""Seconds after which a wait is told that a person has to end."""
PASSING: Final = 120.0
"""Seconds after which one is told that should have passed by itself."""
REPEAT: Final = 600.0
"""Seconds after which a wait that still lasts is told again: Kubernetes drops events after an hour."""
CHANGED: Final = 30.0
"""Seconds after which it is told again where its words have changed."""

_ORDERS: Final[Mapping[Purpose, str]] = {
    Purpose.FORCE: "to bootstrap the cluster from this node",
    Purpose.INITIAL: "to begin again with an empty cluster",
    Purpose.DISCARD: "to throw this node's data away and take a full state transfer",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One event to be."""

    pod: str
    reason: str
    """In the form that Kubernetes wants: one word in CamelCase."""
    text: str
    key: str
    """The same for the same notice, whoever writes it: an event is named after it."""
    warning: bool = False
    lasting: bool = False
    """It is still so: where the event is there already, it is renewed."""


@dataclass(frozen=True, slots=True)
class _Told:
    since: float
    at: float = float("-inf")
    text: str = ""


class Narrator:
    """Remembers what was so at the last look. Ask it once a turn."""

    def __init__(self) -> None:
        self._before: Snapshot | None = None
        self._inconsistent: frozenset[str] = frozenset()
        self._waits: dict[tuple[str, Reason], _Told] = {}

    def look(
        self, snapshot: Snapshot | None, registry: Registered | None, pods: Sequence[Pod], now: float
    ) -> tuple[Notice, ...]:
        """Return what is new since the last look; ``snapshot`` and ``registry`` are None while etcd cannot be read.

        The first read tells of nothing that is past, for events of long ago would look new; but of an election
        that is under way.
        """
        notices = list(self._waiting(waits(snapshot, pods), now))
        if snapshot is None or registry is None:
            return tuple(notices)
        if self._before is not None:
            notices += decisions(self._before, snapshot, registry)
        elif snapshot.bootstrap is not None and snapshot.bootstrap.phase is Phase.ELECTED:
            notices.append(_election(snapshot.bootstrap))
        self._before = snapshot
        inconsistent = {node: each for node, each in registry.nodes.items() if each.state is NodeState.INCONSISTENT}
        notices += [_inconsistency(inconsistent[node]) for node in sorted(inconsistent.keys() - self._inconsistent)]
        self._inconsistent = frozenset(inconsistent)
        return tuple(notices)

    def _waiting(self, current: Mapping[str, Wait], now: float) -> Iterator[Notice]:
        self._waits = {
            (node, wait.reason): self._waits.get((node, wait.reason), _Told(now)) for node, wait in current.items()
        }
        for node, wait in current.items():
            known = self._waits[node, wait.reason]
            words = WORDS[wait.reason]
            text = f"Waits: {headline(wait)}. {words.action} More: galeractl explain, {section(wait.reason)}"
            due = REPEAT if text == known.text else CHANGED
            if now - known.since >= (PASSING if words.passes else LASTING) and now - known.at >= due:
                self._waits[node, wait.reason] = replace(known, at=now, text=text)
                yield Notice(node, "BootstrapWaits", text, f"waits {wait.reason}", warning=True, lasting=True)


def waits(snapshot: Snapshot | None, pods: Sequence[Pod]) -> dict[str, Wait]:
    """Return what each node waits for, by the protocol's own rules; while etcd is silent, who is not Ready for it."""
    if snapshot is None:
        return {pod.name: Wait(Reason.ETCD_UNAVAILABLE) for pod in pods if pod.running and not pod.ready}
    found = {node: foresee(report, snapshot) for node, report in sorted(snapshot.reports.items())}
    return {node: decision for node, decision in found.items() if isinstance(decision, Wait)}


def decisions(before: Snapshot, after: Snapshot, registry: Registered) -> Iterator[Notice]:
    """Yield what was decided between two reads; ``registry`` is of the later one."""
    if after.bootstrap is not None and after.bootstrap != before.bootstrap:
        yield _election(after.bootstrap)
    for order in after.orders:
        if order.node and order not in before.orders:
            yield _order(order)
    for node, report in sorted(after.reports.items()):
        known = before.reports.get(node)
        was = None if known is None or known.boot_id != report.boot_id else known.activity
        if report.activity is Activity.STARTING and was is not Activity.STARTING:
            yield _start(node, report.boot_id, after)
        stop = foresee(report, after)
        if isinstance(stop, Stop) and not (known and isinstance(foresee(known, before), Stop)):
            text = f"Its database is stopped in order: {stop.text}."
            yield Notice(node, "BootstrapStops", text, f"stop {report.epoch} {report.incarnation}")
    epoch = newest_confirmed(after.history)
    confirmed = after.bootstrap.epoch.node if after.bootstrap and after.bootstrap != before.bootstrap else ""
    for node in sorted(after.primary.keys() - before.primary.keys() - {confirmed}):
        run = registry.nodes[node].member_uuid if node in registry.nodes else ""
        text = f"Is a member of the Primary component of epoch {epoch}."
        yield Notice(node, "PrimaryMember", text, f"member {epoch} {run}")


def _inconsistency(record: NodeRecord) -> Notice:
    text = (
        "Galera found that this node's data differ from the others'. It is stopped, and takes a full state transfer "
        "when it starts again."
    )
    return Notice(record.node, "DataInconsistent", text, f"inconsistent {record.member_uuid}", warning=True)


def _election(bootstrap: Bootstrap) -> Notice:
    epoch = bootstrap.epoch
    key = f"{bootstrap.phase} {epoch.number} {bootstrap.token}"
    begins = f"from seqno {epoch.base} of epoch {epoch.parent}" if epoch.base >= 0 else "with an empty database"
    lossy = " Data loss was accepted." if epoch.lossy else ""
    if bootstrap.phase is Phase.ELECTED:
        text = f"Elected for epoch {epoch.number}: begins a new Primary component {begins}, for {RULES[epoch.rule]}."
        return Notice(epoch.node, "BootstrapElected", text + lossy, key)
    if bootstrap.phase is Phase.VOID:
        text = f"Gave its election for epoch {epoch.number} back: its data are no longer those it was elected for."
        return Notice(epoch.node, "BootstrapResigned", text, key, warning=True)
    if epoch.mode is Mode.ADOPTED:
        text = f"Its Primary component ran before etcd knew of it: it is epoch {epoch.number} now."
        return Notice(epoch.node, "BootstrapAdopted", text, key)
    text = f"Its Primary component is confirmed as epoch {epoch.number}: clients are served, the others join it."
    return Notice(epoch.node, "BootstrapConfirmed", text, key)


def _start(node: str, boot_id: str, snapshot: Snapshot) -> Notice:
    bootstrap = snapshot.bootstrap
    if bootstrap is not None and bootstrap.phase is Phase.ELECTED and bootstrap.epoch.node == node:
        text = f"Starts its database as the first of epoch {bootstrap.epoch.number}."
        return Notice(node, "BootstrapStarts", text, f"start {boot_id}")
    text = f"Starts its database, to join the Primary component of epoch {newest_confirmed(snapshot.history)}."
    return Notice(node, "BootstrapJoins", text, f"start {boot_id}")


def _order(order: Order) -> Notice:
    lossy = ", data loss accepted" if order.lossy else ""
    by = f" by {order.by}" if order.by else ""
    return Notice(
        order.node, "BootstrapOrdered", f"Ordered{by}: {_ORDERS[order.purpose]}{lossy}.", f"order {order.token}"
    )
