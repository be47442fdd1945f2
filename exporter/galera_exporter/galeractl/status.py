"""``galeractl status``: each node, and a verdict in words."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Any, Final

from galera_exporter.galeractl.command import Command, Context, add_output, as_json
from galera_exporter.galeractl.exits import Exit
from galera_exporter.galeractl.survey import Survey, Surveyor
from galera_exporter.galeractl.terminal import Cell, Terminal, printable
from galera_exporter.galeractl.watch import add_watch, watch
from galera_exporter.model import ClusterStatus, NodeRecord, NodeState, NodeView
from galera_exporter.settings import Config
from galera_exporter.verdict import Level

_EXITS: Final = {
    Level.HEALTHY: Exit.HEALTHY,
    Level.DEGRADED: Exit.DEGRADED,
    Level.DOWN: Exit.DOWN,
    Level.UNKNOWN: Exit.DOWN,
}
_STYLES: Final = {Exit.HEALTHY: "good", Exit.DEGRADED: "fair", Exit.DOWN: "bad"}
_SERVING: Final = frozenset({NodeState.SYNCED, NodeState.DONOR})

DESCRIPTION: Final = """\
Show each node that the registry knows, and a verdict. Where there is no registry, or it does not
answer, the local MariaDB is asked instead, and the answer says so.

columns:
  STATE    wsrep_local_state_comment; "gone (...)": the node's key has expired, with its last words
  STATUS   wsrep_cluster_status
  SEQNO    the last committed transaction, and how far it is behind the most advanced node;
           nodes write it every 3 s or so, so under load a few seconds of writes are no lag
  SOURCE   where that position was read: status (SQL), grastate (file), recover
  KEY AGE  seconds since the node wrote its key; beyond the TTL (10 s) the key is gone
  IN VIEW  whether most Primary nodes have it in their Galera view; "-": they do not say
  READY    wsrep_ready          SIZE  wsrep_cluster_size, as this node sees it

exit status:
  0  healthy: every expected node serves, in one Primary component
  1  degraded: the cluster serves, but something needs care; also: only the local node could be asked
  2  down: no node serves, or nothing can be said (neither etcd nor the local MariaDB answers)
  64 wrong usage   70 a fault of galeractl

JSON (--output json; with --watch one object a line):
  level healthy|degraded|down|unknown, text, reasons [text], source registry|local|none, namespace, cluster,
  registry null or {up, revision, foreign_keys, reason, detail},
  database null (not asked) or {up, reason, detail},
  nodes [{node, present, key_age_seconds, leased, state, status, uuid, seqno, behind, position_source,
          in_view, ready, size, address, version}]; null: not known

examples:
  galeractl status
  galeractl status --watch 2
  galeractl status --output json | jq -r '.nodes[] | select(.ready | not) | .node'
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    add_watch(parser)


def run(context: Context, arguments: argparse.Namespace) -> int:
    """Look once, or with --watch until Ctrl-C; see DESCRIPTION."""
    with closing(Surveyor(context.config)) as surveyor:

        def look() -> tuple[str, int]:
            survey = surveyor.look()
            if arguments.output == "json":
                text = as_json(_document(context.config, survey), one_line=arguments.watch is not None)
            else:
                text = page(context.out, survey)
            return text, _EXITS[survey.verdict.level]

        if arguments.watch is not None:
            return watch(context.out, arguments.watch, look, plain=arguments.output == "json")
        text, level = look()
        context.out.write(text)
        return level


def page(terminal: Terminal, survey: Survey) -> str:
    """Return the table of nodes, remarks, and the verdict with its reasons."""
    front = _front(survey.nodes)
    rows = [_row(node, front, local=survey.source == "local") for node in survey.nodes]
    head = ("NODE", "STATE", "STATUS", "SEQNO", "SOURCE", "KEY AGE", "IN VIEW", "READY", "SIZE", "ADDRESS")
    lines = [terminal.table(head, rows), ""] if rows else []
    if survey.registry is None:
        lines.append("No etcd is configured (--etcd.endpoints): only the local node was asked.")
    elif not survey.registry.up:
        lines.append(f"etcd does not serve ({printable(survey.registry.detail)}): only the local node was asked.")
    elif survey.registry.view.foreign:
        lines.append(f"Foreign keys below the prefix, which no sidecar wrote: {survey.registry.view.foreign}.")
    if survey.database is not None and not survey.database.up:
        lines.append(f"The local MariaDB: {survey.database.reason} ({printable(survey.database.detail)}).")
    style = _STYLES[_EXITS[survey.verdict.level]]
    lines.append(terminal.paint(printable(survey.verdict.text), style))
    lines += [f"  - {printable(reason)}" for reason in survey.verdict.reasons]
    return "\n".join(lines) + "\n"


