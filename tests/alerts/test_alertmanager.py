"""The example configuration, its inhibition and its texts, in a real Alertmanager and in amtool."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from runbook import ALERTS, alternatives, runbooks

from lab.process import wait_until
from lab.prometheus import Alertmanager
from lab.web import fetch_json

FOLDER: Final = ALERTS / "alertmanager"
CONFIG: Final = FOLDER / "alertmanager.yaml"
TEMPLATES: Final = FOLDER / "galera.tmpl"
NAMES: Final = frozenset(each.alert for each in runbooks())

Labels = Mapping[str, str]


def amtool(*arguments: str) -> str:
    """Run amtool and return what it printed."""
    done = subprocess.run(["amtool", *arguments], check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def labels(name: str, severity: str = "warning", cluster: str = "db", **more: str) -> dict[str, str]:
    """Return the labels of an alert of one cluster."""
    return {"alertname": name, "severity": severity, "namespace": "galera", "galera_cluster": cluster, **more}


# --- routes


def test_amtool_accepts_the_example() -> None:
    assert "SUCCESS" in amtool("check-config", str(CONFIG))


@pytest.mark.parametrize(
    ("alert", "receiver"),
    [
        (labels("GaleraClusterNoPrimary", "critical"), "page"),
        (labels("GaleraFlowControlPaused", "critical"), "page"),
        (labels("GaleraFlowControlPaused", "warning"), "ticket"),
        (labels("GaleraEtcdMembersDown"), "ticket"),
        (labels("GaleraDurabilityRelaxed", "info"), "nowhere"),
        ({"alertname": "NodeFilesystemSpaceFillingUp", "severity": "critical"}, "nowhere"),
    ],
)
def test_critical_pages_warning_is_a_ticket_and_info_goes_nowhere(alert: Labels, receiver: str) -> None:
    words = [f"{name}={value}" for name, value in alert.items()]
    amtool("config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={receiver}", *words)


def test_one_message_is_of_one_alert_of_one_cluster() -> None:
    assert configuration()["route"]["group_by"] == ["namespace", "galera_cluster", "alertname"]


# --- inhibition


def configuration() -> dict[str, Any]:
    """Return the example configuration."""
    loaded: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    return loaded


def source() -> list[dict[str, Any]]:
    """Return the one source of the inhibition rules, in the form of an AlertmanagerConfig."""
    rules: list[dict[str, Any]] = yaml.safe_load((FOLDER / "inhibition.yaml").read_text())["inhibitRules"]
    return rules


def native(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule in Alertmanager's own form."""

    def matchers(side: str) -> list[str]:
        return [f'{each["name"]}{each["matchType"]}"{each["value"]}"' for each in rule[side]]

    return {
        "source_matchers": matchers("sourceMatch"),
        "target_matchers": matchers("targetMatch"),
        "equal": rule["equal"],
    }


def test_the_example_has_the_inhibition_of_the_one_source() -> None:
    assert configuration()["inhibit_rules"] == [native(rule) for rule in source()]


def test_every_alert_that_inhibition_names_exists() -> None:
    named = [
        name
        for rule in source()
        for side in ("sourceMatch", "targetMatch")
        for matcher in rule[side]
        if matcher["name"] == "alertname" and matcher["value"] != "Galera.+"
        for name in alternatives(matcher["value"])
    ]
    assert [name for name in named if name not in NAMES] == []


def test_what_the_page_on_alerts_calls_never_muted_is_muted_by_nothing_but_its_own_worse_level() -> None:
    page = (ALERTS.parent / "docs" / "alerts.md").read_text()
    never = re.search(r"^Never muted, .*?: (.*?)\.", page, re.MULTILINE | re.DOTALL)
    assert never is not None
    names = re.findall(r"Galera\w+", never[1])
    assert len(names) == 6
    for rule in source()[:-1]:
        targets = {each["name"]: each["value"] for each in rule["targetMatch"]}
        reached = [name for name in names if re.fullmatch(targets["alertname"], name)]
        assert reached == [] or (reached, targets["severity"]) == (["GaleraRegistryUnavailable"], "warning")


@dataclass(frozen=True, slots=True)
class Story:
    """What fires at once, and of which of it a person hears."""

    title: str
    heard: Sequence[Labels]
    muted: Sequence[Labels] = field(default_factory=tuple)


