"""A story for each promtool that this machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts import promtool
from alerts.story import Story


@pytest.fixture(params=["debian", "current"])
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Story:
    """A story that begins at 0s; it is told to each promtool."""
    found = promtool.found()
    if request.param not in found:
        pytest.skip(
            "no promtool: apt-get install prometheus" if request.param == "debian" else f"no {promtool.CURRENT}"
        )
    return Story(found[request.param], tmp_path, exact=request.param == "debian")
