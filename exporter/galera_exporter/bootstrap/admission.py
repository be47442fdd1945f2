"""Rules of the gate that come before any election: whom a node can join, and what it must know to go on."""

from __future__ import annotations

from dataclasses import dataclass

from galera_exporter.bootstrap.decisions import Join, Resign, Start, Stop, Wait
from galera_exporter.bootstrap.lineage import History, Standing, known_as, merge, newest_confirmed, place
from galera_exporter.bootstrap.state import (
    NO_EPOCHS,
    Activity,
    Epoch,
    Held,
    Mode,
    Peer,
    Phase,
    Purpose,
    Reason,
    Report,
    Snapshot,
    Timers,
)
from galera_exporter.model import Position


@dataclass(frozen=True, slots=True)
class Case:
    """What the gate's rules look at. ``snapshot`` is None while etcd does not answer."""

    me: Report
    snapshot: Snapshot | None
    peers: tuple[Peer, ...]
    timers: Timers

    @property
    def seen(self) -> Snapshot:
        """The snapshot, for rules behind ``etcd_needed``."""
        if self.snapshot is None:
            raise ValueError("etcd does not answer")
        return self.snapshot


def identity(case: Case) -> Wait | None:
    """Another pod holds this node's keys: the old one may still run (a forced deletion on a dead host)."""
    owner = None if case.snapshot is None else case.snapshot.owners.get(case.me.node)
    if owner in {None, case.me.owner}:
        return None
    return Wait(Reason.DUPLICATE_IDENTITY, (case.me.node,), f"the keys of {case.me.node} are held by {owner}")


def join(case: Case) -> Join | Stop | Wait | None:
    """A confirmed Primary component answers: join it. Works without etcd, where nothing there says it is stopped."""
    seen = [peer for peer in case.peers if peer.primary and peer.confirmed]
    if not seen:
        return None
    epochs = {peer.epoch for peer in seen}
    history: History = case.snapshot.history if case.snapshot is not None else NO_EPOCHS
    for peer in seen:
        history = merge(history, peer.history)
    if len(epochs) > 1 or max(epochs) < newest_confirmed(history):
        return Wait(Reason.SPLIT_BRAIN, tuple(sorted(peer.node for peer in seen)), "Primary in different epochs")
    if case.me.activity is Activity.SURVIVOR:
        return _rejoin(case.me, max(epochs), history)
    decision = _join(case, max(epochs), history)
    if isinstance(decision, Join) and case.snapshot is None and not case.timers.detached:
        return Wait(Reason.ETCD_UNAVAILABLE, (), "it may still stand there as a stopped node")
    turn = None if case.snapshot is None else case.snapshot.joining
    if isinstance(decision, Join) and turn not in {None, case.me.node}:
        return Wait(Reason.JOIN_TURN, (str(turn),))
    return decision


def _rejoin(me: Report, cluster: int, history: History) -> Stop | Wait:
    if me.epoch == cluster and known_as(history, cluster, me.history):
        return Wait(Reason.PRIMARY_UNREACHABLE, (), "Galera joins a component of the same epoch by itself")
    return Stop(f"the cluster was bootstrapped anew (epoch {cluster}): join it through the gate")


def _join(case: Case, cluster: int, history: History) -> Join | Wait:
    me = case.me
    if cluster not in history:
        return Wait(Reason.PRIMARY_STARTING, (), f"nothing is known of the election of epoch {cluster}")
    orders = case.snapshot.orders if case.snapshot is not None else ()
    order = next((o.token for o in orders if o.purpose is Purpose.DISCARD and o.node == me.node), "")
    if me.held is Held.EMPTY:
        return Join(cluster, history, order=order)
    if order or me.held is Held.INCOMPLETE or me.tainted:
        return Join(cluster, history, fresh=True, order=order)
    standing = _standing(me, cluster, history)
    if standing is Standing.FOREIGN:
        text = f"{me.position} of epoch {me.epoch} is not part of the cluster's history"
        return Wait(Reason.DIVERGED, (me.node,), text)
    return Join(cluster, history, fresh=standing is Standing.ABANDONED)


def _standing(me: Report, cluster: int, history: History) -> Standing:
    if not known_as(history, me.epoch, me.history):
        return Standing.FOREIGN
    if me.position.defined:
        return place(history, cluster, me.epoch, me.position)
    # A member whose position was lost takes a transfer; of data that never were in a cluster nobody knows the worth.
    return Standing.ABANDONED if me.epoch else Standing.FOREIGN


def etcd_needed(case: Case) -> Wait | None:
    """Without etcd nobody bootstraps."""
    return Wait(Reason.ETCD_UNAVAILABLE) if case.snapshot is None else None


def readable(case: Case) -> Wait | None:
    """What was written by a newer version, or by somebody else, is not guessed at."""
    unreadable = case.seen.unreadable
    return Wait(Reason.UNREADABLE_RECORD, (), ", ".join(unreadable)) if unreadable else None


def primary_exists(case: Case) -> Wait | None:
    """Somebody is Primary, though no confirmed one answers us."""
    starting = tuple(sorted(peer.node for peer in case.peers if peer.primary))
    registered = tuple(sorted(case.seen.primary.keys() - {case.me.node}))
    if starting:
        return Wait(Reason.PRIMARY_STARTING, starting)
    if registered:
        return Wait(Reason.PRIMARY_UNREACHABLE, registered)
    if case.me.node in case.seen.primary:
        return Wait(Reason.REPORTING, (case.me.node,), "the key of the own last run has not ended yet")
    return None


def reported(case: Case) -> Wait | None:
    """The own report is in etcd as it is: an election builds on it."""
    return None if case.seen.reports.get(case.me.node) == case.me else Wait(Reason.REPORTING, (case.me.node,))


def own_election(case: Case) -> Start | Resign | Stop | None:
    """This node is elected: start, if its data are still those."""
    bootstrap = case.seen.bootstrap
    if bootstrap is None or bootstrap.phase is not Phase.ELECTED or bootstrap.epoch.node != case.me.node:
        return None
    if case.me.activity is Activity.SURVIVOR:
        return Stop("it lost its Primary component before it was confirmed: it starts again")
    epoch = bootstrap.epoch
    if epoch.mode is Mode.INITIAL and case.me.held is not Held.DATA:
        return Start(epoch, initialize=True)
    return Start(epoch, initialize=False) if _still_elected(case.me, epoch) else Resign()


def _still_elected(me: Report, epoch: Epoch) -> bool:
    if not me.usable:
        return False
    own = me.history.get(me.epoch)
    if me.epoch == epoch.number and own is not None and own.group == epoch.group:
        return True  # it had begun already
    # Not beyond its base: then it has joined others since, and what it was elected for is long past.
    return epoch.mode is Mode.RECOVER and me.position == Position(epoch.uuid, epoch.base)