PODS: Final = ("db-galera-0", "db-galera-1", "db-galera-2")


def each_pod(name: str, severity: str = "warning", **more: str) -> list[Labels]:
    """Return the alert for each of three pods."""
    return [labels(name, severity, pod=pod, **more) for pod in PODS]


STORIES: Final = (
    Story(
        "all nodes died",
        [labels("GaleraClusterNoPrimary", "critical")],
        [
            *each_pod("GaleraNodeDown"),
            *each_pod("GaleraEtcdKeyStale"),
            labels("GaleraReadyPodNotPrimary", "critical", pod=PODS[0]),
            labels("GaleraClusterDegraded"),
            labels("GaleraClusterNoFailureMargin", "critical"),
            labels("GaleraNoWriteEndpoint", "critical"),
        ],
    ),
    Story(
        "all nodes died and wait for a person, who also hears what is wrong with data and with etcd",
        [
            labels("GaleraClusterNoPrimary", "critical"),
            labels("GaleraClusterNeedsBootstrap", "critical"),
            labels("GaleraNodeInconsistent", "critical", pod=PODS[1]),
            labels("GaleraRegistryUnavailable", "critical"),
            labels("GaleraUnsafeOption", pod=PODS[0]),
        ],
        [*each_pod("GaleraNodeDown")],
    ),
    Story(
        "two components of different origin",
        [labels("GaleraSplitBrain", "critical"), labels("GaleraStateUuidUndefined", "critical", pod=PODS[2])],
        [
            labels("GaleraNodeStateUuidMismatch", "critical", pod=PODS[2]),
            labels("GaleraFlowControlPaused", "critical"),
            labels("GaleraClusterMembershipFlapping"),
        ],
    ),
    Story(
        "a node with data of another origin, alone",
        [labels("GaleraNodeStateUuidMismatch", "critical", pod=PODS[2])],
    ),
    Story(
        "one node died",
        [labels("GaleraNodeDown", pod=PODS[2]), labels("GaleraClusterNoFailureMargin", "critical")],
        [labels("GaleraClusterDegraded"), labels("GaleraEtcdKeyStale", pod=PODS[2])],
    ),
    Story(
        "one node died, and what watches its files fails",
        [
            labels("GaleraNodeDown", pod=PODS[2]),
            labels("GaleraExporterCollectorFailing", pod=PODS[2], collector="datadir"),
        ],
    ),
    Story(
        "a node that crashes again and again, and is away now",
        [labels("GaleraNodeRestarting", pod=PODS[2]), labels("GaleraNodeDown", pod=PODS[2])],
    ),
    Story(
        "one node died, and another has troubles of its own",
        [
            labels("GaleraNodeDown", pod=PODS[2]),
            labels("GaleraEtcdKeyStale", pod=PODS[1]),
            labels("GaleraDownNodeNeedsSst", pod=PODS[2]),
            labels("GaleraNodeNotSynced", pod=PODS[1]),
        ],
    ),
    Story(
        "a pod that nobody scrapes: no other alert names it",
        [labels("GaleraClusterDegraded")],
    ),
    Story(
        "a node was voted out",
        [labels("GaleraNodeInconsistent", "critical", pod=PODS[1]), labels("GaleraNodeDown", pod=PODS[0])],
        [labels("GaleraNodeDown", pod=PODS[1]), labels("GaleraNodeNotPrimary", pod=PODS[1])],
    ),
    Story(
        "clients are sent to a node that is cut off",
        [labels("GaleraReadyPodNotPrimary", "critical", pod=PODS[1]), labels("GaleraNodeNotPrimary", pod=PODS[2])],
        [labels("GaleraNodeNotPrimary", pod=PODS[1])],
    ),
    Story(
        "etcd lost its majority",
        [
            labels("GaleraEtcdInsufficientMembers", "critical"),
            labels("GaleraEtcdHighFsyncDurations", pod="db-galera-etcd-0"),
        ],
        [
            labels("GaleraEtcdNoLeader", "critical"),
            labels("GaleraEtcdMembersDown"),
            labels("GaleraRegistryUnavailable"),
            *each_pod("GaleraEtcdKeyStale"),
            *each_pod("GaleraExporterCollectorFailing", collector="registry"),
        ],
    ),
    Story(
        "etcd lost its majority while the databases are degraded",
        [labels("GaleraEtcdInsufficientMembers", "critical"), labels("GaleraRegistryUnavailable", "critical")],
        [labels("GaleraRegistryUnavailable")],
    ),
    Story(
        "an etcd that this bundle does not watch is away, and a collector fails for another reason",
        [
            labels("GaleraRegistryUnavailable"),
            labels("GaleraExporterCollectorFailing", pod=PODS[0], collector="datadir"),
        ],
        [labels("GaleraRegistryNodeMissing", pod=PODS[0]), labels("GaleraRegistryOrphanNodes", "info")],
    ),
    Story(
        "a first start that waits for a person",
        [labels("GaleraClusterNeedsBootstrap", "critical")],
        [*each_pod("GaleraEtcdKeyStale"), labels("GaleraRegistryOrphanNodes", "info")],
    ),
    Story(
        "flow control at two levels",
        [labels("GaleraFlowControlPaused", "critical"), labels("GaleraRecvQueueHigh", pod=PODS[0])],
        [labels("GaleraFlowControlPaused", "warning")],
    ),
    Story(
        "slow disks at two levels",
        [
            labels("GaleraEtcdHighFsyncDurations", "critical", pod="db-galera-etcd-0"),
            labels("GaleraEtcdHighFsyncDurations", "warning", pod="db-galera-etcd-1"),
        ],
        [labels("GaleraEtcdHighFsyncDurations", "warning", pod="db-galera-etcd-0")],
    ),
    Story(
        "a sidecar that cannot be scraped mutes nothing",
        [
            labels("GaleraExporterDown", pod=PODS[1]),
            labels("GaleraEtcdKeyStale", pod=PODS[1]),
            labels("GaleraClusterDegraded"),
            labels("GaleraReadyPodNotPrimary", "critical", pod=PODS[1]),
        ],
    ),
    Story(
        "an observer that is silent does not hide that writers have nowhere to go",
        [labels("GaleraObserverDown"), labels("GaleraNoWriteEndpoint", "critical")],
    ),
    Story(
        "another cluster's outage",
        [
            labels("GaleraClusterNoPrimary", "critical", cluster="other"),
            labels("GaleraNodeDown", pod=PODS[1]),
            {**labels("GaleraSplitBrain", "critical"), "namespace": "elsewhere"},
        ],
    ),
    Story(
        "alerts of others keep their own rules",
        [labels("KubePodCrashLooping", "critical", pod=PODS[0]), labels("KubePodCrashLooping", pod=PODS[0])],
    ),
)


