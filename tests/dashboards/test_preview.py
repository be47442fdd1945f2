"""The preview: what it draws, in a real browser, and what it refuses."""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageColor

from dashboards import node
from dashboards.day import BOARDS, Day
from dashboards.stand import HEALTHY, OUTAGE, SPLIT_BRAIN, WAITING
from galera_exporter.web.tones import COLOURS
from lab.browser import Browser
from preview import pictures
from preview.answers import Asker, Named
from preview.fields import config
from preview.frames import TransformationError, table, transformed
from preview.lines import CLASSIC, lines
from preview.page import page
from preview.parts import PanelError, drawn, framed
from preview.scale import axis
from preview.source import Series, Source, Span, interpolated
from preview.spec import Panel
from preview.units import UnitError, written

SPAN = Span(1000.0, 1010.0, 1.0, 1.0)
CLUSTER = BOARDS["galera-cluster"]
FITS = """
[...document.querySelectorAll('.panel')].flatMap(panel => {
  const inner = panel.querySelector('.inside');
  const title = panel.querySelector('h3');
  const found = [];
  const around = panel.getBoundingClientRect();
  for (const part of inner.querySelectorAll('.value, table, tr, td, th, p, pre, dl, ul, li, canvas')) {
    const box = part.getBoundingClientRect();
    const low = box.bottom > around.bottom + 1, wide = box.right > around.right + 1;
    if (low || wide) found.push(`${part.tagName}.${part.className} is ${low ? 'lower' : 'wider'} than its panel`);
    const cut = part.matches('.value, td, th') && part.scrollWidth > part.clientWidth + 1;
    if (cut) found.push(`cut: ${part.textContent}`);
  }
  if (title.scrollWidth > title.clientWidth + 1) found.push('its title is cut');
  const plot = inner.querySelector('.plot');
  if (plot && plot.clientHeight < 60) found.push(`the plot has ${plot.clientHeight} px`);
  return found.map(each => `${title.textContent}: ${each}`);
})
"""
COVERED = """
(() => {
  const boxes = [...document.querySelectorAll('.panel, h2.row')]
    .map(each => [each.textContent, each.getBoundingClientRect()]);
  return boxes.flatMap(([one, a], index) => boxes.slice(index + 1)
    .filter(([, b]) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
    .map(([two]) => `${one.slice(0, 20)} and ${two.slice(0, 20)}`));
})()
"""
SPOIL = """
document.body.append(Object.assign(document.createElement('style'), {
  textContent: '.value, th{font-size:60px!important} .panel{min-height:500px}'
}))
"""
PAINTED = """
[...document.querySelectorAll('.plot')].map(plot => {
  const canvas = plot.querySelector('canvas');
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.some(each => each !== 0);
})
"""


@pytest.fixture(scope="module", autouse=True)
def library() -> None:
    """What the pages draw with is there."""
    node.modules()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("uid", BOARDS)
def test_nothing_is_cut_and_nothing_covers_another(
    day: Day, browser: Browser, tmp_path: Path, uid: str, *, dark: bool
) -> None:
    board = BOARDS[uid]
    for scene in (HEALTHY, OUTAGE, WAITING, SPLIT_BRAIN):
        span = day.span(scene, 300)
        asker = Asker(board, Source(day.url), span, {"pod": "galera-1"} if uid == "galera-node" else {})
        file = tmp_path / f"{uid}.html"
        file.write_text(page(board, asker, span, [other for other in BOARDS.values() if other is not board]))
        assert file.stat().st_size < 2_000_000
        tab = browser.open(file.as_uri(), width=1500, height=900, dark=dark)
        assert tab.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")
        assert tab.evaluate(FITS) == [], scene
        assert tab.evaluate(COVERED) == [], scene
        painted = tab.evaluate(PAINTED)
        assert painted
        assert all(painted), scene
        assert tab.evaluate("document.documentElement.scrollWidth") <= 1500
        assert abs(tab.evaluate("document.documentElement.scrollHeight") - pictures.height(board)) < 40
        assert "a preview, not Grafana" in tab.evaluate("document.body.innerText")
        tab.evaluate(SPOIL)
        assert tab.evaluate(FITS), "what is cut is found"
        assert tab.evaluate(COVERED), "what covers another is found"
        tab.evaluate("document.getElementById('theme').click()")
        assert tab.evaluate("document.documentElement.dataset.theme") == ("light" if dark else "dark")
        assert tab.evaluate("document.querySelectorAll('.plot canvas').length") == len(painted)
        tab.close()


