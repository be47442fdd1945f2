"""The observer's status page: which pod takes the writes, and how each pod stands. Pure: values in, HTML out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from galera_exporter import __version__
from galera_exporter.bootstrap.words import headline
from galera_exporter.observer.keeper import Reading
from galera_exporter.observer.pods import LABEL, PRIMARY, Pod
from galera_exporter.observer.standing import Fitness
from galera_exporter.web.markup import icon, mark, sign, sub, text
from galera_exporter.web.stylesheet import STYLESHEET
from galera_exporter.web.tones import Tone

REFRESH: Final = 5
"""Seconds between two loads of the page."""
_COLUMNS: Final = ("Pod", "Writes", "Ready", "In etcd", "Fit for writes")


def verdict(reading: Reading) -> tuple[Tone, str]:
    """Return the page's one sentence."""
    if not reading.up:
        return (
            "bad",
            "The Kubernetes API does not answer: nothing is known of the pods, and the write pod stays as it is.",
        )
    writes = [pod.name for pod in reading.pods if pod.labelled]
    if len(writes) != 1:
        return "bad", f"Writes go to {', '.join(writes)}." if writes else "No pod takes the writes."
    if not reading.registry_up:
        return "fair", f"Writes go to {writes[0]}. etcd cannot be read: it stays there while the pod is Ready."
    return "good", f"Writes go to {writes[0]}."


def render(reading: Reading, *, namespace: str, statefulset: str, now: float, telemetry_path: str) -> str:
    """Return the whole page; ``now`` is the wall clock, seconds since the epoch."""
    tone, words = verdict(reading)
    moment = datetime.fromtimestamp(now, UTC)
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    rows = "".join(_row(pod, reading) for pod in reading.pods)
    replicas = "" if reading.replicas is None else f", {len(reading.pods)} of {reading.replicas}"
    name = text(statefulset)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{text(words)} - {name}</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="refresh" content="{REFRESH}">
<link rel="icon" href="{icon(tone)}"><style>{STYLESHEET}</style></head>
<body><div class="page">
<header><p><span class="cluster">{name}</span>
<span class="soft">StatefulSet of namespace {text(namespace)}, seen from its observer</span></p>
<p class="soft small"><time datetime="{moment.isoformat()}">{moment:%Y-%m-%d %H:%M:%S} UTC</time></p></header>
<main><div class="verdict {tone}">{sign(tone)}<div><h1>{text(words)}</h1></div></div>
<section><h2>Pods{replicas}</h2><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></section></main>
<footer><a href="{text(telemetry_path)}">Metrics</a> <a href="/-/healthy">Health</a> <a href="/-/ready">Readiness</a>
<span>The write pod has the label {LABEL}={PRIMARY}</span>
<span>galera-exporter {text(__version__)}</span> <span>Refreshes every {REFRESH} s</span></footer>
</div></body></html>
"""


def _row(pod: Pod, reading: Reading) -> str:
    known = reading.standings[pod.name]
    wait = reading.waits.get(pod.name)
    fit = mark("good", "yes") if known.fitness is Fitness.SYNCED else _less_fit(known.fitness, known.words)
    registered = "not known" if reading.registered is None else "yes" if pod.name in reading.registered else "no"
    cells = (
        mark("good", "here") if pod.labelled else '<span class="soft">\u2013</span>',
        "yes" if pod.ready else mark("fair", "no"),
        registered,
        fit + (sub(f"waits: {text(headline(wait))}") if wait else ""),
    )
    marked = "".join(
        f'<td data-name="{name}"{" class=free" if name == _COLUMNS[-1] else ""}><div>{cell}</div></td>'
        for name, cell in zip(_COLUMNS[1:], cells, strict=True)
    )
    return f'<tr><th scope="row">{text(pod.name)}</th>{marked}</tr>'


def _less_fit(fitness: Fitness, words: str) -> str:
    tone: Tone = "bad" if fitness is Fitness.UNFIT else "fair"
    return mark(tone, "no" if fitness is Fitness.UNFIT else "if no other is") + sub(text(words))
