"""Lineage: whether data are part of what the cluster agreed on.

A state UUID and a seqno do not prove a history: two components that were bootstrapped
from the same node reach the same UUID and seqno with different rows, and Galera joins
them by IST without a word (seen with MariaDB 10.11.19 and Galera 26.4.23). Epochs do: each
election is one, and names the epoch and the seqno of the data that it began with. Epochs
form a tree. Data of epoch e at seqno s are part of epoch E if the way from E down to the
root meets e, and no epoch on the way began below s.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from galera_exporter.bootstrap.state import Epoch
from galera_exporter.model import ZERO_UUID, Position

History = Mapping[int, Epoch]


class Standing(StrEnum):
    """What data are to an epoch."""

    MEMBER = "member"
    """A prefix of its history: may join by IST."""
    ABANDONED = "abandoned"
    """Beyond its history in a way that nobody relies on: never confirmed, or given up by an operator."""
    FOREIGN = "foreign"
    """Beyond its history, or of another one: only an operator may throw that away."""


def newest_confirmed(history: History) -> int:
    """Return the number of the newest epoch that served clients; 0 where none is known."""
    return max((number for number, epoch in history.items() if epoch.confirmed), default=0)


def origin(history: History, epoch: int, seqno: int) -> int:
    """Return the epoch that wrote the transaction ``seqno`` of data labelled ``epoch``.

    A node that is labelled with an epoch and has not gone beyond its base still has the parent's data.
    """
    while (found := history.get(epoch)) is not None and found.parent and seqno <= found.base:
        epoch = found.parent
    return epoch


def place(history: History, cluster: int, epoch: int, position: Position) -> Standing:
    """Return what data of ``epoch`` at ``position`` are to the epoch ``cluster``."""
    top = history.get(cluster)
    if top is None:
        return Standing.FOREIGN
    source = origin(history, epoch, position.seqno)
    own = history.get(source)
    limit, lossy, met = _way(history, top, source)
    if met and position.uuid == top.uuid and (limit is None or position.seqno <= limit):
        return Standing.MEMBER
    if own is None or own.uuid not in {position.uuid, ZERO_UUID}:
        return Standing.FOREIGN  # restored, or labelled by nobody: no operator ever gave these data up
    given_up = lossy or (not (own.confirmed or met) and _began_within(history, cluster, own))
    return Standing.ABANDONED if given_up else Standing.FOREIGN


def _began_within(history: History, cluster: int, own: Epoch) -> bool:
    """Whether what an epoch that nobody was served from began with is accounted for."""
    return own.parent == 0 or place(history, cluster, own.parent, Position(own.uuid, own.base)) is not Standing.FOREIGN


def confirmed_part(history: History, epoch: int, position: Position) -> tuple[int, Position]:
    """Return the data without what never served a client: the newest confirmed epoch in them, and the seqno there."""
    seqno = position.seqno
    source = origin(history, epoch, seqno)
    while (found := history.get(source)) is not None and not found.confirmed:
        seqno = min(seqno, found.base)
        source = origin(history, found.parent, seqno)
    return source, Position(position.uuid, seqno)


def merge(one: History, other: History) -> History:
    """Return the epochs of both; of one that both have, the one that knows of its confirmation."""
    if not other or one is other:
        return one
    if not one:
        return other
    merged = dict(one)
    for number, epoch in other.items():
        known = merged.get(number)
        if known is None or (epoch.confirmed and not known.confirmed):
            merged[number] = epoch
    return merged


def common(history: History, cluster: int, epoch: int, position: Position) -> int:
    """Return the seqno up to which data are part of the epoch ``cluster``, whatever else they have; -1: nowhere."""
    top, seqno = history.get(cluster), position.seqno
    while top is not None and top.uuid == position.uuid:
        source = origin(history, epoch, seqno)
        limit, _lossy, met = _way(history, top, source)
        if met:
            return seqno if limit is None else min(seqno, limit)
        own = history.get(source)
        if own is None or not own.parent:
            break
        epoch, seqno = own.parent, min(seqno, own.base)
    return -1


def known_as(history: History, epoch: int, own: History) -> bool:
    """Whether a label means the epoch that the cluster knows by its number, and not another election.

    Numbers are given anew when etcd has lost its memory and those that know them do not report.
    """
    ours, theirs = history.get(epoch), own.get(epoch)
    return ours is None or theirs is None or "" in {ours.group, theirs.group} or ours.group == theirs.group


def _way(history: History, top: Epoch, source: int) -> tuple[int | None, bool, bool]:
    """Walk from ``top`` to ``source``: the lowest base on the way, whether any was lossy, whether we got there."""
    limit: int | None = None
    lossy = False
    step: Epoch | None = top
    while step is not None and step.number > source:
        limit = step.base if limit is None else min(limit, step.base)
        lossy = lossy or step.lossy
        if step.parent == source:
            return limit, lossy, True
        step = history.get(step.parent)
    return limit, lossy, step is not None and step.number == source
