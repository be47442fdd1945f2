"""``galeractl explain``: what each node says, what the protocol makes of it, and what would resolve a wait."""

from __future__ import annotations

import argparse
import contextlib
import textwrap
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final

from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.bootstrap.records import epoch_fields
from galera_exporter.bootstrap.state import Bootstrap, Epoch, Phase, Reason
from galera_exporter.bootstrap.transactions import LIVE, PRIMARY, REPORT
from galera_exporter.bootstrap.words import (
    REFUSED_ACTION,
    REFUSED_MEANING,
    REFUSED_SECTION,
    RULES,
    WORDS,
    headline,
    section,
)
from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.galeractl import orders
from galera_exporter.galeractl.command import Command, Context, add_output, as_json
from galera_exporter.galeractl.exits import Exit
from galera_exporter.galeractl.outlook import Outlook, Row, Waiting, beginning, next_step, outlook
from galera_exporter.galeractl.roster import connect
from galera_exporter.galeractl.terminal import Cell, Terminal, printable
from galera_exporter.galeractl.watch import add_watch, watch
from galera_exporter.model import Position
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.records import Kind, classify, decode
from galera_exporter.settings import Config

_SHOWN: Final = 5
"""Elections."""
_WIDTH: Final = 110
"""Columns of running text."""
_STYLES: Final = {Exit.HEALTHY: "good", Exit.DEGRADED: "fair", Exit.DOWN: "bad"}
_REMARK: Final = (
    "Decided here from etcd alone: nodes that it has as Primary are taken to answer. "
    "What a node itself waits for is on its status page and in its log."
)

_AWAY: Final = frozenset({RegistryReason.UNREACHABLE, RegistryReason.TIMEOUT, RegistryReason.NO_LEADER})
_WITHOUT_ETCD: Final = f"""\
Without etcd nothing can be elected, and a database that is stopped may have to wait. Databases that run go on.
Look first whether a majority of etcd's members runs and has a leader: {WORDS[Reason.ETCD_UNAVAILABLE].command}
What a node waits for is on its status page too, http://NODE:10104/. More: {section(Reason.ETCD_UNAVAILABLE)}"""

DESCRIPTION: Final = """\
Show what each node reports, the newest elections, holds and orders, and what each node does next by
the rules of the bootstrap protocol, in words: why it waits, for whom, and the command that resolves it.

columns:
  NODE      as the registry names it
  DOES      gate: its database is stopped and asks to be started; starting: it was let start;
            survivor: it runs without a Primary component; primary; running; away: no live key
  DATA      empty, incomplete (an initialization that did not end), data; "-": it does not say
  EPOCH     the election that its data are of; 0: not known
  UUID      state UUID of its data; shown where nodes differ
  SEQNO     the last transaction of its data; of those that do not report: as etcd remembers it
  FLAGS     safe: left in order, as the last; tainted: not whole; final: ended in order, at this seqno;
            refused: its database does not let its sidecar in
  AGE       seconds since it renewed its keys, which end with their lease of 10 s
  NEXT      what it does next

exit status:
  0  a Primary component is registered, and no node waits for a person
  1  a start or an election is under way, or the cluster serves and a node waits for a person
  2  no Primary component, and a person is needed; or etcd does not serve
  64 wrong usage   70 a fault of galeractl

JSON (--output json; with --watch one object a line):
  level healthy|degraded|down, text, namespace, cluster, revision, primary [node],
  election null or {phase elected|primary|void, epoch}, history [epoch], newest first, with
  epoch {number, parent, base, uuid, node, mode, rule, why, lossy, confirmed},
  refused [node], hold null or text, orders [{token, purpose, node, lossy, by}], unreadable [key],
  waiting [{nodes, reason, for [node], detail, meaning, action, command, costs [text], section,
           passes}],
  nodes [{node, activity, data, uuid, seqno, epoch, flags, age_seconds, next, reason}]; null: not known

examples:
  galeractl explain
  galeractl explain --watch
  galeractl explain --output json | jq -r '.waiting[] | "\\(.reason): \\(.command)"'
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    add_watch(parser)


def run(context: Context, arguments: argparse.Namespace) -> int:
    """Look once, or with --watch until Ctrl-C; see DESCRIPTION."""
    try:
        return _look(context, arguments)
    except RegistryError as error:
        if error.reason in _AWAY:
            error.add_note(_WITHOUT_ETCD)
        raise


def _look(context: Context, arguments: argparse.Namespace) -> int:
    with closing(connect(context.config.etcd)) as etcd:

        def explained() -> tuple[str, int]:
            seen = orders.look(etcd, context.config.etcd.prefix)
            found = outlook(seen.snapshot, _ages(etcd, seen), _live(seen))
            if arguments.output == "json":
                document = _document(context.config, seen, found)
                return as_json(document, one_line=arguments.watch is not None), found.level
            return page(context.out, found), found.level

        if arguments.watch is not None:
            return watch(context.out, arguments.watch, explained, plain=arguments.output == "json")
        text, level = explained()
        context.out.write(text)
        return level


def _ages(etcd: Etcd, seen: orders.Look) -> dict[str, float]:
    """Return for how long each node's lease has run since it was renewed (whole seconds; etcd tells no better)."""
    leases: dict[str, int] = {}
    for pair in seen.found.pairs:
        name = pair.key.decode("utf-8", "replace").removeprefix(seen.prefix)
        folder, _, node = name.partition("/")
        if pair.lease and f"{folder}/" in {REPORT, PRIMARY, LIVE}:
            leases[node] = pair.lease
    ages = {}
    for node, lease in leases.items():
        with contextlib.suppress(RegistryError):  # it went while we read
            granted, remaining = etcd.time_to_live(lease)
            ages[node] = float(max(0, granted - remaining))
    return ages


