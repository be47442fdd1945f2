"""Limits on the dashboards are those of the alerts, from one source."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from boards import limits
from dashboards.files import ALERTS, DOCUMENTS, FOLDER, panels
from galera_exporter.web.tones import COLOURS

TONES = {"critical": COLOURS["bad"], "warning": COLOURS["fair"], "info": COLOURS["mute"]}
ABOVE = {
    ("galera-clusters", "Paused by flow control"): ("GaleraFlowControlPaused", "threshold"),
    ("galera-clusters", "Clusters", "Paused"): ("GaleraFlowControlPaused", "threshold"),
    ("galera-cluster", "Paused"): ("GaleraFlowControlPaused", "threshold"),
    ("galera-cluster", "Time paused"): ("GaleraFlowControlPaused", "threshold"),
    ("galera-cluster", "Nodes", "Queue of limit"): ("GaleraRecvQueueHigh", "threshold"),
    ("galera-cluster", "Certification failures"): ("GaleraCertificationFailures", "threshold"),
    ("galera-node", "Queue of limit"): ("GaleraRecvQueueHigh", "threshold"),
    ("galera-node", "Paused"): ("GaleraFlowControlPaused", "threshold"),
    ("galera-node", "Time paused"): ("GaleraFlowControlPaused", "threshold"),
    ("galera-registry", "Leader changes"): ("GaleraEtcdHighNumberOfLeaderChanges", "threshold"),
    ("galera-registry", "Slowest fsync"): ("GaleraEtcdHighFsyncDurations", "threshold"),
    ("galera-registry", "Database of quota"): ("GaleraEtcdDatabaseQuotaLowSpace", "threshold"),
    ("galera-registry", "Failed sends between members"): ("GaleraEtcdMembersDown", "failures"),
}
"""Where a panel, or a column of it, is the quantity of an alert that fires above a number."""
BELOW = {
    ("galera-clusters", "Clusters", "IST window"): "GaleraIstWindowShort",
    ("galera-cluster", "IST window"): "GaleraIstWindowShort",
    ("galera-cluster", "Nodes", "IST window"): "GaleraIstWindowShort",
    ("galera-node", "IST window"): "GaleraIstWindowShort",
}
IN_THE_QUERY = {
    ("galera-cluster", "Group latency"): ("GaleraReplicationLatencyHigh", "threshold"),
    ("galera-node", "Group latency"): ("GaleraReplicationLatencyHigh", "threshold"),
    ("galera-cluster", "View changes"): ("GaleraClusterMembershipFlapping", "per_node"),
    ("galera-registry", "Age of each key"): ("GaleraEtcdKeyStale", "threshold"),
}
"""Where the limit depends on something that is measured, and is a line of its own."""


def steps(uid: str, title: str, column: str = "") -> list[tuple[float | None, str]]:
    """Return the thresholds of a panel, or of a column of it."""
    panel = next(panel for panel in panels(DOCUMENTS[uid]) if panel["title"] == title)
    found: dict[str, Any] = panel["fieldConfig"]["defaults"]["thresholds"]
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == column:
            found = next(each["value"] for each in override["properties"] if each["id"] == "thresholds")
    return [(step["value"], step["color"]) for step in found["steps"]]


@pytest.mark.parametrize("where", ABOVE, ids=": ".join)
def test_a_panel_turns_where_its_alert_fires(where: tuple[str, ...]) -> None:
    alert, parameter = ABOVE[where]
    levels = ALERTS[alert]["levels"]
    expected = sorted((float(level[parameter]), TONES[name]) for name, level in levels.items())
    base, *rest = steps(*where)
    assert rest == expected
    assert base in {(None, COLOURS["good"]), (None, "transparent")}


@pytest.mark.parametrize("where", BELOW, ids=": ".join)
def test_a_panel_is_well_from_where_its_alert_ends(where: tuple[str, ...]) -> None:
    base, good = steps(*where)
    assert base == (None, COLOURS["fair"])
    assert good[0] == ALERTS[BELOW[where]]["levels"]["warning"]["threshold"]


@pytest.mark.parametrize("where", IN_THE_QUERY, ids=": ".join)
def test_a_line_is_where_its_alert_fires(where: tuple[str, str]) -> None:
    alert, parameter = IN_THE_QUERY[where]
    (level,) = ALERTS[alert]["levels"].values()
    panel = next(panel for panel in panels(DOCUMENTS[where[0]]) if panel["title"] == where[1])
    lines = [target["expr"] for target in panel["targets"] if "{{" not in target["legendFormat"]]
    assert any(expression.startswith(f"{level[parameter]:g} * ") for expression in lines), lines


_RENDER = """
import json, pathlib, sys
from boards import limits
limits.ALERTS = pathlib.Path(sys.argv[1])
from boards.__main__ import boards, rendered
print(json.dumps({board.uid: rendered(board) for board in boards()}))
"""


def test_a_limit_that_is_changed_at_its_source_changes_the_dashboards(tmp_path: Path) -> None:
    def render(factor: float) -> dict[str, str]:
        for name, source in ALERTS.items():
            levels = {
                level: {
                    key: factor * value if isinstance(value, int | float) else value for key, value in given.items()
                }
                for level, given in source["levels"].items()
            }
            (tmp_path / f"{name}.yaml").write_text(json.dumps({**source, "levels": levels}))  # JSON is YAML too
        done = subprocess.run(
            [sys.executable, "-c", _RENDER, tmp_path],
            capture_output=True,
            text=True,
            check=True,
            cwd=FOLDER,
            timeout=60,
        )
        found: dict[str, str] = json.loads(done.stdout)
        return found

    as_shipped = {uid: (FOLDER / f"{uid}.json").read_text() for uid in DOCUMENTS}
    assert render(1) == as_shipped
    doubled = render(2)
    assert {uid for uid in DOCUMENTS if doubled[uid] != as_shipped[uid]} == {
        uid for uid, *_ in (*ABOVE, *BELOW, *IN_THE_QUERY)
    }


def test_a_limit_that_there_is_not_is_told() -> None:
    assert limits.window("GaleraClusterNoPrimary", "critical", "memory") == "6h"
    with pytest.raises(KeyError, match="no alert GaleraNobody"):
        limits.limit("GaleraNobody", "warning")
    with pytest.raises(KeyError, match="info"):
        limits.limit("GaleraEtcdKeyStale", "info")
