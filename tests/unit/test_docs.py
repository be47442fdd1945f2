"""The documents say what the code does."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from galera_exporter.bootstrap import records
from galera_exporter.bootstrap.lineage import place
from galera_exporter.bootstrap.protocol import GATE, RUN
from galera_exporter.bootstrap.state import Epoch, Mode, Reason, Rule
from galera_exporter.bootstrap.words import WORDS
from galera_exporter.galeractl import cli
from galera_exporter.metrics.catalog import CATALOG
from galera_exporter.model import Position
from galera_exporter.registry import records as registry

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["metrics.md", "configuration.md"])
def test_the_reference_pages_are_what_the_tables_say(reference: ModuleType, name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == reference.PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_of_ours_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_finds_it(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert anchor in anchors(page.parent / target if target else page), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def galeractl_lines(page: Path) -> Iterator[str]:
    """Yield what a page tells people to type: lines of code blocks and code in a sentence."""
    text = page.read_text(encoding="utf-8")
    yield from re.findall(r"^ *(?:\$ )?(galeractl .*)$", text, re.MULTILINE)
    yield from re.findall(r"`(galeractl [^`\n]+)`", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_galeractl_in_the_documents_is_one(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in galeractl_lines(page):
        words = shlex.split(line, comments=True)[1:]
        if words and not line.startswith("galeractl: "):
            try:
                cli.parser().parse_args(words)
            except SystemExit:
                pytest.fail(f"{line}: {capsys.readouterr().err}")


def runbook() -> dict[str, str]:
    """Return the text of each section on a reason."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split("\n## Why a node waits\n")[1]
    parts = re.split(r"^### (\S+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_runbook_has_a_section_for_each_reason_and_no_other() -> None:
    assert list(runbook()) == list(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_the_runbook_says_what_the_program_says(reason: Reason) -> None:
    section, words = runbook()[reason], WORDS[reason]
    title = words.title[0].upper() + words.title[1:]
    assert section.startswith(f"\n\n*{title}.*{' Passes by itself as a rule.' * words.passes} ")
    block = re.search(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert block is not None
    assert words.command in block[1].splitlines()
    for part in ("**Look at:** ", "**Do:** ", "\nDo not "):
        assert part in section


@pytest.mark.parametrize("name", ["operations.md", "protocol.md"])
def test_every_metric_and_reason_that_is_named_is_there(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    for metric in re.findall(r"`(galera_[a-z_]+)", text):
        assert metric in {*CATALOG, "galera_new_cluster"}, metric
    for reason in re.findall(r"waits: (\w+)", text):
        assert reason in {*Reason}, reason


def protocol_table(first: str) -> list[list[str]]:
    """Return the rows of the table of docs/protocol.md whose head begins with the cell ``first``."""
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, _, *rows = table.splitlines()
        if head.startswith(f"| {first} |"):
            return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    raise AssertionError(first)


def test_the_protocols_examples_of_keys_are_read_by_the_program() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    block = re.search(r"^```text\n(bootstrap \{.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    readers = {
        "bootstrap": lambda value, _: records.decode_bootstrap(value),
        "history": records.decode_epoch,
        "report": records.decode_report,
        "live": registry.decode,
        "nodes": registry.decode,
        "primary": lambda value, _: records.decode_component(value),
        "join": lambda value, _: records.decode_turn(value),
        "hold": lambda value, _: records.decode_hold(value),
        "override": records.decode_order,
        "override-used": records.decode_order,
    }
    seen = set()
    for line in block[1].splitlines():
        key, _, value = line.partition(" ")
        folder, _, name = key.partition("/")
        assert readers[folder](value.encode(), name), key
        seen.add(folder)
    assert seen == set(readers)
    named = {key.strip("`").partition("/")[0] for key, *_ in protocol_table("key")}
    assert named | {"override-used"} == seen


def test_the_protocols_example_of_lineage_is_what_the_program_says() -> None:
    uuid = "6f1d2c3e-8c5b-11f0-9d7a-2b6c5d4e3f2a"
    epochs = {}
    for number, parent, base, confirmed, lossy in protocol_table("epoch"):
        epoch = Epoch(int(number), int(parent), int(base), uuid, "galera-0", Mode.RECOVER, Rule.ALL)
        epochs[epoch.number] = records.read_epoch(
            {**records.epoch_fields(epoch), "confirmed": confirmed == "yes", "lossy": lossy == "yes"}
        )
    history = {number: epoch for number, epoch in epochs.items() if epoch is not None}
    rows = protocol_table("data")
    assert len(rows) == 8
    for data, *standings, _ in rows:
        found = re.fullmatch(r"epoch (\d+), seqno (\d+)", data)
        assert found is not None
        position = Position(uuid, int(found[2]))
        assert [place(history, cluster, int(found[1]), position) for cluster in (4, 5)] == standings, data


def test_the_protocols_tables_of_rules_are_the_programs_in_order() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8").split("## What a node does next")[1]
    gate, run = text.split("While the database answers")[:2]
    for table, rules in ((gate, GATE), (run, RUN)):
        names = re.findall(r"^\| `(\w+)` \|", table.split("\n## ")[0], re.MULTILINE)
        assert names == [rule.__name__ for rule in rules]


def test_the_korean_readme_has_the_headings_code_and_pictures_of_the_english_one() -> None:
    english, korean = (ROOT.joinpath(name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md"))
    levels = [re.findall(r"^(#+) ", text, re.MULTILINE) for text in (english, korean)]
    assert levels[0] == levels[1]
    blocks = [re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL) for text in (english, korean)]
    assert blocks[0] == blocks[1]
    pictures = [re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text) for text in (english, korean)]
    assert pictures[0] == pictures[1]
