"""A story: what happens to clusters, and which alerts fire when, at every evaluation from its begin to its end."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from alerts import promtool
from alerts.clock import seconds, written
from alerts.cluster import Cluster
from alerts.model import TICK
from alerts.others import EtcdMembers, KubeStateMetrics, Observer
from alerts.series import Recorder
from alerts.series import written as series

FIRING = 'ALERTS{alertstate="firing"}'


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fires from ``since`` on; at ``until`` it does not any more."""

    name: str
    severity: str
    since: int
    until: int | None
    labels: tuple[tuple[str, str], ...]

    def at(self, time: int) -> bool:
        """Return whether it fires at this moment."""
        return self.since <= time and (self.until is None or time < self.until)

    def sample(self, state: str = "firing") -> str:
        """Return the series that Prometheus keeps of it."""
        labels = {"alertname": self.name, "alertstate": state, "severity": self.severity, **dict(self.labels)}
        return series("ALERTS", sorted(labels.items()))


def firing(name: str, severity: str, since: str, until: str | None = None, **labels: str) -> Firing:
    """Return an alert of the cluster ``galera/db``, where no other is named, with exactly these labels."""
    known = {"namespace": "galera", "galera_cluster": "db", **labels}
    end = None if until is None else seconds(until)
    return Firing(name, severity, seconds(since), end, tuple(sorted(known.items())))


class Story:
    """Clusters and their time. ``rules`` are judged by ``tool``, a promtool, every ``every`` seconds.

    From Prometheus 3 on a window of 5m leaves out the sample that is exactly 5m old. So what looks back may begin or
    end one evaluation earlier there; where it is not ``exact``, that evaluation is not looked at.
    """

    def __init__(self, tool: str, folder: Path, rules: Path = promtool.RULES, *, exact: bool = True) -> None:
        self.exact = exact
        self.now = 0
        self._tool = tool
        self._folder = folder
        self._rules = rules
        self._tellers: list[Cluster | EtcdMembers | Observer | KubeStateMetrics] = []
        self._recorder = Recorder()
        self._agenda: list[tuple[int, int, Callable[..., object], tuple[object, ...]]] = []
        self._order = count()
        self._wanted = names(rules)
        self._away_until = 0
        self.every = 2 * TICK

    def cluster(self, size: int = 3, name: str = "db", *, expected: int | None = 0, etcd: bool = True) -> Cluster:
        """Return a cluster that is well; ``expected`` is its --expected-size, as many as it has where none is given.

        Without ``etcd`` its sidecars have no registry, and its nodes do not ask before they start.
        """
        made = Cluster(self, name, size, expected=size if expected == 0 else expected, etcd=etcd)
        self._tellers.append(made)
        return made

    def etcd(self, cluster: Cluster, size: int = 3, **labels: str) -> EtcdMembers:
        """Return the etcd of a cluster, scraped for its own metrics; ``labels`` besides its usual ones."""
        made = EtcdMembers(cluster, size, labels)
        self._tellers.append(made)
        return made

    def observer(self, cluster: Cluster, **labels: str) -> Observer:
        """Return the observer of a cluster; ``labels`` besides its usual ones."""
        made = Observer(cluster, labels)
        self._tellers.append(made)
        return made

    def kube_state_metrics(self, cluster: Cluster) -> KubeStateMetrics:
        """Return the kube-state-metrics that knows a cluster's pods."""
        made = KubeStateMetrics(cluster)
        self._tellers.append(made)
        return made

    def loses_prometheus(self, duration: str) -> None:
        """Nothing is scraped for so long, from the next scrape on; the rules are judged all the same."""
        self._away_until = self.now + seconds(duration)

    def reach(self, when: str) -> None:
        """Let time pass until ``when``: what happens then is seen by the scrape of that moment.

        Raises:
            ValueError: that was before now, or between two scrapes.
        """
        end = seconds(when)
        if end < self.now or end % TICK:
            raise ValueError(f"{when}: not a scrape of now ({written(self.now)}) or later")
        while self.now < end:
            self._scrape()
            self.now += TICK
            self._due()

    def later(self, after: str, deed: Callable[..., object], *arguments: object) -> None:
        """Do something ``after`` so long."""
        heapq.heappush(self._agenda, (self.now + seconds(after), next(self._order), deed, arguments))

    def until(self, when: str) -> Story:
        """End the story with the scrape and the evaluation at ``when``."""
        self.reach(when)
        self._scrape()
        return self

    def is_silent(self) -> None:
        """No alert fires at any time."""
        self.fires()

    def fires(self, *expected: Firing) -> None:
        """These alerts fire, each pending before, and no other does, at any evaluation."""
        complaint = promtool.run(self._tool, self._folder, self.test(expected), self._rules)
        if complaint:
            raise AssertionError(_told(complaint))

    def test(self, expected: Iterable[Firing]) -> dict[str, Any]:
        """Return promtool's test."""
        expected = list(expected)
        checks: list[dict[str, Any]] = [
            _check(FIRING, time, [each.sample() for each in expected if each.at(time)])
            for time in range(0, self.now + 1, self.every)
            if self.exact or not any(time + self.every in {each.since, each.until} for each in expected)
        ]
        for each in expected:
            before = each.since - 2 * self.every
            if seconds(self._pending(each)) >= 2 * self.every:
                pending = each.sample("pending")
                checks.append(_check(pending, before, [pending]))
        return {
            "evaluation_interval": written(self.every),
            # What is recorded is recorded first: promtool has no order of its own.
            "group_eval_order": groups(self._rules),
            "tests": [
                {
                    "interval": written(TICK),
                    "input_series": self._recorder.input_series(),
                    "promql_expr_test": checks,
                }
            ],
        }

    def _pending(self, alert: Firing) -> str:
        for rule in alerting(self._rules):
            if (rule["alert"], rule["labels"]["severity"]) == (alert.name, alert.severity):
                return str(rule.get("for", "0s"))
        raise AssertionError(f"there is no alert {alert.name} of severity {alert.severity}")

    def _scrape(self) -> None:
        samples = [sample for teller in self._tellers for sample in teller.page(self._wanted)]
        if self.now < self._away_until:
            self._recorder.miss()
        else:
            self._recorder.take(samples)
        for teller in self._tellers:
            teller.tick()

    def _due(self) -> None:
        while self._agenda and self._agenda[0][0] <= self.now:
            _, _, deed, arguments = heapq.heappop(self._agenda)
            deed(*arguments)


