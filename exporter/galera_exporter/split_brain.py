"""Two Primary components at once: a suspicion that grows out of what nodes say of themselves. Pure.

Galera does not tell: two components that were bootstrapped side by side stay Primary and Synced, and
both take writes (seen with MariaDB 10.11.19 and Galera 26.4.23). What nodes say differs at each view
change too, for as long as their words lag, so only a difference that lasts is told.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import combinations
from typing import Final

LASTS: Final = 15.0
"""Seconds that two nodes must contradict each other without a pause: a view change is over in a few."""


class Suspicion:
    """Feed it what each node that is Primary names as its component, as often as that is heard."""

    def __init__(self, lasts: float = LASTS) -> None:
        self._lasts = lasts
        self._since: dict[tuple[str, str], float] = {}
        self.nodes: tuple[str, ...] = ()
        """The nodes that have contradicted each other for long enough, sorted; empty: no suspicion."""

    def observe(self, components: Mapping[str, Hashable], now: float) -> bool:
        """Take in what was heard at ``now``, in seconds of one monotonic clock; return whether there is a suspicion."""
        apart: list[tuple[str, str]] = []
        if len(set(components.values())) > 1:
            pairs = combinations(sorted(components), 2)
            apart = [pair for pair in pairs if components[pair[0]] != components[pair[1]]]
        self._since = {pair: self._since.get(pair, now) for pair in apart}
        lasting = {node for pair, since in self._since.items() if now - since > self._lasts for node in pair}
        self.nodes = tuple(sorted(lasting))
        return bool(lasting)
