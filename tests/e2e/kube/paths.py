"""Where things are: what is built, what is kept between runs, and what was seen."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ROOT / "tests" / "e2e"
TOOLS = ROOT / "build" / "tools"
BUILD = ROOT / "build" / "e2e"
"""Ignored by git. What is in it and named by a content hash is made once."""

FAILED = BUILD / "failed"
"""Logs, events and descriptions of what failed in the last run."""

OUTPUT = BUILD / "output"
"""What commands printed in the last run, for the pages of the documentation."""

RUN = BUILD / "run"
"""Folders of running clusters; empty when none runs."""