@cache
def alerting(rules: Path) -> tuple[dict[str, Any], ...]:
    """Return the alerting rules of a file."""
    groups = yaml.safe_load(rules.read_text())["groups"]
    return tuple(rule for group in groups for rule in group["rules"] if "alert" in rule)


@cache
def groups(rules: Path) -> tuple[str, ...]:
    """Return the names of a file's groups, in order."""
    return tuple(group["name"] for group in yaml.safe_load(rules.read_text())["groups"])


@cache
def names(rules: Path) -> frozenset[str]:
    """Return every word of the expressions that may be a metric's name: series of other metrics change nothing."""
    found = (rule["expr"] for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"])
    return frozenset(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]+", "\n".join(found)))


def _check(expression: str, time: int, samples: list[str]) -> dict[str, Any]:
    return {
        "expr": expression,
        "eval_time": written(time),
        "exp_samples": [{"labels": sample, "value": 1} for sample in samples],
    }


def _told(complaint: str) -> str:
    """Return promtool's complaint as times of alerts that fire and should not, or do not and should."""
    lines: dict[str, list[str]] = {}
    for time, missing, surplus in promtool.moments(complaint):
        for words, alerts in (("does not fire", missing), ("fires", surplus)):
            for alert in alerts:
                lines.setdefault(f"{alert} {words}", []).append(time)
    told = [f"{what}: {times[0]} to {times[-1]}, {len(times)} times" for what, times in sorted(lines.items())]
    return "\n".join(told) or complaint[:4000]
