"""Values that tests of several rooms begin with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from galera_exporter.model import DatadirFacts, Position


def running_files(uuid: str, **changes: Any) -> DatadirFacts:
    """Return what the files of a running server of this history say, but for ``changes``."""
    usual = DatadirFacts(
        present=True,
        grastate=Position(uuid, -1),
        safe_to_bootstrap=False,
        sst_in_progress=False,
        sst_start=None,
        sst_received_bytes=None,
        gcache_page_files=0,
        gcache_page_bytes=0,
        gra_log_files=0,
        gvwstate_present=True,
    )
    return replace(usual, **changes)
