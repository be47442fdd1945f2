"""A fault under load, and what must hold after it: nothing acknowledged is lost, one lineage, equal data."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from e2e.clients import Node, Service, nodes
from e2e.release import Release
from lab.checks import Watch, check_equal
from lab.process import wait_until
from lab.writer import Writer

_AGAIN = 120.0


class Trial:
    """A writer on the write Service, and a watch of all nodes, from the begin of a scenario to its end."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.nodes: list[Node] = nodes(release)
        service = Service(release, f"{release.fullname}-primary")
        wait_until(service.answers, _AGAIN, "the write Service answers", interval=0.3)
        self.writer = Writer([service], pause=0.02)  # type: ignore[list-item]
        self.watch = Watch(self.nodes)  # type: ignore[arg-type]
        self.begin = time.monotonic()
        self._history = history(release)

    def outage(self, since: float | None = None) -> float:
        """Return the longest time between two acknowledged rows, in seconds."""
        moments = [entry.moment for entry in self.writer.ledger.entries]
        recent = [moment for moment in moments if since is None or moment >= since]
        before = [moment for moment in moments if since is not None and moment < since][-1:]
        return max((later - earlier for earlier, later in pairwise([*before, *recent])), default=0.0)

    def wait_writes(self, timeout: float = _AGAIN) -> None:
        """Wait until rows are acknowledged again."""
        self.writer.wait_acknowledged(10, timeout)

    def settle(self, timeout: float = 240, lineages: int = 1) -> None:
        """Wait until all is ready again without help, and check what must hold."""
        self.release.wait_ready(timeout)
        # A node that hung, and was passed over, believes for some seconds more that it is in the cluster.
        wait_until(self._together, timeout, "all nodes are in one component", interval=0.5)
        self.wait_writes()
        self.writer.stop()
        self.watch.stop()
        self.check(lineages)

    def _together(self) -> bool:
        views = {(s.get("wsrep_cluster_conf_id"), s.get("wsrep_cluster_size")) for s in map(Node.status, self.nodes)}
        return len(views) == 1 and views.pop()[1] == str(len(self.nodes)) and self.release.ready()

    def check(self, lineages: int = 1) -> None:
        """Fail where an acknowledged row is missed, data differ, or there ever were two clusters."""
        self.watch.check(lineages)
        for node in self.nodes:
            missing = self.writer.ledger.missing(node)  # type: ignore[arg-type]
            assert not missing, f"{node.name} has lost {len(missing)} acknowledged rows"
        check_equal(self.nodes)  # type: ignore[arg-type]
        after = history(self.release)
        assert after[: len(self._history)] == self._history, f"history was rewritten: {self._history} -> {after}"

    def close(self) -> None:
        """End the threads."""
        self.writer.stop()
        self.watch.stop()


@contextmanager
def trial(release: Release) -> Iterator[Trial]:
    """Give a trial whose writer is writing."""
    release.wait_ready()
    made = Trial(release)
    try:
        made.writer.start()
        made.writer.wait_acknowledged(10)
        yield made
    finally:
        made.close()


def history(release: Release) -> list[object]:
    """Return the epochs of the cluster as every sidecar that answers tells them, oldest first; all tell the same."""
    told = wait_until(lambda: _told(release), 30, "all sidecars tell the same history", interval=0.5)
    return list(json.loads(told))


def _told(release: Release) -> str | None:
    scheme = "https:" if release.values.get("tls", {}).get("enabled") else ""
    seen = set()
    for pod in release.pods():
        path = f"/api/v1/namespaces/{release.namespace}/pods/{scheme}{pod.name}:10104/proxy/-/galera"
        seen.add(json.dumps(json.loads(release.cluster.api.text(path))["history"]))
    return seen.pop() if len(seen) == 1 else None