class Mailbox:
    """Takes every request that Alertmanager sends, and keeps its body by path."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies: list[tuple[str, dict[str, Any]]] = []
        mailbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with mailbox._lock:
                    mailbox._bodies.append((self.path, body))
                self.send_response(202 if self.path == "/pagerduty" else 200)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Keep silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def at(self, path: str, text: str) -> dict[str, Any] | None:
        """Return the first body at ``path`` that has ``text`` in it."""
        with self._lock:
            found = [body for where, body in self._bodies if where == path and text in json.dumps(body)]
        return found[0] if found else None

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass(frozen=True, slots=True)
class Site:
    """An Alertmanager with the example configuration, whose receivers are on loopback."""

    alertmanager: Alertmanager
    mailbox: Mailbox

    def post(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        """Hand alerts to Alertmanager, as Prometheus does."""
        request = urllib.request.Request(  # noqa: S310 -- the address is our own
            f"{self.alertmanager.url}/api/v2/alerts",
            json.dumps(alerts).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 -- the address is our own
            pass

    def states(self) -> list[tuple[dict[str, str], bool]]:
        """Return the labels of each alert, and whether it is muted by another."""
        alerts = fetch_json(f"{self.alertmanager.url}/api/v2/alerts")
        return [(alert["labels"], bool(alert["status"]["inhibitedBy"])) for alert in alerts]

    def close(self) -> None:
        """End it."""
        self.alertmanager.close()
        self.mailbox.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start the shipped configuration; only addresses, secrets and waiting times are changed."""
    mailbox = Mailbox()
    config = configuration()
    config["templates"] = [str(TEMPLATES)]
    for route in (config["route"], *config["route"]["routes"][0]["routes"]):
        route.update(group_wait="1s", group_interval="1s")
    page, ticket = config["receivers"][1:]
    (pagerduty,), (slack,), (webhook,) = page["pagerduty_configs"], page["slack_configs"], ticket["webhook_configs"]
    del pagerduty["routing_key_file"], slack["api_url_file"], ticket["email_configs"]
    pagerduty.update(routing_key="0" * 32, url=f"{mailbox.url}/pagerduty")
    slack["api_url"] = f"{mailbox.url}/slack"
    webhook["url"] = f"{mailbox.url}/ticket"
    alertmanager = Alertmanager(tmp_path_factory.mktemp("site"), config)
    started = Site(alertmanager, mailbox)
    try:
        alertmanager.start()
        yield started
    finally:
        started.close()


