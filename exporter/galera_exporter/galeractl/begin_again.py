"""``galeractl reset --accept-data-loss``: order that a cluster whose data are all lost begins again, empty."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Final

from galera_exporter.bootstrap.decisions import Elect, Wait
from galera_exporter.bootstrap.lineage import newest_confirmed
from galera_exporter.bootstrap.state import Order, Purpose, Reason, Snapshot
from galera_exporter.bootstrap.words import headline
from galera_exporter.galeractl import loss, orders
from galera_exporter.galeractl.command import Context
from galera_exporter.galeractl.confirmation import confirm
from galera_exporter.galeractl.exits import RefusedError
from galera_exporter.galeractl.roster import connect
from galera_exporter.galeractl.terminal import printable

_ENDINGS: Final[dict[Reason, str]] = {
    Reason.ORDER_REFUSED: "Bootstrap from one of them (galeractl force-bootstrap), or empty their directories first",
    Reason.INITIAL_MEMBERS: "Start the others first: one of them may have the data",
}


def run(context: Context, arguments: argparse.Namespace) -> int:
    """Show what the cluster had, ask, order, follow."""
    cluster = context.config.etcd.cluster
    with closing(connect(context.config.etcd)) as etcd:
        seen = orders.look(etcd, context.config.etcd.prefix)
        snapshot = seen.snapshot
        orders.refuse_others(snapshot, {Purpose.FORCE, Purpose.INITIAL})
        order = orders.new(Purpose.INITIAL, lossy=True)
        _refuse(snapshot, order)
        context.out.write(_shown(snapshot))
        confirm(context, "Begin again, empty? Type the cluster's name,", cluster, yes=arguments.yes)
        names = {*snapshot.reports, *snapshot.nodes}
        orders.give(etcd, seen, order, orders.guards(snapshot, names, without_primary=True))
        return orders.follow(context, etcd, order, arguments, _begun)


def _refuse(snapshot: Snapshot, order: Order) -> None:
    """Raise RefusedError where the protocol would not take the order, or needs none."""
    if snapshot.primary:
        names = ", ".join(printable(name) for name in sorted(snapshot.primary))
        raise RefusedError(f"a Primary component exists ({names}): it has data, and empty nodes join it")
    if not snapshot.reports:
        raise RefusedError("no node reports: start the pods; their sidecars report as soon as a database asks to start")
    if not newest_confirmed(snapshot.history) and not loss.everything(snapshot):
        raise RefusedError("etcd remembers no data of this cluster: it begins by itself once all nodes report")
    decision = orders.outcome(snapshot, snapshot.reports[min(snapshot.reports)], order)
    if isinstance(decision, Elect) or (isinstance(decision, Wait) and decision.reason is Reason.ELECTING):
        return
    if isinstance(decision, Wait):
        if decision.reason is Reason.ORDER_REFUSED and set(decision.nodes) == snapshot.reports.keys() - _usable(
            snapshot
        ):
            raise RefusedError("no node is empty, and no node has whole data: empty the directory of one to begin with")
        if decision.reason is Reason.ORDER_REFUSED:
            raise RefusedError(f"nodes have data: {_names(decision)}. {_ENDINGS[decision.reason]}")
        ending = _ENDINGS.get(decision.reason, "See 'galeractl explain'")
        raise RefusedError(printable(f"{headline(decision)}. {ending}"))
    raise RefusedError("a node is elected already: see 'galeractl explain'")


def _usable(snapshot: Snapshot) -> set[str]:
    return {node for node, report in snapshot.reports.items() if report.usable}


def _names(wait: Wait) -> str:
    return ", ".join(printable(node) for node in wait.nodes)


def _shown(snapshot: Snapshot) -> str:
    lines = ["No node has whole data. What the cluster had, as etcd remembers it:"]
    lines += [f"  - {each.where}" for each in loss.everything(snapshot)] or ["  - data that nothing more is known of"]
    lines += ["All of it would be given up: a volume that comes back later with it is emptied when its node joins."]
    return "".join(f"{printable(line)}\n" for line in lines)


def _begun(snapshot: Snapshot) -> str:
    if snapshot.bootstrap is None:
        return "The order was used."
    epoch = snapshot.bootstrap.epoch
    text = f"{epoch.node} is elected (epoch {epoch.number}) and begins an empty cluster"
    return printable(f"{text}. Follow it: galeractl explain --watch")
