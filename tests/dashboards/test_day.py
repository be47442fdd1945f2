"""Every query of the dashboards, and what those that carry the verdict say, through a bad day of a real cluster."""

from __future__ import annotations

import pytest

from dashboards.day import BOARDS, Day
from dashboards.stand import (
    CLUSTER,
    CONFLICTS,
    ETCD_DOWN,
    FLOW_CONTROL,
    HEALTHY,
    NAMESPACE,
    NODE_KILLED,
    OUTAGE,
    RECOVERED,
    SCENES,
    SPLIT_BRAIN,
    TRANSFER,
    WAITING,
)
from galera_exporter.web.tones import COLOURS
from preview.source import QueryError

PODS = ("galera-0", "galera-1", "galera-2")
LAST = PODS[-1]
GOOD, FAIR, BAD = COLOURS["good"], COLOURS["fair"], COLOURS["bad"]


@pytest.mark.parametrize("uid", BOARDS)
def test_no_query_fails_and_each_has_data_in_some_scene(day: Day, uid: str) -> None:
    assert set(day.moments) == set(SCENES)
    answered: dict[tuple[str, str], list[str]] = {}
    failed = []
    for scene in SCENES:
        look = day.look(uid, scene, LAST if uid == "galera-node" else "")
        for panel, target in look.board.asked():
            try:
                found = look.asker.ask(target)
            except QueryError as error:
                failed.append(f"{scene}: {panel.title}: {error}")
                continue
            answered.setdefault((panel.title, target.letter), []).extend([scene] if found else [])
    assert failed == []
    assert {key for key, scenes in answered.items() if not scenes} == set()


def test_the_verdict_in_each_scene(day: Day) -> None:
    expected = {
        HEALTHY: ("Healthy", GOOD),
        FLOW_CONTROL: ("Degraded", FAIR),
        NODE_KILLED: ("Degraded", FAIR),
        TRANSFER: ("Degraded", FAIR),
        ETCD_DOWN: ("Degraded", FAIR),
        OUTAGE: ("Down", BAD),
        WAITING: ("Down", BAD),
        SPLIT_BRAIN: ("Split brain", BAD),
    }
    for scene, (word, colour) in expected.items():
        for uid in ("galera-cluster", "galera-recovery"):
            shown = day.look(uid, scene).tile("Verdict")
            assert (shown.text, shown.colour) == (word, colour), (scene, uid)
        rows = day.look("galera-clusters", scene).rows("Clusters", "Cluster")
        assert rows[CLUSTER]["Verdict"] == word, scene
        assert rows[CLUSTER]["Namespace"] == NAMESPACE


def test_a_line_ends_at_the_moment_of_its_scene(day: Day) -> None:
    for scene, serving in ((HEALTHY, 3), (OUTAGE, 0)):
        look = day.look("galera-clusters", scene)
        (line,) = look.asker.named(look.panel("Nodes that serve"))
        assert line.series.samples[-1] == (day.moments[scene], serving)


def test_the_tiles_of_the_cluster(day: Day) -> None:
    expected = {
        ("Nodes that serve", HEALTHY): ("3 of 3", GOOD),
        ("Nodes that serve", NODE_KILLED): ("2 of 3", FAIR),
        ("Nodes that serve", OUTAGE): ("0 of 3", BAD),
        ("Primary component", HEALTHY): ("3 of 3", GOOD),
        ("Primary component", NODE_KILLED): ("2 of 3", FAIR),
        ("Votes to lose", HEALTHY): ("1", GOOD),
        ("Primary component", OUTAGE): ("0 of 3", BAD),
        ("Votes to lose", NODE_KILLED): ("0", BAD),
        ("Votes to lose", OUTAGE): ("0", BAD),
        ("Registry", HEALTHY): ("Answers", GOOD),
        ("Registry", ETCD_DOWN): ("Unreachable", BAD),
    }
    for (title, scene), (word, colour) in expected.items():
        shown = day.look("galera-cluster", scene).tile(title)
        assert (shown.text, shown.colour) == (word, colour), (title, scene)
    window = day.look("galera-cluster", HEALTHY).tile("IST window")
    assert window.text == "growing", "nothing has been dropped from a young cache"
    assert day.look("galera-cluster", FLOW_CONTROL).tile("Paused").text != "0%"


