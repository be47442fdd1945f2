"""Orders to the bootstrap protocol: given in one transaction that holds while what was shown is so, and followed."""

from __future__ import annotations

import argparse
import getpass
import socket
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from galera_exporter.bootstrap.decisions import GateDecision, Stop
from galera_exporter.bootstrap.protocol import decide
from galera_exporter.bootstrap.state import Order, Peer, Purpose, Report, Snapshot, Timers
from galera_exporter.bootstrap.store import operations, snapshot_of
from galera_exporter.bootstrap.transactions import (
    BOOTSTRAP,
    NODES,
    OVERRIDE,
    PRIMARY,
    REPORT,
    USED,
    NoneBelow,
    Put,
    Transaction,
    Unchanged,
    unchanged,
)
from galera_exporter.errors import RegistryError
from galera_exporter.galeractl.command import Context
from galera_exporter.galeractl.confirmation import add_yes
from galera_exporter.galeractl.exits import Exit, RefusedError
from galera_exporter.registry.etcd import AmbiguousError, Etcd
from galera_exporter.registry.keyvalue import Range
from galera_exporter.registry.records import MAX_TEXT, is_text

_LOOK: Final = 0.3
"""Seconds between two looks whether an order was used."""


class _State(Enum):
    PENDING = "pending"
    USED = "used"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Look:
    """One read of the registry."""

    prefix: str
    found: Range
    snapshot: Snapshot


def look(etcd: Etcd, prefix: str) -> Look:
    """Read all keys of the cluster."""
    found = etcd.range(prefix)
    return Look(prefix, found, snapshot_of(prefix, found))


def add_giving(parser: argparse.ArgumentParser) -> None:
    """Add the options of all commands that give an order."""
    add_yes(parser)
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=30.0,
        help="how long to wait until the order is used (default: 30); it stays until it is used or withdrawn",
    )
    parser.add_argument("--no-wait", action="store_true", help="give the order and do not wait")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:  # noqa: PLR2004 -- the bounds are named in the message
        raise argparse.ArgumentTypeError("write seconds from 0.1 to 3600")
    return seconds


def new(purpose: Purpose, node: str = "", *, lossy: bool = False) -> Order:
    """Return an order of the present user, with a token of its own."""
    return Order(str(uuid.uuid4()), purpose, node, lossy, operator())


def operator() -> str:
    """Return who gives the order, for the record: user and host."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = "unknown"
    name = f"{user}@{socket.gethostname()}"[:MAX_TEXT]
    return name if is_text(name) else "unknown"


def outcome(snapshot: Snapshot, me: Report, order: Order, peers: tuple[Peer, ...] = ()) -> GateDecision | Stop:
    """Return what the node of ``me`` would do if ``order`` were given: the protocol's own decision."""
    return decide(me, replace(snapshot, orders=(*snapshot.orders, order)), peers, Timers())


def refuse_others(snapshot: Snapshot, purposes: Iterable[Purpose], node: str = "") -> None:
    """Raise RefusedError where an order for one of ``purposes`` (and ``node``, where one is named) is pending."""
    for order in snapshot.orders:
        if order.purpose in purposes and node in {"", order.node}:
            raise RefusedError(
                f"an order is pending already ({sentence(order)}): see 'galeractl explain', "
                f"or withdraw it: galeractl withdraw {order.token}"
            )


def sentence(order: Order) -> str:
    """Say what an order is for."""
    lossy = ", data loss accepted" if order.lossy else ""
    by = f", by {order.by}" if order.by else ""
    what = {
        Purpose.FORCE: f"bootstrap from {order.node}",
        Purpose.DISCARD: f"discard the data of {order.node}",
        Purpose.INITIAL: "begin again with an empty cluster",
    }[order.purpose]
    return f"{what}{lossy}{by}"


def guards(snapshot: Snapshot, reports: Iterable[str], *, without_primary: bool) -> tuple[Unchanged | NoneBelow, ...]:
    """Return the guards that hold while what was shown is so: the election, these nodes, the orders."""
    names = sorted({*reports})
    orders: list[Unchanged | NoneBelow] = [unchanged(snapshot, OVERRIDE + each.token) for each in snapshot.orders]
    return (
        *([NoneBelow(PRIMARY)] if without_primary else []),
        unchanged(snapshot, BOOTSTRAP),
        *(unchanged(snapshot, REPORT + node) for node in names),
        *(unchanged(snapshot, NODES + node) for node in names if without_primary),
        *(orders or [NoneBelow(OVERRIDE)]),
    )


def give(etcd: Etcd, seen: Look, order: Order, holding: tuple[Unchanged | NoneBelow, ...]) -> None:
    """Write the order, if nothing of what ``holding`` names has changed.

    Raises:
        RefusedError: something has.
    """
    transaction = Transaction(holding, (Put(OVERRIDE + order.token, order),))
    compares, changes = operations(seen.prefix, transaction, 0, seen.found)
    try:
        given = etcd.transaction(compares, changes).succeeded
    except AmbiguousError:
        # The reply was lost. What stands in etcd under our own token is ours.
        given = _state(look(etcd, seen.prefix), order) is not _State.GONE
        if not given:
            raise
    if not given:
        raise RefusedError(
            "the cluster changed while you looked: no order was given. Look again with 'galeractl explain'"
        )


def follow(
    context: Context,
    etcd: Etcd,
    order: Order,
    arguments: argparse.Namespace,
    used: Callable[[Snapshot], str],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Exit:
    """Wait until the order is used, tell what happened, and return the exit status; ``used`` says what followed."""
    prefix = context.config.etcd.prefix
    if arguments.no_wait:
        context.out.write(f"The order is given: {order.token}\n")
        return Exit.HEALTHY
    deadline = clock() + arguments.timeout
    while True:
        try:
            seen = look(etcd, prefix)
            state = _state(seen, order)
        except RegistryError:
            if clock() >= deadline:
                raise
            state = _State.PENDING
        else:
            if state is _State.USED:
                context.out.write(f"{used(seen.snapshot)}\n")
                return Exit.HEALTHY
        if state is _State.GONE:
            context.out.write("The order was withdrawn by somebody else before it was used.\n")
            return Exit.DEGRADED
        if clock() >= deadline:
            context.out.write(
                f"Not used within {arguments.timeout:g} s. The order stays until it is used. Why it is not: "
                f"galeractl explain. To take it back: galeractl withdraw {order.token}\n"
            )
            return Exit.DEGRADED
        time.sleep(_LOOK)


def _state(seen: Look, order: Order) -> _State:
    revisions = seen.snapshot.revisions
    if USED + order.token in revisions:
        return _State.USED
    return _State.PENDING if OVERRIDE + order.token in revisions else _State.GONE