def renamed(alert: Labels, story: int) -> dict[str, str]:
    """Put a story into a namespace of its own, so that all can be played at once."""
    return {**alert, "namespace": f"{alert['namespace']}-{story}"}


@pytest.fixture(scope="module")
def muted(site: Site) -> dict[frozenset[tuple[str, str]], bool]:
    """Play all stories at once, and tell of each alert whether it is muted."""
    sent = [renamed(alert, number) for number, story in enumerate(STORIES) for alert in (*story.heard, *story.muted)]
    # Alertmanager takes them in this order: when the last pair has its effect, all before have had theirs.
    cause, last = labels("GaleraClusterNoPrimary", cluster="last"), labels("GaleraNodeDown", cluster="last")
    site.post([{"labels": alert} for alert in sent])
    site.post([{"labels": alert} for alert in (cause, last)])
    wait_until(lambda: (last, True) in site.states(), 20, "the last pair of alerts", [site.alertmanager.log])
    return {frozenset(alert.items()): state for alert, state in site.states()}


@pytest.mark.servers
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.title)
def test_a_person_hears_the_cause_and_not_what_follows_from_it(
    muted: Mapping[frozenset[tuple[str, str]], bool], story: Story
) -> None:
    number = STORIES.index(story)
    heard = [alert for alert in story.heard if muted[frozenset(renamed(alert, number).items())]]
    silent = [alert for alert in story.muted if not muted[frozenset(renamed(alert, number).items())]]
    assert heard == [], "these should be heard, and are muted"
    assert silent == [], "these should be muted, and are heard"


@pytest.mark.servers
def test_what_the_page_on_alerts_silences_is_silent_and_mutes_as_before(site: Site) -> None:
    page = (ALERTS.parent / "docs" / "alerts.md").read_text()
    (command,) = re.findall(r"^(amtool silence add (?:.*\\\n)+.*)$", page, re.MULTILINE)
    amtool(
        *shlex.split(command.replace("\\\n", ""))[1:], f"--alertmanager.url={site.alertmanager.url}", "--author=test"
    )
    down, *others = (
        {**labels(name, cluster="db-galera"), **more}
        for name, more in (
            ("GaleraNodeDown", {"pod": "db-galera-2"}),
            ("GaleraClusterDegraded", {}),
            ("GaleraClusterNoFailureMargin", {"severity": "critical"}),
            ("GaleraDownNodeNeedsSst", {"pod": "db-galera-2"}),
        )
    )
    elsewhere = labels("GaleraNodeDown", cluster="another", pod="db-galera-2")
    site.post([{"labels": each} for each in (down, *others, elsewhere)])

    def found() -> dict[str, Mapping[str, Any]]:
        alerts = fetch_json(f"{site.alertmanager.url}/api/v2/alerts")
        known = {json.dumps(alert["labels"], sort_keys=True): alert["status"] for alert in alerts}
        return {name: known.get(name, {}) for name in map(named, (down, *others, elsewhere))}

    def named(alert: Labels) -> str:
        return json.dumps(alert, sort_keys=True)

    def silenced(alert: Labels) -> bool:
        return bool(found()[named(alert)].get("silencedBy"))

    wait_until(lambda: all(map(silenced, (down, *others))), 20, "all four are silenced", [site.alertmanager.log])
    assert not silenced(elsewhere)
    assert found()[named(others[0])]["inhibitedBy"], "by an alert that is silenced itself"


# --- texts

ANNOTATIONS: Final = {
    "summary": "Node db-galera-1 & its queue: 90 > 80.",
    "description": "MariaDB has not answered for 5 minutes (<refused>).",
    "impact": "The others serve.",
    "command": "kubectl -n galera exec db-galera-1 -c exporter -- galeractl explain",
    "runbook_url": "https://example.com/runbooks/GaleraNodeDown.md",
    "dashboard_url": "https://example.com/d/galera-node?var-namespace=galera&var-pod=db-galera-1",
}