def test_the_counts_of_clusters(day: Day) -> None:
    kinds = ("Healthy", "Degraded", "Down", "Unknown")
    for scene, word in ((HEALTHY, "Healthy"), (NODE_KILLED, "Degraded"), (OUTAGE, "Down"), (SPLIT_BRAIN, "Down")):
        look = day.look("galera-clusters", scene)
        assert {kind: look.tile(kind).text for kind in kinds} == {kind: str(int(kind == word)) for kind in kinds}, scene
    assert day.look("galera-clusters", HEALTHY).tile("Firing: critical").text == "0"
    outage = day.look("galera-clusters", OUTAGE)
    assert outage.tile("Firing: critical").colour == BAD
    row = outage.rows("Clusters", "Cluster")[CLUSTER]
    assert (row["Primary"], row["Serving"], row["Expected"], row["Synced"]) == ("0", "0", "3", "0")
    healthy = day.look("galera-clusters", HEALTHY).rows("Clusters", "Cluster")[CLUSTER]
    assert healthy == {
        "Namespace": NAMESPACE,
        "Cluster": CLUSTER,
        "Verdict": "Healthy",
        "Primary": "3",
        "Serving": "3",
        "Expected": "3",
        "Synced": "3",
        "Votes to lose": "1",
        "Paused": healthy["Paused"],
        "IST window": "growing",
        "Registry": "Answers",
        "Critical": "0",
        "Warnings": "0",
    }


def test_the_matrix_has_one_row_a_node_and_says_which_it_is(day: Day) -> None:
    for scene in SCENES:
        assert set(day.look("galera-cluster", scene).rows("Nodes")) == set(PODS), scene
    healthy = day.look("galera-cluster", HEALTHY).rows("Nodes")
    assert {row["State"] for row in healthy.values()} == {"Synced"}
    assert {row["SQL"] for row in healthy.values()} == {"answers"}
    assert {row["Component"] for row in healthy.values()} == {"Primary"}
    assert {row["Key in etcd"] for row in healthy.values()} == {"Fresh"}
    killed = day.look("galera-cluster", NODE_KILLED).rows("Nodes")[LAST]
    assert (killed["State"], killed["SQL"], killed["Key in etcd"]) == ("Down", "refused", "Gone")
    assert killed["Behind"].isdigit(), "of a silent node what it wrote to etcd counts"
    slow = day.look("galera-cluster", FLOW_CONTROL).rows("Nodes")[PODS[1]]
    assert slow["Pause"] == "asks"
    assert float(slow["Queue of limit"].removesuffix("%")) > 80
    assert day.look("galera-cluster", TRANSFER).rows("Nodes")[LAST]["State"] == "Receiving transfer"
    unread = day.look("galera-cluster", ETCD_DOWN).rows("Nodes")
    assert {row["Key in etcd"] for row in unread.values()} == {"Cannot be read"}
    outage = day.look("galera-cluster", OUTAGE).rows("Nodes")
    assert outage[PODS[0]]["State"] == "No sidecar"
    assert {outage[pod]["State"] for pod in PODS[1:]} == {"Down"}


def test_the_alerts_that_fire(day: Day) -> None:
    assert day.look("galera-cluster", HEALTHY).rows("Firing alerts", "Alert") == {}
    killed = day.look("galera-cluster", NODE_KILLED).rows("Firing alerts", "Alert")
    assert (killed["GaleraNodeDown"]["Severity"], killed["GaleraNodeDown"]["Node"]) == ("warning", LAST)
    assert "GaleraNodeDown" in day.look("galera-node", NODE_KILLED, LAST).rows("Firing alerts", "Alert")
    assert "GaleraNodeDown" not in day.look("galera-node", NODE_KILLED, PODS[0]).rows("Firing alerts", "Alert")
    of_all = day.look("galera-node", OUTAGE, PODS[0]).rows("Firing alerts", "Alert")
    assert "GaleraClusterNoPrimary" in of_all, "what holds for the cluster holds for its node"
    outage = day.look("galera-recovery", OUTAGE).rows("Firing alerts", "Alert")
    assert outage["GaleraClusterNoPrimary"]["Severity"] == "critical"
    assert "GaleraSplitBrain" in day.look("galera-cluster", SPLIT_BRAIN).rows("Firing alerts", "Alert")


