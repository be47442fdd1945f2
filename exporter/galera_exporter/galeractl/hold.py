"""``galeractl hold`` and ``galeractl release``: freeze automatic elections for a maintenance, and let them go on."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Final

from galera_exporter.bootstrap.store import operations
from galera_exporter.bootstrap.transactions import HOLD, Drop, Put, Transaction, unchanged
from galera_exporter.galeractl import orders
from galera_exporter.galeractl.command import Command, Context
from galera_exporter.galeractl.exits import Exit, RefusedError, UsageError
from galera_exporter.galeractl.roster import connect
from galera_exporter.galeractl.terminal import printable
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.records import MAX_TEXT, is_text

_HOLD: Final = """\
Freeze automatic elections: while all nodes are stopped, none begins a new Primary component by itself.
Nodes still join a Primary component that runs, an election that was won before goes on, and
galeractl force-bootstrap works. It lasts until galeractl release.

exit status:
  0  elections are on hold
  2  etcd does not serve
  3  refused: it was changed by somebody else at the same moment
  64 wrong usage   70 a fault of galeractl

examples:
  galeractl hold --reason "moving the volumes, until 04:00, ask Kim"
"""
_RELEASE: Final = """\
Let automatic elections go on.

exit status:
  0  elections are not on hold (any more)
  2  etcd does not serve
  3  refused: it was changed by somebody else at the same moment
  64 wrong usage   70 a fault of galeractl

examples:
  galeractl release
"""


def _add_reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reason", metavar="TEXT", default="", help="why, for those who find the cluster so (default: who did it)"
    )


def _hold(context: Context, arguments: argparse.Namespace) -> int:
    reason = arguments.reason or f"by {orders.operator()}"
    if not is_text(reason):
        raise UsageError(f"--reason: write at most {MAX_TEXT} characters, in one line")
    with closing(connect(context.config.etcd)) as etcd:
        seen = orders.look(etcd, context.config.etcd.prefix)
        _write(etcd, seen, Put(HOLD, reason))
    before = "" if seen.snapshot.hold is None else f" (it was already: {printable(seen.snapshot.hold)})"
    context.out.write(f"Automatic elections are on hold{before}. To let them go on: galeractl release\n")
    return Exit.HEALTHY


def _release(context: Context, _: argparse.Namespace) -> int:
    with closing(connect(context.config.etcd)) as etcd:
        seen = orders.look(etcd, context.config.etcd.prefix)
        if HOLD not in seen.snapshot.revisions:
            context.out.write("Automatic elections were not on hold.\n")
            return Exit.HEALTHY
        _write(etcd, seen, Drop(HOLD))
    why = "it cannot be read" if seen.snapshot.hold is None else printable(seen.snapshot.hold)
    context.out.write(f"Automatic elections go on. They were on hold: {why}\n")
    return Exit.HEALTHY


def _write(etcd: Etcd, seen: orders.Look, change: Put | Drop) -> None:
    transaction = Transaction((unchanged(seen.snapshot, HOLD),), (change,))
    if not etcd.transaction(*operations(seen.prefix, transaction, 0, seen.found)).succeeded:
        raise RefusedError("somebody else changed it at the same moment. Look again with 'galeractl explain'")


HOLD_COMMAND: Final = Command("hold", "freeze automatic elections, for a maintenance", _HOLD, _add_reason, _hold)
RELEASE_COMMAND: Final = Command("release", "let automatic elections go on", _RELEASE, lambda _: None, _release)
