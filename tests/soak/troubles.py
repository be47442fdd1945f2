"""What befalls the servers while the sidecars run: each trouble shows that it took effect, and ends before the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

from lab import Pod, Trio, wait_until

Trouble = Callable[[Trio, int], str]


def leader_moves(trio: Trio, _number: int) -> str:
    """Another member of etcd leads."""
    old = trio.etcd.leader()
    heir = next(member for member in trio.etcd.members if member is not old)
    status = trio.etcd.ctl_json("endpoint", "status", endpoints=(heir.endpoint,))[0]["Status"]
    trio.etcd.ctl("move-leader", f"{status['header']['member_id']:x}", endpoints=(old.endpoint,))
    new = trio.etcd.leader()
    if new is old:
        raise AssertionError(f"{old.name} still leads")
    return f"etcd's leader was {old.name} and is {new.name}"


def leader_dies(trio: Trio, _number: int) -> str:
    """The leader of etcd is killed, and started when another one leads."""
    old = trio.etcd.leader()
    old.kill()
    new = trio.etcd.leader()
    trio.etcd.start()
    return f"{old.name} led and was killed; {new.name} leads"


def etcd_ends(trio: Trio, _number: int) -> str:
    """No member answers for as long as the sidecars need to see it."""
    trio.etcd.stop()
    for pod in trio.pods:
        pod.sidecar.until(lambda page: page.value("galera_registry_up") == 0, 60, "sees that etcd is gone")
    trio.etcd.start()
    return "all of etcd was killed, and came back"


def database_stops(trio: Trio, number: int) -> str:
    """A node stops in order, the others see it leave, and it comes back."""
    return _away(trio, number, lambda pod: pod.node.stop(), "was stopped")


def database_dies(trio: Trio, number: int) -> str:
    """A node is killed, the others see it leave, and it comes back."""
    return _away(trio, number, lambda pod: pod.node.kill(), "was killed")


def key_goes(trio: Trio, number: int) -> str:
    """A node's key is deleted by hand, and written again."""
    name = trio.pods[number % len(trio.pods)].name
    counted = _expirations(trio, name)
    if trio.etcd.ctl("del", _key(trio, name)).strip() != "1":
        raise AssertionError(f"{name} had no key")
    _wait_expired(trio, name, counted)
    return f"the key of {name} was deleted"


def lease_goes(trio: Trio, number: int) -> str:
    """A node's lease is revoked, and its key goes with it."""
    name = trio.pods[number % len(trio.pods)].name
    counted = _expirations(trio, name)
    pair = trio.etcd.ctl_json("get", _key(trio, name))["kvs"][0]
    trio.etcd.ctl("lease", "revoke", f"{pair['lease']:x}")
    _wait_expired(trio, name, counted)
    return f"the lease of {name} was revoked"


def connection_goes(trio: Trio, number: int) -> str:
    """The server ends the sidecar's connection."""
    pod = trio.pods[number % len(trio.pods)]
    ids = [row["ID"] for row in pod.node.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'exporter'")]
    if not ids:
        raise AssertionError(f"the sidecar of {pod.name} has no connection")
    for connection in ids:
        pod.node.sql(f"KILL {connection}")
    pod.sidecar.until(lambda page: page.value("galera_up") == 1, 30, "connects again")
    return f"the server killed the connection of the sidecar of {pod.name} ({len(ids)})"


ALL: Final[tuple[Trouble, ...]] = (
    leader_moves,
    database_stops,
    key_goes,
    leader_dies,
    database_dies,
    lease_goes,
    etcd_ends,
    connection_goes,
)


def schedule() -> Iterator[tuple[Trouble, int]]:
    """Yield one trouble after the other, without end; the number grows, so that each node has its turn."""
    for number in count():
        yield ALL[number % len(ALL)], number // len(ALL)


def _key(trio: Trio, name: str) -> str:
    return f"/galera/v1/default/{trio.galera.name}/live/{name}"


def _away(trio: Trio, number: int, leave: Callable[[Pod], object], words: str) -> str:
    pod = trio.pods[number % len(trio.pods)]
    others = [other for other in trio.pods if other is not pod]
    leave(pod)
    for other in others:
        other.sidecar.until(lambda page: page.value("wsrep_cluster_size") == len(others), 60, "sees it leave")
    pod.start()
    return f"{pod.name} {words}, and joined again"


def _expirations(trio: Trio, name: str) -> list[float]:
    pages = trio.pages()
    return [page.value("galera_registry_key_expirations_total", node=name) or 0 for page in pages]


def _wait_expired(trio: Trio, name: str, counted: list[float]) -> None:
    """Wait until one of the other sidecars has seen the key go, and all see it again."""
    wait_until(lambda: max(_expirations(trio, name)) > min(counted), 30, f"the key of {name} goes", interval=0.2)
    for pod in trio.pods:
        pod.sidecar.until(
            lambda page: page.value("galera_etcd_key_present", node=name) == 1, 30, f"sees the key of {name}"
        )
