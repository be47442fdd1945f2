"""promtool, and what it says of a test."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RULES = ROOT / "alerts" / "prometheus" / "galera.rules.yaml"
CURRENT = ROOT / "build" / "tools" / "promtool"
_MOMENT = re.compile(r"expr: ([^\n]*), time: (\S+),\s+exp:(.*?)\s+got:(.*?)(?=\n\s+expr:|\n\s*\n|\Z)", re.DOTALL)
_SAMPLE = re.compile(r"\{([^{}]*)\}")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def found() -> dict[str, str]:
    """Return the promtools of this machine: Debian's, and the current one where it was built."""
    debian = shutil.which("promtool")
    return {
        **({"debian": debian} if debian else {}),
        **({"current": str(CURRENT)} if CURRENT.exists() else {}),
    }


def run(promtool: str, folder: Path, test: Mapping[str, Any], rules: Path = RULES) -> str:
    """Run one test; return what promtool complains of, nothing where the test holds.

    Raises:
        RuntimeError: promtool did not come to a result.
    """
    file = folder / "story.yaml"
    body = {"rule_files": [str(rules)], **test}
    file.write_text(json.dumps(body))  # JSON is YAML too
    done = subprocess.run(
        [promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False, timeout=150
    )
    text = done.stdout + done.stderr
    if done.returncode == 0:
        return ""
    if "FAILED" not in text or "exp:" not in text:
        raise RuntimeError(f"{promtool} test rules: {text[:2000]}")
    return text


def moments(complaint: str) -> list[tuple[str, set[str], set[str]]]:
    """Return the time, what was missing, and what was too much, of each moment that promtool complains of."""
    told = []
    for expression, time, expected, got in _MOMENT.findall(complaint):
        wanted, real = _alerts(expected), _alerts(got)
        moment = f"{time} (pending)" if "pending" in expression else time
        told.append((moment, wanted - real, real - wanted))
    return told


def _alerts(text: str) -> set[str]:
    shown = set()
    for sample in _SAMPLE.findall(text):
        labels = {name: value for name, value in _LABEL.findall(sample) if name not in {"__name__", "alertstate"}}
        rest = ", ".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != "alertname")
        shown.add(f"{labels.get('alertname', '?')} ({rest})")
    return shown
