"""Does each guard of a rule matter? Drops them one by one and tells which are missed by no story.

``python -m alerts.mutations [FILE]...`` collects the stories of the tests (or of these files of them), runs every
mutant of every rule beside its original in each of them, and prints the mutants that fire exactly as their
originals do, everywhere.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts import promtool
from alerts.clock import seconds
from alerts.story import FIRING, Firing, Story

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\b(?:and|unless|or)\b|[(){},]')
_MODIFIER = re.compile(r"\s*(?:(?:on|ignoring|group_left|group_right)\b\s*(?:\([^)]*\))?\s*)*")
_MATCHERS = re.compile(r"\{([^{}]*)\}")
_MATCHER = re.compile(r'\w+\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"')
_RESULT = re.compile(r"time: (\S+),\s+exp:.*?\s+got:(.*?)(?=\n\s+expr:|\n\s*\n|\Z)", re.DOTALL)
_SAMPLE = re.compile(r"\{([^{}]*)\}")

Rule = dict[str, Any]


@dataclass(frozen=True)
class Mutant:
    """A rule without one of its parts."""

    rule: str
    what: str
    rules: tuple[Rule, ...]
    """What takes the place of the rule, and of those that build on it."""


def plain(expression: str) -> str:
    """Return an expression without comments, on one line."""
    return " ".join(" ".join(line.split("#", 1)[0] for line in expression.splitlines()).split())


Operator = tuple[int, int, str]
"""Where a set operator begins and ends, and which it is."""


def _groups(expression: str) -> Iterator[tuple[int, int, list[Operator]]]:
    """Yield each part in brackets, and each argument of a function: begin, end, and its own set operators."""
    opened: list[tuple[int, list[Operator]]] = [(0, [])]
    for token in _TOKEN.finditer(expression):
        text = token.group()
        if text in "({":
            opened.append((token.end(), []))
        elif text in ")},":
            begin, operators = opened.pop()
            yield begin, token.start(), operators
            if text == ",":  # the next argument is a group of its own
                opened.append((token.end(), []))
        elif text in {"and", "unless", "or"}:
            opened[-1][1].append((token.start(), token.end(), text))
    begin, operators = opened.pop()
    yield begin, len(expression), operators


def _operands(expression: str) -> Iterator[tuple[str, str]]:
    for begin, end, operators in _groups(expression):
        for index, (start, stop, word) in enumerate(operators):
            rest = [o for o in operators[index + 1 :] if word != "or" or o[2] == "or"]
            finish = rest[0][0] if rest else end
            yield f"drop: {expression[start:finish].strip()}", f"{expression[:start]} {expression[finish:]}"
            if word == "or":
                modifiers = _MODIFIER.match(expression, stop)
                after = modifiers.end() if modifiers else stop
                before = [o for o in operators[:index] if o[2] == "or"]
                first = before[-1][1] if before else begin
                yield f"drop: {expression[first:start].strip()} or", f"{expression[:first]} {expression[after:]}"


def _matchers(expression: str) -> Iterator[tuple[str, str]]:
    for block in _MATCHERS.finditer(expression):
        matchers = _MATCHER.findall(block.group(1))
        for index, matcher in enumerate(matchers):
            left = ", ".join(matchers[:index] + matchers[index + 1 :])
            name = expression[: block.start()].rsplit(None, 1)[-1].rsplit("(", 1)[-1]
            yield f"drop: {name}{{{matcher}}}", f"{expression[: block.start()]}{{{left}}}{expression[block.end() :]}"


def without_a_part(expression: str) -> Iterator[tuple[str, str]]:
    """Yield what was dropped, and the expression without it: each operand of a set operator, each label matcher."""
    yield from _operands(expression)
    yield from _matchers(expression)


def mutants(rules: Path) -> Iterator[Mutant]:
    """Yield every rule without each of its parts, and each alert without its time to wait."""
    every = [rule for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"]]
    for rule in every:
        name = rule.get("alert") or rule["record"]
        for what, expression in without_a_part(plain(rule["expr"])):
            changed = {**rule, "expr": expression}
            yield Mutant(name, what, (changed,) if "alert" in rule else tuple(_with(changed, every)))
        if seconds(rule.get("for", "0s")):
            yield Mutant(name, f"for: 0s instead of {rule['for']}", ({**rule, "for": "0s"},))


def _with(record: Rule, every: list[Rule]) -> Iterator[Rule]:
    """Yield a changed recording rule under another name, and copies of all rules that build on it."""
    names = {record["record"]}
    yield {**record, "record": f"{record['record']}_changed"}
    while True:
        users = [r for r in every if any(n in r["expr"] for n in names) and r.get("record") not in names]
        records = {r["record"] for r in users if "record" in r}
        if not records:
            break
        names |= records
    for rule in every:
        used = [name for name in names if name in rule["expr"]]
        if used and rule.get("record") != record["record"]:
            expression = rule["expr"]
            for name in used:
                expression = expression.replace(name, f"{name}_changed")
            changed = {**rule, "expr": expression}
            yield {**changed, "record": f"{rule['record']}_changed"} if "record" in rule else changed


def rule_file(rules: Path, found: list[Mutant]) -> dict[str, Any]:
    """Return the recording rules, and all alerts, each with a label that says which mutant it is."""
    groups = yaml.safe_load(rules.read_text())["groups"]
    every = [rule for group in groups for rule in group["rules"]]
    body = [{"name": "records", "rules": [rule for rule in every if "record" in rule]}]
    body.append({"name": "originals", "rules": [_labelled(rule, "") for rule in every if "alert" in rule]})
    for index, mutant in enumerate(found):
        body.append({"name": f"mutant-{index}", "rules": [_labelled(rule, str(index)) for rule in mutant.rules]})
    return {"groups": body}


def _labelled(rule: Rule, mutant: str) -> Rule:
    if "record" in rule:
        # A name of its own for each mutant: two of them may change the same record.
        return {**rule, "record": rule["record"].replace("_changed", f"_changed{mutant}")}
    expression = re.sub(r"_changed\b", f"_changed{mutant}", rule["expr"])
    lean = {key: value for key, value in rule.items() if key != "annotations"}
    return {**lean, "expr": expression, "labels": {**rule.get("labels", {}), "mutant": mutant or "none"}}


def collected(files: list[str]) -> dict[str, dict[str, Any]]:
    """Return the stories that the tests tell, by the names of the tests; none is judged."""
    stories: dict[str, dict[str, Any]] = {}

    class Listener:
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_call(self, item: pytest.Item) -> Any:
            def keep(story: Story, *expected: Firing) -> None:
                stories.setdefault(item.nodeid, story.test(expected))

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Story, "fires", keep)
                return (yield)

    where = files or [str(Path(__file__).parent)]
    pytest.main(["-q", "-p", "no:cacheprovider", "-k", "debian", *where], plugins=[Listener()])
    return stories


def timeline(tool: str, folder: Path, test: dict[str, Any]) -> dict[str, set[tuple[str, str]]]:
    """Return when and with which labels each mutant's alerts fire."""
    checks = [
        {"expr": FIRING, "eval_time": check["eval_time"], "exp_samples": []}
        for check in test["tests"][0]["promql_expr_test"]
        if check["expr"] == FIRING
    ]
    body = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": test["evaluation_interval"],
        "group_eval_order": [group["name"] for group in json.loads((folder / "rules.yaml").read_text())["groups"]],
        "tests": [{**test["tests"][0], "promql_expr_test": checks}],
    }
    file = Path(tempfile.mkstemp(suffix=".yaml", dir=folder)[1])
    file.write_text(json.dumps(body))
    done = subprocess.run([tool, "test", "rules", str(file)], capture_output=True, text=True, check=False, timeout=600)
    text = done.stdout + done.stderr
    if done.returncode and "got:" not in text:
        raise RuntimeError(text[:3000])
    fired: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for time, got in _RESULT.findall(text):
        for sample in _SAMPLE.findall(got):
            mutant = re.search(r'mutant="(\w+)"', sample)
            if mutant:
                fired[mutant.group(1)].add((time, sample.replace(mutant.group(), "")))
    return fired