def _live(seen: orders.Look) -> dict[str, Position]:
    """Return where the nodes are that answer SQL."""
    positions = {}
    for pair in seen.found.pairs:
        kind, node = classify(seen.prefix, pair.key)
        record = decode(pair.value, node) if kind is Kind.LIVE else None
        if record is not None:
            positions[node] = record.position
    return positions


def page(terminal: Terminal, found: Outlook) -> str:
    """Return the verdict, the nodes, the elections, what was ordered, and why nodes wait."""
    snapshot = found.snapshot
    lines = [terminal.paint(printable(found.text), _STYLES[found.level]), ""]
    if found.rows:
        lines += [_table(terminal, found.rows), ""]
    newest = sorted(snapshot.history.values(), key=lambda epoch: -epoch.number)[:_SHOWN]
    lines += ["Elections, newest first:"] if newest else []
    lines += [f"  - {_epoch(epoch, snapshot.bootstrap)}" for epoch in newest]
    if snapshot.hold is not None:
        lines.append(f"On hold: {printable(snapshot.hold) or 'no reason given'}. To end it: galeractl release")
    lines += [
        f"Order: {printable(orders.sentence(order))}. To take it back: galeractl withdraw {printable(order.token)}"
        for order in snapshot.orders
    ]
    lines += [f"Cannot be read: {printable(key)}" for key in snapshot.unreadable]
    if found.refused:
        lines += ["", *_refusal(terminal, found.refused)]
    for each in found.waiting:
        lines += ["", *_reason(terminal, each)]
    lines += ["", terminal.paint(_REMARK, "dim")]
    return "\n".join(lines) + "\n"


def _table(terminal: Terminal, rows: tuple[Row, ...]) -> str:
    """Return the nodes, with their state UUIDs where those differ."""
    several = len({row.position.uuid for row in rows if row.position.defined}) > 1
    head = ("NODE", "DOES", "DATA", "EPOCH", *(["UUID"] if several else []), "SEQNO", "FLAGS", "AGE", "NEXT")
    return terminal.table(head, [_cells(row, several=several) for row in rows])


def _cells(row: Row, *, several: bool) -> list[Cell | str]:
    style = {"primary": "good", "away": "bad"}.get(row.activity, "")
    known = row.position.defined
    return [
        row.node,
        Cell(row.activity, style),
        row.held or "-",
        str(row.epoch) if row.held or known else "-",
        *([row.position.uuid if known else "-"] if several else []),
        str(row.position.seqno) if known else "-",
        Cell(", ".join(row.flags) or "-", "fair" if "tainted" in row.flags else ""),
        "-" if row.age is None else f"{row.age:.0f} s",
        next_step(row.decision),
    ]


