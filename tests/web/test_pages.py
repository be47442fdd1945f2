"""The status page: what it shows, and that foreign text cannot act in it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import HOSTILE, NAMES, SCENES, UUID, bootstrap, database, datadir, glance, gone, registry, sample, view

from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.bootstrap.reading import NodePhase
from galera_exporter.bootstrap.state import Reason
from galera_exporter.bootstrap.words import WORDS
from galera_exporter.model import ClusterView, Position
from galera_exporter.web.pages import render_status

VOID = {"meta", "link", "br", "img", "path"}


class Page(HTMLParser):
    """Collects tags and text, and insists that they nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.mark.parametrize("name", SCENES)
def test_each_scene_is_one_well_formed_page_that_loads_nothing(name: str) -> None:
    html = render_status(SCENES[name])
    page = Page(html)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "iframe", "form", "object"}
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links == ["/metrics", "/-/healthy", "/-/ready", "/-/serving"]
    assert {
        attributes["href"].split(",")[0] for tag, attributes in page.tags if tag == "link" and attributes["href"]
    } == {"data:image/svg+xml"}
    assert not any(attribute.startswith("on") for _, attributes in page.tags for attribute in attributes)
    assert ("meta", {"http-equiv": "refresh", "content": "5"}) in page.tags
    assert "url(" not in html
    assert "@import" not in html


def test_the_page_says_what_a_colour_says_in_words_too() -> None:
    text = Page(render_status(SCENES["degraded"])).text
    for words in (
        "Degraded: galera-2 is gone (key expired 42 s ago); 2 of 3 nodes serve.",
        "last: Synced",
        "6.4 s of 10 s",
        "3 111 behind",
        "this node",
        "galera-2.galera:3306",
        "10.11.19-MariaDB",
        "not active paused 2.3 s since start",
        f"1 284 119 {UUID}",
        "seqno -1",
    ):
        assert words in text


def test_a_number_is_copied_without_gaps() -> None:
    assert "1<i>284</i><i>113</i></span>" in render_status(SCENES["degraded"])


def test_a_registry_that_is_down_shows_its_last_words_as_such() -> None:
    text = Page(render_status(SCENES["registry-down"])).text
    assert "Last words, not the present: the registry cannot be read. Last read: 3 min ago." in text
    assert "connection refused" in text
    assert "mark good" not in render_status(SCENES["registry-down"]).split("<tbody>")[1].split("</tbody>")[0]


def test_a_joiner_in_sst_shows_its_progress() -> None:
    text = Page(render_status(SCENES["joining"])).text
    assert "State transfer in progress for 5 min Received 6.8 GiB" in text


def test_other_histories_and_foreign_keys_are_named() -> None:
    nodes = (view("galera-0"), view("galera-1"), view("galera-2", position=Position("other-history", 7)))
    read = replace(registry(), view=ClusterView(nodes=nodes, foreign=1, orphans=1, missing=2))
    text = Page(render_status(glance(registry=read))).text
    assert "other history: other-hi" in text
    assert "1 key below this cluster's prefix could not be read" in text
    assert "2 of the Galera view without a key" in text


def test_trouble_of_the_own_node_is_marked() -> None:
    busy = sample(
        raw={
            "wsrep_local_recv_queue": "4711",
            "wsrep_flow_control_active": "true",
            "wsrep_flow_control_paused_ns": "x",
        },
        desync_count=1,
    )
    text = Page(render_status(glance(database=replace(database(), sample=busy), datadir=datadir(gra_log_files=3)))).text
    for words in ("4711 waiting", "pauses writes now", "1 time by hand or backup", "3 failed write sets"):
        assert words in text


def test_a_node_in_the_gate_says_what_it_waits_for_and_what_to_do_before_anything_else() -> None:
    text = Page(render_status(SCENES["gate"])).text
    for words in (
        "Waits: a node that may have newer data is missing: galera-2 for 3 min",
        "2 of 3 nodes report.",
        WORDS[Reason.MISSING].meaning,
        WORDS[Reason.MISSING].action,
        "galeractl explain galeractl force-bootstrap NODE",
        "Runbook: docs/operations.md#missing",
        "In the bootstrap last: Synced",
    ):
        assert words in text
    assert text.index("Waits:") < text.index("This node's MariaDB")
    calm = Page(render_status(SCENES["confirmed"])).text
    assert "Bootstrap Phase Confirmed for 3 min Epoch 4 Decisions join 2, start 1" in calm
    assert calm.index("This node's MariaDB") < calm.index("Bootstrap Phase")
    assert "Bootstrap" not in Page(render_status(SCENES["healthy"])).text


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_and_each_phase_has_its_words_on_the_page(reason: Reason) -> None:
    text = Page(render_status(glance(bootstrap=bootstrap(wait=Wait(reason, ("galera-1",)))))).text
    assert WORDS[reason].title in text
    assert f"docs/operations.md#{reason}" in text
    for phase in NodePhase:
        assert "Epoch not known" in Page(render_status(glance(bootstrap=bootstrap(phase, None, epoch=0)))).text


def test_a_broken_web_configuration_is_told() -> None:
    assert "web configuration file has a fault" in Page(render_status(glance(reload_ok=False))).text
    assert "web configuration file has a fault" not in Page(render_status(glance(reload_ok=True))).text


def test_a_key_that_never_was_seen_is_gone_without_a_time() -> None:
    text = Page(render_status(glance(registry=registry(*(gone(name, age=None) for name in NAMES))))).text  # type: ignore[arg-type]  # None: never seen
    assert "no live key" in text


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=1, max_size=60) | st.just(HOSTILE))
def test_foreign_text_stays_text(words: str) -> None:
    calm, hostile = (
        Page(
            render_status(
                glance(
                    registry=registry(
                        view("galera-1", address=each, version=each, position=Position(each, 1)),
                        gone(each),
                        up=False,
                        detail=each,
                    )
                )
            )
        )
        for each in ("calm", words)
    )
    assert [tag for tag, _ in calm.tags] == [tag for tag, _ in hostile.tags]
