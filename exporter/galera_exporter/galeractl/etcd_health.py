"""``galeractl etcd-health``: each member of etcd, and whether the registry can rely on them together."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from galera_exporter.errors import RegistryError
from galera_exporter.galeractl.command import Command, Context, add_output, as_json, milliseconds
from galera_exporter.galeractl.exits import Exit
from galera_exporter.galeractl.roster import connect
from galera_exporter.galeractl.terminal import Cell, Terminal, printable
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.members import Alarm, EndpointStatus, EtcdMember
from galera_exporter.settings import EtcdSettings

_AT_ONCE: Final = 16
_FAR_BEHIND: Final = 5000
"""Entries of the raft log: etcd itself refuses writes with so many committed and not applied (v3_server.go)."""

DESCRIPTION: Final = """\
Ask each member of etcd for its state, and the cluster for one linearizable read, which only a
member with a leader and a quorum behind it can answer. The members are those that etcd lists;
each is asked at the client URL that it advertises, or at the endpoint given here that reaches it.

exit status:
  0  all members answer, there is one leader, no alarm is raised
  1  etcd serves, but a member does not answer, lags behind, or an alarm is raised
  2  etcd does not serve: no quorum, no leader, no member reached, or not let in
  64 wrong usage   70 a fault of galeractl

JSON (--output json):
  level healthy|degraded|down, text, faults [text], quorum_read_milliseconds,
  members [{endpoint, id, name, reachable, version, leader, learner, raft_term, raft_index, raft_lag,
            db_size_bytes, latency_milliseconds, alarms [NOSPACE|CORRUPT], failure}]

examples:
  galeractl etcd-health --etcd.endpoints=http://etcd-0:2379
  galeractl etcd-health --output json
