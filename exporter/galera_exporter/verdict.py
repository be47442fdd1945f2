"""The cluster in one sentence: healthy, degraded or down, and why. Pure.

The rules, in the order in which they decide:

1. Two sets of nodes that are Primary and do not count each other, or a node that
   serves without a history: down. Writes go astray, which is worse than no service.
2. No node Primary, or none that serves: down.
3. Fewer nodes serve than expected, or the registry and a node disagree: degraded.
4. Else healthy. A donor that serves does not change that; the sentence says so.

An existing key proves nothing while the registry cannot be read: then only this
node's own database counts. A key that stopped changing proves nothing either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from galera_exporter.bootstrap.reading import BootstrapReading
from galera_exporter.errors import RegistryReason
from galera_exporter.model import ZERO_UUID, DatabaseReading, NodeRecord, NodeState, RegistryReading
from galera_exporter.standing import SERVING, Standing, own_standing, standing_of

_NAMED: Final = 3
"""How many reasons the sentence names; all are in ``reasons``."""


class Level(StrEnum):
    """How bad it is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """It serves, and someone should look."""
    DOWN = "down"
    """It does not serve, or must not."""
    UNKNOWN = "unknown"
    """Nothing can be seen from here."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The level, one sentence, and every reason for it."""

    level: Level
    text: str
    reasons: tuple[str, ...] = ()
    serving: int = 0
    """How many nodes are known to serve."""
    expected: int = 0
    """How many should; 0 where that is not known."""


def judge(
    database: DatabaseReading | None,
    registry: RegistryReading | None,
    expected: int,
    *,
    node: str = "",
    bootstrap: BootstrapReading | None = None,
) -> Verdict:
    """Judge the cluster from this node's own database and the registry; None where there is no such source.

    ``expected`` is the number of nodes that should be; 0: the largest number that any
    source knows. ``node`` is this node's name in the registry; without it (galeractl, from
    anywhere) the database counts only where the registry cannot be read. ``bootstrap`` is this
    node's part in the bootstrap protocol: what it waits for is said in its stead.
    """
    if registry is not None and not registry.up:
        own = own_standing(database, None, node or "this node", bootstrap)
        return _alone(own, registry, expected or _largest(database, registry, ()))
    nodes = _standings(database, registry, node, bootstrap)
    target = expected or _largest(database, registry, nodes)
    if not nodes:
        text = "Unknown: the registry has no node of this cluster." if registry else "Unknown: there is no source."
        return Verdict(Level.UNKNOWN, text, (), 0, target)
    serving = sum(each.serves for each in nodes)
    split = _split(nodes) or _contradicting(registry)
    for danger, evidence in (("split brain suspected", split), ("history lost", _lost(nodes))):
        if evidence:
            return Verdict(Level.DOWN, f"Down: {danger}: {_sentence(evidence)}", evidence, serving, target)
    if not serving:
        troubles = tuple(each.words() for each in nodes)
        none = "no node serves" if any(each.primary for each in nodes) else "no node is Primary"
        return Verdict(Level.DOWN, f"Down: {none}. {_sentence(troubles)}", troubles, serving, target)
    reasons = tuple(_degraded(nodes, database, registry, expected, target))
    if reasons:
        text = f"Degraded: {_sentence((*reasons[:_NAMED], f'{serving} of {target} nodes serve'))}"
        return Verdict(Level.DEGRADED, text, reasons, serving, target)
    return Verdict(Level.HEALTHY, _healthy(nodes, registry, target), (), serving, target)


def _standings(
    database: DatabaseReading | None, registry: RegistryReading | None, node: str, bootstrap: BootstrapReading | None
) -> list[Standing]:
    """Return each node once: this one by its database, the others by their keys."""
    if registry is None:
        own = own_standing(database, None, node or "this node", bootstrap)
        return [own] if own else []
    views, reporting = registry.view.nodes, registry.view.reporting
    mine = own_standing(database, next((view for view in views if view.node == node), None), node, bootstrap)
    others = [
        standing_of(view, reports=view.node in reporting)
        for view in views
        if mine is None or not node or view.node != node
    ]
    return [mine, *others] if mine and node else others


def _largest(database: DatabaseReading | None, registry: RegistryReading | None, nodes: Sequence[Standing]) -> int:
    """Return the largest number of nodes that any source speaks of."""
    records: list[NodeRecord] = [view.record for view in registry.view.nodes if view.record] if registry else []
    sample = database.sample if database else None
    known = [len(nodes), sample.cluster_size if sample else 0]
    known += [number for record in records for number in (record.expected, record.size)]
    return max(known)


def _alone(own: Standing | None, registry: RegistryReading, target: int) -> Verdict:
    """Judge by the own database only: the registry cannot be read."""
    why = registry.reason.replace("_", " ") if registry.reason else "no answer yet"
    reached = registry.reason is not RegistryReason.UNREACHABLE
    unread = f"the registry cannot be read ({why})" if reached else "the registry is unreachable"
    if own is None or not own.live:
        reasons = (unread, *((own.words(),) if own else ()))
        return Verdict(Level.UNKNOWN, f"Unknown: {_sentence(reasons)}", reasons, 0, target)
    if not own.serves:
        reasons = (own.words(), unread)
        return Verdict(Level.DOWN, f"Down as far as this node sees: {_sentence(reasons)}", reasons, 0, target)
    view = f"{own.name} is Primary and {_state(own)}, size {own.size} of {target}"
    return Verdict(Level.DEGRADED, f"Degraded: {_sentence((unread, view))}", (unread,), 1, target)


