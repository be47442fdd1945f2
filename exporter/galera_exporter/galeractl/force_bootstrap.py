"""``galeractl force-bootstrap``: order that a new Primary component begins with the data of one node."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Final

from galera_exporter.bootstrap.decisions import Start, Wait
from galera_exporter.bootstrap.state import Activity, Order, Purpose, Reason, Report, Snapshot
from galera_exporter.bootstrap.words import headline
from galera_exporter.galeractl import loss, orders
from galera_exporter.galeractl.command import Command, Context
from galera_exporter.galeractl.confirmation import confirm
from galera_exporter.galeractl.exits import RefusedError
from galera_exporter.galeractl.roster import connect
from galera_exporter.galeractl.terminal import printable

DESCRIPTION: Final = """\
Order that a new Primary component begins with the data of NODE, and that all others take theirs from
it. For the case that nodes wait (see galeractl explain) for something that will not come back.

First it shows what would be lost: what other nodes have, or are remembered to have had, beyond NODE.
Where that is anything, --accept-data-loss is needed. The order is written only while all of that is
still so, it is used once, and an old one does nothing. A node that comes back later with more data
than was known does not join before somebody has looked at it (galeractl discard); after an election
with --accept-data-loss it takes a full state transfer by itself, and its additional data are gone.

exit status:
  0  the order was used: NODE is elected and starts its database (or it was given, with --no-wait)
  1  the order was given and not used in time: it stays
  2  etcd does not serve
  3  refused: a Primary component exists, NODE does not report or has no usable data, data would be lost
     without --accept-data-loss, another order is pending, or nobody confirmed
  64 wrong usage   70 a fault of galeractl

examples:
  galeractl force-bootstrap galera-0
  galeractl force-bootstrap galera-0 --accept-data-loss --yes
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", metavar="NODE", help="the node to begin with, as galeractl explain names it")
    parser.add_argument(
        "--accept-data-loss", action="store_true", help="give up what other nodes have, or had, beyond NODE"
    )
    orders.add_giving(parser)


def run(context: Context, arguments: argparse.Namespace) -> int:
    """Show, ask, order, follow; see DESCRIPTION."""
    with closing(connect(context.config.etcd)) as etcd:
        seen = orders.look(etcd, context.config.etcd.prefix)
        snapshot, node = seen.snapshot, arguments.node
        orders.refuse_others(snapshot, {Purpose.FORCE, Purpose.INITIAL})
        report = reporting(snapshot, node)
        order = orders.new(Purpose.FORCE, node, lossy=arguments.accept_data_loss)
        _refuse(snapshot, report, order)
        context.out.write(_shown(snapshot, report))
        confirm(context, f"Bootstrap the cluster from {printable(node)}? Type its name,", node, yes=arguments.yes)
        names = {*snapshot.reports, *snapshot.nodes}
        orders.give(etcd, seen, order, orders.guards(snapshot, names, without_primary=True))
        return orders.follow(context, etcd, order, arguments, lambda after: _elected(after, node))


def reporting(snapshot: Snapshot, node: str) -> Report:
    """Return the report of ``node``; RefusedError where it has none."""
    report = snapshot.reports.get(node)
    if report is not None:
        return report
    others = ", ".join(printable(name) for name in sorted(snapshot.reports)) or "none"
    if node in snapshot.primary:
        raise RefusedError(f"{printable(node)} is Primary: it serves, and reports nothing (reporting: {others})")
    raise RefusedError(
        f"{printable(node)} does not report (reporting: {others}). Start its pod: its sidecar reports "
        "as soon as its database asks to be started"
    )


def _refuse(snapshot: Snapshot, report: Report, order: Order) -> None:
    """Raise RefusedError where the protocol would not take the order."""
    node = printable(report.node)
    if snapshot.primary:
        names = ", ".join(printable(name) for name in sorted(snapshot.primary))
        raise RefusedError(
            f"a Primary component exists ({names}): {node} joins it. Two would be two clusters with different data"
        )
    if report.activity is Activity.STARTING:
        raise RefusedError(f"{node} was let start already: wait until it is Primary, or reports again")
    if not report.usable:
        raise RefusedError(f"{node} has no usable data ({_data(report)}): choose another node, see 'galeractl explain'")
    decision = orders.outcome(snapshot, report, order)
    if isinstance(decision, Start):
        raise RefusedError(f"{node} is elected already (epoch {decision.epoch.number}), and starts without an order")
    strange = not order.lossy and loss.reach(snapshot, report) is None
    if strange or (isinstance(decision, Wait) and decision.reason is Reason.ORDER_REFUSED):
        told = loss.costs(snapshot, report) or (f"the data of {node} are not a part of the cluster's history",)
        ahead = ", ".join(each.node for each in loss.forced(snapshot, report))
        back = f"Bring back {ahead}, or add" if ahead else "Add"
        raise RefusedError(printable(f"{'; '.join(told)}. {back} --accept-data-loss"))
    # Survivors that stop do so because of the order.
    if isinstance(decision, Wait) and decision.reason is not Reason.SURVIVORS_STOPPING:
        raise RefusedError(
            printable(f"the order would not be taken now: {headline(decision)}. See 'galeractl explain'")
        )


def _data(report: Report) -> str:
    """Say what a node has, and why it may not be usable."""
    if report.tainted:
        return f"{report.held}, not whole: a state transfer was interrupted, or it was inconsistent"
    return f"{report.held}, at {report.position}" if report.position.defined else f"{report.held}, no position"


def _shown(snapshot: Snapshot, report: Report) -> str:
    where = f"{report.node} has seqno {report.position.seqno} of epoch {report.epoch}"
    if loss.reach(snapshot, report) is None:
        where += ", which is not a part of the cluster's history"
    costs, unknown = loss.costs(snapshot, report), loss.unknown(snapshot, report)
    text = [
        f"{where}. All others take its data.",
        "What would be lost:" if costs else "Nothing that is known would be lost.",
        *(f"  - {line}" for line in costs),
        *(["What is not known:"] if unknown else []),
        *(f"  - {line}" for line in unknown),
    ]
    return "".join(f"{printable(line)}\n" for line in text)


def _elected(snapshot: Snapshot, node: str) -> str:
    epoch = None if snapshot.bootstrap is None else snapshot.bootstrap.epoch
    which = "" if epoch is None or epoch.node != node else f" (epoch {epoch.number}, from seqno {epoch.base})"
    return f"{printable(node)} is elected{which} and starts its database. Follow it: galeractl explain --watch"


COMMAND: Final = Command(
    "force-bootstrap",
    "order that the cluster begins with the data of one node",
    DESCRIPTION,
    _add_arguments,
    run,
    operands="NODE",
)
