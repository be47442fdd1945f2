#!/usr/bin/env python3
"""Renders the alert sources beside it: one rule file for Prometheus, or one PrometheusRule for its operator.

The Helm chart renders the same sources with the same values by a template; a test compares the two. So all that is
done here is what a template can do as well: look up, merge, and replace ``${...}`` as plain text.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

HERE: Final = Path(__file__).parent
GROUPS: Final = (
    "galera-recording",
    "galera-cluster",
    "galera-node",
    "galera-replication",
    "galera-registry",
    "galera-etcd",
    "galera-observer",
    "galera-exporter",
)
"""In this order in the file. Prometheus gives each group a time of its own: alerts read what was recorded last."""
SEVERITIES: Final = ("critical", "warning", "info")
RUNBOOKS: Final = "alerts/runbooks"
CLUSTER_LABELS: Final = ("namespace", "galera_cluster")

_DURATION: Final = re.compile(r"([0-9]+(ms|[smhdwy]))+")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_PLACEHOLDER: Final = re.compile(r"\$\{([a-z_]+)\}")
_SETTINGS: Final = ("additionalRuleLabels", "clusterLabels", "dashboardUrl", "rules", "runbookUrl")
_IGNORED: Final = ("additionalLabels", "annotations", "enabled", "namespace")
"""What the chart's values have besides: it is about the PrometheusRule as an object."""


class ValuesError(Exception):
    """The values do not fit the sources; says where, and what is possible."""


def read_alerts(folder: Path = HERE) -> list[dict[str, Any]]:
    """Return the sources of all alerts, sorted by name."""
    paths = sorted(path for path in folder.glob("*.yaml") if path.name != "recording.yaml")
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths]


def read_recording(folder: Path = HERE) -> list[dict[str, str]]:
    """Return the sources of the recording rules, in their order."""
    found: list[dict[str, str]] = yaml.safe_load((folder / "recording.yaml").read_text(encoding="utf-8"))
    return found


