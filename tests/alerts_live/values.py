"""The shipped rules with shorter times, made as a user would make them: a file of values for ``alerts/render.py``.

A minute of the shipped rules is a second here. What MariaDB, Galera and etcd need is not shortened with it: a restart
takes its 8 s, a key in etcd lives as long as its TTL. So a few times are longer than that, each with its reason.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ALERTS: Final = Path(__file__).parents[2] / "alerts"
RUNBOOK_URL: Final = "https://runbooks.example.com"
_DURATION: Final = re.compile(r"(\d+)([mh])")
_SHORTER: Final = {"m": "s", "h": "m"}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}

LONGER: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    # Longer than one node's restart takes here, as 5m are longer than it takes elsewhere.
    "GaleraNodeDown": {"warning": {"for": "12s"}},
    "GaleraExporterDown": {"warning": {"for": "12s"}},
    # All views of a rolling restart, which takes more than 15 s.
    "GaleraClusterMembershipFlapping": {"warning": {"window": "45s"}},
    # The faults here come one soon after the other: three restarts of a node in a minute are no loop.
    "GaleraNodeRestarting": {"warning": {"window": "15s"}},
    # In a view change the nodes' pages differ for as long as the slowest node and its scrape take, here as elsewhere.
    "GaleraSplitBrain": {"critical": {"for": "8s"}},
    # A heartbeat is every TTL / 3.
    "GaleraRegistryNodeMissing": {"warning": {"for": "5s"}},
    # The rate is over five minutes, which no value shortens: a pause of 3 s or 6 s in them counts, not 30 s or 150 s.
    "GaleraFlowControlPaused": {"warning": {"threshold": 0.01}, "critical": {"threshold": 0.02}},
}


def sources() -> dict[str, dict[str, Any]]:
    """Return the source of each alert, by its name."""
    files = [path for path in ALERTS.glob("*.yaml") if path.stem != "recording"]
    return {path.stem: yaml.safe_load(path.read_text()) for path in files}


def shortened(changes: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """Return values for ``render.py``: each duration a sixtieth of the shipped one, but for ``LONGER``.

    ``changes`` are for rules by name, and replace what is shortened.
    """
    rules = {
        name: {
            level: {key: _shorter(value) for key, value in parameters.items() if _is_duration(value)}
            | dict(LONGER.get(name, {}).get(level, {}))
            for level, parameters in source["levels"].items()
        }
        for name, source in sources().items()
    }
    return {"metrics": {"prometheusRule": {"runbookUrl": RUNBOOK_URL, "rules": {**rules, **(changes or {})}}}}


def render(folder: Path, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Path:
    """Render the rules with the shortened values (and ``changes``), as a user does; return the file of rules."""
    values, rules = folder / "values.yaml", folder / "galera.rules.yaml"
    values.write_text(json.dumps(shortened(changes), indent=2))  # JSON is YAML too
    command = [sys.executable, str(ALERTS / "render.py"), "--values", str(values), "--output", str(rules)]
    subprocess.run(command, check=True, timeout=60)
    return rules


def seconds(duration: str) -> int:
    """Return the seconds of a duration with one unit, such as ``10m``."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def _is_duration(value: object) -> bool:
    return isinstance(value, str) and _DURATION.fullmatch(value) is not None


def _shorter(duration: str) -> str:
    return _DURATION.sub(lambda found: found[1] + _SHORTER[found[2]], duration)
