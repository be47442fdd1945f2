"""The status page's table of nodes: one row for each, from the registry, or from this node alone. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from galera_exporter.model import (
    ZERO_UUID,
    ClusterStatus,
    DatabaseReading,
    NodeRecord,
    NodeState,
    NodeView,
    PositionSource,
    RegistryReading,
)
from galera_exporter.standing import duration, gone
from galera_exporter.web.markup import digits, mark, sub, text
from galera_exporter.web.tones import IN_THE_BOOTSTRAP, STATES, Tone

_COLUMNS: Final = ("Node", "State", "Status", "Seqno", "Key age", "In view", "Ready", "Address", "Sidecar")
_CLASSES: Final = {"Key age": " class=age", "Address": " class=free", "Sidecar": " class=free"}
_NONE: Final = '<span class="soft">\u2013</span>'


def state_mark(state: NodeState, *, stale: bool = False) -> str:
    """Return a node's state with its sign; a stale one in the neutral tone, for nobody knows whether it is still so."""
    look = STATES[state]
    return mark("mute" if stale else look.tone, look.words)


def status_mark(status: ClusterStatus) -> str:
    """Return a node's cluster status; only a bad one gets a sign."""
    if status is ClusterStatus.PRIMARY:
        return text(status)
    return mark("mute" if status is ClusterStatus.UNKNOWN else "bad", status)


def render_nodes(registry: RegistryReading | None, database: DatabaseReading | None, own: str, now: float) -> str:
    """Return the section with the table. ``own`` is this node's name, ``now`` the wall clock."""
    if registry is None:
        known = database.sample.raw.get("wsrep_incoming_addresses", "") if database and database.sample else ""
        addresses = f" Members of its component: {text(known)}." if known else ""
        return (
            '<section><h2>Nodes</h2><p class="notice mute">No registry is configured, so only this node is shown.'
            f"{addresses}</p></section>"
        )
    notices = "".join(f'<p class="notice {tone}">{words}</p>' for tone, words in _notices(registry, now))
    views = registry.view.nodes
    if not views:
        return f"<section><h2>Nodes</h2>{notices or '<p class=soft>No node has registered.</p>'}</section>"
    behind = _behind([view.record for view in views if view.record])
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    asking = registry.view.reporting
    rows = "".join(
        _row(view, behind, own=view.node == own, stale=not registry.up, asks=view.node in asking) for view in views
    )
    return (
        f"<section><h2>Nodes</h2>{notices}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _notices(registry: RegistryReading, now: float) -> Iterable[tuple[Tone, str]]:
    if not registry.up:
        since = f"{duration(now - registry.last_success)} ago" if registry.last_success is not None else "never"
        yield "fair", f"Last words, not the present: the registry cannot be read. Last read: {since}."
    if registry.view.foreign:
        count = registry.view.foreign
        yield "mute", f"{count} key{'' if count == 1 else 's'} below this cluster's prefix could not be read as a node."


def _row(view: NodeView, behind: Callable[[NodeRecord], str], *, own: bool, stale: bool, asks: bool) -> str:
    record = view.record
    name = text(view.node) + sub("this node" if own else "")
    if not view.present:
        state = mark(IN_THE_BOOTSTRAP.tone, IN_THE_BOOTSTRAP.words) if asks else mark("bad", "Gone")
        state += sub(f"last: {STATES[record.state].words}" if record else "")
    elif record is None:
        state = mark("bad", "Unreadable key")
    else:
        state = state_mark(record.state, stale=stale)
    cells = (
        state,
        status_mark(record.status) if record and view.present else _NONE,
        _seqno(record, behind) if record else _NONE,
        _key_age(view, stale=stale),
        _yes(view.in_view),
        _yes(record.ready) if record and view.present else _NONE,
        text(record.address) if record else _NONE,
        text(record.version) if record else _NONE,
    )
    marked = "".join(
        f'<td data-name="{column}"{_CLASSES.get(column, "")}><div>{cell}</div></td>'
        for column, cell in zip(_COLUMNS[1:], cells, strict=True)
    )
    return f'<tr{"" if view.present else " class=gone"}><th scope="row">{name}</th>{marked}</tr>'


def _seqno(record: NodeRecord, behind: Callable[[NodeRecord], str]) -> str:
    if record.position.uuid == ZERO_UUID:
        return f"none{sub('undefined position')}"
    if record.position.seqno < 0:
        return f"unknown{sub(_source(record.source))}"
    return digits(record.position.seqno) + sub(", ".join(filter(None, (behind(record), _source(record.source)))))


def _source(source: PositionSource) -> str:
    return "" if source is PositionSource.STATUS else f"from {source}"


def _behind(records: list[NodeRecord]) -> Callable[[NodeRecord], str]:
    """Return what says how far a record is behind the most advanced one of the same history."""
    defined = [record.position for record in records if record.position.defined]
    histories = Counter(position.uuid for position in defined)
    usual = max(histories, key=histories.__getitem__, default="")
    ahead = max((position.seqno for position in defined if position.uuid == usual), default=-1)

    def words(record: NodeRecord) -> str:
        if record.position.uuid != usual:
            return f"other history: {text(record.position.uuid[:8])}"
        lag = ahead - record.position.seqno
        return f"{digits(lag)} behind" if lag else ""

    return words


def _key_age(view: NodeView, *, stale: bool) -> str:
    """Return age against TTL as words and a bar; after the end, since when it is gone."""
    if not view.present:
        return f'<span>{text(gone(view))}</span><span class="track"><i class="over" style="width:100%"></i></span>'
    lease = "" if view.leased else sub("no lease: never expires")
    if view.age is None:
        return f"present{lease}"
    if stale:
        return f"last change {duration(view.age)} ago{lease}"
    ttl = view.record.ttl if view.record else 0
    if ttl <= 0:
        return f"{view.age:.1f} s{lease}"
    share = min(1.0, view.age / ttl)
    kind = "over" if view.age > ttl else "late" if share > 1 / 2 else ""
    return (
        f'<span class="nowrap">{view.age:.1f} s of {ttl} s</span>'
        f'<span class="track"><i class="{kind}" style="width:{share:.0%}"></i></span>{lease}'
    )


def _yes(value: bool | None) -> str:  # noqa: FBT001 - a fact, not a mode
    if value is None:
        return _NONE
    return "yes" if value else mark("fair", "no")
