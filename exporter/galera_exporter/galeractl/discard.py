"""``galeractl discard``: order that the data of one node are thrown away, and replaced by a full state transfer."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Final

from galera_exporter.bootstrap.choice import evidence
from galera_exporter.bootstrap.state import Activity, Held, Purpose, Report, Snapshot
from galera_exporter.galeractl import loss, orders
from galera_exporter.galeractl.command import Command, Context
from galera_exporter.galeractl.confirmation import confirm
from galera_exporter.galeractl.exits import RefusedError
from galera_exporter.galeractl.force_bootstrap import reporting
from galera_exporter.galeractl.roster import connect
from galera_exporter.galeractl.terminal import printable

DESCRIPTION: Final = """\
Order that NODE throws its data away and takes a full state transfer from the cluster. For a node that
waits because its data are not a part of the cluster's history (diverged), or are another cluster's
(uuid_conflict). First save what is needed from it: this shows what it is.

The order is used when the node joins; until then it stays. Where all nodes wait, those whose data
are discarded count no more, and the others may elect one of them.

exit status:
  0  the order was used: the node joins by a full state transfer (or it was given, with --no-wait)
  1  the order was given and not used in time: it stays
  2  etcd does not serve
  3  refused: NODE does not report or has no data, its data are a part of the cluster's history, nobody
     else is here with data, or nobody confirmed
  64 wrong usage   70 a fault of galeractl

examples:
  galeractl discard galera-2
  galeractl discard galera-2 --yes --timeout 120
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", metavar="NODE", help="the node whose data are thrown away")
    orders.add_giving(parser)


def run(context: Context, arguments: argparse.Namespace) -> int:
    """Show, ask, order, follow; see DESCRIPTION."""
    with closing(connect(context.config.etcd)) as etcd:
        seen = orders.look(etcd, context.config.etcd.prefix)
        snapshot, node = seen.snapshot, arguments.node
        report = reporting(snapshot, node)
        orders.refuse_others(snapshot, {Purpose.DISCARD}, node)
        lost = _lost(snapshot, report)
        context.out.write(f"{printable(lost.departure)}.\n")
        confirm(context, f"Throw the data of {printable(node)} away? Type its name,", node, yes=arguments.yes)
        order = orders.new(Purpose.DISCARD, node)
        orders.give(etcd, seen, order, orders.guards(snapshot, (node,), without_primary=False))
        used = f"{printable(node)} joins by a full state transfer. Follow it: galeractl status --watch"
        return orders.follow(context, etcd, order, arguments, lambda _: used)


def _lost(snapshot: Snapshot, report: Report) -> loss.Loss:
    """Return what is lost; RefusedError where the order would make no sense."""
    node = printable(report.node)
    if report.activity is Activity.STARTING:
        raise RefusedError(f"{node} was let start already: it joins, or reports again")
    if report.held is not Held.DATA:
        raise RefusedError(f"{node} has no data: it takes a full state transfer anyway")
    lost = loss.discarded(snapshot, report)
    if lost is not None and loss.sole(snapshot, report):
        raise RefusedError(
            f"nobody else is here with data that could take the place of those of {node}. "
            f"To begin with them: galeractl force-bootstrap {node} --accept-data-loss"
        )
    if lost is not None:
        return lost
    if report.tainted or not report.position.defined:
        raise RefusedError(f"the data of {node} are not whole: it takes a full state transfer anyway")
    cluster = evidence(snapshot, report.expected).cluster
    if not cluster:
        raise RefusedError(
            f"no other cluster's data are known that those of {node} would stand against. "
            "To begin with another node's: galeractl force-bootstrap"
        )
    raise RefusedError(
        f"the data of {node} are a part of the cluster's history (epoch {cluster}), or given up already: "
        "it joins without an order"
    )


COMMAND: Final = Command(
    "discard", "order that a node's data are replaced by the cluster's", DESCRIPTION, _add_arguments, run, "NODE"
)
