"""Each alert has a runbook; each runbook has its parts; each command in it is one that can be run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from runbook import (
    ALERTS,
    RUNBOOKS,
    GrammarError,
    Runbook,
    alternatives,
    commands,
    pipeline,
    runbooks,
)

ROOT: Final = ALERTS.parent
METRICS: Final = ROOT / "docs" / "metrics.md"
PAGE: Final = ROOT / "docs" / "alerts.md"
CORPUS: Final = ROOT / "tests" / "corpus"
EXAMPLES: Final = {
    "$NS": "galera",
    "$POD": "db-galera-0",
    "$ETCD": "db-galera-etcd-0",
    "$MACHINE": "machine",
    "$REVISION": "7",
    "$CLUSTER": "db-galera",
}

_LINK: Final = re.compile(r"\]\(([^)#]*)(#[^)]*)?\)")
_IN_LIST: Final = re.compile(r"Variable_name IN \(([^)]*)\)")
_METRIC: Final = re.compile(r"^\| `((?:galera|wsrep)_\w+)(?:\{[^}]*\})?`", re.MULTILINE)
_REASONS: Final = re.compile(r"^### (\w+)$", re.MULTILINE)

each_runbook = pytest.mark.parametrize("book", runbooks(), ids=lambda book: book.alert)


def sources() -> dict[str, dict[str, Any]]:
    """Return the source of each alert, by the name of its file."""
    files = [path for path in ALERTS.glob("*.yaml") if path.stem != "recording"]
    return {path.stem: yaml.safe_load(path.read_text()) for path in files}


def documented() -> frozenset[str]:
    """Return the names of all metrics in docs/metrics.md."""
    return frozenset(_METRIC.findall(METRICS.read_text()))


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.iterdir()} == set(sources())


@each_runbook
def test_a_runbook_says_what_it_means_what_to_look_at_and_what_to_do(book: Runbook) -> None:
    assert book.text.startswith(f"# {book.alert}\n\nPaste this first. ")
    assert list(book.sections) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert all(text.strip() for text in book.sections.values())
    assert "**Never**" in book.sections["Mitigation"], "what must not be done stands at the end"
    assert len(book.text.splitlines()) <= 120, "it is read at 3 a.m."


@each_runbook
def test_the_variables_at_the_top_are_those_that_the_commands_use(book: Runbook) -> None:
    assert dict(book.variables).items() <= {"NS": "galera", "POD": "db-galera-0", "ETCD": "db-galera-etcd-0"}.items()
    text = "\n".join(line for block in book.blocks() if block.section for line in block.lines)
    own = set(re.findall(r"^([A-Z]+)=", text, re.MULTILINE))
    assert set(re.findall(r"\$\{?(\w+)", text)) == {*book.variables, *own}


@each_runbook
def test_pods_and_namespaces_are_named_by_quoted_variables_only(book: Runbook) -> None:
    for block in book.blocks():
        for line in block.lines if block.section else ():
            assert not re.search(r"\bdb-|-n galera\b", line), f"{line}: a name that is only an example"
            unquoted = re.sub(r'"[^"]*"|\$\(', "", line)
            assert "$" not in unquoted, f"{line}: a variable without quotes"


@each_runbook
def test_every_command_is_of_the_grammar_and_looking_changes_nothing(book: Runbook) -> None:
    found = list(book.commands())
    looks = [each for each in found if each.section == "Diagnosis"]
    assert looks, "there is a first command to run"
    assert [each.text for each in looks if each.has_side_effects] == []
    assert {each.section for each in found} <= {"Diagnosis", "Mitigation"}


def sql_blocks(book: Runbook) -> Iterator[str]:
    """Yield each statement of the blocks that are SQL."""
    for block in book.blocks():
        if block.language == "sql":
            yield from block.lines


@each_runbook
def test_a_block_of_sql_only_looks(book: Runbook) -> None:
    effects = {each.text: each.has_side_effects for each in book.commands() if each.kind == "sql"}
    assert [line for line in sql_blocks(book) if effects[line.rstrip(";")]] == []


@each_runbook
def test_the_variables_of_the_server_that_are_asked_for_exist(book: Runbook) -> None:
    tables = [*CORPUS.glob("status-mariadb-*synced*.tsv"), *CORPUS.glob("variables-mariadb-*synced*.tsv")]
    known = {line.split("\t", 1)[0].lower() for table in tables for line in table.read_text().splitlines()}
    assert "wsrep_local_recv_queue" in known
    asked = [
        name for line in sql_blocks(book) for names in _IN_LIST.findall(line) for name in re.findall("'(.*?)'", names)
    ]
    assert [name for name in asked if name.startswith("wsrep_") and name.lower() not in known] == []


@each_runbook
def test_what_is_looked_for_on_the_metrics_page_can_be_there(book: Runbook) -> None:
    names = documented()
    assert "galera_up" in names
    lines = [f"{name}{labels} 1" for name in names for labels in ("", '{label="value"}')]
    for each in book.commands():
        if "--raw" in each.words:
            pattern = re.search(r"grep -E '(.*)'$", each.text)
            assert pattern is not None
            assert [one for one in alternatives(pattern[1]) if not any(re.match(one, line) for line in lines)] == [], (
                each.text
            )


def test_alternatives_are_spelt_out_as_grep_reads_them() -> None:
    assert set(alternatives("^a_(b|c_d) ")) == {"^a_b ", "^a_c_d "}
    assert set(alternatives("^(a_(b|c)|d) ")) == {"^a_b ", "^a_c ", "^d "}
    assert set(alternatives("^a|^b_(c|d)")) == {"^a", "^b_c", "^b_d"}
    assert set(alternatives("^a_(b|c)|^d")) == {"^a_b", "^a_c", "^d"}


@each_runbook
def test_metrics_named_in_the_text_exist(book: Runbook) -> None:
    derived = {"galera_up_reason"}
    named = set(re.findall(r"`(galera_\w+)", book.text))
    assert named - documented() - derived == set()


@each_runbook
def test_every_link_leads_somewhere(book: Runbook) -> None:
    for target, anchor in _LINK.findall(book.text):
        if target.startswith("http"):
            continue
        file = (RUNBOOKS / target).resolve()
        assert file.is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor[1:] in {heading.lower().replace(" ", "-") for heading in headings}, anchor


def test_every_reason_that_a_person_must_resolve_is_in_the_runbook_of_a_blocked_start() -> None:
    text = (RUNBOOKS / "GaleraClusterNeedsBootstrap.md").read_text()
    operations = (ROOT / "docs" / "operations.md").read_text().split("## Why a node waits")[1]
    for section in re.split(r"^### ", operations, flags=re.MULTILINE)[1:]:
        reason = section.split("\n", 1)[0]
        passes = "Passes by itself" in section
        assert (f"[{reason}](" in text) == (not passes), reason


def first_command(source: Mapping[str, Any]) -> str:
    """Return the annotation ``command``, with variables as in the runbooks where it has labels of the alert."""
    variables = {"namespace": "$NS", "pod": "$POD", "galera_cluster": "$CLUSTER"}
    return re.sub(r"\{\{ *\$labels\.(\w+) *\}\}", lambda match: variables[match[1]], source["command"])


def test_the_first_command_of_each_alert_is_of_the_grammar() -> None:
    for name, each in sources().items():
        book = Runbook(name, f"## Diagnosis\n\n```sh\n{first_command(each)}\n```\n")
        assert [command.text for command in book.commands() if command.has_side_effects] == []


def test_the_page_on_alerts_lists_every_alert_with_its_levels() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\((\S+)\) \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE)
    listed = {name: levels for name, _, levels in rows}
    expected = {
        name: "; ".join(f"{severity} {level['for']}" for severity, level in each["levels"].items())
        for name, each in sources().items()
    }
    assert listed == expected
    assert all((PAGE.parent / target).resolve() == RUNBOOKS / f"{name}.md" for name, target, _ in rows)
    assert f"{len(expected)} alerts for a MariaDB Galera Cluster" in PAGE.read_text()


def test_the_values_on_the_page_on_alerts_are_understood(tmp_path: Path) -> None:
    (values,) = re.findall(r"```yaml\n(metrics:\n[^`]*runbookUrl[^`]*)```", PAGE.read_text(), re.DOTALL)
    file = tmp_path / "values.yaml"
    file.write_text(values)
    done = subprocess.run(
        [sys.executable, str(ALERTS / "render.py"), "--values", str(file)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    rules = [rule for group in yaml.safe_load(done.stdout)["groups"] for rule in group["rules"] if "alert" in rule]
    levels = {(rule["alert"], rule["labels"]["severity"]) for rule in rules}
    assert ("GaleraFlowControlPaused", "warning") in levels
    assert ("GaleraFlowControlPaused", "critical") not in levels
    assert ("GaleraClusterDegraded", "info") in levels
    assert not any(name == "GaleraDurabilityRelaxed" for name, _ in levels)
    assert all(rule["labels"]["team"] == "dba" for rule in rules)
    assert all(
        rule["annotations"]["runbook_url"] == f"https://wiki.example.com/galera/{rule['alert']}.md" for rule in rules
    )


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('kubectl -n "$NS" get pods; rm -rf /', ";"),
        ('kubectl -n "$NS" get pods && true', "&&"),
        ('kubectl -n "$NS" logs "$POD" -c mariadb | sh', "a pipe ends in grep"),
        ('kubectl -n "$NS" get secrets', "secrets"),
        ("kubectl get pods", "-n"),
        ('kubectl -n galera exec "$POD" -c exporter -- galeractl status', "galera"),
        ('kubectl -n "$NS" exec db-galera-0 -c exporter -- galeractl status', "db-galera-0"),
        ('kubectl -n "$NS" exec "$POD" -- galeractl status', "container"),
        ('kubectl -n "$NS" exec "$POD" -c exporter -- galeractl stauts', "galeractl"),
        ('kubectl -n "$NS" exec "$POD" -c exporter -- galeractl status --forever', "--forever"),
        ('kubectl -n "$NS" exec "$POD" -c exporter -- galeractl discard', "galeractl"),
        ('kubectl -n "$NS" exec "$POD" -c mariadb -- bash -c true', "bash"),
        ('kubectl -n "$NS" delete pod "$POD" --force', "--force"),
        ('kubectl -n "$NS" delete pvc "$POD"', "claim"),
        ('kubectl -n "$NS" delete statefulset "$POD"', "statefulset"),
        ('kubectl -n "$NS" logs "$POD" -c mariadb --tail=all', "--tail"),
        ('kubectl -n "$NS" get pods "', "quotation"),
    ],
)
def test_what_the_grammar_does_not_know_is_refused(line: str, word: str) -> None:
    book = Runbook("Test", f"# Test\n\n## Mitigation\n\n```sh\n{line}\n```\n")
    with pytest.raises(GrammarError, match=re.escape(word)):
        list(book.commands())


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ('kubectl -n "$NS" exec "$POD" -c exporter -- galeractl explain', [("kubectl", False), ("galeractl", False)]),
        ('kubectl -n "$NS" exec "$POD" -c exporter -- galeractl release', [("kubectl", True), ("galeractl", True)]),
        (
            'kubectl -n "$NS" exec "$POD" -c mariadb -- mariadb -e "SET GLOBAL wsrep_desync = ON"',
            [("kubectl", True), ("sql", True)],
        ),
        ('kubectl -n "$NS" delete pod "$POD"', [("kubectl", True)]),
        ('MACHINE=$(kubectl -n "$NS" get pod "$POD" -o jsonpath=\'{.spec.nodeName}\')', [("kubectl", False)]),
    ],
)
def test_a_command_tells_what_it_runs_and_whether_that_changes_anything(
    line: str, kinds: list[tuple[str, bool]]
) -> None:
    book = Runbook("Test", f"# Test\n\n## Mitigation\n\n```sh\n{line}\n```\n")
    assert [(each.kind, each.has_side_effects) for each in book.commands()] == kinds


def kubectl(tmp_path: Path, *words: str) -> str:
    """Run kubectl against a port where nothing listens, and return the last line that it prints."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": os.devnull}
    done = subprocess.run(
        ["kubectl", "--server=http://127.0.0.1:1", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env=environ,
    )
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="no kubectl here: the grammar alone has judged the commands"
)
def test_kubectl_itself_understands_every_command_and_gets_as_far_as_the_connection(tmp_path: Path) -> None:
    lines = {each.words: each.text for each in commands() if each.kind == "kubectl"}
    lines |= {tuple(pipeline(first_command(each))): each["command"] for each in sources().values()}
    misunderstood = {}
    for words, text in lines.items():
        filled = [re.sub(r"\$[A-Z]+", lambda match: EXAMPLES[match[0]], word) for word in words]
        said = kubectl(tmp_path, *filled[1:])
        if "The connection to the server 127.0.0.1:1 was refused" not in said:
            misunderstood[text] = said
    assert misunderstood == {}
    assert kubectl(tmp_path, "get", "pods", "--no-such-flag") == "See 'kubectl get --help' for usage."
