"""What is broken on purpose, from outside of what breaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from e2e.kube.node import Node
from e2e.release import Release
from lab.process import wait_until

_LOOK = 0.3
_KILL = """for each in /proc/[0-9]*; do
  [ "$(cat "$each/comm" 2>/dev/null)" != mariadbd ] || kill -%s "${each#/proc/}"
done"""


def kill_mariadbd(release: Release, pod: str, signal: str = "KILL") -> None:
    """Send the server of a pod a signal; SIGKILL is what the kernel does when memory is short."""
    release.kubectl("exec", pod, "-c", "mariadb", "--", "bash", "-c", _KILL % signal)


def delete_all(release: Release) -> None:
    """Delete all pods at once; return when the last of the old ones is gone."""
    old = {pod.uid for pod in release.all_pods()}
    release.kubectl("delete", "pods", "--all", "--wait=false")
    wait_until(lambda: not old & {pod.uid for pod in release.all_pods()}, 120, "the old pods are gone", interval=_LOOK)


def lose_volumes(release: Release, *pods: str) -> None:
    """Delete the claims of pods, and the pods by force; return when each has a new claim, on an empty volume."""
    if release.cluster.volumes:
        release.cluster.volumes.reclaim()
    before = {pod: _claim(release, pod) for pod in pods}
    assert all(before.values()), f"a pod has no claim: {before}"
    for pod in pods:
        release.delete_claim(pod)
        release.delete_pod(pod, grace=0)
    for pod, old in before.items():
        wait_until(partial(_has_other_claim, release, pod, old), 90, f"{pod} has a new claim", interval=_LOOK)


def _has_other_claim(release: Release, pod: str, old: str) -> bool:
    return _claim(release, pod) not in {"", old}


def _claim(release: Release, pod: str) -> str:
    path = f"/api/v1/namespaces/{release.namespace}/persistentvolumeclaims/data-{pod}"
    found = release.cluster.api.find(path)
    return "" if found is None else str(found["metadata"]["uid"])


@contextmanager
def unplugged(node: Node) -> Iterator[None]:
    """In the block a machine of the cluster is cut off from all others."""
    node.unplug()
    try:
        yield
    finally:
        node.plug()


@contextmanager
def without_etcd(release: Release, pod: str) -> Iterator[None]:
    """In the block what a database pod sends to etcd's client port is lost, and nothing else."""
    found = release.pod(pod)
    assert found is not None
    machine = node_of(release, found.node).machine
    # Before addresses are translated: the port is the same for the Service and for the members.
    rule = ("PREROUTING", "-s", found.address, "-p", "tcp", "--dport", "2379", "-j", "DROP")
    machine.run("iptables", "-t", "raw", "-I", *rule)
    try:
        yield
    finally:
        machine.run("iptables", "-t", "raw", "-D", *rule)


def node_of(release: Release, name: str) -> Node:
    """Return a machine of this project's own cluster."""
    return next(node for node in release.cluster.nodes if node.name == name)
