"""``python -m demo.preview``: the demo through a good and a bad time, and what the dashboards show of it.

Writes pages and pictures below build/preview/ and, with ``--docs``, those of the documentation.
"""

from __future__ import annotations

import argparse
import math
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Final

import pymysql

from demo.machine import faults
from demo.screen import Screen
from demo.stage import CLUSTER, NAMESPACE, Stage
from lab import GaleraNode, scratch, wait_until
from preview.album import ORDER, Album
from preview.pictures import reduce
from preview.source import Source, Span

ROOT: Final = Path(__file__).parents[2]
BUILD: Final = ROOT / "build" / "preview"
PICTURES: Final = ROOT / "docs" / "pictures"
SCENES: Final = ("healthy", "outage")
NEEDED: Final = 240.0
"""Seconds of a good time, so that there is something to see."""
DARK: Final = frozenset({("healthy", "galera-registry"), ("outage", "galera-cluster")})
"""Documented in dark; all others are in light."""
_SCRAPE: Final = 1.0
_INSERT: Final = "INSERT INTO shop.orders (x) VALUES (REPEAT('x', 400))"
_UPDATE: Final = "UPDATE shop.stock SET n = n + 1 WHERE id = 1 + FLOOR(RAND() * 40)"
_CONFLICTS: Final = frozenset({1180, 1205, 1213})


def main() -> int:
    """Play, and draw."""
    parser = argparse.ArgumentParser(prog="demo.preview", description=__doc__)
    parser.add_argument("--seconds", type=float, default=NEEDED, help=f"of a good time; default {NEEDED:g}")
    parser.add_argument("--docs", action="store_true", help="copy the pictures of the documentation to docs/pictures")
    given = parser.parse_args()
    missing = faults()
    if missing:
        sys.stderr.write("The demo cannot start here:\n" + "".join(f"  {fault}\n" for fault in missing))
        return 2
    screen = Screen(sys.stdout)
    with scratch("galera-demo-") as folder, closing(Stage(folder, screen)) as stage:
        stage.start()
        serve = "galera_cluster:nodes_serving:sum == 3 unless on () max_over_time(galera_sst_in_progress[5s]) == 1"
        wait_until(lambda: stage.prometheus.query(serve), 60, "three nodes that serve", [stage.prometheus.log], 0.5)
        began = time.time()
        with _customers(stage):
            screen.say(f"customers write for {given.seconds:g} s")
            time.sleep(given.seconds)
            _draw(stage, SCENES[0], began)
        _outage(stage)
        _draw(stage, SCENES[1], began)
    if given.docs:
        for scene, uid in product(SCENES, ORDER):
            theme = "dark" if (scene, uid) in DARK else "light"
            documented = PICTURES / f"{uid.replace('galera', 'dashboard')}-{scene}.png"
            reduce(BUILD / scene / f"{uid}-{theme}.png", documented)
            screen.say(str(documented.relative_to(ROOT)))
    return 0


def _draw(stage: Stage, scene: str, began: float) -> None:
    end = time.time() - 1
    span = Span(began, end, max(_SCRAPE, round((end - began) / 300)), _SCRAPE)
    chosen = {"namespace": NAMESPACE, "galera_cluster": CLUSTER}
    for theme in ("light", "dark"):
        album = Album(Source(stage.prometheus.url), span, chosen, BUILD / scene)
        for picture in album.pictures(dark=theme == "dark"):
            stage.screen.say(str(picture.relative_to(ROOT)))


def _outage(stage: Stage) -> None:
    """All nodes lose power, one of them for good: the others wait for it."""
    *others, missing = stage.trio.pods
    stage.screen.say("power loss: kill -9 of all nodes and sidecars; two come back")
    for pod in stage.trio.pods:
        pod.power_loss()
    time.sleep(10)
    for pod in others:
        pod.start()
    firing = 'ALERTS{alertname=~"GaleraCluster(NoPrimary|NeedsBootstrap)", alertstate="firing"}'
    logs = [log for pod in stage.trio.pods for log in pod.logs]
    wait_until(lambda: len(stage.prometheus.query(firing)) == 2, 120, f"two pages, without {missing.name}", logs, 0.5)
    time.sleep(10)


@contextmanager
def _customers(stage: Stage) -> Iterator[None]:
    """Write on all nodes, by day and night of a minute each; some rows are wanted by two at a time."""
    first = stage.trio.galera.nodes[0]
    first.sql("CREATE DATABASE shop")
    first.sql("CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, x TEXT)")
    first.sql("CREATE TABLE shop.stock (id INT PRIMARY KEY, n INT)")
    first.sql("INSERT INTO shop.stock SELECT seq, 0 FROM shop.seq_1_to_40")
    ended = threading.Event()
    threads = [
        threading.Thread(target=_customer, args=(node, statement, number, ended), daemon=True)
        for number, node in enumerate(stage.trio.galera.nodes)
        for statement in (_INSERT, _UPDATE)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(20)


def _customer(node: GaleraNode, statement: str, number: int, ended: threading.Event) -> None:
    with suppress(OSError), closing(node.connect()) as connection, connection.cursor() as cursor:
        while not ended.wait(0.08 + 0.05 * math.sin(time.time() / 12 + 2 * number) + 0.03 * number):
            try:
                cursor.execute(statement)
            except pymysql.MySQLError as error:
                if error.args[0] not in _CONFLICTS:
                    raise


if __name__ == "__main__":
    sys.exit(main())