def _split(nodes: Iterable[Standing]) -> tuple[str, ...]:
    """Return the evidence that more than one history, or more than one component, is Primary."""
    primary = [each for each in nodes if each.primary]
    reasons = []
    histories: dict[str, list[str]] = {}
    for each in primary:
        if each.uuid != ZERO_UUID and each.state in SERVING:
            histories.setdefault(each.uuid, []).append(each.name)
    if len(histories) > 1:
        parts = " and ".join(f"{', '.join(names)} ({uuid[:8]})" for uuid, names in sorted(histories.items()))
        reasons.append(f"Primary nodes have different state UUIDs: {parts}")
    # A dying node's last words stay in the registry for a while: only fresh ones are held against each other,
    # and only when each side leaves the other out, which a node that left a while ago cannot do.
    fresh = [each for each in primary if each.fresh]
    reasons += [
        f"{one.name} and {two.name} are both Primary, and neither counts the other"
        for index, one in enumerate(fresh)
        for two in fresh[index + 1 :]
        if one.name in one.members and two.name in two.members  # else Galera's names are not those of the registry
        if one.name not in two.members and two.name not in one.members
    ]
    sizes = Counter(each.size for each in fresh)
    closed = [size for size, count in sizes.items() if 0 < size <= count]
    if not reasons and (len(closed) > 1 or any(count > size > 0 for size, count in sizes.items())):
        parts = ", ".join(f"{each.name} counts {each.size}" for each in fresh)
        reasons.append(f"Primary nodes form more than one component: {parts}")
    return tuple(reasons)


def _contradicting(registry: RegistryReading | None) -> tuple[str, ...]:
    """Return the nodes that have been Primary in different components for longer than a view change takes."""
    nodes = registry.view.contradicting if registry is not None else ()
    return (f"{', '.join(nodes)} are Primary and have named different components for a while",) if nodes else ()


def _lost(nodes: Iterable[Standing]) -> tuple[str, ...]:
    """Return the nodes that serve without a history: they were bootstrapped empty."""
    return tuple(
        f"{each.name} is Primary and Synced with the all-zero state UUID"
        for each in nodes
        if each.primary and each.state is NodeState.SYNCED and each.uuid == ZERO_UUID
    )


def _degraded(
    nodes: Sequence[Standing],
    database: DatabaseReading | None,
    registry: RegistryReading | None,
    expected: int,
    target: int,
) -> Iterable[str]:
    """Yield each reason why a cluster that serves is not healthy."""
    serving = sum(each.serves for each in nodes)
    complete = 0 < expected <= serving  # then a node that is gone was taken away on purpose
    yield from (each.words() for each in nodes if not each.serves and (each.live or not complete))
    if registry is None:
        size = nodes[0].size
        if size < target:
            yield f"the component has {size} of {target} nodes"
        return
    if len(nodes) < target:
        yield f"{target - len(nodes)} of {target} nodes never registered"
    sizes = {each.size for each in nodes if each.serves and each.fresh}
    if len(sizes) > 1:
        yield f"nodes count {' and '.join(str(size) for size in sorted(sizes))} members: the view is changing"
    elif serving >= target and 0 < max(sizes, default=0) < target:  # a dead node's key outlives it by up to its TTL
        yield f"the component has {max(sizes)} of {target} nodes"
    if database is not None and not registry.registered:
        yield "this node is not registered" + (f" ({registry.reason.replace('_', ' ')})" if registry.reason else "")
    if registry.view.orphans:
        yield f"{registry.view.orphans} registered and alive, but not in the Galera view"


def _healthy(nodes: Sequence[Standing], registry: RegistryReading | None, target: int) -> str:
    if registry is None:
        own = nodes[0]
        return f"Healthy: {own.name} is {_state(own)} in a Primary component of {own.size}; no registry is configured."
    donors = [each.name for each in nodes if each.state is NodeState.DONOR and each.serves]
    serving = sum(each.serves for each in nodes)
    if donors:
        names = ", ".join(donors)
        role = "is a donor and serves" if len(donors) == 1 else "are donors and serve"
        return f"Healthy: {serving} of {target} nodes serve in one Primary component; {names} {role}."
    return f"Healthy: {serving} of {target} nodes are Synced in one Primary component."


def _state(node: Standing) -> str:
    return "a donor" if node.state is NodeState.DONOR else node.state.capitalize()


def _sentence(parts: Sequence[str]) -> str:
    """Join a few parts to a sentence; what does not fit is counted."""
    kept = list(parts[: _NAMED + 1])
    if len(parts) > len(kept):
        kept.append(f"{len(parts) - len(kept)} more")
    return "; ".join(kept) + "." if kept else ""
