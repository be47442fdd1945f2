"""The faults: what each is, what it touches, and how long it lasts. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from random import Random

PODS = ("galera-0", "galera-1", "galera-2")
MEMBERS = ("etcd-0", "etcd-1", "etcd-2")


class Kind(StrEnum):
    """What can be broken."""

    KILL_DATABASE = "kill -9 of mariadbd"
    FREEZE_DATABASE = "SIGSTOP of mariadbd"
    KILL_SIDECAR = "kill -9 of a sidecar"
    FREEZE_SIDECAR = "SIGSTOP of a sidecar"
    KILL_POD = "kill -9 of a pod"
    FREEZE_POD = "SIGSTOP of a pod"
    STOP_POD = "clean stop of a pod"
    STOP_ALL_PODS = "clean stop of all pods at once"
    ROLLING_RESTART = "rolling restart"
    POWER_LOSS = "power loss of all pods"
    KILL_MEMBER = "kill -9 of an etcd member"
    FREEZE_MEMBER = "SIGSTOP of an etcd member"
    ETCD_DOWN = "kill -9 of all etcd members"
    REPLACE_MEMBER = "data of an etcd member lost"
    WIPE_KEYS = "keys of etcd wiped"
    CUT_PODS = "partition of two pods"
    ISOLATE_POD = "pod cut off from all other pods"
    CUT_ETCD = "pod cut off from etcd"
    SPLIT_ETCD = "etcd member cut off from the others"
    ONE_WAY = "one-way drop between two pods"
    REJECT = "reject between two hosts"
    LOSS = "packet loss at a host"
    SLOW_LINK = "slow link of a host"
    FULL_DISK = "full disk of a pod"
    FULL_MEMBER_DISK = "full disk of an etcd member"
    WIPE_VOLUME = "volume of a node lost"
    CLOCK_STEP = "clock step of a pod"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault at one time."""

    kind: Kind
    targets: tuple[str, ...]
    """Hosts: the sufferer first, or from whom to whom."""
    at: float
    """Seconds after the begin."""
    duration: float
    """Seconds until it is healed."""
    amount: int = 0
    """Percent of the packets that are lost, kbit/s of a slow link, minutes of a clock step."""

    @property
    def end(self) -> float:
        """When it is healed, in seconds after the begin."""
        return self.at + self.duration

    @property
    def text(self) -> str:
        """What it is, in words."""
        unit = {Kind.LOSS: "%", Kind.SLOW_LINK: " kbit/s", Kind.CLOCK_STEP: " minutes"}.get(self.kind)
        amount = "" if unit is None else f", {self.amount}{unit}"
        return f"{self.kind}: {' '.join(self.targets)}{amount}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How faults of one kind are made."""

    weight: int
    """How often, beside the others."""
    targets: Callable[[Random], tuple[str, ...]]
    claims: Callable[[tuple[str, ...]], frozenset[str]]
    """What no other fault may touch at the same time."""
    shortest: float = 2.0
    longest: float = 45.0
    amount: tuple[int, ...] = (0,)
    quiet: float = 3.0
    """Seconds before and after, in which no other fault may touch the same."""


def _pod(random: Random) -> tuple[str, ...]:
    return (random.choice(PODS),)


def _member(random: Random) -> tuple[str, ...]:
    return (random.choice(MEMBERS),)


def _two_pods(random: Random) -> tuple[str, ...]:
    return tuple(random.sample(PODS, 2))


def _host(random: Random) -> tuple[str, ...]:
    return (random.choice(PODS + MEMBERS),)


def _two_hosts(random: Random) -> tuple[str, ...]:
    first = random.choice(PODS)
    return (first, random.choice([other for other in PODS + MEMBERS if other != first]))


def _all_pods(_random: Random) -> tuple[str, ...]:
    return PODS


def _all_members(_random: Random) -> tuple[str, ...]:
    return MEMBERS


def _nobody(_random: Random) -> tuple[str, ...]:
    return ()


