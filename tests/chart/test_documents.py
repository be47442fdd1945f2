"""README, schema, NOTES, Chart.yaml and docs/kubernetes.md say what the chart does."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from alerts import helm
from chart.release import CASES, CHART, FULLNAME, case, run, values_of
from galera_exporter import __version__

PAGE = helm.ROOT / "docs" / "kubernetes.md"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def readme() -> ModuleType:
    spec = importlib.util.spec_from_file_location("chart_readme", helm.ROOT / "docs" / "chart.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the path of each value that is no mapping, or an empty one."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def described(schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the path of each value that the schema names, but not those of shared definitions."""
    for name, part in schema["properties"].items():
        if "properties" in part:
            yield from described(part, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_the_readme_is_what_the_values_say(readme: ModuleType) -> None:
    assert (CHART / "README.md").read_text(encoding="utf-8") == readme.readme(), "run `make docs`"


def test_every_value_is_in_the_readme(readme: ModuleType) -> None:
    documented = {value.path for value in readme.values((CHART / "values.yaml").read_text(encoding="utf-8"))}
    for path in leaves(VALUES):
        parts = path.split(".")
        assert any(".".join(parts[:length]) in documented for length in range(1, len(parts) + 1)), path


def test_a_value_without_a_comment_is_an_error_of_the_readme(readme: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"a\.c has no comment"):
        list(readme.values("a:\n  # -- B\n  b: 1\n  c: 2\n"))


def test_the_readme_tells_of_a_default_and_skips_what_is_inside_of_it(readme: ModuleType) -> None:
    text = "# -- A of\n# two lines\na: {x: 1}\n# -- B\n# @default -- some\nb:\n  c: 2\n# only for readers\n"
    found = [(value.path, value.default, value.help) for value in readme.values(text)]
    assert found == [("a", '`{"x": 1}`', "A of two lines"), ("b", "some", "B")]


def test_the_schema_has_every_value_and_no_other() -> None:
    named = set(described(SCHEMA))
    for path in leaves(VALUES):
        parts = path.split(".")
        prefixes = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
        assert prefixes & named or any(each.startswith(f"{path}.") for each in named), path
    for path in named:
        found: Any = VALUES
        for part in path.split("."):
            if found == {}:
                break  # a mapping that is empty by default
            assert part in found, path
            found = found[part]


def test_the_schema_refuses_what_it_does_not_know_on_every_level() -> None:
    open_on_purpose = {"global", "metrics.prometheusRule.rules"}

    def closed(schema: Mapping[str, Any], path: str) -> None:
        if "properties" in schema and path not in open_on_purpose:
            assert schema.get("additionalProperties") is False, path
        for name, part in schema.get("properties", {}).items():
            closed(part, f"{path}.{name}".lstrip("."))

    closed(SCHEMA, "")


def test_the_chart_is_of_the_version_of_the_programs() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == __version__
    listed = {each["name"]: each["image"] for each in yaml.safe_load(chart["annotations"]["artifacthub.io/images"])}
    used = {container.name: container.spec["image"] for pod in case("default").pods for container in pod.containers}
    assert listed == {
        "mariadb": used["mariadb"],
        "etcd": used["etcd"],
        "galera-exporter": used["exporter"],
    }


def notes(name: str, folder: Path) -> str:
    """Return the NOTES of a case: ``helm template`` does not print them, so they are made an object."""
    chart = folder / "chart"
    shutil.copytree(CHART, chart)
    text = (chart / "templates" / "NOTES.txt").read_text(encoding="utf-8")
    (chart / "templates" / "_notes.tpl").write_text(f'{{{{- define "notes" -}}}}{text}{{{{- end -}}}}')
    (chart / "templates" / "notes.yaml").write_text('kind: Notes\ntext: {{ include "notes" . | toJson }}\n')
    done = run("--show-only", "templates/notes.yaml", values=values_of(name), chart=chart)
    assert done.returncode == 0, done.stderr
    return str(yaml.safe_load(done.stdout)["text"])


@pytest.mark.parametrize("name", CASES)
def test_notes_name_objects_that_exist(name: str, tmp_path: Path) -> None:
    text = notes(name, tmp_path)
    release = case(name)
    assert "<no value>" not in text
    for service in re.findall(rf"({FULLNAME}[a-z-]*)\.galera\.svc\.cluster\.local:3306", text):
        assert release.has("Service", service), service
    for kind, secret in re.findall(r"(?:get|delete) (secret) ([a-z-]+)", text):
        assert kind == "secret"
        assert release.has("Secret", secret) or secret in str(values_of(name)), secret
    for pod, container in re.findall(r"exec (?:-it )?(\S+) -c (\w+)", text):
        assert pod == f"{FULLNAME}-0"
        assert release.pod("galera").container(container)


@pytest.mark.parametrize(
    ("name", "said", "unsaid"),
    [
        ("default", ["galeractl explain", "antiAffinity=soft", "in the clear", "delete pvc"], ["WARNING"]),
        ("no-persistence", ["WARNING: persistence.enabled is false", "WARNING: etcd keeps nothing"], ["delete pvc"]),
        ("one-replica", ["WARNING: one member of etcd"], ["on each node read on every other"]),
        ("no-observer", ["always db-galera-0"], ["another when that one fails"]),
        ("tls", ["*.db-galera-nodes.galera.svc.cluster.local"], ["in the clear"]),
        ("diagnostic", ["DIAGNOSTIC MODE"], []),
        ("application", ["Password of shop", "ImagePullBackOff"], []),
        ("everything-else", [], ["ImagePullBackOff"]),
        ("existing-secrets", ["get secret db-passwords"], ["delete secret"]),
    ],
)
def test_notes_say_what_matters_for_these_values(name: str, said: list[str], unsaid: list[str], tmp_path: Path) -> None:
    text = notes(name, tmp_path)
    assert [each for each in said if each not in text] == []
    assert [each for each in unsaid if each in text] == []


def test_every_value_that_the_page_names_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"--set ([A-Za-z.]+)=", text))
    named |= {each for each in re.findall(r"`([a-z][A-Za-z]+(?:\.[A-Za-z]+)+)(?:=\w+)?`", text) if _is_value(each)}
    assert len(named) > 30
    for path in named:
        found: Any = VALUES
        for part in path.split("."):
            if found in ({}, None) or path.startswith("tls.certManager.issuerRef."):
                break  # free below this
            assert isinstance(found, dict), path
            assert part in found, path
            found = found[part]


