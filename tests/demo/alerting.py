"""The shipped rules and the shipped configuration of Alertmanager, with what the demo changes in them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ALERTS = Path(__file__).parents[2] / "alerts"
EXAMPLE = ALERTS / "alertmanager" / "alertmanager.yaml"
SHORTENED = {
    "GaleraClusterNeedsBootstrap": ("critical", "10s"),
    "GaleraClusterNoPrimary": ("critical", "10s"),
    "GaleraNodeDown": ("warning", "10s"),
}
"""Alerts that a visitor can cause and would wait minutes for, by level and duration. All others are as shipped."""
_WAITS = {"group_wait": "1s", "group_interval": "2s"}


def write_rules(folder: Path) -> Path:
    """Render the shipped rules with the demo's durations, as users change theirs; return the file."""
    rules = {name: {level: {"for": duration}} for name, (level, duration) in SHORTENED.items()}
    values, made = folder / "values.yaml", folder / "galera.rules.yaml"
    values.write_text(json.dumps({"metrics": {"prometheusRule": {"rules": rules}}}, indent=2))  # JSON is YAML too
    subprocess.run([sys.executable, ALERTS / "render.py", "--values", values, "--output", made], check=True, timeout=30)
    return made


def shortened() -> list[str]:
    """Return what fires sooner than it does as shipped, one sentence each."""
    told = []
    for name, (level, duration) in SHORTENED.items():
        shipped = yaml.safe_load((ALERTS / f"{name}.yaml").read_text())["levels"][level]["for"]
        told.append(f"{name} fires after {duration}, as shipped after {shipped}")
    return told


def configuration(pager: str, smarthost: str) -> dict[str, Any]:
    """Return the example configuration with receivers on loopback that hear of everything within seconds.

    Each receiver keeps the one way that uses the plain text (a page, an e-mail): the others would say the same.
    """
    config: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    config["templates"] = [str(EXAMPLE.parent / name) for name in config["templates"]]
    config["global"] = {
        "smtp_smarthost": smarthost,
        "smtp_from": config["global"]["smtp_from"],
        "smtp_require_tls": False,
    }
    for route in (config["route"], *config["route"]["routes"][0]["routes"]):
        route.update(_WAITS)
    receivers = {receiver["name"]: receiver for receiver in config["receivers"]}
    page, ticket = receivers["page"], receivers["ticket"]
    del page["slack_configs"], ticket["webhook_configs"]
    (pagerduty,) = page["pagerduty_configs"]
    del pagerduty["routing_key_file"]
    pagerduty.update(routing_key="0" * 32, url=f"http://{pager}/")
    return config
