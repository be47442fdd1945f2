"""How soon a kill -9 is seen: in etcd, on the pages of the others, and by who is notified, with the shipped rules."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from alerts_live.report import group_wait
from alerts_live.values import ALERTS, sources
from bench.answer import PLAIN
from bench.fleet import RULES
from bench.report import Row, Target
from bench.stand import page
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.heartbeat import LONGEST_BEAT
from galera_exporter.registry.records import live_key
from galera_exporter.settings import EtcdSettings
from lab import Alertmanager, Pod, Prometheus, Receiver, Trio, wait_until
from lab import Target as Scraped

NAME = "bench"
TTL = 10
"""Seconds: the sidecar's default."""
SCRAPE = 15
"""Seconds between two scrapes, and between two evaluations of the rules."""
LOOK = 0.05
"""Seconds between two looks for a sign."""
KEY = "its key is gone from etcd"
ABSENT = "galera_etcd_key_present is 0 on both other pages"
SIZE = "wsrep_cluster_size is 2 on both other pages"
LIMITS = {KEY: Target(TTL + LONGEST_BEAT)}
_LABELS = {"namespace": "default", "galera_cluster": NAME}


@dataclass(frozen=True, slots=True)
class Story:
    """A fault, and the alerts that are to be told of, with their severities, in the order of their coming."""

    name: str
    kill: Callable[[Trio], object]
    told: tuple[tuple[str, str], ...]


def _kill_all(trio: Trio) -> None:
    for pod in trio.pods:
        pod.power_loss()


STORIES = (
    Story(
        "kill -9 of a pod",
        lambda trio: trio.pods[0].power_loss(),
        (("GaleraExporterDown", "warning"), ("GaleraClusterNoFailureMargin", "critical")),
    ),
    Story(
        "kill -9 of a mariadbd, its sidecar lives",
        lambda trio: trio.pods[1].node.kill_server(),  # type: ignore[attr-defined]  # nodes of a trio have a wrapper
        (("GaleraNodeDown", "warning"),),
    ),
    Story("kill -9 of all pods", _kill_all, (("GaleraClusterNoPrimary", "critical"),)),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """How often, and of what."""

    kills: int = 20
    stories: Sequence[Story] = STORIES


QUICK = Scale(kills=3, stories=STORIES[-1:])


@dataclass(frozen=True, slots=True)
class Told:
    """One notification: seconds from the fault until it came, and until Prometheus saw the condition."""

    alert: str
    severity: str
    seconds: float
    seen: float


def rows(folder: Path, say: Callable[[str], object], scale: Scale) -> list[Row]:
    """Measure on three etcd and three pods with Galera's own timeouts, which start below ``folder``."""
    # A database that was killed stays dead, as long as a person would take to come.
    trio = Trio(folder, name=NAME, backoff=3600)
    with closing(trio):
        trio.start(say)
        etcd = Etcd(EtcdSettings(endpoints=trio.etcd.endpoints, cluster=NAME))
        with closing(etcd):
            found = _kills(trio, etcd, scale.kills, say)
        made = [row for name in (KEY, ABSENT, SIZE) for row in short(name, [each[name] for each in found])]
        made.append(Row("kills behind a median", len(found), ""))
        return [*made, *_notifications(folder, trio, scale.stories, say)]


def short(name: str, seconds: Sequence[float]) -> list[Row]:
    """Return median and slowest; the slowest has the target, where there is one."""
    return [
        Row(f"kill -9 of a pod until {name}, median", median(seconds), "s"),
        Row(f"kill -9 of a pod until {name}, slowest", max(seconds), "s", target=LIMITS.get(name)),
    ]


def _kills(trio: Trio, etcd: Etcd, count: int, say: Callable[[str], object]) -> list[dict[str, float]]:
    found = []
    for number in range(count):
        pod = trio.pods[number % len(trio.pods)]
        # Any moment between two heartbeats may be the one at which a node dies.
        time.sleep(random.uniform(0, LONGEST_BEAT))
        found.append(lose(trio, pod, etcd))
        said = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in found[-1].items())
        say(f"detection: {number + 1} of {count}: {said}")
        pod.start()
        trio.wait_healthy()
    return found


def lose(trio: Trio, pod: Pod, etcd: Etcd, cluster: str = NAME) -> dict[str, float]:
    """Kill a pod; return after how many seconds each sign of it was seen."""
    ports = [each.sidecar.port for each in trio.pods if each is not pod]
    key = live_key(EtcdSettings(cluster=cluster).prefix, pod.name).decode()

    def shown(text: str) -> bool:
        return all(text in page(port, PLAIN).text() for port in ports)

    began = time.monotonic()
    pod.power_loss()
    return until_all(
        {
            KEY: lambda: not etcd.range(key).pairs,
            ABSENT: lambda: shown(f'\ngalera_etcd_key_present{{node="{pod.name}"}} 0'),
            SIZE: lambda: shown("\nwsrep_cluster_size 2"),
        },
        began,
        60,
    )


