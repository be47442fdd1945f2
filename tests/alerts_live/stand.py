"""The cluster, Prometheus, Alertmanager and those who are told, and how a fault is followed from one to the other."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml

from alerts_live.inbox import FIRING, RESOLVED, Alert, Heard, Inbox
from alerts_live.report import Told
from alerts_live.values import ALERTS, RUNBOOK_URL, render, sources
from bootstrap_real.proxy import FaultyGateway
from lab import QUICK_EVS, Alertmanager, Prometheus, Target, Trio, wait_until
from lab.web import fetch_json

CLUSTER: Final = "lab"
LABELS: Final = {"namespace": "default", "galera_cluster": CLUSTER}
_CHANNELS: Final = {"critical": ("page",), "warning": ("mail", "ticket")}
_PLACE: Final = re.compile(r"\{\{ *(?:\$labels\.(\w+)|[^}]*) *\}\}|\$\{\w+\}")


def configuration(inbox: Inbox) -> dict[str, Any]:
    """Return the example configuration; only addresses, secrets and waiting times are changed."""
    folder = ALERTS / "alertmanager"
    config: dict[str, Any] = yaml.safe_load((folder / "alertmanager.yaml").read_text())
    config["global"] = {"smtp_smarthost": inbox.smarthost, "smtp_from": "am@example.com", "smtp_require_tls": False}
    config["templates"] = [str(folder / "galera.tmpl")]
    for route in (config["route"], *config["route"]["routes"][0]["routes"]):
        route.update(group_wait="1s", group_interval="1s")
    page, ticket = config["receivers"][1:]
    (pagerduty,), (slack,), (webhook,) = page["pagerduty_configs"], page["slack_configs"], ticket["webhook_configs"]
    del pagerduty["routing_key_file"], slack["api_url_file"]
    pagerduty.update(routing_key="0" * 32, url=f"{inbox.url}/page")
    slack["api_url"] = f"{inbox.url}/chat"
    webhook["url"] = f"{inbox.url}/ticket"
    return config


@dataclass(frozen=True, slots=True)
class Active:
    """An alert in Prometheus."""

    alert: Alert
    severity: str
    firing: bool
    since: float
    """When its condition became true (time.time())."""
    labels: Mapping[str, str]


@dataclass
class Stand:
    """Everything that runs."""

    trio: Trio
    gateway: FaultyGateway
    """Between the sidecar of galera-1 and etcd."""
    prometheus: Prometheus
    alertmanager: Alertmanager
    inbox: Inbox
    told: list[Told] = field(default_factory=list)

    def active(self) -> list[Active]:
        """Return what is pending or fires in Prometheus."""
        return [
            Active(
                Alert.of(each["labels"]),
                each["labels"]["severity"],
                each["state"] == "firing",
                datetime.fromisoformat(_microseconds(each["activeAt"])).timestamp(),
                each["labels"],
            )
            for each in self.prometheus.alerts()
        ]

    def muted(self) -> set[tuple[Alert, str]]:
        """Return alerts, with their severity, that Alertmanager has and tells nobody of, for another one fires."""
        found = fetch_json(f"{self.alertmanager.url}/api/v2/alerts")
        return {
            (Alert.of(each["labels"]), each["labels"]["severity"]) for each in found if each["status"]["inhibitedBy"]
        }

    def logs(self) -> list[Path]:
        """Return what to show when something does not happen."""
        return [self.prometheus.log, self.alertmanager.log, *(pod.sidecar.log for pod in self.trio.pods)]

    def wait_calm(self, timeout: float = 60) -> None:
        """Wait until the cluster is healthy and no alert is active anywhere."""
        self.trio.wait_healthy(timeout)
        wait_until(
            lambda: not self.active() and not fetch_json(f"{self.alertmanager.url}/api/v2/alerts?active=true"),
            timeout,
            "no alert is pending or fires",
            self.logs(),
            0.2,
        )

    def fault(self, title: str) -> Fault:
        """Begin a fault: from now on everything that is told counts."""
        self.wait_calm()
        return Fault(self, title, time.time())

    def forget(self, *series: str) -> None:
        """Have Prometheus forget these series: what is a rate over minutes need not be waited for."""
        self.prometheus.forget(*series)


@dataclass
class Fault:
    """A fault, and what is told of it. ``paged`` and ``ticketed`` are the alerts that a person has heard of."""

    stand: Stand
    title: str
    began: float
    """time.time(); nobody is told of anything between the last calm and this."""
    paged: frozenset[Alert] = frozenset()
    ticketed: frozenset[Alert] = frozenset()
    marked: float = 0.0
    """From when on seconds are counted; time.time()."""

    def __post_init__(self) -> None:
        self.marked = self.began

    def begins(self) -> None:
        """Count the seconds from here: what was done before only prepared it."""
        assert self._heard() == set(), self._differ(set())
        self.began = self.marked = time.time()

    def goes_on(self, title: str) -> None:
        """Let something more happen, under a title of its own, from which seconds are counted anew."""
        self.title, self.marked = title, time.time()

    def tells(
        self,
        *,
        paged: Iterable[Alert] = (),
        ticketed: Iterable[Alert] = (),
        muted: Iterable[tuple[Alert, str]] = (),
        within: float = 60,
    ) -> None:
        """Wait until exactly these alerts, and those before, fire and are told or muted; no other may even be pending.

        Raises:
            AssertionError: something else was told, or is pending; or a text is not what its rule says.
        """
        self.paged, self.ticketed = self.paged | {*paged}, self.ticketed | {*ticketed}
        mute = {*muted}
        firing = {(alert, "critical") for alert in self.paged} | mute
        firing |= {(alert, "warning") for alert in self.ticketed}
        sides: dict[str, tuple[object, object]] = {}

        def look() -> bool:
            active = self.stand.active()
            sides.update(
                active=(firing, {(each.alert, each.severity) for each in active}),
                firing=(firing, {(each.alert, each.severity) for each in active if each.firing}),
                muted=(mute, self.stand.muted()),
                told=(self._expected(FIRING), self._heard()),
            )
            return all(one == other for one, other in sides.values())

        try:
            wait_until(look, within, self.title, self.stand.logs(), 0.2)
        except AssertionError as error:
            raise AssertionError(f"{self.title}: {_differences(sides)}\n{error}") from None
        self._record()
        self._check_texts()

    def is_over(self, *, passing: Iterable[Alert] = (), within: float = 90) -> None:
        """Wait until all is healthy and every alert that was told of is resolved, and nothing else was told of.

        Of alerts that are ``passing`` people may have been told meanwhile, if also that they are resolved: they were
        muted, and last a moment longer than what muted them.

        Raises:
            AssertionError: something else was told.
        """
        self.stand.trio.wait_healthy(within)
        expected = self._expected(FIRING) | self._expected(RESOLVED)

        def look() -> bool:
            firing, over = ({each[::2] for each in self._heard() if each[1] == word} for word in (FIRING, RESOLVED))
            return not self.stand.active() and self._heard() >= expected and firing == over

        def rest() -> set[tuple[str, str, Alert]]:
            lasting = {("page", alert) for alert in {*passing} - self.paged}
            lasting |= {(channel, alert) for alert in {*passing} - self.ticketed for channel in _CHANNELS["warning"]}
            return {each for each in self._heard() if each[::2] not in lasting}

        try:
            wait_until(look, within, self.title, self.stand.logs(), 0.2)
        except AssertionError as error:
            raise AssertionError(f"{self._differ(expected)}\n{error}") from None
        assert rest() == expected, self._differ(expected)

    def is_silent(self) -> None:
        """Fail if anything was told since the fault began, or is pending now."""
        assert self._heard() == set(), self._differ(set())
        self.stand.wait_calm(20)
        assert self._heard() == set(), self._differ(set())

    def _differ(self, expected: set[tuple[str, str, Alert]]) -> str:
        return f"{self.title}: {_differences({'told': (expected, self._heard())})}"

    def _heard(self) -> set[tuple[str, str, Alert]]:
        """Return what was told, without what was only said again.

        Prometheus sends what is resolved for a quarter of an hour: a message on another alert of the same group may
        mention it once more.
        """
        before = {
            (each.channel, each.status, each.alert) for each in self.stand.inbox.heard() if each.moment < self.began
        }
        told = {(each.channel, each.status, each.alert) for each in self.stand.inbox.heard(self.began)}
        again = {each for each in told & before if each[1] == RESOLVED and (each[0], FIRING, each[2]) not in told}
        return told - again

    def _expected(self, status: str) -> set[tuple[str, str, Alert]]:
        return {
            (channel, status, alert)
            for severity, alerts in (("critical", self.paged), ("warning", self.ticketed))
            for alert in alerts
            for channel in _CHANNELS[severity]
        }

    def _first(self, alert: Alert, channel: str) -> Heard:
        return next(
            each
            for each in self.stand.inbox.heard(self.began)
            if (each.alert, each.channel, each.status) == (alert, channel, FIRING)
        )

    def _record(self) -> None:
        for each in self.stand.active():
            heard_of = each.alert in (self.paged if each.severity == "critical" else self.ticketed)
            if not heard_of or each.since < self.marked:  # of what was before, the seconds are known
                continue
            heard = self._first(each.alert, _CHANNELS[each.severity][0])
            self.stand.told.append(
                Told(
                    self.title,
                    str(each.alert),
                    each.severity,
                    round(heard.moment - self.marked, 1),
                    round(each.since - self.marked, 1),
                )
            )

    def _check_texts(self) -> None:
        known = sources()
        for each in self.stand.active():
            if each.alert not in (self.paged if each.severity == "critical" else self.ticketed):
                continue
            source = known[each.alert.name]
            lines = self._first(each.alert, _CHANNELS[each.severity][0]).lines
            for word, part in (("What", "summary"), ("Impact", "impact"), ("Run first", "command")):
                assert re.fullmatch(_pattern(source[part], each.labels), lines[word]), (word, lines)
            assert re.fullmatch(_pattern(source["description"], each.labels), lines["Details"]), lines
            assert lines["Runbook"] == f"{RUNBOOK_URL}/{each.alert.name}.md"


def _pattern(text: str, labels: Mapping[str, str]) -> str:
    """Return what a template's text is with these labels, as a regular expression: its values may be anything."""
    at, parts = 0, []
    for found in _PLACE.finditer(text):
        parts += [re.escape(text[at : found.start()]), re.escape(labels[found[1]]) if found[1] else r"\S.*"]
        at = found.end()
    return "".join([*parts, re.escape(text[at:])]).strip()


