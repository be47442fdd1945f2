"""The real sidecar, as a process of its own, beside a lab node."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.galera_config import other_group
from lab.mariadb import GaleraNode
from lab.page import Page
from lab.ports import Ports
from lab.process import Process, wait_until
from lab.template import EXPORTER_PASSWORD
from lab.web import fetch

SCRAPE_TIMEOUT = 5.0
UNSEEN = ""
"""In place of the data directory: the sidecar is not told where that is."""


class Sidecar:
    """``galera-exporter run`` for one node; ``etcd`` lists endpoints, none: no registry.

    ``flags`` replace or add to the flags it is given by default (name without dashes to text). ``under`` is a
    command that starts it, in whatever surroundings, by exec: ``("prlimit", "--nofile=64")``.

    Started by root it is another user than mariadbd, which is ``nobody``: root without any capability, so that only
    owner, group and mode of a file decide. It has mariadbd's group, as in a pod, for the handoff folder.
    """

    def __init__(
        self,
        node: GaleraNode,
        folder: Path,
        *,
        etcd: Sequence[str] = (),
        cluster: str = "lab",
        expected: int = 3,
        flags: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        under: Sequence[str] = (),
    ) -> None:
        self.node = node
        self.name = node.name
        self._ports = Ports()
        self.port = self._ports.take()
        self._host = node.config.host
        self.url = f"http://{self._host.address}:{self.port}"
        self.log = folder / f"{node.name}-sidecar.log"
        self.password_file = folder / f"{node.name}-exporter-password"
        self.flags = {
            "node-name": node.name,
            "cluster-name": cluster,
            "expected-size": str(expected),
            "address": node.address,
            "datadir": str(node.datadir),
            "mariadb.address": f"127.0.0.1:{node.port}",
            "mariadb.password-file": str(self.password_file),
            "web.listen-address": f"{self._host.address}:{self.port}",
            **({"etcd.endpoints": ",".join(etcd)} if etcd else {}),
            **(flags or {}),
        }
        self.env = dict(env or {})
        self.under = tuple(under)
        self.process: Process | None = None
        self.set_password(EXPORTER_PASSWORD)

    def set_password(self, password: str) -> None:
        """Write the password file that the sidecar reads at each connect."""
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(password)

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.alive

    @property
    def argv(self) -> tuple[str, ...]:
        """The command line."""
        flags = (f"--{name}={text}" for name, text in self.flags.items() if text != UNSEEN)
        return (*powerless(), sys.executable, "-m", "galera_exporter", "run", *flags)

    def start(self, timeout: float = 15) -> None:
        """Start it and wait until it listens."""
        self.launch()
        self.wait(lambda: self.get("/-/healthy"), timeout, "answers")

    def launch(self) -> None:
        """Start it and return at once."""
        with self._host.entered():
            self.process = Process((*self.under, *self.argv), log=self.log, env=environment(self.env))

    def wait(self, predicate: Callable[[], object], timeout: float, what: str) -> None:
        """Wait for something about this sidecar; raises at once when its process ends."""

        def look() -> bool:
            if not self.alive:
                raise RuntimeError(f"sidecar of {self.name} ended:\n{self.log.read_text()[-4000:]}")
            return bool(predicate())

        wait_until(look, timeout, f"sidecar of {self.name} {what}", [self.log])

    def until(self, check: Callable[[Page], object], timeout: float, what: str) -> Page:
        """Scrape until ``check`` is true of a page, and return that page."""
        pages: list[Page] = []

        def look() -> bool:
            pages[:] = [self.metrics()]
            return bool(check(pages[0]))

        self.wait(look, timeout, what)
        return pages[0]

    def get(self, path: str = "/metrics", timeout: float = SCRAPE_TIMEOUT + 1) -> str:
        """Fetch a page; raises OSError (also for an HTTP error)."""
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": f"{SCRAPE_TIMEOUT:g}"}
        with self._host.entered():
            return fetch(self.url + path, timeout=timeout, headers=headers)

    def metrics(self) -> Page:
        """Scrape it once."""
        return Page.parse(self.get())

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None:
            self.process.stop(10)

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()

    def close(self) -> None:
        """Kill it and give its port back."""
        self.kill()
        self._ports.close()


def powerless() -> tuple[str, ...]:
    """Return what a command is run with to have no right but those of its user, and of mariadbd's group."""
    group = other_group()
    if group is None:
        return ()
    return ("setpriv", "--bounding-set=-all", "--inh-caps=-all", f"--groups={group}", "--no-new-privs", "--")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what would configure a sidecar or a proxy, plus ``extra``."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("GALERA_EXPORTER_", "POD_")) and not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONUNBUFFERED": "1", **(extra or {})}
