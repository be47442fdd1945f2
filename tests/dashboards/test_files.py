"""The committed JSON is what the code makes, and what Grafana, the chart and the alerts take for granted."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from boards.__main__ import boards, rendered
from dashboards.files import ALERTS, DOCUMENTS, FOLDER, ROOT, UIDS, all_panels, panels, values

TITLES = {
    "galera-clusters": "Galera / Clusters",
    "galera-cluster": "Galera / Cluster",
    "galera-node": "Galera / Node",
    "galera-registry": "Galera / Registry",
    "galera-recovery": "Galera / Recovery",
}
ANGULAR = {"graph", "singlestat", "table-old", "grafana-piechart-panel", "grafana-worldmap-panel", "heatmap-old"}
UNITLESS = {"text": "a text has no value"}
"""Kinds of panels that need no unit, with the reason."""


@pytest.mark.parametrize("board", boards(), ids=UIDS)
def test_the_committed_file_is_byte_for_byte_what_the_code_makes(board: Any) -> None:
    assert (FOLDER / f"{board.uid}.json").read_text(encoding="utf-8") == rendered(board), "run make dashboards"


def test_there_are_five_and_the_alerts_link_to_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(UIDS)
    assert {source["dashboard"] for source in ALERTS.values()} <= set(UIDS)


def test_where_the_runbooks_are_can_be_told() -> None:
    for board in boards():
        there = rendered(board, "https://wiki.example.com/galera")
        assert json.loads(there)["templating"]["list"][-1]["query"] == "https://wiki.example.com/galera"
        assert '"alerts/runbooks"' not in there


@pytest.mark.parametrize("uid", UIDS)
def test_identity(uid: str) -> None:
    document = DOCUMENTS[uid]
    assert (document["uid"], document["title"]) == (uid, TITLES[uid])
    assert document["description"]
    assert document["editable"] is False
    assert {"galera", "mariadb"} == set(document["tags"])
    assert document["timezone"] == "browser"
    assert "id" not in document, "a number of one Grafana"
    assert "__inputs" not in document
    assert "__requires" not in document
    assert "spec" not in document, "the classic form, which every Grafana reads"
    assert not {panel["type"] for panel in document["panels"]} & ANGULAR
    assert list(values(document, "libraryPanel")) == []


@pytest.mark.parametrize("uid", UIDS)
def test_variables(uid: str) -> None:
    listed = DOCUMENTS[uid]["templating"]["list"]
    expected = ["datasource", "namespace", "galera_cluster", "pod", "runbooks"]
    assert [each["name"] for each in listed] == [name for name in expected if uid != "galera-clusters" or name != "pod"]
    source, *queries, runbooks = listed
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert (runbooks["type"], runbooks["hide"]) == ("constant", 2)
    for each in queries:
        assert each["type"] == "query"
        assert each["refresh"] == 2, "on a change of the time range: a cluster that is gone is listed in its time"
        assert each["sort"] == 7, "natural: the order of the nodes is stable"
        assert each["datasource"]["uid"] == "${datasource}"
        assert each["label"]


@pytest.mark.parametrize("uid", UIDS)
def test_no_data_source_is_named(uid: str) -> None:
    named = [each["uid"] for each in values(DOCUMENTS[uid], "datasource") if isinstance(each, dict)]
    assert set(named) == {"${datasource}"}


@pytest.mark.parametrize("uid", UIDS)
def test_marks_for_view_changes_elections_and_firing_alerts(uid: str) -> None:
    marks = {each["name"]: each for each in DOCUMENTS[uid]["annotations"]["list"]}
    assert set(marks) == {"View changes", "Bootstrap elections", "Firing alerts"}
    assert all(each["titleFormat"] and each["textFormat"] and each["iconColor"] for each in marks.values())
    assert marks["View changes"]["enable"] is (uid != "galera-clusters"), "of many clusters they would be a carpet"


def test_every_panel_has_a_title_a_description_and_a_unit() -> None:
    for uid, panel in all_panels():
        where = f"{uid}: {panel.get('title')}"
        assert panel["title"], where
        assert panel["description"].strip(), where
        assert panel["description"].rstrip().endswith("."), where
        if panel["type"] in UNITLESS:
            continue
        assert panel["fieldConfig"]["defaults"]["unit"], where
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"], where
        if panel["type"] == "table":
            titles = next(step for step in panel["transformations"] if step["id"] == "organize")["options"]
            units = {
                override["matcher"]["options"]
                for override in panel["fieldConfig"]["overrides"]
                if any(each["id"] == "unit" for each in override["properties"])
            }
            assert units == set(titles["renameByName"].values()), where


def test_titles_tell_panels_of_one_dashboard_apart() -> None:
    for uid, document in DOCUMENTS.items():
        titles = [panel["title"] for panel in panels(document)]
        assert len(titles) == len(set(titles)), uid
        numbers = [panel["id"] for panel in [*document["panels"], *panels(document)]]
        assert len(set(numbers)) == len({id(panel) for panel in [*document["panels"], *panels(document)]}), uid


@pytest.mark.parametrize("uid", UIDS)
def test_panels_fill_the_grid_without_covering_each_other(uid: str) -> None:
    places = [panel["gridPos"] for panel in DOCUMENTS[uid]["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, two in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= two["x"]
            or two["x"] + two["w"] <= one["x"]
            or one["y"] + one["h"] <= two["y"]
            or two["y"] + two["h"] <= one["y"]
        )
        assert apart, (one, two)
    lines = {place["y"] for place in places}
    for y in lines:
        assert sum(place["w"] for place in places if place["y"] == y) == 24, f"a gap at y={y}"


@pytest.mark.parametrize("uid", UIDS)
def test_each_links_to_the_other_four_the_alerts_and_the_runbooks(uid: str) -> None:
    links = {link["url"]: link for link in DOCUMENTS[uid]["links"]}
    assert set(links) == {f"/d/{other}" for other in UIDS if other != uid} | {
        "/alerting/list?search=Galera",
        "${runbooks}",
    }
    assert all(link["includeVars"] and link["keepTime"] for url, link in links.items() if url.startswith("/d/"))


def test_links_lead_to_dashboards_variables_columns_and_runbooks_that_there_are() -> None:
    seen = set()
    for uid, panel in all_panels():
        known = {variable["name"] for variable in DOCUMENTS[uid]["templating"]["list"]}
        columns = set(values(panel, "renameByName") and next(values(panel, "renameByName"), {}).values())
        for url in values(panel, "url"):
            seen.add(url)
            if board := re.match(r"/d/([\w-]+)\?", url):
                there = {variable["name"] for variable in DOCUMENTS[board[1]]["templating"]["list"]}
                assert set(re.findall(r"var-(\w+)=", url)) <= there, url
            if runbook := re.match(r"\$\{runbooks\}/(Galera\w+)\.md$", url):
                assert runbook[1] in ALERTS, url
                assert (ROOT / "alerts" / "runbooks" / f"{runbook[1]}.md").is_file()
            assert set(re.findall(r"\$\{__data\.fields\.(\w+)\}", url)) <= columns, url
            assert set(re.findall(r"\$\{?(\w+)", url)) <= known | {"__data", "__url_time_range"}, url
    assert {"/alerting/list?search=${__data.fields.Alert}", "${runbooks}/${__data.fields.Alert}.md"} <= seen
