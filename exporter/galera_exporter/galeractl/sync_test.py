"""``galeractl sync-test``: does what one node commits arrive on all others, and how soon."""

from __future__ import annotations

import argparse
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from galera_exporter.galeractl.command import Command, Context, add_output, as_json
from galera_exporter.galeractl.exits import RefusedError, UsageError
from galera_exporter.galeractl.interruption import Interrupted, Interruption
from galera_exporter.galeractl.peer import GRANT_HINT, Peer, PeerError, Target, parse_target
from galera_exporter.galeractl.replication import LEFTOVER_AGE, PREFIX, Replication
from galera_exporter.galeractl.roster import Roster
from galera_exporter.galeractl.sync_report import Outcome, document, page
from galera_exporter.model import NodeView

_FEWEST: Final = 2
_REMAINS: Final = (
    "{name} could not be removed: no node acknowledged it. "
    "A sync-test an hour from now, or later, removes it; or: DROP DATABASE {name}"
)

DESCRIPTION: Final = f"""\
Write a row on each node, read it on every other, change it, delete it, and tell how long each
pair of nodes took. The nodes are those with a live key in the registry, or those of --nodes.

The work is done in a database of its own, {PREFIX}TIME_RANDOM, which is removed
at the end, also after Ctrl-C or the death of a node. A database that a killed run left behind is
removed by the next run that begins {LEFTOVER_AGE // 3600} hour or more later.

The sidecar's account has no right to write. Give another one with --user and --password-file:
{GRANT_HINT.format(user="NAME")}

exit status:
  0  every node shows what every other node wrote
  1  some pairs are in step, others failed, or a node could not be reached
  2  no pair of nodes is in step
  3  refused: fewer than two nodes
  64 wrong usage   70 a fault of galeractl   130, 143 interrupted (after cleaning up)

JSON (--output json):
  level healthy|degraded|down, text, database, cleaned, leftovers_removed [name], faults [text],
  nodes [{{node, address, answered_by, local_index, version, failure}}],
  commits [{{operation write|change|delete, node, milliseconds, failure}}],
  pairs [{{writer, reader, ok, milliseconds, operations [{{operation, milliseconds, failure}}]}}]

examples:
  galeractl sync-test --user tester --password-file /run/secrets/tester
  galeractl sync-test --nodes 10.0.0.1:3306,10.0.0.2:3306,10.0.0.3:3306 --output json
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--nodes", metavar="HOST:PORT,...", default="", help="ask these nodes, and not the registry which there are"
    )
    parser.add_argument("--user", metavar="NAME", help="account that may write (default: --mariadb.user)")
    parser.add_argument(
        "--password-file", metavar="FILE", type=Path, help="file with its password (default: that of --mariadb.user)"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=10.0,
        help="limit of each statement, and of the wait for each pair (default: 10; "
        "while a node dies, commits of the others wait about 5 s for it)",
    )
    add_output(parser)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 600:  # noqa: PLR2004 -- the bounds are named in the message
        raise argparse.ArgumentTypeError("write seconds from 0.1 to 600")
    return seconds


def run(context: Context, arguments: argparse.Namespace) -> int:
    """Test, clean up, tell; see DESCRIPTION."""
    if arguments.password_file is not None and not arguments.user:
        raise UsageError("--password-file is given without --user: whose password is it?")
    settings = context.config.mariadb
    if arguments.user:
        settings = replace(settings, user=arguments.user)
    if arguments.password_file is not None:
        settings = replace(settings, password_file=arguments.password_file)

    def make(target: Target) -> Peer:
        return Peer(target, settings, arguments.timeout)

    peers = _peers(context, arguments.nodes, make)
    replication = Replication(peers, arguments.timeout)
    removing = "removing the test database"
    interrupted: int | None = None
    cleaned = False
    with Interruption(lambda: context.err.write(f"galeractl: still {removing}, please wait\n")) as interruption:
        try:
            # Two layers: a signal that comes just before hold() still ends in the outer finally.
            try:
                _connect(peers)
                replication.run()
            finally:
                interruption.hold()
        except Interrupted as error:
            interrupted = error.number
            context.err.write(f"galeractl: {error}: {removing}\n")
        finally:
            cleaned = replication.clean(make)
            for peer in peers:
                peer.close()
    outcome = Outcome(peers, replication.trial, cleaned)
    if not cleaned:
        context.err.write(f"galeractl: {_REMAINS.format(name=replication.trial.database)}\n")
    if interrupted is not None:
        return 128 + interrupted
    context.out.write(as_json(document(outcome)) if arguments.output == "json" else page(context.out, outcome))
    return outcome.level


def _peers(context: Context, nodes: str, make: Callable[[Target], Peer]) -> list[Peer]:
    """Make a peer for each node of the command line, or of the registry; one whose key is gone has failed already."""
    if nodes:
        peers = [make(parse_target(part)) for part in nodes.split(",") if part.strip()]
        where = "--nodes names"
    else:
        with contextlib.closing(Roster(context.config.etcd)) as roster:
            peers = [_registered(node, make) for node in roster.read().nodes]
        where = "the registry shows"
    if len({peer.name for peer in peers}) < len(peers):
        raise UsageError("--nodes names a node twice")
    if len(peers) < _FEWEST:
        raise RefusedError(f"{where} {len(peers) or 'no'} node{'s' * (len(peers) != 1)}: it takes two to compare")
    return peers


def _registered(node: NodeView, make: Callable[[Target], Peer]) -> Peer:
    if node.record is None:
        peer = make(Target(node.node, "", 0))
        peer.fail("its record in the registry cannot be read, so its address is not known")
        return peer
    try:
        peer = make(parse_target(node.record.address, node.node))
    except UsageError as error:
        peer = make(Target(node.node, "", 0))
        peer.fail(f"its record in the registry says {error}")
        return peer
    if not node.present:
        peer.fail("gone from the registry: its key has expired")
    return peer


def _connect(peers: Sequence[Peer]) -> None:
    """Connect to all at once; note those that fail, and those that turn out to be one and the same server."""

    def connect(peer: Peer) -> None:
        with contextlib.suppress(PeerError):
            peer.connect()

    threads = [threading.Thread(target=connect, args=(peer,), daemon=True) for peer in peers if not peer.failure]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen: dict[str, str] = {}
    for peer in peers:
        if peer.identity is not None and not peer.failure:
            first = seen.setdefault(peer.identity.member_uuid, peer.name)
            if first != peer.name:
                peer.fail(f"is the same server as {first}")


COMMAND: Final = Command(
    "sync-test", "write on each node, read on every other, with latencies", DESCRIPTION, _add_arguments, run
)
