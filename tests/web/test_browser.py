"""The status page in a real browser: every scene, wide and narrow, light and dark, and without a mouse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from scenes import SCENES
from serving import ROUTES, StartServer

from galera_exporter.verdict import Level
from galera_exporter.web.message import Response
from galera_exporter.web.pages import render_status
from galera_exporter.web.routing import Route
from galera_exporter.web.tones import COLOURS, LEVELS
from lab import scratch
from lab.browser import Browser, Tab
from lab.process import wait_until

pytestmark = pytest.mark.servers
WIDTHS = (320, 390, 768, 1001, 1400)
"""From the narrowest that WCAG asks for (1.4.10) to a desktop; 1001 is where the table begins."""
LINKS = ("/metrics", "/-/healthy", "/-/ready", "/-/serving")
TOO_WIDE = """
[...document.querySelectorAll('body *')].filter(each => {
  const box = each.getBoundingClientRect();
  return box.width > 0 && box.right > document.documentElement.clientWidth + 1
    && getComputedStyle(each).clipPath === 'none';
}).map(each => `${each.tagName}.${each.className}: ${each.textContent.slice(0, 40)}`)
"""
COVERED = """
(() => {
  const parts = [...document.querySelectorAll('td, th, dt, dd, h1, h2, p, li, footer a, footer span')]
    .filter(each => each.getBoundingClientRect().width > 0 && !each.closest('thead') || innerWidth > 1000)
    .map(each => [each, each.getBoundingClientRect()]);
  return parts.flatMap(([one, a], index) => parts.slice(index + 1)
    .filter(([two, b]) => !one.contains(two) && !two.contains(one)
      && a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
    .map(([two]) => `${one.textContent.slice(0, 30)} and ${two.textContent.slice(0, 30)}`));
})()
"""
FAINT = """
(() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(each => each / 255)
    .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, index) => sum + each * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = each => {
    for (let at = each; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const each = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || each.getBoundingClientRect().width === 0) continue;
    const [a, b] = [light(numbers(getComputedStyle(each).color)), light(behind(each))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.push(`${contrast.toFixed(2)}: ${walk.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return found;
})()
"""
FOCUS = """
(() => {
  const each = document.activeElement, style = getComputedStyle(each), box = each.getBoundingClientRect();
  return {
    path: each.pathname, outline: style.outlineStyle, width: parseFloat(style.outlineWidth),
    seen: box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth,
  };
})()
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for this file."""
    with scratch() as folder:
        found = Browser(folder)
        yield found
        found.close()


@pytest.fixture
def pages(tmp_path: Path) -> dict[str, str]:
    """The address of each scene's page: without the refresh, which would come in the middle of a look."""
    found = {}
    for name, glance in SCENES.items():
        file = tmp_path / f"{name}.html"
        file.write_text(render_status(glance).replace('http-equiv="refresh"', 'name="refresh"'))
        found[name] = file.as_uri()
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", SCENES)
def test_a_scene_is_whole_at_every_width_and_can_be_read(
    browser: Browser, pages: dict[str, str], name: str, *, dark: bool
) -> None:
    for width in WIDTHS:
        tab = browser.open(pages[name], width=width, height=800, dark=dark, touch=width < 768)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, width
        assert tab.evaluate(TOO_WIDE) == [], width
        assert tab.evaluate(COVERED) == [], width
        assert tab.evaluate(FAINT) == [], width
        tab.close()


def test_what_is_too_wide_covered_or_faint_is_found(browser: Browser, pages: dict[str, str]) -> None:
    tab = browser.open(pages["healthy"], width=390, height=800)

    def spoil(rule: str) -> None:
        script = f"Object.assign(document.createElement('style'), {{textContent: {json.dumps(rule)}}})"
        tab.evaluate(f"document.body.append({script})")

    spoil(".verdict{width:600px}")
    assert tab.evaluate(TOO_WIDE)
    spoil("dd{margin-top:-30px}")
    assert tab.evaluate(COVERED)
    spoil(":root{--soft:#ccc}")
    assert tab.evaluate(FAINT)
    tab.close()


def shade(tab: Tab, selector: str) -> str:
    """Return the colour of an element as ``#rrggbb``."""
    found: str = tab.evaluate(
        f"'#' + getComputedStyle(document.querySelector('{selector}')).color.match(/\\d+/g)"
        ".map(each => Number(each).toString(16).padStart(2, '0')).join('')"
    )
    return found


def test_the_word_and_the_colour_of_the_verdict_are_those_of_the_dashboards(
    browser: Browser, pages: dict[str, str]
) -> None:
    levels = {"healthy": Level.HEALTHY, "degraded": Level.DEGRADED, "down": Level.DOWN, "nothing": Level.UNKNOWN}
    seen = set()
    for name, level in levels.items():
        tab = browser.open(pages[name], width=1200)
        assert tab.evaluate("document.querySelector('h1').textContent").startswith(f"{level.capitalize()}: ")
        assert tab.evaluate("document.title").startswith(level.capitalize())
        assert tab.evaluate(f"document.querySelector('.verdict').classList.contains('{LEVELS[level]}')")
        icon = tab.evaluate("decodeURIComponent(document.querySelector('link[rel=icon]').href)")
        assert COLOURS[LEVELS[level]] in icon
        seen.add(shade(tab, ".verdict"))
        tab.close()
    assert len(seen) == len(levels), "each its own colour"


def test_a_narrow_table_says_what_each_value_is(browser: Browser, pages: dict[str, str]) -> None:
    tab = browser.open(pages["degraded"], width=390, height=800, touch=True)
    cells = "[...document.querySelectorAll('tbody tr:first-child td')]"
    labels = f"{cells}.map(each => getComputedStyle(each, '::before').content)"
    assert tab.evaluate(labels)[:3] == ['"State"', '"Status"', '"Seqno"']
    tab.close()


@pytest.mark.parametrize("width", [320, 1200])
def test_everything_can_be_reached_and_seen_without_a_mouse(browser: Browser, start: StartServer, width: int) -> None:
    scene = render_status(SCENES["gate"])
    plain = Route(lambda _: Response.text(HTTPStatus.OK, "here"))
    routes = {**ROUTES, "/": Route(lambda _: Response.html(scene)), **dict.fromkeys(LINKS[1:], plain)}
    address = f"http://127.0.0.1:{start(routes=routes).addresses[0][1]}"
    tab = browser.open(f"{address}/", width=width, height=700)
    for link in LINKS:
        tab.press("Tab")
        focus = tab.evaluate(FOCUS)
        assert focus["path"] == link
        assert focus["outline"] == "solid"
        assert focus["width"] >= 2
        assert focus["seen"]
    tab.press("Enter")
    wait_until(lambda: tab.evaluate("location.pathname") == LINKS[-1], 20, "the last link's page is there")
    tab.close()


def test_links_are_large_enough_for_a_finger(browser: Browser, pages: dict[str, str]) -> None:
    """WCAG 2.5.8: 24 pixels."""
    tab = browser.open(pages["healthy"], width=390, height=800, touch=True)
    sizes = tab.evaluate("[...document.querySelectorAll('a')].map(each => each.getBoundingClientRect().height)")
    assert len(sizes) == len(LINKS)
    assert min(sizes) >= 24
    tab.close()


def test_the_page_has_a_language_a_heading_and_regions(browser: Browser, pages: dict[str, str]) -> None:
    tab = browser.open(pages["degraded"], width=1200)
    assert tab.evaluate("document.documentElement.lang") == "en"
    assert tab.evaluate("document.querySelectorAll('h1').length") == 1
    assert tab.evaluate("[...document.querySelectorAll('header, main, footer')].length") == 3
    assert tab.evaluate(
        "[...document.querySelectorAll('th')].every(each => each.scope === 'col' || each.scope === 'row')"
    )
    assert tab.evaluate(
        "[...document.querySelectorAll('svg')].every(each => each.getAttribute('aria-hidden') === 'true')"
    )
    tab.close()