def _epoch(epoch: Epoch, bootstrap: Bootstrap | None) -> str:
    void = bootstrap is not None and bootstrap.phase is Phase.VOID and bootstrap.epoch.number == epoch.number
    marks = "" if epoch.confirmed else ", given up by it" if void else ", not confirmed"
    marks += ", data loss accepted" if epoch.lossy else ""
    return printable(f"epoch {epoch.number} by {epoch.node}, {beginning(epoch)}, for {RULES[epoch.rule]}{marks}")


def _reason(terminal: Terminal, each: Waiting) -> list[str]:
    words = WORDS[each.wait.reason]
    names = ", ".join(each.nodes)
    head = f"{names} wait{'s' * (len(each.nodes) == 1)}: {headline(each.wait)}"
    return [
        terminal.paint(printable(head), "fair" if words.passes else "bad"),
        *_wrapped(words.meaning),
        *_wrapped(words.action),
        *([f"    {printable(each.command)}"] if each.command else []),
        *(f"      {printable(cost)}" for cost in each.costs),
        f"  More: {section(each.wait.reason)}",
    ]


def _refusal(terminal: Terminal, nodes: tuple[str, ...]) -> list[str]:
    head = f"{', '.join(nodes)}: the database refuses the login of its sidecar"
    return [
        terminal.paint(printable(head), "bad"),
        *_wrapped(REFUSED_MEANING),
        *_wrapped(REFUSED_ACTION),
        f"  More: {REFUSED_SECTION}",
    ]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="  ")


def _document(config: Config, seen: orders.Look, found: Outlook) -> dict[str, Any]:
    """The JSON that DESCRIPTION documents."""
    snapshot = found.snapshot
    bootstrap = snapshot.bootstrap
    history = sorted(snapshot.history.values(), key=lambda epoch: -epoch.number)[:_SHOWN]
    return {
        "level": found.level.name.lower(),
        "text": found.text,
        "namespace": config.etcd.namespace,
        "cluster": config.etcd.cluster,
        "revision": seen.found.revision,
        "primary": sorted(snapshot.primary),
        "election": bootstrap and {"phase": bootstrap.phase, "epoch": _epoch_document(bootstrap.epoch)},
        "history": [_epoch_document(epoch) for epoch in history],
        "refused": list(found.refused),
        "hold": snapshot.hold,
        "orders": [
            {"token": o.token, "purpose": o.purpose, "node": o.node, "lossy": o.lossy, "by": o.by}
            for o in snapshot.orders
        ],
        "unreadable": list(snapshot.unreadable),
        "waiting": [_waiting_document(each) for each in found.waiting],
        "nodes": [_node_document(row) for row in found.rows],
    }


def _epoch_document(epoch: Epoch) -> Mapping[str, Any]:
    return {**epoch_fields(epoch), "why": RULES[epoch.rule]}


def _waiting_document(each: Waiting) -> Mapping[str, Any]:
    words = WORDS[each.wait.reason]
    return {
        "nodes": list(each.nodes),
        "reason": each.wait.reason,
        "for": list(each.wait.nodes),
        "detail": each.wait.text,
        "meaning": words.meaning,
        "action": words.action,
        "command": each.command,
        "costs": list(each.costs),
        "section": section(each.wait.reason),
        "passes": words.passes,
    }


def _node_document(row: Row) -> Mapping[str, Any]:
    return {
        "node": row.node,
        "activity": row.activity,
        "data": row.held,
        "uuid": row.position.uuid if row.position.defined else None,
        "seqno": row.position.seqno if row.position.defined else None,
        "epoch": row.epoch,
        "flags": list(row.flags),
        "age_seconds": row.age,
        "next": next_step(row.decision),
        "reason": row.decision.reason if isinstance(row.decision, Wait) else None,
    }


COMMAND: Final = Command(
    "explain", "say what each node waits for, why, and what resolves it", DESCRIPTION, _add_arguments, run
)
