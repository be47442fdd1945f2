"""Pods and their StatefulSet as the Kubernetes API writes them, as values. Pure, and total on any input."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

LABEL: Final = "galera.role"
PRIMARY: Final = "primary"
"""Value of the label that the write Service selects."""
EXCLUDED: Final = "excluded"
"""Value that an operator may give it, to keep the writes away from a pod until the label or the pod goes."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod that the StatefulSet's selector finds."""

    name: str
    uid: str
    version: str
    """``metadata.resourceVersion``: a patch that names it is refused where the pod has changed since."""
    ordinal: int
    """Its number in the StatefulSet; -1: its name says that it is not one of its pods."""
    ready: bool
    """Its condition Ready is True."""
    terminating: bool
    running: bool
    """Its containers were started, whether or not they are ready."""
    labelled: bool
    """Whether it has the label of the write pod."""
    excluded: bool = False
    """Whether an operator keeps the writes away from it."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The StatefulSet."""

    replicas: int
    selector: str
    """In the form of the query parameter ``labelSelector``."""


def read_workload(found: object) -> Workload | None:
    """Return the StatefulSet of an answer; None where it is none, or selects nothing in particular."""
    spec = _mapping(_mapping(found).get("spec"))
    replicas = spec.get("replicas", 1)  # what Kubernetes takes where it is absent
    selector = ",".join(_terms(_mapping(spec.get("selector"))))
    return Workload(replicas, selector) if type(replicas) is int and selector else None


def read_pods(found: object, statefulset: str) -> tuple[Pod, ...] | None:
    """Return the pods of a list, by ordinal and name; None where it is no list of pods."""
    items = _mapping(found).get("items", [])
    if _mapping(found).get("kind") != "PodList" or not isinstance(items or [], list):
        return None
    pods = [pod for item in items or [] if (pod := _pod(item, statefulset)) is not None]
    return tuple(sorted(pods, key=lambda pod: (pod.ordinal, pod.name)))


def _pod(found: object, statefulset: str) -> Pod | None:
    metadata = _mapping(_mapping(found).get("metadata"))
    status = _mapping(_mapping(found).get("status"))
    name, uid, version = (metadata.get(field) for field in ("name", "uid", "resourceVersion"))
    if not (isinstance(name, str) and isinstance(uid, str) and isinstance(version, str)):
        return None
    number = re.fullmatch(r"(0|[1-9]\d{0,8})", name.removeprefix(f"{statefulset}-"))
    conditions = status.get("conditions")
    role = _mapping(metadata.get("labels")).get(LABEL)
    return Pod(
        name=name,
        uid=uid,
        version=version,
        ordinal=int(number[1]) if number and name.startswith(f"{statefulset}-") else -1,
        ready=any(
            each.get("type") == "Ready" and each.get("status") == "True"
            for each in map(_mapping, conditions if isinstance(conditions, list) else [])
        ),
        terminating=metadata.get("deletionTimestamp") is not None,
        running=status.get("phase") == "Running",
        labelled=role == PRIMARY,
        excluded=role == EXCLUDED,
    )


def _terms(selector: Mapping[str, Any]) -> Iterator[str]:
    """Yield the requirements of a LabelSelector as ``labelSelector`` has them."""
    for name, value in sorted(_mapping(selector.get("matchLabels")).items()):
        yield f"{name}={value}"
    expressions = selector.get("matchExpressions")
    for each in map(_mapping, expressions if isinstance(expressions, list) else []):
        key, values = each.get("key"), f"({','.join(map(str, each.get('values') or []))})"
        match each.get("operator"):
            case "In":
                yield f"{key} in {values}"
            case "NotIn":
                yield f"{key} notin {values}"
            case "Exists":
                yield f"{key}"
            case "DoesNotExist":
                yield f"!{key}"


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}