def test_the_node(day: Day) -> None:
    look = day.look("galera-node", HEALTHY, LAST)
    assert look.tile("State").text == "Synced"
    assert look.tile("Key in etcd").text == "Fresh"
    assert look.rows("Answers")[LAST] == {"Node": LAST, "SQL": "answers", "Component": "Primary"}
    (who,) = look.rows("Who it is", "Name").values()
    assert who["Server"].startswith(("10.", "11.", "12."))
    assert look.rows("Switches", "Option")["wsrep_on"]["Value"] == "on"
    assert look.rows("Sizes", "Option")["gcache_size_bytes"]["Value"].endswith("iB")
    assert look.rows("Times", "Option")["evs_suspect_timeout_seconds"]["Value"] == "3 s"
    assert set(look.rows("Numbers", "Option")) >= {"applier_threads", "node_weight", "sync_binlog"}
    assert day.look("galera-node", NODE_KILLED, LAST).tile("State").text == "Down"


def test_the_registry(day: Day) -> None:
    healthy = day.look("galera-registry", HEALTHY)
    for title in ("Registered", "In the view", "Members of etcd"):
        assert healthy.tile(title).text == "3 of 3", title
    assert healthy.tile("Leader of etcd").text == "Yes"
    assert {row["State written"] for row in healthy.rows("Keys").values()} == {"Synced"}
    assert {row["In the view"] for row in healthy.rows("Keys").values()} == {"yes"}
    killed = day.look("galera-registry", NODE_KILLED)
    assert killed.tile("Registered").text == "2 of 3"
    assert killed.rows("Keys")[LAST]["Key in etcd"] == "Gone"
    assert killed.rows("Keys")[LAST]["In the view"] == "no"
    assert (healthy.tile("Observer").text, healthy.tile("Pods Ready").text) == ("Yes", "3 of 3")
    assert healthy.tile("Write pod").text in PODS
    assert killed.tile("Pods Ready").text == "2 of 3"
    down = day.look("galera-registry", ETCD_DOWN)
    assert (down.tile("Registry").text, down.tile("Members of etcd").text) == ("Unreachable", "0 of 3")


def test_the_recovery_says_who_waits_for_whom(day: Day) -> None:
    look = day.look("galera-recovery", WAITING)
    assert (look.tile("Sidecars that answer").text, look.tile("Lost at least").text) == ("2 of 3", "0")
    assert look.tile("Foremost node").text in PODS[1:]
    rows = look.rows("Nodes")
    for pod in PODS[1:]:
        assert rows[pod]["State"] == "In the bootstrap"
        assert rows[pod]["Protocol"] == "In the gate"
        assert rows[pod]["Waits"] == "a node that may have newer data is missing"
        assert rows[pod]["Position"] == look.tile("Its position").text
    assert (rows[PODS[0]]["State"], rows[PODS[0]]["Position"]) == ("No sidecar", "\u2013")
    assert rows[PODS[0]]["Last heard of at"] != "\u2013", "what it had is known, though it is silent"
    assert look.rows("Waited for") == {PODS[0]: {"Node": PODS[0], "Waiting": "2"}}
    recovered = day.look("galera-recovery", RECOVERED)
    assert recovered.tile("Epoch").text == str(int(look.tile("Epoch").text) + 1)
    assert recovered.rows("Waited for") == {}


def marked(day: Day, uid: str, kind: str, scene: str, pod: str = LAST) -> set[str]:
    """Return the marks of a kind in the time up to a scene; ``pod`` is the node that is looked at."""
    look = day.look(uid, scene, pod if uid == "galera-node" else "", back=300)
    (marks,) = [marks for marks in look.board.marks if marks.name == kind]
    return {named.name for named in look.asker.marks(marks)}


@pytest.mark.parametrize("uid", BOARDS)
def test_marks_are_where_something_happened(day: Day, uid: str) -> None:
    assert "GaleraNodeDown" in marked(day, uid, "Firing alerts", TRANSFER)
    assert marked(day, uid, "View changes", CONFLICTS) == set()
    assert marked(day, uid, "Bootstrap elections", CONFLICTS) == set()
    # Those that were left saw the view change; the one that was killed did not.
    assert marked(day, uid, "View changes", NODE_KILLED, PODS[0]) == {"View change"}
    # The last node was dead when the view changed, and elected nobody.
    assert marked(day, uid, "Bootstrap elections", RECOVERED) == (set() if uid == "galera-node" else {"Election"})