def _is_value(path: str) -> bool:
    """Names of files and of options of other programs are in backticks too."""
    return path.split(".", maxsplit=1)[0] in VALUES and not re.search(r"\.(md|sh|crt|key|yaml|role)$", path)


def test_values_in_the_page_are_taken(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    for number, block in enumerate(blocks):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block)
        done = run("--values", file)
        assert done.returncode == 0, done.stderr


def test_the_certificate_of_the_page_has_the_names_that_are_asked() -> None:
    (names,) = re.findall(r"subjectAltName = (.*)", PAGE.read_text(encoding="utf-8"))
    (certificate,) = case("tls-cert-manager").all("Certificate")
    asked = {
        f"DNS:{name}" for name in certificate["spec"]["dnsNames"] if name.endswith((".cluster.local", "localhost"))
    }
    assert asked <= set(names.split(", "))
    assert f"DNS:{FULLNAME}" in names.split(", ")


def test_names_in_the_runbooks_are_those_of_the_chart() -> None:
    release = case("default")
    pods = {pod.owner: pod for pod in release.pods}
    for runbook in sorted((helm.ROOT / "alerts" / "runbooks").glob("*.md")):
        text = runbook.read_text(encoding="utf-8")
        containers = {"POD": release.pod("galera"), "ETCD": release.pod("etcd")}
        for variable, owner, ordinal in re.findall(r"^(POD|ETCD)=(\S+)-(\d)$", text, re.MULTILINE):
            assert pods[owner] == containers[variable], runbook.name
            assert int(ordinal) < 3
        for variable, container in re.findall(r'exec (?:-it )?"\$(POD|ETCD)" -c (\w+)', text):
            assert containers[variable].container(container), runbook.name
        for claim, variable in re.findall(r'delete pvc "(\w+)-\$(POD|ETCD)"', text):
            assert claim in containers[variable].claims, runbook.name
        for component in re.findall(r"app\.kubernetes\.io/component=(\w+)", text):
            assert any(pod.component == component for pod in release.pods), runbook.name
