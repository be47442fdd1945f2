"""Local volumes of the nodes, made beforehand: any pod may claim one on the node that it was given."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from e2e.kube.api import Api
from e2e.kube.node import Node
from lab.process import wait_until

CLASS = "local"
_PATH = "/api/v1/persistentvolumes"
_FREE = 4
"""Volumes that each node keeps free: one for Galera, one for etcd, and what replaces them."""


class Volumes:
    """As many free volumes on each node as scenarios need; what was released is wiped."""

    def __init__(self, api: Api, nodes: Sequence[Node]) -> None:
        self._api = api
        self._nodes = nodes
        self._numbers = count(1)
        api.post(
            "/apis/storage.k8s.io/v1/storageclasses",
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
                "provisioner": "kubernetes.io/no-provisioner",
                "reclaimPolicy": "Retain",
                "volumeBindingMode": "WaitForFirstConsumer",
            },
        )
        self.reclaim()

    def reclaim(self, free: int = _FREE) -> None:
        """Remove what no claim holds any more, data included, and have ``free`` volumes on each node."""
        found = self._api.items(_PATH)
        for volume in found:
            if volume["status"].get("phase") == "Released":
                self._remove(volume)
        available = [volume for volume in found if volume["status"].get("phase") in {"Available", "Pending", None}]
        made = []
        for node in self._nodes:
            missing = free - sum(_node(volume) == node.name for volume in available)
            made += [self._make(node) for _ in range(missing)]
        wait_until(lambda: self._available(made), 30, f"new volumes are available: {made}", interval=0.2)

    def folder(self, claim: str, namespace: str) -> Path:
        """Return where the data of a claim are."""
        volume = self._api.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{claim}")["spec"]["volumeName"]
        return Path(self._api.get(f"{_PATH}/{volume}")["spec"]["local"]["path"])

    def _available(self, names: Sequence[str]) -> bool:
        phases = {volume["metadata"]["name"]: volume["status"].get("phase") for volume in self._api.items(_PATH)}
        return all(phases.get(name) != "Pending" and phases.get(name) for name in names)

    def _remove(self, volume: dict[str, dict[str, dict[str, str]]]) -> None:
        self._api.delete(f"{_PATH}/{volume['metadata']['name']}")
        shutil.rmtree(volume["spec"]["local"]["path"], ignore_errors=True)

    def _make(self, node: Node) -> str:
        name = f"{node.name}-{next(self._numbers)}"
        path = node.folder / "volumes" / name
        path.mkdir(parents=True)
        affinity = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}
        self._api.post(
            _PATH,
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": name, "labels": {"node": node.name}},
                "spec": {
                    "capacity": {"storage": "20Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "persistentVolumeReclaimPolicy": "Retain",
                    "storageClassName": CLASS,
                    "local": {"path": str(path)},
                    "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [affinity]}]}},
                },
            },
        )
        return name


def _node(volume: dict[str, dict[str, dict[str, str]]]) -> str:
    return volume["metadata"]["labels"]["node"]
