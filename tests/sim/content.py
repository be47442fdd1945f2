"""What data are, seen from outside: which transactions a disk has, whatever its state UUID and seqno say.

A history is a tree of branches. Each Primary component that begins writes a branch of its own,
which forks from the data that it began with. Data are a place in the tree: all of a branch up to a
seqno, and what is below the fork. Two nodes with equal UUID and seqno may stand on different branches:
Galera does not see that, the checks of the simulation do.
"""

from __future__ import annotations

NOWHERE = -1
"""The branch of a disk without data."""


class Histories:
    """All branches that ever were, and what was acknowledged to clients on them."""

    __slots__ = ("acknowledged", "ever", "fork", "kept", "parent", "uuid")

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.fork: list[int] = []
        """Seqno on the parent up to which the branch has its data."""
        self.uuid: list[str] = []
        self.acknowledged: list[int] = []
        """The last commit on each branch that clients were told of and nobody gave up; -1: none."""
        self.ever: list[int] = []
        """The same, given up or not: rows that are in the tables."""
        self.kept: list[int] = []
        """The same, without what elections may pass over: no node throws it away by itself."""

    def copy(self) -> Histories:
        """Return a copy that shares nothing."""
        other = Histories.__new__(Histories)
        other.parent, other.fork, other.uuid = self.parent[:], self.fork[:], self.uuid[:]
        other.acknowledged, other.ever, other.kept = self.acknowledged[:], self.ever[:], self.kept[:]
        return other

    def root(self, uuid: str) -> int:
        """Begin a history from nothing."""
        return self._add(NOWHERE, 0, uuid)

    def grow(self, parent: int, seqno: int) -> int:
        """Begin a branch with the data of ``parent`` up to ``seqno``."""
        return self._add(parent, seqno, self.uuid[parent])

    def _add(self, parent: int, fork: int, uuid: str) -> int:
        self.parent.append(parent)
        self.fork.append(fork)
        self.uuid.append(uuid)
        self.acknowledged.append(-1)
        self.ever.append(-1)
        self.kept.append(-1)
        return len(self.parent) - 1

    def upto(self, branch: int, seqno: int, other: int) -> int:
        """Return up to which seqno of branch ``other`` data at ``seqno`` of ``branch`` go; -1: they have none of it."""
        while branch > other:
            seqno = min(seqno, self.fork[branch])
            branch = self.parent[branch]
        return seqno if branch == other else -1

    def has(self, branch: int, seqno: int, other: int, upto: int) -> bool:
        """Whether data have all of ``other`` up to ``upto``."""
        if upto > 0 and other != NOWHERE:
            while upto <= self.fork[other] and self.parent[other] != NOWHERE:
                other = self.parent[other]  # it has not gone beyond what the branch began with
            return self.upto(branch, seqno, other) >= upto
        return True

    def served(self, branch: int, seqno: int, what: list[int]) -> tuple[int, int]:
        """Return the newest commit of ``what`` (``acknowledged``, ``ever``, ``kept``) in these data."""
        while branch != NOWHERE:
            last = min(seqno, what[branch])
            if last > self.fork[branch] or (self.parent[branch] == NOWHERE and last > 0):
                return branch, last
            seqno = min(seqno, self.fork[branch])
            branch = self.parent[branch]
        return NOWHERE, 0

    def fits(self, branch: int, seqno: int, component: int, upto: int) -> bool:
        """Whether data at ``seqno``, with what ``component`` has beyond it up to ``upto``, are the same as its data."""
        theirs, last = self.served(component, min(seqno, upto), self.ever)
        own, newest = self.served(branch, seqno, self.ever)
        return self.has(branch, seqno, theirs, last) and self.has(component, upto, own, newest)

    def acknowledge(self, branch: int, seqno: int) -> None:
        """A client was told of the commit."""
        self.acknowledged[branch] = self.ever[branch] = self.kept[branch] = seqno

    def pass_over(self, branch: int, seqno: int, *, for_good: bool) -> None:
        """An order goes on from here: elections need not have more; ``for_good``: it may be thrown away too."""
        for other in range(len(self.parent)):
            limit = self.upto(branch, seqno, other)
            self.acknowledged[other] = min(self.acknowledged[other], limit)
            if for_good:
                self.kept[other] = min(self.kept[other], limit)