"""


@dataclass(frozen=True, slots=True)
class MemberHealth:
    """One member, or an endpoint that could not be matched with one."""

    status: EndpointStatus
    member: EtcdMember | None
    alarms: tuple[str, ...]
    lag: int | None
    """Entries of the raft log behind the most advanced member."""


@dataclass(frozen=True, slots=True)
class Health:
    """All that was found out, and what follows from it."""

    members: tuple[MemberHealth, ...]
    quorum_read: float | None
    """Seconds that one linearizable read took; None where it failed."""
    faults: tuple[str, ...]

    @property
    def level(self) -> Exit:
        """Down without a linearizable read, degraded with any fault."""
        if self.quorum_read is None:
            return Exit.DOWN
        return Exit.DEGRADED if self.faults else Exit.HEALTHY

    @property
    def text(self) -> str:
        """The verdict in words."""
        answering = sum(member.status.reachable for member in self.members)
        count = f"{answering} of {len(self.members)} members answer"
        if self.level is Exit.HEALTHY:
            return f"Healthy: {count}, with one leader and no alarm."
        head = "Degraded" if self.level is Exit.DEGRADED else "Down"
        return f"{head}: {count}; {'; '.join(self.faults)}."


def run(context: Context, arguments: argparse.Namespace) -> int:
    """Ask, and tell; see DESCRIPTION."""
    health = examine(context.config.etcd)
    context.out.write(as_json(_document(health)) if arguments.output == "json" else _page(context.out, health))
    return health.level


def examine(settings: EtcdSettings, *, clock: Callable[[], float] = time.monotonic) -> Health:
    """Ask etcd as a whole, then each member at once; takes a few times ``settings.timeout`` at most."""
    faults: list[str] = []
    members: tuple[EtcdMember, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    quorum_read = None
    with closing(connect(settings)) as etcd:
        started = clock()
        try:
            etcd.range(settings.prefix, limit=1)
            quorum_read = clock() - started
        except RegistryError as error:
            faults.append(str(error))
        # Without a quorum, or as an account without the right, these may fail: the members' own words remain.
        with suppress(RegistryError):
            members = etcd.members()
        with suppress(RegistryError):
            alarms = etcd.alarms()
    endpoints = dict.fromkeys([*settings.endpoints, *(url for member in members for url in member.client_urls)])
    with ThreadPoolExecutor(max_workers=max(1, min(len(endpoints), _AT_ONCE))) as pool:
        statuses = tuple(pool.map(lambda endpoint: _ask(settings, endpoint), endpoints))
    healths = _match(statuses, members, alarms)
    faults += _findings(healths)
    return Health(healths, quorum_read, tuple(faults))


def _ask(settings: EtcdSettings, endpoint: str) -> EndpointStatus:
    with closing(Etcd(replace(settings, endpoints=(endpoint,)))) as etcd:
        return etcd.endpoint_status(endpoint)


def _match(
    statuses: Sequence[EndpointStatus], members: Sequence[EtcdMember], alarms: Sequence[Alarm]
) -> tuple[MemberHealth, ...]:
    """Give each member the answer that it gave, at whichever endpoint; then what belongs to no member."""
    front = max((status.raft_index for status in statuses if status.reachable), default=0)

    def health(status: EndpointStatus, member: EtcdMember | None) -> MemberHealth:
        number = member.id if member else status.member_id
        raised = tuple(sorted({alarm.kind for alarm in alarms if alarm.member_id == number}))
        return MemberHealth(status, member, raised, front - status.raft_index if status.reachable else None)

    rows = []
    used: set[str] = set()
    for member in sorted(members, key=lambda member: member.name):
        own = [status for status in statuses if status.reachable and status.member_id == member.id]
        own += [status for status in statuses if status.endpoint in member.client_urls]
        used.update(status.endpoint for status in own)
        never = EndpointStatus("-", reachable=False, detail="it has not started yet: it advertises no client URL")
        rows.append(health(own[0] if own else never, member))
    return (*rows, *(health(status, None) for status in statuses if status.endpoint not in used))


def _findings(members: Sequence[MemberHealth]) -> list[str]:
    """Say in words what is wrong with members that can be seen from their answers."""
    findings = []
    listed = any(health.member for health in members)
    for health in members:
        status, name = health.status, _name(health)
        if not status.reachable:
            findings.append(f"{name} does not answer ({status.detail})")
            continue
        if listed and health.member is None:
            findings.append(f"{name} belongs to another etcd cluster")
        if not status.leader_id:
            findings.append(f"{name} knows no leader")
        if health.lag is not None and health.lag > _FAR_BEHIND:
            findings.append(f"{name} is {health.lag} raft entries behind")
        # The list of alarms says the same of each member, where it could be read.
        findings += [f"{name} raises {alarm}" for alarm in health.alarms]
        if not health.alarms:
            findings += [f"{name} reports {error}" for error in status.errors if "NOSPACE" not in error]
    leaders = {health.status.leader_id for health in members if health.status.leader_id}
    if len(leaders) > 1:
        findings.append("the members name different leaders")
    return findings


def _name(health: MemberHealth) -> str:
    return printable((health.member.name if health.member else "") or health.status.endpoint)


def _page(terminal: Terminal, health: Health) -> str:
    rows = [
        [
            health.member.name or "-" if health.member else "-",
            health.status.endpoint,
            _role(health),
            *_facts(health),
        ]
        for health in health.members
    ]
    head = ("MEMBER", "ENDPOINT", "ROLE", "VERSION", "TERM", "INDEX", "LAG", "DB SIZE", "LATENCY", "ALARMS")
    verdict = terminal.paint(printable(health.text), ("good", "fair", "bad")[health.level])
    return f"{terminal.table(head, rows)}\n\n{verdict}\n"


def _role(health: MemberHealth) -> Cell:
    if not health.status.reachable:
        return Cell("no answer", "bad")
    if not health.status.leader_id:
        return Cell("no leader", "bad")
    if health.member is not None and health.member.learner:
        return Cell("learner", "fair")
    return Cell("leader" if health.status.leader else "follower", "good")


def _facts(health: MemberHealth) -> list[Cell | str]:
    status = health.status
    alarms = Cell(",".join(health.alarms), "bad") if health.alarms else "none"
    if not status.reachable:
        return ["-", "-", "-", "-", "-", "-", alarms if health.alarms else "-"]
    return [
        status.version,
        str(status.raft_term),
        str(status.raft_index),
        str(health.lag),
        f"{status.db_size / 2**20:.1f} MiB",
        "-" if status.latency is None else f"{status.latency * 1000:.1f} ms",
        alarms,
    ]


def _document(health: Health) -> dict[str, Any]:
    """The JSON that DESCRIPTION documents."""
    return {
        "level": health.level.name.lower(),
        "text": health.text,
        "faults": list(health.faults),
        "quorum_read_milliseconds": milliseconds(health.quorum_read),
        "members": [_member_document(member) for member in health.members],
    }


def _member_document(health: MemberHealth) -> dict[str, Any]:
    status, member = health.status, health.member
    known = status.reachable
    number = member.id if member else status.member_id
    return {
        "endpoint": status.endpoint,
        "id": f"{number:x}" if number else None,
        "name": member.name if member else None,
        "reachable": known,
        "version": status.version if known else None,
        "leader": status.leader if known else None,
        "learner": member.learner if member else None,
        "raft_term": status.raft_term if known else None,
        "raft_index": status.raft_index if known else None,
        "raft_lag": health.lag,
        "db_size_bytes": status.db_size if known else None,
        "latency_milliseconds": milliseconds(status.latency),
        "alarms": list(health.alarms),
        "failure": status.detail,
    }


COMMAND: Final = Command(
    "etcd-health", "show each member of etcd, and whether they serve", DESCRIPTION, add_output, run
)
