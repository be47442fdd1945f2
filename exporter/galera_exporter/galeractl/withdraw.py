"""``galeractl withdraw``: take orders back that were not used."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Final

from galera_exporter.bootstrap.state import Snapshot
from galera_exporter.bootstrap.store import operations
from galera_exporter.bootstrap.transactions import OVERRIDE, Drop, Transaction, unchanged
from galera_exporter.galeractl import orders
from galera_exporter.galeractl.command import Command, Context
from galera_exporter.galeractl.exits import Exit, RefusedError
from galera_exporter.galeractl.roster import connect
from galera_exporter.galeractl.terminal import printable

DESCRIPTION: Final = """\
Take back the order TOKEN, or all orders that were given and not used (galeractl explain shows them).
An order that was used meanwhile is not undone.

exit status:
  0  no such order is pending (any more)
  2  etcd does not serve
  3  refused: there is no order TOKEN, or it was used at this moment
  64 wrong usage   70 a fault of galeractl

examples:
  galeractl withdraw
  galeractl withdraw 5f0c3c1e-9d53-4f0e-8c7b-3e1d0a6f2b11
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("token", metavar="TOKEN", nargs="?", help="which one (default: all)")


def run(context: Context, arguments: argparse.Namespace) -> int:
    """Take back, and say what; see DESCRIPTION."""
    with closing(connect(context.config.etcd)) as etcd:
        seen = orders.look(etcd, context.config.etcd.prefix)
        # Also what cannot be read: it keeps all nodes from electing.
        pending = [key.removeprefix(OVERRIDE) for key in seen.snapshot.revisions if key.startswith(OVERRIDE)]
        chosen = [token for token in sorted(pending) if arguments.token in {None, token}]
        if arguments.token is not None and not chosen:
            raise RefusedError(f"no order {printable(arguments.token)} is pending: see 'galeractl explain'")
        if not chosen:
            context.out.write("No order is pending.\n")
        for token in chosen:
            key, named = OVERRIDE + token, _named(seen.snapshot, token)
            transaction = Transaction((unchanged(seen.snapshot, key),), (Drop(key),))
            if not etcd.transaction(*operations(seen.prefix, transaction, 0, seen.found)).succeeded:
                raise RefusedError(f"{named}: it was used or withdrawn at this moment: see 'galeractl explain'")
            context.out.write(f"Withdrawn: {named}\n")
    return Exit.HEALTHY


def _named(snapshot: Snapshot, token: str) -> str:
    order = next((order for order in snapshot.orders if order.token == token), None)
    what = "an order that cannot be read" if order is None else orders.sentence(order)
    return printable(f"{what} ({token})")


COMMAND: Final = Command(
    "withdraw", "take back orders that were not used", DESCRIPTION, _add_arguments, run, operands="[TOKEN]"
)