def survivors(tool: str, rules: Path, stories: dict[str, dict[str, Any]]) -> list[Mutant]:
    """Return the mutants that no story tells from their originals."""
    found = list(mutants(rules))
    left = set(range(len(found)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules.yaml").write_text(json.dumps(rule_file(rules, found)))
        for test in stories.values():
            fired = timeline(tool, folder, test)
            left -= {index for index in left if fired[str(index)] != _original(found[index], fired["none"])}
    return [found[index] for index in sorted(left)]


def _original(mutant: Mutant, fired: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return when the alerts fire that a mutant takes the place of."""
    alerts = {(rule["alert"], rule["labels"]["severity"]) for rule in mutant.rules if "alert" in rule}
    return {
        (time, sample)
        for time, sample in fired
        if any(f'alertname="{name}"' in sample and f'severity="{severity}"' in sample for name, severity in alerts)
    }


def main() -> int:
    """Print the mutants that live; 1 where there are any."""
    stories = collected(sys.argv[1:])
    found = len(list(mutants(promtool.RULES)))
    alive = survivors(promtool.found()["debian"], promtool.RULES, stories)
    for mutant in alive:
        print(f"{mutant.rule}: {mutant.what}")
    print(f"{found} mutants, {len(stories)} stories, {len(alive)} mutants live")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
