"""Rules for a database that answers: whether it is a member of the Primary component, and what to do if not."""

from __future__ import annotations

from dataclasses import replace

from galera_exporter.bootstrap.decisions import Adopt, Confirm, Keep, Relabel, Stop
from galera_exporter.bootstrap.lineage import newest_confirmed
from galera_exporter.bootstrap.state import Epoch, Mode, Phase, Rule, Running, Snapshot, undefined
from galera_exporter.model import Position


def without_primary(running: Running, _snapshot: Snapshot | None) -> Keep | None:
    """Nothing to tell of a database without a Primary component; after a while ``decide`` is asked for it."""
    return None if running.primary else Keep()


def own_confirmation(running: Running, snapshot: Snapshot | None) -> Confirm | Keep | Relabel | Stop | None:
    """An elected node is confirmed once it is Synced; it ends when the election is no longer its own."""
    if running.confirmed:
        return None
    if snapshot is None:
        return Keep()  # the wrapper ends it when its lease has gone stale
    bootstrap = snapshot.bootstrap
    own = running.history.get(running.epoch)
    if bootstrap is None or own is None or not same_election(own, bootstrap.epoch):
        return Stop(f"the election of epoch {running.epoch} was taken over")
    if bootstrap.phase is Phase.ELECTED:
        return Confirm(bootstrap.epoch) if running.synced and not undefined(running.position.uuid) else Keep()
    if bootstrap.phase is Phase.PRIMARY:
        return Relabel(running.epoch)  # confirmed already; the reply was lost
    return Stop(f"the election of epoch {running.epoch} was given up")


def inconsistent(running: Running, _snapshot: Snapshot | None) -> Stop | None:
    """Galera expelled this node for its data: they must not be used again."""
    return Stop("its data differ from the others'", taint=True) if running.inconsistent else None


def stranded(running: Running, _snapshot: Snapshot | None) -> Stop | None:
    """Galera gave up, as after a state transfer that failed: the server runs on and never joins again by itself."""
    return Stop("Galera has closed its connection to the group and does not come back") if running.stranded else None


def forgotten(running: Running, _snapshot: Snapshot | None) -> Stop | None:
    """The group threw the joiner's message away that it is done, and neither asks again.

    Seen with Galera 26.4.23, where the joiner lost sight of the group and found it again while it took a state
    transfer: "Rejecting JOIN message: new State Transfer required" on all nodes. It applies all, and is never Synced.
    """
    return (
        Stop("Galera does not take it for joined though it has all data, and does not ask again")
        if running.forgotten
        else None
    )


def caught_up(node: str, position: Position, snapshot: Snapshot) -> bool:
    """Whether a node has all that the members of the Primary component had at their last heartbeat but one."""
    members = [snapshot.nodes[name].position for name in snapshot.primary if name != node and name in snapshot.nodes]
    return bool(members) and all(
        member.uuid == position.uuid and 0 <= member.seqno <= position.seqno for member in members
    )


def unknown_to_etcd(running: Running, snapshot: Snapshot | None) -> Adopt | Keep | None:
    """A Primary component runs that etcd does not know: etcd was wiped, or this is the first sidecar here."""
    if snapshot is None or not running.synced or undefined(running.position.uuid):
        return Keep()
    newest = newest_confirmed(snapshot.history)
    if running.epoch:
        known = running.history.get(running.epoch)
        lost = snapshot.bootstrap is None or running.epoch > newest
        return (
            Adopt(replace(known, confirmed=True), running.node, running.component)
            if lost and known is not None
            else None
        )
    if newest and snapshot.primary:
        return None
    bootstrap = snapshot.bootstrap
    number = 1 + max([*snapshot.history, 0 if bootstrap is None else bootstrap.epoch.number])
    same = newest and snapshot.history[newest].uuid == running.position.uuid
    uuid, seqno = running.position.uuid, running.position.seqno
    parent = newest if same else 0
    epoch = Epoch(
        number, parent, seqno, uuid, running.node, Mode.ADOPTED, Rule.ADOPTED, confirmed=True, group=running.group
    )
    return Adopt(epoch, running.node, running.component)


def of_the_newest(running: Running, snapshot: Snapshot | None) -> Relabel | None:
    """The run is of the newest epoch, and its label does not say so: by the group's name, or an adopted one's view."""
    if snapshot is None or not running.synced:
        return None
    newest = newest_confirmed(snapshot.history)
    if running.epoch >= newest:
        return None
    epoch = snapshot.history[newest]
    named = bool(running.group) and running.group == epoch.group
    proven = named if epoch.mode is not Mode.ADOPTED else running.component in snapshot.primary.values()
    return Relabel(newest) if proven and (named or not running.epoch) else None


def same_election(one: Epoch, other: Epoch) -> bool:
    """Whether two records are of the same election: numbers are given anew when etcd has lost its memory."""
    return (one.number, one.node, one.group) == (other.number, other.node, other.group)


def registers(running: Running, snapshot: Snapshot) -> bool:
    """Whether this node may hold the key ``primary/<node>``: a member of the confirmed Primary component."""
    return running.primary and running.confirmed and running.epoch == newest_confirmed(snapshot.history) > 0
