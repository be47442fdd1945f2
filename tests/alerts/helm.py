"""Tools that Debian does not have, built once by ``.ci/tools``; and what the chart makes of its values."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "galera"
BUILD_SECONDS = 900
"""For the first build on two cores; later calls take none."""


@cache
def tool(name: str) -> Path:
    """Return ``helm`` or the current ``promtool``, built if it has to be; skips the test where that cannot be done.

    On CI nothing is skipped: there the tool must be to be had.
    """
    done = subprocess.run(
        [ROOT / ".ci" / "tools", name], capture_output=True, text=True, check=False, timeout=BUILD_SECONDS
    )
    if done.returncode:
        said = f"{name} cannot be built: {done.stderr.strip().splitlines()[-1:]}"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return ROOT / "build" / "tools" / name


def template(values: Mapping[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Return what ``helm template`` says to these values, as release ``db`` in the namespace ``galera``."""
    file = folder / "values.json"
    file.write_text(json.dumps(values))  # JSON is YAML too
    return subprocess.run(
        # The version: helm built from its module takes a very old Kubernetes for granted.
        [tool("helm"), "template", "db", CHART, "-n", "galera", "--kube-version", "1.29.0", "--values", file],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def rules_of(text: str) -> dict[str, Any]:
    """Return the PrometheusRule in what ``helm template`` wrote."""
    return next(each for each in yaml.safe_load_all(text) if each and each["kind"] == "PrometheusRule")
