"""The status page ``/``: the cluster at a glance, as this node sees it. Pure: values in, HTML out.

No script, nothing loaded from anywhere, a fresh page every five seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from galera_exporter.bootstrap.reading import BootstrapReading
from galera_exporter.model import DatabaseReading, DatadirFacts, RegistryReading
from galera_exporter.verdict import Verdict, judge
from galera_exporter.web.bootstrap import render_bootstrap
from galera_exporter.web.facts import render_database, render_datadir, render_registry
from galera_exporter.web.markup import icon, sign, text
from galera_exporter.web.nodes import render_nodes
from galera_exporter.web.stylesheet import STYLESHEET
from galera_exporter.web.tones import LEVELS, Tone

REFRESH: Final = 5
"""Seconds between two loads of the page."""


@dataclass(frozen=True, slots=True)
class Glance:
    """All that the page shows, as of one moment."""

    cluster: str
    node: str
    """This node's name in the registry."""
    expected: int
    """As configured; 0: the largest number that any source knows."""
    now: float
    """Wall clock, seconds since the epoch."""
    monotonic: float
    """The clock of ``DatabaseReading.taken``, at the same moment."""
    version: str
    """Of this program."""
    database: DatabaseReading | None = None
    registry: RegistryReading | None = None
    """None: no registry is configured."""
    datadir: DatadirFacts | None = None
    bootstrap: BootstrapReading | None = None
    """None: this node takes no part in the bootstrap protocol."""
    telemetry_path: str = "/metrics"
    reload_ok: bool | None = None
    """Whether the last reading of the web configuration was good; None: there is none."""


def render_status(glance: Glance) -> str:
    """Return the whole page."""
    bootstrap = glance.bootstrap
    verdict = judge(glance.database, glance.registry, glance.expected, node=glance.node, bootstrap=bootstrap)
    tone = LEVELS[verdict.level]
    count = f" {verdict.serving}/{verdict.expected}" if verdict.expected else ""
    moment = datetime.fromtimestamp(glance.now, UTC)
    shown = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    title = f"{verdict.level.capitalize()}{count} - {text(glance.cluster)}"
    age = glance.monotonic - glance.database.taken if glance.database else None
    protocol = render_bootstrap(bootstrap, glance.monotonic) if bootstrap else ""
    waits = bootstrap is not None and bootstrap.wait is not None
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="refresh" content="{REFRESH}">
<link rel="icon" href="{icon(tone)}"><style>{STYLESHEET}</style></head>
<body><div class="page">
<header><p><span class="cluster">{text(glance.cluster)}</span>
<span class="soft">Galera cluster, seen from {text(glance.node)}</span></p>
<p class="soft small"><time datetime="{moment.isoformat()}">{shown}</time></p></header>
<main>{_verdict(verdict, tone)}{_reload_notice(glance.reload_ok)}
{protocol if waits else ""}
{render_nodes(glance.registry, glance.database, glance.node, glance.now)}
<div class="cards"><div class="wide">{render_database(glance.database, age)}
{"" if waits else protocol}</div>
<div>{render_registry(glance.registry, glance.now)}
{render_datadir(glance.datadir, glance.now)}</div></div></main>
<footer><a href="{text(glance.telemetry_path)}">Metrics</a>
<a href="/-/healthy">Health</a> <a href="/-/ready">Readiness</a> <a href="/-/serving">Serving</a>
<span>galera-exporter {text(glance.version)}</span> <span>Refreshes every {REFRESH} s</span></footer>
</div></body></html>
"""


def _reload_notice(reload_ok: bool | None) -> str:  # noqa: FBT001 - a fact, not a mode
    if reload_ok is not False:
        return ""
    words = "The web configuration file has a fault; the last good one is in force. The log names the fault."
    return f'<p class="notice fair">{words}</p>'


def _verdict(verdict: Verdict, tone: Tone) -> str:
    """Return the sentence, and the reasons where the sentence does not have them all."""
    hidden = [reason for reason in verdict.reasons if reason not in verdict.text]
    reasons = "".join(f"<li>{text(reason)}</li>" for reason in verdict.reasons) if hidden else ""
    listed = f"<ul>{reasons}</ul>" if reasons else ""
    return f'<div class="verdict {tone}">{sign(tone)}<div><h1>{text(verdict.text, 1000)}</h1>{listed}</div></div>'
