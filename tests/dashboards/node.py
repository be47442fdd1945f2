"""Programs that run in Node, with what ``.ci/npm`` installs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
SECONDS: Final = 600
"""For the first installation; later calls take none."""


@cache
def modules() -> Path:
    """Return the folder of installed packages; skips the test where they cannot be had, but not on CI."""
    done = subprocess.run([ROOT / ".ci" / "npm"], capture_output=True, text=True, check=False, timeout=SECONDS)
    if done.returncode:
        said = f"npm: {done.stderr.strip().splitlines()[-1:]}"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return ROOT / "build" / "npm" / "node_modules"


def run(arguments: Sequence[str | Path], given: object = None) -> subprocess.CompletedProcess[str]:
    """Run Node with these arguments; ``given`` is written to its standard input as JSON."""
    return subprocess.run(
        [Path(sys.executable).with_name("node"), *arguments],
        input=json.dumps(given),
        env={**os.environ, "NODE_PATH": str(modules())},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def grafana(order: str, given: object) -> Any:
    """Return what Grafana's own code (``@grafana/data``) makes of something; see grafana.cjs."""
    done = run([HERE / "grafana.cjs", order], given)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
