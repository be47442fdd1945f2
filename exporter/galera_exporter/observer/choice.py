"""Which pod is the write pod, and the next step towards it. Pure.

Theory of operation
-------------------
The labels on the pods are the only memory: an observer that starts, or a second one beside it, finds the
choice there. ``choose`` keeps the pod that has the label while no other is fitter, so a node that comes back does not
draw the writes to it. ``step`` first takes the label from every other pod, and gives it only where nobody has it.

Invariants
----------
W1  Nobody is given the label while, as last read, another pod has it.
W2  A pod that has the label alone keeps it while it is as fit as any other.
W3  Nobody has it who is unfit: not Ready, being deleted, set aside by an operator, not Primary, neither Synced nor a
    donor that takes writes, not confirmed.
W4  Without etcd the pod that has the label keeps it while Kubernetes calls it Ready, and no other is chosen: not before
    etcd has been silent for so long (``BLIND``) that its absence is no hiccup. Then a Ready pod is chosen, if none has
    the label. That is no guess: readiness is the node's own word, made without etcd, that it is Primary, Synced and
    confirmed, and Kubernetes has just repeated it. Galera takes writes on any such node; what a choice risks is a
    minute without writers, not data.
W5  Equal evidence gives an equal choice: by fitness, then by ordinal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from galera_exporter.observer.pods import Pod
from galera_exporter.observer.standing import Fitness, Registered, standing

BLIND: Final = 15.0
"""Seconds without a word of the registry on any node: longer than a lease, and than etcd takes for a new leader."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is done now: take the label from ``remove``, or give it to ``add``; never both."""

    remove: tuple[Pod, ...] = ()
    add: Pod | None = None

    def __bool__(self) -> bool:
        return bool(self.remove) or self.add is not None


def choose(pods: Sequence[Pod], registry: Registered | None, *, blind: bool = False) -> Pod | None:
    """Return the pod that is to have the label, None where none may have it.

    ``registry`` is None while etcd cannot be read; ``blind``: it has said nothing of any node for BLIND seconds.
    """
    fitness = {pod: standing(pod, registry).fitness for pod in pods}
    best = max(fitness.values(), default=Fitness.UNFIT)
    if best is Fitness.UNFIT:
        return None
    fittest = [pod for pod in pods if fitness[pod] is best]
    holders = [pod for pod in fittest if pod.labelled]
    if best is Fitness.UNKNOWN and not blind:
        fittest = []
    return min(holders or fittest, key=lambda pod: pod.ordinal, default=None)


def step(pods: Sequence[Pod], chosen: Pod | None) -> Step:
    """Return what brings the labels nearer to ``chosen``; nothing where they are right."""
    wrong = tuple(pod for pod in pods if pod.labelled and (chosen is None or pod.uid != chosen.uid))
    if wrong:
        return Step(remove=wrong)
    return Step() if chosen is None or chosen.labelled else Step(add=chosen)
