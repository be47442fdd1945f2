"""Writes into docs/alerts.md what the live tests measured.  Run as ``PYTHONPATH=tests python -m alerts_live.report``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
REPORT: Final = ROOT / "build" / "alerts-live.json"