def _differences(sides: Mapping[str, tuple[Any, Any]]) -> str:
    return "; ".join(
        f"{name}: missing {_shown(expected - real)}, not expected {_shown(real - expected)}"
        for name, (expected, real) in sides.items()
        if expected != real
    )


def _shown(found: Iterable[tuple[Any, ...]]) -> list[str]:
    return sorted(" ".join(map(str, each)) for each in found)


def _microseconds(moment: str) -> str:
    """Cut nanoseconds off, which Python does not read."""
    return re.sub(r"(\.\d{6})\d*Z$", r"\1+00:00", moment) if "." in moment else moment.replace("Z", "+00:00")


def start(root: Path, stack: ExitStack) -> Stand:
    """Start everything below ``root``; ``stack`` ends it."""
    flags = {"bootstrap.survivor-timeout": "5", "bootstrap.takeover-timeout": "15", "etcd.ttl": "5"}
    trio = Trio(root, name=CLUSTER, provider_options={**QUICK_EVS, "gcs.fc_limit": "4"}, flags=flags)
    stack.callback(trio.close)
    gateway = FaultyGateway(trio.etcd.endpoints[0], seed=0)
    stack.callback(gateway.close)
    trio.sidecars[1].flags["etcd.endpoints"] = gateway.endpoint
    inbox = Inbox()
    stack.callback(inbox.close)
    alertmanager = Alertmanager(root, configuration(inbox))
    stack.callback(alertmanager.close)
    prometheus = Prometheus(
        root,
        [
            *(Target(f"127.0.0.1:{s.port}", {**LABELS, "pod": s.name}) for s in trio.sidecars),
            *(
                Target(m.endpoint.removeprefix("http://"), {**LABELS, "component": "etcd", "pod": m.name})
                for m in trio.etcd.members
            ),
        ],
        rules=[render(root)],
        alertmanager=alertmanager,
        flags=["--web.enable-admin-api"],
    )
    stack.callback(prometheus.close)
    stand = Stand(trio, gateway, prometheus, alertmanager, inbox)
    trio.start()
    alertmanager.start()
    prometheus.start()
    wait_until(lambda: len(prometheus.query("up == 1")) == 6, 30, "six targets are scraped", stand.logs(), 0.2)
    return stand