def _each(*parts: str) -> Callable[[tuple[str, ...]], frozenset[str]]:
    """Claim these parts of each target."""
    return lambda targets: frozenset(f"{part} of {target}" for part in parts for target in targets)


def _links(targets: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_link(one, other) for one, other in combinations(targets, 2))


def _links_to(others: tuple[str, ...]) -> Callable[[tuple[str, ...]], frozenset[str]]:
    """Claim the links of the first target to each of ``others``."""
    return lambda targets: frozenset(_link(targets[0], other) for other in others if other != targets[0])


def _link(one: str, other: str) -> str:
    return "link of " + " and ".join(sorted((one, other)))


def _keys(_targets: tuple[str, ...]) -> frozenset[str]:
    return frozenset({"keys of etcd"})


def _all_etcd(_targets: tuple[str, ...]) -> frozenset[str]:
    """A member can be replaced only while the others have a quorum, and can reach one another."""
    return _each("process", "disk", "interface")(MEMBERS) | _links(MEMBERS) | _keys(MEMBERS)


def _all_galera(_targets: tuple[str, ...]) -> frozenset[str]:
    """A volume may be lost only while others certainly have all that it had: beside no other fault of a pod."""
    return _each("database", "sidecar", "disk", "interface")(PODS) | _links(PODS)


_POD = _each("database", "sidecar")
RECIPES: dict[Kind, Recipe] = {
    Kind.KILL_DATABASE: Recipe(8, _pod, _each("database"), 2, 2),
    Kind.FREEZE_DATABASE: Recipe(6, _pod, _each("database"), longest=55),
    Kind.KILL_SIDECAR: Recipe(6, _pod, _each("sidecar"), 0.5),
    Kind.FREEZE_SIDECAR: Recipe(5, _pod, _each("sidecar")),
    Kind.KILL_POD: Recipe(6, _pod, _POD),
    Kind.FREEZE_POD: Recipe(5, _pod, _POD),
    Kind.STOP_POD: Recipe(5, _pod, _POD),
    Kind.STOP_ALL_PODS: Recipe(2, _all_pods, _POD, longest=20),
    Kind.ROLLING_RESTART: Recipe(2, _all_pods, _POD, 40, 60),
    Kind.POWER_LOSS: Recipe(4, _all_pods, _POD, longest=20),
    Kind.KILL_MEMBER: Recipe(6, _member, _each("process")),
    Kind.FREEZE_MEMBER: Recipe(5, _member, _each("process")),
    Kind.ETCD_DOWN: Recipe(3, _all_members, _each("process"), 5, 40),
    Kind.REPLACE_MEMBER: Recipe(2, _member, _all_etcd, 5, 20, quiet=12),
    Kind.WIPE_KEYS: Recipe(2, _nobody, _keys, 1, 1, quiet=15),
    Kind.CUT_PODS: Recipe(5, _two_pods, _links),
    Kind.ISOLATE_POD: Recipe(5, _pod, _links_to(PODS)),
    Kind.CUT_ETCD: Recipe(5, _pod, _links_to(MEMBERS)),
    Kind.SPLIT_ETCD: Recipe(4, _member, _links_to(MEMBERS)),
    Kind.ONE_WAY: Recipe(4, _two_pods, _links),
    Kind.REJECT: Recipe(4, _two_hosts, _links),
    Kind.LOSS: Recipe(5, _host, _each("interface"), 5, amount=(5, 20, 50)),
    Kind.SLOW_LINK: Recipe(4, _host, _each("interface"), 5, amount=(256, 1024, 4096)),
    Kind.FULL_DISK: Recipe(4, _pod, _each("disk"), 5, 30),
    Kind.FULL_MEMBER_DISK: Recipe(3, _member, _each("disk"), 5, 30),
    Kind.WIPE_VOLUME: Recipe(3, _pod, _all_galera, 2, 5, quiet=15),
    Kind.CLOCK_STEP: Recipe(3, _pod, _each("clock"), 5, amount=(-1440, -60, -1, 1, 60, 1440)),
}