def test_pages_and_pictures_are_made_by_one_command(day: Day, tmp_path: Path) -> None:
    node.modules()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "preview", "--prometheus", day.url, "--output", tmp_path, "--pictures", "light"),
            *("--end", str(day.moments[HEALTHY]), "--minutes", "1", "--scrape", "1", "--var", "pod=galera-1"),
        ],
        cwd=node.ROOT / "dashboards",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    made = [Path(line) for line in done.stdout.splitlines()]
    assert [path.name for path in made] == [f"{uid}-light.png" for uid in BOARDS]
    assert all(path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 20_000 for path in made)


def test_the_script_has_types(tmp_path: Path) -> None:
    modules = node.modules()
    script = node.ROOT / "dashboards" / "preview" / "preview.js"

    def compiled(text: str) -> str:
        (tmp_path / "preview.js").write_text(text)
        options = {
            "strict": True,
            "noEmit": True,
            "allowJs": True,
            "checkJs": True,
            "skipLibCheck": True,
            "types": [],
            "module": "none",
            "target": "es2022",
            "lib": ["es2022", "dom", "dom.iterable"],
            "noUncheckedIndexedAccess": True,
        }
        files = ["preview.js", str(modules / "uplot" / "dist" / "uPlot.d.ts")]
        (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": files}))
        return node.run([modules / "typescript" / "bin" / "tsc", "--project", tmp_path]).stdout

    assert compiled(script.read_text()) == ""
    assert "preview.js" in compiled(script.read_text().replace("plot.valToPos", "plot.valToPosition"))


def panel(kind: str = "timeseries", **changes: object) -> Panel:
    found = next(panel for panel in CLUSTER.panels if panel.title == "Time paused")
    return replace(found, kind=kind, **changes)  # type: ignore[arg-type]


def series(name: str, **samples: float) -> Named:
    return Named(name, Series({"pod": name}, tuple((1000.0 + int(at[1:]), value) for at, value in samples.items())))


DRAWN = """
(() => {
  const canvas = document.querySelector('.plot canvas');
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let found = 0;
  for (let at = 0; at < pixels.length; at += 4)
    found += pixels[at] === 0x34 && pixels[at + 1] === 0x7c && pixels[at + 2] === 0xd4 && pixels[at + 3] === 255;
  return found;
})()
"""
"""Pixels in the colour of galera-0."""


@pytest.mark.servers
def test_a_sample_between_gaps_is_a_dot(browser: Browser, tmp_path: Path) -> None:
    node.modules()
    drawn_pixels = {}
    for name, samples in {"alone": {"s5": 0.3}, "none": {"s5": -9.0}}.items():

        class Asked:
            def named(self, _panel: Panel, samples: dict[str, float] = samples) -> list[Named]:
                return [series("galera-0", **samples)]

        (tmp_path / "page.html").write_text(
            page(replace(CLUSTER, panels=(panel(),), variables=(), marks=()), Asked(), SPAN)  # type: ignore[arg-type]
        )
        tab = browser.open((tmp_path / "page.html").as_uri())
        drawn_pixels[name] = tab.evaluate(DRAWN)
        tab.close()
    assert drawn_pixels["alone"] > 0
    assert drawn_pixels["none"] == 0, "what is below the axis is not drawn"


def test_a_picture_with_a_palette_keeps_the_colours_that_mean_something(tmp_path: Path) -> None:
    chance = random.Random(3)
    image = Image.new("RGB", (200, 200))
    image.putdata([tuple(chance.randrange(256) for _ in "rgb") for _ in range(200 * 200)])
    for at, colour in enumerate(kept := [*COLOURS.values(), *CLASSIC]):
        image.putpixel((at, 0), ImageColor.getrgb(colour))
    image.save(tmp_path / "whole.png")
    pictures.reduce(tmp_path / "whole.png", tmp_path / "few.png")
    with Image.open(tmp_path / "few.png") as few:
        assert few.mode == "P"
        pixels = few.convert("RGB")
    assert [pixels.getpixel((at, 0)) for at in range(len(kept))] == [ImageColor.getrgb(colour) for colour in kept]
    assert (tmp_path / "few.png").stat().st_size < 0.5 * (tmp_path / "whole.png").stat().st_size


def test_a_time_without_a_sample_is_a_gap_and_a_node_has_its_colour() -> None:
    made = lines(panel(), [series("galera-0", s0=0.1, s1=0.2, s5=0.4), series("galera-10", s0=0.0)], SPAN)
    first, second = made.data["series"]
    assert first["values"] == [0.1, 0.2, None, None, None, 0.4, None, None, None, None, None]
    assert first["texts"][:2] == ["10%", "20%"]
    # No rule names a galera-10: it has the next colour.
    assert (first["colour"], second["colour"]) == ("#347cd4", "#949414")
    assert (made.legend[0].name, made.legend[0].last, made.legend[0].most) == ("galera-0", "40%", "40%")
    assert [limit["value"] for limit in made.data["limits"]] == [0.1, 0.5]


def test_stacked_lines_stand_on_each_other() -> None:
    stacked = panel(defaults={"unit": "none", "custom": {"stacking": {"mode": "normal"}, "fillOpacity": 40}})
    made = lines(stacked, [series("a", s0=1, s1=2), series("b", s0=10)], SPAN)
    assert [each["values"][:3] for each in made.data["series"]] == [[1, 2, 0], [11, 2, 0]]
    assert [each["texts"][:2] for each in made.data["series"]] == [["1", "2"], ["10", None]]


@pytest.mark.parametrize(
    ("values", "unit", "marks"),
    [
        ([0, 3], "none", (0, 1, 2, 3)),
        ([0, 0], "wps", (0, 1)),
        ([0, 23], "wps", (0, 5, 10, 15, 20, 25)),
        ([0, 0.022], "percentunit", (0, 0.005, 0.01, 0.015, 0.02, 0.025)),
        ([0, 80 * 2**20], "bytes", tuple(16 * 2**20 * each for each in range(6))),
        ([0, 400], "s", (0, 120, 240, 360, 480)),
    ],
)
def test_the_marks_of_an_axis_are_round_in_their_unit(values: list[float], unit: str, marks: tuple[float, ...]) -> None:
    found = axis(values, unit, 0, None)
    assert found.marks == marks
    assert (found.low, found.high) == (0, marks[-1])


def test_an_axis_reaches_to_a_limit_that_is_near() -> None:
    assert axis([0, 0.2], "percentunit", 0, None, [0.5]).high == 0.5
    assert axis([0, 0.02], "percentunit", 0, None, [0.5]).high == 0.02
    assert axis([5, 9], "none", None, None).low == 5
    assert axis([0, 0.3], "percentunit", 0, 1).high == 1
    assert axis([], "none", None, None).marks == (0, 1)


def test_text_of_others_does_not_act_in_the_page() -> None:
    evil = "<img src=x onerror=alert(1)></script>"
    stat = replace(panel("stat"), options={"textMode": "name", "colorMode": "background_solid"}, title=evil)

    class Asked:
        def named(self, _panel: Panel) -> list[Named]:
            return [series(evil, s0=1)]

    for shown in (stat, replace(panel(), title=evil)):
        text = framed(shown, drawn(shown, Asked(), SPAN))  # type: ignore[arg-type]
        assert text.count("</script>") == text.count("<script"), "what is in a script stays data"
        assert "<img" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_variables_are_replaced_and_others_told() -> None:
    values = {"a": "1", "b": "2", **SPAN.built_in}
    assert interpolated('x{a="$a", b="${b}"}[$__range] $1', values) == 'x{a="1", b="2"}[10s] $1'
    assert Span(0, 7200, 30, 15).built_in == {"__interval": "30s", "__rate_interval": "1m", "__range": "2h"}
    assert Span(0, 60, 0.5, 0.25).built_in["__interval"] == "500ms"
    with pytest.raises(KeyError, match="nobody"):
        interpolated("$nobody", {})


def test_what_the_preview_does_not_know_it_refuses() -> None:
    with pytest.raises(UnitError, match="furlongs"):
        written(1, "furlongs")
    with pytest.raises(TransformationError, match="groupBy"):
        transformed([], [{"id": "groupBy", "options": {}}])
    with pytest.raises(PanelError, match="geomap"):
        drawn(panel("geomap"), None, SPAN)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="byType"):
        config(panel(overrides=[{"matcher": {"id": "byType", "options": "number"}, "properties": []}]), "x")
    with pytest.raises(ValueError, match="range"):
        config(panel(defaults={"mappings": [{"type": "range", "options": {}}]}), "x").shown(1.0)


def test_numbers_without_an_end_and_tables_without_rows() -> None:
    assert (written(math.inf, "s"), written(-math.inf, "s")) == ("\u221e", "-\u221e")
    assert table([], "A", alone=True).columns == {}
    assert transformed([table([], "A", alone=True)], []).rows() == []


def test_a_prometheus_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    node.modules()
    done = subprocess.run(
        [sys.executable, "-m", "preview", "--prometheus", "http://127.0.0.1:9", "--output", tmp_path],
        cwd=node.ROOT / "dashboards",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert re.fullmatch(r"preview: .*refused.*\n", done.stderr)
