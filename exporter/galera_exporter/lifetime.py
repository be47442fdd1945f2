"""The life of a process of ours that serves HTTP: its log and signals, the lines that say where it listens, its end."""

from __future__ import annotations

import gc
import logging
import signal
import threading

from galera_exporter import log as logs
from galera_exporter.web.server import Server


def begin(level: str, form: str) -> threading.Event:
    """Begin to log; return the event that SIGTERM and SIGINT set."""
    logs.configure(level, form)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def serving(server: Server, log: logging.Logger) -> None:
    """Say in ``log`` where a server that has started listens. From now on SIGHUP has it read its configuration anew."""
    signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=server.reload, name="reload").start())
    for host, port in server.addresses:
        log.info("listening on %s", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    # What start-up made lives as long as the process: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
