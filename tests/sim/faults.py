"""What can happen in the simulated world.

An event that cannot happen now does nothing: so any list of events is a schedule, and a shorter
one is too. Functions return whether anything happened, which is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from galera_exporter.bootstrap.local import LocalState
from galera_exporter.bootstrap.state import Order, Purpose
from galera_exporter.bootstrap.transactions import HOLD, OVERRIDE, Drop, Put
from sim import desk, galera, group, sidecar, wrapper
from sim.node import Disk, Phase
from sim.store import Store

if TYPE_CHECKING:
    from sim.world import World


def tick(world: World, index: int) -> bool:
    """The sidecar does a step."""
    return sidecar.tick(world, world.nodes[index])


def half(world: World, index: int) -> bool:
    """The sidecar does a part of a step and hangs there."""
    return sidecar.half(world, world.nodes[index])


def run(world: World, index: int) -> bool:
    """Wrapper and mariadbd do their next thing."""
    return wrapper.run(world, world.nodes[index])


def together(world: World) -> bool:
    """All do their next thing, and a second passes."""
    did = False
    for node in world.nodes:
        did = sidecar.tick(world, node) or did
        did = wrapper.run(world, node) or did
    world.elapse(1.0)
    return did


def elapse(world: World, seconds: float) -> bool:
    """Time passes."""
    world.elapse(seconds)
    return True


def commit(world: World, index: int) -> bool:
    """A client commits."""
    world.committed = galera.commit(world, world.nodes[index]) or world.committed
    return world.committed


def boot(world: World, index: int) -> bool:
    """The platform starts the node's containers that do not run."""
    node = world.nodes[index]
    if node.away or (node.sidecar.alive and (node.phase is not Phase.OFF or node.frozen)):
        return False
    world.boot(node)
    return True


def crash(world: World, index: int) -> bool:
    """Mariadbd is killed, and its container with it; the sidecar lives."""
    node = world.nodes[index]
    if node.server is None:
        return False
    node.frozen = False
    galera.crash(world, node)
    return True


def crash_two(world: World, index: int) -> bool:
    """Two are killed at the same moment."""
    return sum([crash(world, index), crash(world, (index + 1) % len(world.nodes))]) == 2


def crash_all(world: World) -> bool:
    """All are killed at the same moment."""
    return sum([crash(world, index) for index in range(len(world.nodes))]) == len(world.nodes)


def power(world: World, index: int) -> bool:
    """The host loses power."""
    node = world.nodes[index]
    if not node.sidecar.alive and node.server is None:
        return False
    world.power(node)
    return True


def power_all(world: World) -> bool:
    """All hosts lose power."""
    return sum([power(world, index) for index in range(len(world.nodes))]) == len(world.nodes)


def stay_away(world: World, index: int) -> bool:
    """The host is taken out of service, after an orderly stop if it can be, or comes back."""
    node = world.nodes[index]
    node.away = not node.away
    if node.away:
        stop(world, index)
        tick(world, index)
        power(world, index)
    return True


def stop(world: World, index: int) -> bool:
    """The database's container is stopped in order."""
    node = world.nodes[index]
    if node.frozen or node.phase is Phase.OFF:
        return False
    if node.server is None:
        node.phase = Phase.OFF
        world.changes += 1
    else:
        wrapper.stop(world, node)
    return True


def stop_all(world: World, first: int) -> bool:
    """All are stopped in order, one after the other."""
    size = len(world.nodes)
    return sum([stop(world, (first + i) % size) for i in range(size)]) == size


def stop_together(world: World) -> bool:
    """All are stopped in order at the same moment."""
    if not any(node.server is not None for node in world.nodes):
        return False
    wrapper.stop_together(world)
    return True


def lose_volume(world: World, index: int) -> bool:
    """The node comes back with an empty volume."""
    node = world.nodes[index]
    had = node.disk.present
    world.power(node)
    world.lost = True
    node.disk = Disk()
    return had


def save(world: World, index: int) -> bool:
    """A copy of the volume is made, of a node that is stopped for it."""
    node = world.nodes[index]
    stop(world, index)
    node.saved = node.disk.copy()
    return node.disk.present


def restore(world: World, index: int) -> bool:
    """The node comes back with the copy of its volume."""
    node = world.nodes[index]
    if node.saved is None or not node.saved.present:
        return False
    world.power(node)
    world.lost = True
    node.disk = node.saved.copy()
    return True


def strange_volume(world: World, index: int) -> bool:
    """The node comes back with the volume of another cluster."""
    node = world.nodes[index]
    world.power(node)
    world.serial += 1
    node.disk = Disk()
    node.disk.present = node.disk.clean = True
    node.disk.branch, node.disk.seqno = world.histories.root(f"strange-{world.serial}"), 5
    node.disk.label = LocalState()
    return True


