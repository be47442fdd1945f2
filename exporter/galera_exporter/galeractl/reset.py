"""``galeractl reset``: forget all that the registry has of one cluster; or begin again where all data are lost."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from typing import Final

from galera_exporter.galeractl import begin_again
from galera_exporter.galeractl.command import Command, Context
from galera_exporter.galeractl.confirmation import confirm
from galera_exporter.galeractl.exits import Exit, RefusedError, UsageError
from galera_exporter.galeractl.orders import add_giving
from galera_exporter.galeractl.roster import connect
from galera_exporter.galeractl.terminal import Cell, Terminal, printable
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import Pair, absent, delete, prefix_end
from galera_exporter.registry.records import LIVE, Kind, classify

_BATCH: Final = 100
"""Operations of one transaction; etcd allows 128 (--max-txn-ops)."""

DESCRIPTION: Final = """\
Show every key that the registry has below this cluster's prefix, /galera/v1/NAMESPACE/CLUSTER/,
ask, and remove exactly these. Keys outside of the prefix are never touched, and no database is.

While a node lives (its key under live/ exists) nothing is removed: its sidecar would write the keys
again at the next heartbeat, within 3 s. --while-alive removes them nevertheless, for instance to be
rid of a live key without a lease, which never expires.

Where the registry has the history of elections (bootstrap protocol), nothing is removed either: by it
the nodes tell whose data are newest. For a cluster that is given up, --forget-history removes it too.
Nodes that still have data bring back what they know of it, and wait for each other as before: it is
no way to make a waiting cluster start.

With --accept-data-loss it removes no key. It orders that a cluster whose nodes are all empty, though
it had data (data_loss_guard), begins again with an empty database. It shows what the cluster had and
asks; all nodes must report, and none may have data.

exit status:
  0  removed, or there was nothing to remove; with --accept-data-loss: the order was used
  1  a node came alive while keys were being removed: some are still there; or the order was not used
     in time: it stays
  2  etcd does not serve
  3  refused: nodes are alive, or have data, there is a history of elections, or nobody confirmed
  64 wrong usage   70 a fault of galeractl

examples:
  galeractl reset --namespace shop --cluster-name galera
  galeractl reset --yes
  galeractl reset --accept-data-loss
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--while-alive", action="store_true", help="remove the keys of living nodes too")
    parser.add_argument("--forget-history", action="store_true", help="remove the history of elections too")
    parser.add_argument(
        "--accept-data-loss",
        action="store_true",
        help="remove nothing: order that a cluster whose data are all lost begins again, empty",
    )
    add_giving(parser)


def run(context: Context, arguments: argparse.Namespace) -> int:
    """Show, ask, remove; see DESCRIPTION."""
    if not arguments.accept_data_loss:
        return _forget(context, arguments)
    if arguments.while_alive or arguments.forget_history:
        raise UsageError("--accept-data-loss removes no key: leave --while-alive and --forget-history out")
    return begin_again.run(context, arguments)


def _forget(context: Context, arguments: argparse.Namespace) -> int:
    prefix = context.config.etcd.prefix
    with closing(connect(context.config.etcd)) as etcd:
        pairs = etcd.range(prefix).pairs
        if not pairs:
            context.out.write(f"There is no key below {prefix}: nothing to remove.\n")
            return Exit.HEALTHY
        context.out.write(_page(context.out, prefix, pairs))
        kinds = [classify(prefix, pair.key) for pair in pairs]
        alive = [node for kind, node in kinds if kind is Kind.LIVE]
        if alive and not arguments.while_alive:
            names = ", ".join(printable(node) for node in alive)
            raise RefusedError(
                f"{len(alive)} node{'s are' if len(alive) > 1 else ' is'} alive: {names}. Their sidecars would "
                "write the keys again within a heartbeat (3 s). Stop them first, or add --while-alive"
            )
        if any(kind is Kind.OTHER for kind, _ in kinds) and not arguments.forget_history:
            raise RefusedError(
                "the history of elections is there, by which nodes tell whose data are newest. To see why nodes wait: "
                "galeractl explain. To begin again where all data are lost: galeractl reset --accept-data-loss. "
                "To forget a cluster that is given up: add --forget-history"
            )
        question = f"Remove {'this key' if len(pairs) == 1 else f'these {len(pairs)} keys'}? Type the cluster's name,"
        confirm(context, question, context.config.etcd.cluster, yes=arguments.yes)
        kept = _remove(etcd, prefix, pairs, while_alive=arguments.while_alive)
    removed = len(pairs) - len(kept)
    context.out.write(f"Removed {removed} key{'s' * (removed != 1)} below {prefix}\n")
    if kept:
        context.out.write(f"Not removed, for a node came alive in the meantime: {len(kept)} keys\n")
        return Exit.DEGRADED
    if alive:
        context.out.write("Living nodes write their keys again within a heartbeat (3 s).\n")
    return Exit.HEALTHY


def _page(terminal: Terminal, prefix: str, pairs: Sequence[Pair]) -> str:
    rows: list[list[Cell | str]] = []
    for pair in pairs:
        kind, node = classify(prefix, pair.key)
        held = Cell("leased" if pair.lease else "none", "fair" if kind is Kind.LIVE else "")
        what = {Kind.LIVE: "alive", Kind.NODES: "last known", Kind.OTHER: "protocol", Kind.FOREIGN: "foreign"}[kind]
        rows.append([_text(pair.key), what, node or "-", held, f"{len(pair.value)} B"])
    return terminal.table(("KEY", "WHAT", "NODE", "LEASE", "SIZE"), rows) + "\n\n"


def _text(key: bytes) -> str:
    return printable(key.decode("utf-8", "backslashreplace"))


def _remove(etcd: Etcd, prefix: str, pairs: Sequence[Pair], *, while_alive: bool) -> list[bytes]:
    """Remove what was shown and only that; return the keys that are left.

    Each transaction holds only while no node lives, so that one which starts just now loses nothing.
    """
    live = f"{prefix}{LIVE}".encode()
    guard = [] if while_alive else [absent(live, prefix_end(live))]
    kept = []
    for start in range(0, len(pairs), _BATCH):
        batch = pairs[start : start + _BATCH]
        if etcd.transaction(guard, [delete(pair.key) for pair in batch]).succeeded:
            continue
        kept += [pair.key for pair in batch]
    return kept


COMMAND: Final = Command(
    "reset",
    "remove what the registry has of this cluster, or begin again, after asking",
    DESCRIPTION,
    _add_arguments,
    run,
)