def alert(pod: str, *, resolved: bool = False, **annotations: str) -> dict[str, Any]:
    """Return one alert as templates get it."""
    return {
        "status": "resolved" if resolved else "firing",
        "labels": labels("GaleraNodeDown", "critical", pod=pod),
        "annotations": {**ANNOTATIONS, **annotations},
        "startsAt": "2026-11-24T01:02:03.123Z",
        "endsAt": "2026-11-24T01:14:33.456Z" if resolved else "0001-01-01T00:00:00Z",
    }


def rendered(tmp_path: Path, template: str, *alerts: Mapping[str, Any], form: str = "text") -> str:
    """Render a template for a group of alerts with amtool."""
    every = [each["labels"] for each in alerts]
    data = {
        "receiver": "page",
        "status": "firing" if any(each["status"] == "firing" for each in alerts) else "resolved",
        "externalURL": "https://alertmanager.example.com",
        "groupLabels": {"alertname": every[0]["alertname"]},
        "commonLabels": {name: value for name, value in every[0].items() if all(e.get(name) == value for e in every)},
        "commonAnnotations": {},
        "alerts": alerts,
    }
    file = tmp_path / "data.json"
    file.write_text(json.dumps(data))
    return amtool(
        "template",
        "render",
        f"--template.glob={TEMPLATES}",
        f"--template.type={form}",
        f"--template.data={file}",
        f'--template.text={{{{ template "{template}" . }}}}',
    )


TEXTS: Final = (("galera.text", "text"), ("galera.html", "html"), ("galera.slack.text", "text"))


@pytest.mark.parametrize(("template", "form"), TEXTS)
def test_a_text_says_what_since_when_impact_the_first_command_and_the_runbook(
    tmp_path: Path, template: str, form: str
) -> None:
    text = rendered(tmp_path, template, alert("db-galera-1"), form=form)
    assert "2026-11-24 01:02:03 UTC" in text
    assert "galera/db, pod db-galera-1" in text
    for name in ("impact", "command", "runbook_url"):
        assert ANNOTATIONS[name] in text
    assert "has not answered for 5 minutes" in text
    assert "<no value>" not in text


def test_plain_text_is_as_it_was_written(tmp_path: Path) -> None:
    assert rendered(tmp_path, "galera.text", alert("db-galera-1"), alert("db-galera-2", resolved=True)) == (
        "FIRING critical since 2026-11-24 01:02:03 UTC: GaleraNodeDown\n"
        "Where:     galera/db, pod db-galera-1\n"
        "What:      Node db-galera-1 & its queue: 90 > 80.\n"
        "Details:   MariaDB has not answered for 5 minutes (<refused>).\n"
        "Impact:    The others serve.\n"
        "Run first: kubectl -n galera exec db-galera-1 -c exporter -- galeractl explain\n"
        "Runbook:   https://example.com/runbooks/GaleraNodeDown.md\n"
        "Dashboard: https://example.com/d/galera-node?var-namespace=galera&var-pod=db-galera-1\n"
        "\n"
        "RESOLVED at 2026-11-24 01:14:33 UTC, after 12m30s: GaleraNodeDown\n"
        "Where:     galera/db, pod db-galera-2\n"
        "What:      Node db-galera-1 & its queue: 90 > 80.\n"
        "\n"
        "Alertmanager: https://alertmanager.example.com"
    )


@pytest.mark.parametrize(("template", "form"), TEXTS[1:])
def test_signs_with_a_meaning_of_their_own_are_escaped(tmp_path: Path, template: str, form: str) -> None:
    text = rendered(tmp_path, template, alert("db-galera-1"), form=form)
    assert "Node db-galera-1 &amp; its queue: 90 &gt; 80." in text
    assert "&lt;refused&gt;" in text


@pytest.mark.parametrize(("template", "form"), TEXTS)
def test_what_an_alert_does_not_have_leaves_no_empty_line_with_a_name(tmp_path: Path, template: str, form: str) -> None:
    bare = {**alert("db-galera-1"), "annotations": {"summary": "Something is wrong."}}
    text = rendered(tmp_path, template, bare, form=form)
    assert "Something is wrong." in text
    for name in ("Impact", "Run first", "Runbook", "Dashboard", "Details"):
        assert name not in text