def forget(world: World) -> bool:
    """Nobody knows how the cluster that runs came about: the sidecars and etcd are new to it."""
    whole = world.components[:1] == world.components and all(node.primary for node in world.nodes)
    if not whole or any(node.server is None or node.server.transfer for node in world.nodes):
        return False
    etcd_wiped(world)
    world.components[0].group = "configured"
    for node in world.nodes:
        kill_sidecar(world, node.index, sent=False)
        node.disk.label = LocalState()
        if node.server is not None:
            node.server.group = "configured"
        world.boot(node)
    return True


def blind(world: World, index: int) -> bool:
    """The node crashes, and its position cannot be recovered."""
    node = world.nodes[index]
    if not crash(world, index) or not node.disk.present:
        return False
    node.disk.blind = True
    return True


def inconsistent(world: World, index: int) -> bool:
    """Galera finds that the node's data differ, and expels it."""
    node = world.nodes[index]
    if (
        node.server is None
        or node.server.component is None
        or node.server.transfer
        or len(node.server.component.members) < 2
    ):
        return False
    node.server.inconsistent = True
    node.disk.whole, node.disk.corrupt = False, True
    group.regroup(world)
    return True


def lag(world: World, index: int) -> bool:
    """The applier stops, or goes on."""
    world.nodes[index].lag = not world.nodes[index].lag
    return True


def kill_sidecar(world: World, index: int, sent: bool) -> bool:  # noqa: FBT001  # a part of a schedule
    """The sidecar is killed; ``sent``: what it was about to send arrives."""
    node = world.nodes[index]
    if not node.sidecar.alive:
        return False
    if sent and node.sidecar.todo:
        sidecar.part(world, node)
    node.sidecar.todo = ()
    node.sidecar.alive = False
    node.sidecar.page = None
    world.changes += 1
    return True


def pause_sidecar(world: World, index: int) -> bool:
    """The sidecar gets no time."""
    side = world.nodes[index].sidecar
    if side.frozen or not side.alive:
        return False
    side.frozen = True
    world.changes += 1
    return True


def pause_database(world: World, index: int) -> bool:
    """Wrapper and mariadbd get no time."""
    node = world.nodes[index]
    if node.frozen or node.phase is Phase.OFF:
        return False
    node.frozen = True
    world.changes += 1
    group.regroup(world)
    return True


def pause_host(world: World, index: int) -> bool:
    """Neither gets time."""
    return sum([pause_database(world, index), pause_sidecar(world, index)]) == 2


def resume(world: World, index: int) -> bool:
    """Whatever was paused goes on."""
    node = world.nodes[index]
    if not node.frozen and not node.sidecar.frozen:
        return False
    node.sidecar.frozen = False
    node.sidecar.page = None  # it asks its database before it answers
    if node.frozen:
        node.frozen = False
        node.waking = node.phase is not Phase.OFF
        group.regroup(world)
    world.changes += 1
    return True


def partition(world: World, groups: tuple[int, ...]) -> bool:
    """The network between the hosts falls apart."""
    for node, place in zip(world.nodes, groups, strict=True):
        node.group = place
    world.changes += 1
    group.regroup(world)
    return len(set(groups)) > 1


def cut(world: World, index: int) -> bool:
    """The node loses, or regains, its way to etcd."""
    world.nodes[index].cut = not world.nodes[index].cut
    world.changes += 1
    return True


def heal(world: World) -> bool:
    """The network is whole."""
    for node in world.nodes:
        node.cut = False
    return partition(world, (0,) * len(world.nodes)) or True


def etcd_down(world: World) -> bool:
    """Etcd stops, or comes back; leases get their full time again."""
    world.etcd_up = not world.etcd_up
    world.changes += 1
    if world.etcd_up:
        for lease in world.store.ends:
            world.store.ends[lease] = world.now + desk.TTL
    return True


def etcd_wiped(world: World) -> bool:
    """Etcd comes back empty."""
    had = bool(world.store.revisions)
    store = Store()
    store.next_lease = world.store.next_lease  # etcd's are random
    world.store = store
    world.changes += 1
    return had


def lose_reply(world: World, index: int) -> bool:
    """The answer to the sidecar's next transaction is lost; what it did stays done."""
    world.nodes[index].sidecar.lost_reply = True
    return True


def change_version(world: World, index: int) -> bool:
    """The sidecar is replaced by the earlier version, or by the present one."""
    node = world.nodes[index]
    node.sidecar.old = not node.sidecar.old
    if not kill_sidecar(world, index, sent=False):
        return False
    world.boot(node)
    return True


def order(world: World, purpose: Purpose, index: int, lossy: bool) -> bool:  # noqa: FBT001  # a part of a schedule
    """An operator gives an order."""
    if not world.etcd_up:
        return False
    world.serial += 1
    token = f"order-{world.serial:06}"
    node = "" if purpose is Purpose.INITIAL else f"n{index}"
    value = Order(token, purpose, node, lossy=lossy)
    world.store.write((Put(OVERRIDE + token, value),), 0)
    return True


def hold(world: World) -> bool:
    """An operator freezes automatic elections, or releases them."""
    if not world.etcd_up:
        return False
    world.store.write((Put(HOLD, "maintenance") if world.store.get(HOLD) is None else Drop(HOLD),), 0)
    return True