def groups(values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the rule groups.

    Args:
        values: as the chart's, from ``metrics`` on.

    Raises:
        ValuesError: there is no such alert, level or parameter, or a value is of the wrong kind.
    """
    settings = _settings(values or {})
    labels = settings.get("clusterLabels", list(CLUSTER_LABELS))
    groupings = _groupings(labels)
    overrides = settings.get("rules", {})
    alerts = read_alerts()
    _one_of(overrides, [alert["name"] for alert in alerts], "metrics.prometheusRule.rules")
    rules: dict[str, list[dict[str, Any]]] = {name: [] for name in GROUPS}
    rules["galera-recording"] = [
        {
            "record": row["record"],
            "expr": _replaced(f"# {row['comment']}\n{row['expr']}", groupings),
        }
        for row in read_recording()
    ]
    for alert in alerts:
        rules[alert["group"]].extend(_rules(alert, overrides.get(alert["name"], {}), settings, labels))
    return [{"name": name, "rules": found} for name, found in rules.items() if found]


def _settings(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of the values that is about rules, checked."""
    at = "metrics.prometheusRule"
    metrics = _mapping(values.get("metrics"), "metrics")
    settings = _mapping(metrics.get("prometheusRule"), at)
    _one_of([name for name in settings if name not in _IGNORED], _SETTINGS, at)
    for name in ("runbookUrl", "dashboardUrl"):
        if not isinstance(settings.get(name, ""), str):
            raise ValuesError(f"{at}.{name}: must be a text, not {settings[name]!r}")
    labels = settings.get("clusterLabels", list(CLUSTER_LABELS))
    fine = (
        isinstance(labels, list) and labels and all(isinstance(each, str) and _LABEL.fullmatch(each) for each in labels)
    )
    if not fine:
        raise ValuesError(f"{at}.clusterLabels: must be a list of label names, not {labels!r}")
    for name, value in _mapping(settings.get("additionalRuleLabels"), f"{at}.additionalRuleLabels").items():
        if not isinstance(value, str):
            raise ValuesError(f"{at}.additionalRuleLabels.{name}: must be a text, not {value!r}")
    _mapping(settings.get("rules"), f"{at}.rules")
    return {name: value for name, value in settings.items() if value is not None}


def _groupings(labels: Sequence[str]) -> dict[str, str]:
    """Return the lists of labels that expressions group and join by.

    ``kube`` always has the namespace: pods of the same name in two namespaces are two, whatever tells clusters apart.
    """
    kube = [label for label in labels if label != "galera_cluster"]
    if "namespace" not in kube:
        kube.append("namespace")
    return {"cluster": ", ".join(labels), "kube": ", ".join(kube)}


def _rules(
    alert: Mapping[str, Any], override: Any, settings: Mapping[str, Any], labels: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield a rule for each level of the alert that is not switched off."""
    name = alert["name"]
    at = f"metrics.prometheusRule.rules.{name}"
    override = _mapping(override, at)
    _one_of(override, ["enabled", *alert["levels"]], at)
    enabled = _boolean(override, at)
    for level, defaults in sorted(alert["levels"].items()):
        changed = _level(defaults, override.get(level), f"{at}.{level}")
        if not enabled or not changed["enabled"]:
            continue
        texts = {key: _text(value) for key, value in changed.items()} | _groupings(labels)
        severity = changed.get("severity", level)
        yield {
            "alert": name,
            "expr": _replaced(defaults.get("expr", alert["expr"]), texts),
            "for": changed["for"],
            "labels": {**settings.get("additionalRuleLabels", {}), "severity": severity},
            "annotations": {
                **{key: _replaced(alert[key], texts) for key in ("summary", "description", "impact", "command")},
                **dict(_links(alert, settings, labels)),
            },
        }


def _level(defaults: Mapping[str, Any], override: Any, at: str) -> dict[str, Any]:
    """Return the parameters of one level with the user's in them, checked by the kind of the default."""
    override = _mapping(override, at)
    parameters = [key for key in defaults if key != "expr"]
    _one_of(override, ["enabled", "severity", *parameters], at)
    for key, value in override.items():
        if key == "severity" and value not in SEVERITIES:
            raise ValuesError(f"{at}.severity: must be one of {', '.join(SEVERITIES)}, not {value!r}")
        if key in parameters and isinstance(defaults[key], str):
            if not isinstance(value, str) or not _DURATION.fullmatch(value):
                raise ValuesError(f"{at}.{key}: must be a duration such as {defaults[key]}, not {value!r}")
        elif key in parameters and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValuesError(f"{at}.{key}: must be a number such as {defaults[key]}, not {value!r}")
    return {**{key: defaults[key] for key in parameters}, **override, "enabled": _boolean(override, at)}


def _links(alert: Mapping[str, Any], settings: Mapping[str, Any], labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield "runbook_url", f"{(settings.get('runbookUrl') or RUNBOOKS).rstrip('/')}/{alert['name']}.md"
    base = settings.get("dashboardUrl", "").rstrip("/")
    if base:
        variables = [*(label for label in CLUSTER_LABELS if label in labels)]
        if alert["dashboard"] == "galera-node":
            variables.append("pod")
        query = "&".join(f"var-{label}={{{{ $labels.{label} }}}}" for label in variables)
        yield "dashboard_url", f"{base}/d/{alert['dashboard']}?{query}"


def _mapping(value: Any, at: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValuesError(f"{at}: must be a mapping, not {value!r}")
    return value


def _boolean(override: Mapping[str, Any], at: str) -> bool:
    value = override.get("enabled", True)
    if not isinstance(value, bool):
        raise ValuesError(f"{at}.enabled: must be true or false, not {value!r}")
    return value


def _one_of(names: Iterable[str], possible: Sequence[str], at: str) -> None:
    for name in names:
        if name not in possible:
            raise ValuesError(f"{at}.{name}: there is no such thing; possible are {', '.join(possible)}")


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | bool) else f"{value:.9f}".rstrip("0").removesuffix(".")


def _replaced(text: str, values: Mapping[str, str]) -> str:
    """Return the text with each ``${name}`` replaced."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


class _Dumper(yaml.SafeDumper):
    """Writes texts of many lines as such."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 -- of the base class
        return True


def _scalar(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _scalar)


def dumped(document: Mapping[str, Any]) -> str:
    """Return the document as YAML, in the order that it has."""
    head = "# Made from alerts/*.yaml by alerts/render.py: change those, or the values, and render again.\n"
    return head + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096)


def document(values: Mapping[str, Any] | None, form: str, name: str) -> dict[str, Any]:
    """Return what is to be written, in the form ``prometheus`` or ``prometheusrule``."""
    found = {"groups": groups(values)}
    if form == "prometheus":
        return found
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "galera"}},
        "spec": found,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Write the rules; 1 and one line where the values are at fault."""
    parser = argparse.ArgumentParser(
        prog="render.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--values", type=Path, metavar="FILE", help="what differs from the defaults, as in the chart")
    parser.add_argument("--format", choices=("prometheus", "prometheusrule"), default="prometheus")
    parser.add_argument("--name", default="galera", help="name of the PrometheusRule")
    parser.add_argument("--output", type=Path, metavar="FILE", help="instead of standard output")
    given = parser.parse_args(argv)
    try:
        values = yaml.safe_load(given.values.read_text(encoding="utf-8")) if given.values else None
        text = dumped(document(_mapping(values, "values"), given.format, given.name))
        if given.output:
            given.output.write_text(text, encoding="utf-8")
        else:
            sys.stdout.write(text)
    except (OSError, yaml.YAMLError, ValuesError) as error:
        sys.stderr.write(f"render.py: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