def until_all(signs: Mapping[str, Callable[[], bool]], began: float, within: float) -> dict[str, float]:
    """Return after how many seconds since ``began`` (monotonic clock) each sign was first seen."""
    seen: dict[str, float] = {}

    def look() -> bool:
        for name, sign in signs.items():
            if name not in seen and sign():
                seen[name] = time.monotonic() - began
        return len(seen) == len(signs)

    wait_until(look, within, f"all of: {', '.join(signs)}", interval=LOOK)
    return {name: seen[name] for name in signs}


def configuration(url: str) -> dict[str, Any]:
    """Return the example configuration, its routes, waits and inhibitions; each receiver is a webhook at ``url``."""
    config: dict[str, Any] = yaml.safe_load((ALERTS / "alertmanager" / "alertmanager.yaml").read_text())
    del config["templates"], config["global"]
    config["receivers"] = [
        {"name": each["name"]} | ({"webhook_configs": [{"url": url}]} if len(each) > 1 else {})
        for each in config["receivers"]
    ]
    return config


def _notifications(folder: Path, trio: Trio, stories: Sequence[Story], say: Callable[[str], object]) -> list[Row]:
    with ExitStack() as stack:
        receiver = Receiver(lambda each: say(f"detection:   {each.status} {each.name} ({each.labels['severity']})"))
        stack.callback(receiver.close)
        alertmanager = Alertmanager(folder, configuration(receiver.url))
        stack.callback(alertmanager.close)
        prometheus = Prometheus(
            folder,
            [
                *(Scraped(f"127.0.0.1:{each.port}", {**_LABELS, "pod": each.name}) for each in trio.sidecars),
                *(
                    Scraped(each.endpoint.removeprefix("http://"), {**_LABELS, "component": "etcd", "pod": each.name})
                    for each in trio.etcd.members
                ),
            ],
            rules=[RULES],
            alertmanager=alertmanager,
            interval=SCRAPE,
        )
        stack.callback(prometheus.close)
        alertmanager.start()
        prometheus.start()
        made = []
        for story in stories:
            _calm(trio, prometheus)
            time.sleep(random.uniform(0, SCRAPE))
            made += story_rows(story.name, _tell(story, trio, prometheus, receiver, say))
        return made


def _calm(trio: Trio, prometheus: Prometheus) -> None:
    """Mend what the last story broke, and wait until Prometheus has seen that all is well."""
    for pod in trio.pods:
        if not pod.node.synced:
            pod.power_loss()  # of a database that was killed alone, the platform still waits to start it again
    trio.restore()
    wait_until(
        lambda: len(prometheus.query("up == 1")) == 6 and not prometheus.alerts(),
        300,
        "Prometheus sees a healthy cluster and no alert",
        [prometheus.log],
        1,
    )


def _tell(
    story: Story, trio: Trio, prometheus: Prometheus, receiver: Receiver, say: Callable[[str], object]
) -> list[Told]:
    say(f"detection: {story.name}; until {', '.join(alert for alert, _ in story.told)} is told, as shipped")
    began, wall = time.monotonic(), time.time()
    story.kill(trio)
    found = []
    for alert, severity in story.told:
        came = wait_until(
            lambda alert=alert, severity=severity: receiver.find(alert, "firing", began, severity=severity),  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            1800,
            f"{alert} is told",
            [prometheus.log],
            0.2,
        )
        active = next(
            each
            for each in prometheus.alerts()
            if (each["labels"]["alertname"], each["labels"]["severity"]) == (alert, severity)
        )
        since = datetime.fromisoformat(active["activeAt"].partition(".")[0].removesuffix("Z") + "+00:00").timestamp()
        found.append(Told(alert, severity, came.received - began, max(0.0, since - wall)))
    return found


def story_rows(name: str, told: Sequence[Told]) -> list[Row]:
    """Return when each alert was told, and of that until Prometheus saw its condition."""
    made = []
    for each in told:
        level = sources()[each.alert]["levels"][each.severity]
        waits = ", ".join(f"{word} {level[word]}" for word in ("window", "for") if word in level)
        title = f"{name} until {each.alert} is told"
        made += [
            Row(f"{title} ({each.severity}: {waits}, group_wait {group_wait(each.severity)}s)", each.seconds, "s"),
            Row(f"{title}: of these until Prometheus saw it", each.seen, "s"),
        ]
    return made
