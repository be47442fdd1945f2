"""What is kept of a scenario that failed: enough to understand it when the cluster is gone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from e2e.kube.cluster import Cluster
from e2e.kube.paths import FAILED

_SYSTEM = {"default", "kube-system", "kube-public", "kube-node-lease"}


def keep(cluster: Cluster, name: str, text: str) -> Path:
    """Write the failure, and all that the cluster says of the scenarios' namespaces, below ``build/e2e/failed``."""
    folder = FAILED / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "failure.txt").write_text(text)
    _note(folder / "nodes.txt", lambda: cluster.kubectl("describe", "nodes"))
    _note(folder / "volumes.txt", lambda: cluster.kubectl("get", "pv,pvc", "-A", "-o", "wide"))
    for item in cluster.api.items("/api/v1/namespaces"):
        namespace = item["metadata"]["name"]
        if namespace not in _SYSTEM:
            _namespace(cluster, namespace, folder / namespace)
    for node in cluster.nodes:
        shutil.copytree(node.machine.logs, folder / node.name, dirs_exist_ok=True)
    return folder


def _namespace(cluster: Cluster, namespace: str, folder: Path) -> None:
    folder.mkdir()
    inside = ("--namespace", namespace)
    _note(folder / "pods.txt", lambda: cluster.kubectl(*inside, "get", "pods", "-o", "wide", "--show-labels"))
    _note(folder / "events.txt", lambda: cluster.kubectl(*inside, "get", "events", "--sort-by=.lastTimestamp"))
    _note(folder / "describe.txt", lambda: cluster.kubectl(*inside, "describe", "pods,statefulsets,endpointslices"))
    path = f"/api/v1/namespaces/{namespace}/pods"
    for pod in cluster.api.items(path):
        name, spec = pod["metadata"]["name"], pod["spec"]
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            for suffix, query in (("log", ""), ("previous.log", "&previous=true")):
                url = f"{path}/{name}/log?container={container['name']}&tailLines=5000{query}"
                _note(folder / f"{name}.{container['name']}.{suffix}", partial(cluster.api.text, url))


def _note(file: Path, ask: Callable[[], str]) -> None:
    try:
        text = ask()
    except OSError as error:
        text = f"({error})\n"
        if file.name.endswith("previous.log"):
            return  # most containers have no run before this one
    file.write_text(text)
