"""Three pods and an etcd cluster that a test may treat as it likes; what breaks, the platform starts again."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.etcd import EtcdCluster
from lab.galera import GaleraCluster
from lab.galera_config import NodeConfig
from lab.namespaces import LOOPBACK, Host
from lab.pod import Pod, bootstrap_flags, introduce
from lab.process import wait_until
from lab.sidecar import Sidecar
from lab.template import fill
from lab.trio import QUICK_EVS
from lab.wrapper import WrappedNode

PREFIX = "/galera/v1/default/lab/"
# The shortest that users may set: a scenario that waits for them has to wait for real.
TAKEOVER = 15
SURVIVOR = 5
TTL = 5
BACKOFF = 0.5
JOIN = 90.0
Record = Mapping[str, Any]


class Site:
    """Three pods and an etcd cluster below ``root``; ``hosts`` by name puts each where it can be cut off.

    ``endpoints`` may give each sidecar another way to etcd, by the name of its node. ``options`` are further
    options of each server; ``backoff``: seconds after which a database that has ended is started again.
    """

    def __init__(
        self,
        root: Path,
        *,
        members: int = 1,
        hosts: Mapping[str, Host] | None = None,
        flags: Mapping[str, str] | None = None,
        env: Mapping[str, Mapping[str, str]] | None = None,
        endpoints: Callable[[str, Sequence[str]], Sequence[str]] | None = None,
        options: Mapping[str, str] | None = None,
        backoff: float = BACKOFF,
    ) -> None:
        self._backoff = backoff
        places = hosts or {}
        galera_hosts = [places.get(f"galera-{n}", LOOPBACK) for n in range(3)]
        etcd_hosts = [places.get(f"etcd-{n}", LOOPBACK) for n in range(members)]
        self.etcd = EtcdCluster(members, root, hosts=etcd_hosts, client=places.get("client", LOOPBACK))
        self._galera = GaleraCluster(3, root, options=options, provider_options=QUICK_EVS, hosts=galera_hosts)
        self.pods: tuple[Pod, ...] = tuple(
            self._pod(node.config, root, flags, (env or {}).get(node.name), endpoints) for node in self._galera.nodes
        )
        introduce(self.pods)

    def _pod(
        self,
        config: NodeConfig,
        root: Path,
        flags: Mapping[str, str] | None,
        env: Mapping[str, str] | None,
        endpoints: Callable[[str, Sequence[str]], Sequence[str]] | None,
    ) -> Pod:
        node = WrappedNode(config, backoff=self._backoff, env=env)
        ways = self.etcd.endpoints if endpoints is None else endpoints(node.name, self.etcd.endpoints)
        own = {
            **bootstrap_flags(node),
            "bootstrap.takeover-timeout": str(TAKEOVER),
            "bootstrap.survivor-timeout": str(SURVIVOR),
            "etcd.ttl": str(TTL),
            **(flags or {}),
        }
        return Pod(node, Sidecar(node, root, etcd=ways, flags=own, env=env))

    @property
    def nodes(self) -> tuple[WrappedNode, ...]:
        """The nodes of all pods."""
        return tuple(pod.node for pod in self.pods)

    def fill(self) -> None:
        """Give every node that has no data the same data, so that nobody needs an SST."""
        for node in self.nodes:
            if not node.datadir.exists():
                fill(node, bootstrap=False)

    def start(self, pods: Iterable[Pod] | None = None) -> None:
        """Start etcd where it does not run, and pods side by side."""
        self.etcd.start()
        at_once(pod.start for pod in (self.pods if pods is None else pods))

    def power_loss(self, pods: Iterable[Pod] | None = None) -> None:
        """Kill pods, all at once."""
        at_once(pod.power_loss for pod in (self.pods if pods is None else pods))

    def wait_serving(self, pods: Sequence[Pod] | None = None, timeout: float = JOIN) -> None:
        """Wait until these pods are Synced in one confirmed component of just their number."""
        chosen = self.pods if pods is None else pods
        size = str(len(chosen))

        def serve() -> bool:
            return all(
                pod.node.synced and pod.node.status().get("wsrep_cluster_size") == size and pod.confirmed
                for pod in chosen
            )

        logs = [log for pod in chosen for log in pod.logs]
        wait_until(serve, timeout, f"{', '.join(pod.name for pod in chosen)} serve", logs, 0.2)

    def bring_up(self) -> None:
        """Have three pods that serve, whatever was before: as they are, or from nothing."""
        if not self._intact():
            self.clear()
            self.fill()
            self.start()
            self.wait_serving()
        for pod in self.pods:
            pod.mark()

    def clear(self) -> None:
        """End all pods, and lose all volumes and all keys."""
        for pod in self.pods:
            pod.thaw()
        self.power_loss()
        for node in self.nodes:
            node.wipe()
        for member in self.etcd.members:
            member.thaw()
        self.etcd.start()
        self.etcd.ctl("del", "--prefix", PREFIX)
        for pod in self.pods:
            pod.mark()

    def _intact(self) -> bool:
        if not all(pod.node.alive and pod.sidecar.alive for pod in self.pods) or not self.etcd.healthy():
            return False
        try:
            self.wait_serving(timeout=5)
        except AssertionError:
            return False
        return not self.keys("override/") and not self.keys("hold")

    def keys(self, below: str = "") -> dict[str, Record]:
        """Return the records below a key of the cluster, by the rest of their key."""
        found = self.etcd.ctl_json("get", "--prefix", PREFIX + below, "--consistency=l").get("kvs", [])
        return {_text(pair["key"]).removeprefix(PREFIX): json.loads(_text(pair["value"])) for pair in found}

    def order(self, purpose: str, node: str = "", *, lossy: bool = False) -> str:
        """Give an operator's order as galeractl writes it, and return its token."""
        token = str(uuid.uuid4())
        fields = {"schema": 1, "token": token, "purpose": purpose, "node": node, "lossy": lossy, "by": "test"}
        self.put(f"override/{token}", fields)
        return token

    def put(self, key: str, fields: Record) -> None:
        """Write one key of the cluster."""
        self.etcd.ctl("put", PREFIX + key, stdin=json.dumps(fields))

    def drop(self, key: str) -> None:
        """Delete one key of the cluster."""
        self.etcd.ctl("del", PREFIX + key)

    @property
    def bootstrap(self) -> Record:
        """The newest election and its phase; empty before the first."""
        return self.keys("bootstrap").get("bootstrap", {})

    @property
    def epoch(self) -> int:
        """The number of the newest election; 0 before the first."""
        found = self.bootstrap
        return int(found["epoch"]["number"]) if found else 0

    @property
    def history(self) -> dict[int, Record]:
        """All epochs, by number."""
        return {int(key.removeprefix("history/")): epoch for key, epoch in self.keys("history/").items()}

    def wait_elected(self, after: int = 0, timeout: float = 40) -> Record:
        """Wait for an election newer than epoch ``after``, and return its record."""

        def look() -> Record | None:
            found = self.bootstrap
            return found if found and found["epoch"]["number"] > after else None

        logs = [pod.sidecar.log for pod in self.pods]
        return wait_until(look, timeout, f"an election after epoch {after}", logs, 0.02)

    def pod(self, name: str) -> Pod:
        """Return the pod of a node."""
        return next(pod for pod in self.pods if pod.name == name)

    def close(self) -> None:
        """End everything."""
        for pod in self.pods:
            pod.node.kill()
            pod.sidecar.close()
        self._galera.close()
        self.etcd.close()


def at_once(calls: Iterable[Callable[[], None]]) -> None:
    """Make all calls side by side; the first error is raised when all have ended."""
    errors: list[BaseException] = []

    def run(call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()