def _row(node: NodeView, front: dict[str, int], *, local: bool) -> list[Cell | str]:
    record = node.record
    here = node.present or local
    if record is None:
        state = Cell("not readable" if node.present else "gone", "bad")
        return [node.node, state, "-", "-", "-", _age(node, local=local), _yes(node.in_view), "-", "-", "-"]
    return [
        node.node,
        _state(record) if here else Cell(f"gone ({record.state})", "bad"),
        _status(record) if here else Cell(record.status, "dim"),
        _seqno(record, front),
        record.source,
        _age(node, local=local),
        _yes(node.in_view),
        _yes(record.ready if here else False),
        str(record.size) if here and record.size >= 0 else "-",
        record.address or "-",
    ]


def _state(record: NodeRecord) -> Cell:
    return Cell(record.state, "good" if record.state in _SERVING else "fair")


def _status(record: NodeRecord) -> Cell:
    return Cell(record.status, "good" if record.status is ClusterStatus.PRIMARY else "bad")


def _seqno(record: NodeRecord, front: dict[str, int]) -> str:
    behind = _behind(record, front)
    if behind is None:
        return "-"
    return f"{record.position.seqno} (-{behind})" if behind else str(record.position.seqno)


def _age(node: NodeView, *, local: bool) -> Cell:
    if local:
        return Cell("unknown", "dim")
    if not node.present:
        return Cell("gone" if node.age is None else f"gone, {node.age:.0f} s", "bad")
    if not node.leased:
        return Cell("no lease", "fair")
    return Cell("-" if node.age is None else f"{node.age:.0f} s")


def _yes(value: bool | None) -> Cell:  # noqa: FBT001 -- it is the value shown, not a switch
    if value is None:
        return Cell("-", "dim")
    return Cell("yes") if value else Cell("no", "fair")


def _front(nodes: tuple[NodeView, ...]) -> dict[str, int]:
    """The largest seqno of each state UUID: seqnos of different histories cannot be compared."""
    front: dict[str, int] = {}
    for node in nodes:
        if node.record is not None and node.record.position.defined:
            position = node.record.position
            front[position.uuid] = max(front.get(position.uuid, -1), position.seqno)
    return front


def _behind(record: NodeRecord, front: dict[str, int]) -> int | None:
    return front[record.position.uuid] - record.position.seqno if record.position.defined else None


def _document(config: Config, survey: Survey) -> dict[str, Any]:
    """The JSON that DESCRIPTION documents."""
    registry, database = survey.registry, survey.database
    front = _front(survey.nodes)
    return {
        "level": str(survey.verdict.level),
        "text": survey.verdict.text,
        "reasons": list(survey.verdict.reasons),
        "source": survey.source,
        "namespace": config.etcd.namespace,
        "cluster": config.etcd.cluster,
        "registry": registry
        and {
            "up": registry.up,
            "revision": registry.view.revision if registry.up else None,
            "foreign_keys": registry.view.foreign if registry.up else None,
            "reason": registry.reason,
            "detail": registry.detail,
        },
        "database": database and {"up": database.up, "reason": database.reason, "detail": database.detail},
        "nodes": [_node_document(node, front, local=survey.source == "local") for node in survey.nodes],
    }


def _node_document(node: NodeView, front: dict[str, int], *, local: bool) -> dict[str, Any]:
    record = node.record
    return {
        "node": node.node,
        "present": None if local else node.present,
        "key_age_seconds": node.age,
        "leased": None if local else node.leased,
        "state": record and record.state,
        "status": record and record.status,
        "uuid": record.position.uuid if record and record.position.defined else None,
        "seqno": record.position.seqno if record and record.position.defined else None,
        "behind": _behind(record, front) if record else None,
        "position_source": record and record.source,
        "in_view": node.in_view,
        "ready": record and record.ready and (local or node.present),
        "size": record.size if record and record.size >= 0 else None,
        "address": (record and record.address) or None,
        "version": (record and record.version) or None,
    }


COMMAND: Final = Command("status", "show each node, and a verdict", DESCRIPTION, _add_arguments, run)
