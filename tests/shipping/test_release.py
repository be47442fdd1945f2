"""What ``make release-check`` finds, and what it lets pass."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from shipping import packages, versions
from shipping.versions import ROOT, Texts

Change = Callable[[Texts], Texts]
RELEASED = "## Unreleased\n\n## 0.1.0 - 2026-01-31\n\n- Something.\n"


@pytest.fixture
def texts() -> Texts:
    """The repository's own."""
    return versions.read()


def test_the_files_of_this_repository_agree(texts: Texts) -> None:
    assert versions.faults(texts) == []
    assert versions.version(texts) in texts.documents["docs/kubernetes.md"]


CHANGES: dict[str, tuple[Change, str]] = {
    "a module without a version": (lambda t: t._replace(module="x = 1\n"), "must be a semantic version, and is ''"),
    "a version that is none": (lambda t: t._replace(module='__version__ = "1.0"\n'), "semantic version, and is '1.0'"),
    "another chart": (lambda t: t._replace(chart=t.chart.replace("\nversion: ", "\nversion: 9.")), "version is 9."),
    "another appVersion": (
        lambda t: t._replace(chart=t.chart.replace("appVersion: ", "appVersion: 9.")),
        "appVersion is 9.",
    ),
    "another listed image": (
        lambda t: t._replace(chart=t.chart.replace("galera-exporter:", "galera-exporter:9.")),
        "artifacthub.io/images has galera-exporter:9.",
    ),
    "another default tag": (
        lambda t: t._replace(values=re.sub(r'(repository: galera-exporter\n.*\n *tag: )""', r'\1"9.0.0"', t.values)),
        "exporter.image.tag is 9.0.0",
    ),
    "a document of another version": (
        lambda t: t._replace(documents={"README.md": "\npull galera-exporter:9.0.0\n"}),
        "README.md:2: names the image of 9.0.0",
    ),
    "no section": (lambda t: t._replace(changes="# Changelog\n"), "has neither"),
    "an empty section": (lambda t: t._replace(changes="## Unreleased\n\n### Added\n"), 'Unreleased" says nothing'),
    "only a section of another version": (lambda t: t._replace(changes="## 9.0.0 - 2026-01-31\n- x\n"), "has neither"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_does_not_agree_is_named_with_its_file(texts: Texts, change: str) -> None:
    mutate, said = CHANGES[change]
    changed = mutate(texts)
    assert changed != texts
    (fault,) = versions.faults(changed)
    assert said in fault
    assert fault.startswith(("exporter/", "charts/", "README", "CHANGELOG"))


def test_a_tag_is_of_the_version_and_its_changes_have_a_date(texts: Texts) -> None:
    stated = versions.version(texts)
    ready = texts._replace(changes=RELEASED.replace("0.1.0", stated))
    assert versions.faults(ready, f"v{stated}") == []
    assert versions.faults(ready, "v9.0.0") == [f"the tag is v9.0.0, the programs are {stated}: it would be v{stated}"]
    (fault,) = versions.faults(texts._replace(changes="## Unreleased\n- x\n"), f"v{stated}")
    assert 'rename "## Unreleased"' in fault


def test_a_file_that_a_package_lacks_is_named() -> None:
    assert packages.lacking(["a/x", "a/y"], ["x", "y"], "a/") == []
    assert packages.lacking(["a/x"], ["x", "y"], "a/") == ["y"]


def test_a_command_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(packages.StepError, match=r"exit status 3\nnot today$"):
        packages.run("sh", "-c", "echo not today; exit 3")


def test_the_workflow_runs_the_commands_of_ci_run_and_has_few_rights() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    commands = re.findall(r"^make .*$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert commands == ["make test", "make e2e"]
    for command in commands:
        assert re.search(rf"run: (sudo )?{command}$", text, re.MULTILINE), command
    assert re.findall(r"^ *permissions:\n((?:  .*\n)+)", text, re.MULTILINE) == ["  contents: read\n"]
    assert "secrets." not in text
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", used) for used in re.findall(r"uses: (\S+)", text))


def test_every_target_of_make_that_the_workflow_calls_is_there() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    called = {
        word
        for line in re.findall(r"run: (?:sudo (?:--\S+ )?)?make ([a-z0-9 -]+)$", text, re.MULTILINE)
        for word in line.split()
    }
    done = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert called <= set(re.findall(r"^  make (\S+)", done.stdout, re.MULTILINE))
    assert called >= {"test", "e2e", "release-check", "sbom", "audit"}