@pytest.mark.parametrize(("template", "form"), TEXTS)
def test_of_many_alerts_ten_are_spelt_out_and_the_rest_is_counted(tmp_path: Path, template: str, form: str) -> None:
    text = rendered(tmp_path, template, *(alert(f"db-galera-{number}") for number in range(12)), form=form)
    assert text.count(ANNOTATIONS["impact"]) == 10
    assert "The first 10 of 12 that fire." in text
    text = rendered(tmp_path, template, *(alert(f"p{number}", resolved=True) for number in range(11)), form=form)
    assert text.count("after 12m30s") == 10
    assert "The first 10 of 11 that are resolved." in text
    assert ANNOTATIONS["impact"] not in text


@pytest.mark.parametrize(
    ("alerts", "title", "color"),
    [
        ([alert("a")], "FIRING critical: GaleraNodeDown in galera/db, a", "danger"),
        ([alert("a"), alert("b")], "FIRING (2) critical: GaleraNodeDown in galera/db", "danger"),
        ([alert("a"), alert("b", resolved=True)], "FIRING critical: GaleraNodeDown in galera/db", "danger"),
        ([alert("a", resolved=True)], "RESOLVED critical: GaleraNodeDown in galera/db, a", "good"),
        ([{**alert("a"), "labels": labels("X", "warning")}], "FIRING warning: X in galera/db", "warning"),
        ([alert("a"), {**alert("b"), "labels": labels("X")}], "FIRING (2): several alerts in galera/db", "warning"),
    ],
)
def test_the_title_is_one_line_that_says_how_bad_what_and_where(
    tmp_path: Path, alerts: Sequence[Mapping[str, Any]], title: str, color: str
) -> None:
    assert rendered(tmp_path, "galera.title", *alerts) == title
    assert rendered(tmp_path, "galera.slack.title", *alerts) == title
    assert rendered(tmp_path, "galera.slack.color", *alerts) == color


@pytest.mark.servers
def test_a_page_a_chat_message_and_a_ticket_arrive_with_these_texts(site: Site) -> None:
    critical = {"labels": labels("GaleraNodeInconsistent", "critical", "sent", pod="p"), "annotations": ANNOTATIONS}
    warning = {"labels": labels("GaleraNodeDown", "warning", "sent", pod="p"), "annotations": ANNOTATIONS}
    info = {"labels": labels("GaleraDurabilityRelaxed", "info", "sent"), "annotations": ANNOTATIONS}
    unmuted = {"labels": labels("GaleraNodeDown", "warning", "sent", pod="q"), "annotations": ANNOTATIONS}
    site.post([critical, warning, info, unmuted])
    box, log = site.mailbox, [site.alertmanager.log]
    chat = wait_until(lambda: box.at("/slack", "galera/sent"), 20, "the chat message", log)
    page = wait_until(lambda: box.at("/pagerduty", "galera/sent"), 20, "the page", log)
    ticket = wait_until(lambda: box.at("/ticket", '"sent"'), 20, "the ticket", log)

    (attachment,) = chat["attachments"]
    assert attachment["title"] == "FIRING critical: GaleraNodeInconsistent in galera/sent, p"
    assert attachment["color"] == "danger"
    assert f"_Run first:_ ```{ANNOTATIONS['command']}```" in attachment["text"]
    assert page["payload"]["summary"] == attachment["title"]
    assert f"Run first: {ANNOTATIONS['command']}" in page["payload"]["custom_details"]["alerts"]
    assert [each["labels"]["pod"] for each in ticket["alerts"]] == ["q"], "that of the inconsistent node is muted"
    assert ticket["alerts"][0]["annotations"]["impact"] == ANNOTATIONS["impact"]

    site.post([{**critical, "endsAt": "2026-01-01T00:00:00Z", "startsAt": "2025-12-31T00:00:00Z"}])
    done = wait_until(lambda: box.at("/slack", "RESOLVED critical: GaleraNodeInconsistent"), 20, "that it is over", log)
    assert done["attachments"][0]["color"] == "good"
    assert box.at("/slack", "GaleraDurabilityRelaxed") is box.at("/ticket", "GaleraDurabilityRelaxed") is None
