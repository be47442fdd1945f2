"""Everything the demo runs."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from demo.alerting import configuration, shortened, write_rules
from demo.inbox import Inbox, Message
from demo.screen import Screen
from demo.voices import Voices
from lab import Alertmanager, Prometheus, Sidecar, Target, Trio, wait_until
from lab.sidecar import environment

NAMESPACE = "default"
CLUSTER = "demo"
LABELS = {"namespace": NAMESPACE, "galera_cluster": CLUSTER}
BACKOFF = 20
"""Seconds after which a node whose mariadbd was killed is started again: by then its key in the registry is gone, and
Alertmanager has told of it."""
_SHOWN = (
    'wsrep_cluster_status{status="Primary"}',
    "wsrep_cluster_size",
    "wsrep_local_state ",
    "wsrep_last_committed",
    "wsrep_flow_control_paused_seconds_total",
    "galera_registry_up",
    "galera_etcd_key_age_seconds{",
    "galera_bootstrap_epoch",
)


def title(words: str, pod: str = "") -> str:
    """Return the title of a message on the demo's cluster, as the shipped template makes it."""
    return f"{words} in {NAMESPACE}/{CLUSTER}{f', {pod}' if pod else ''}"


class Stage:
    """Three etcd, three pods (MariaDB and sidecar), Prometheus, Alertmanager and its receiver, below ``root``."""

    def __init__(self, root: Path, screen: Screen) -> None:
        self.screen = screen
        self._stack = ExitStack()
        self.trio = Trio(root, name=CLUSTER, filled=False, backoff=BACKOFF)
        self._stack.callback(self.trio.close)
        self.voices = Voices(screen, self.trio.pods)
        self.inbox = Inbox(self._told)
        self._stack.callback(self.inbox.close)
        self.alertmanager = Alertmanager(root, configuration(self.inbox.pager, self.inbox.smarthost))
        self._stack.callback(self.alertmanager.close)
        self.prometheus = Prometheus(
            root,
            [
                *(
                    Target(f"127.0.0.1:{sidecar.port}", {**LABELS, "pod": sidecar.name})
                    for sidecar in self.trio.sidecars
                ),
                *(
                    Target(member.endpoint.removeprefix("http://"), {**LABELS, "component": "etcd", "pod": member.name})
                    for member in self.trio.etcd.members
                ),
            ],
            rules=[write_rules(root)],
            alertmanager=self.alertmanager,
        )
        self._stack.callback(self.prometheus.close)

    def start(self) -> None:
        """Start all, one line for each step, and wait until Prometheus has scraped all."""
        with self.voices.aloud():
            self.trio.start(self.screen.say)
        self.screen.say("every sidecar sees three healthy nodes")
        self.screen.say(
            "Alertmanager, as the shipped example: critical is a page, warning is an e-mail; both come here"
        )
        self.screen.say("  at once: as shipped, a page waits 10s for others of its kind, an e-mail 1m")
        self.alertmanager.start()
        self.screen.say("Prometheus, with the shipped rules; for the demo alone")
        for line in shortened():
            self.screen.say(f"  {line}")
        self.prometheus.start()
        self.screen.say("Prometheus scrapes the three sidecars, and etcd")
        wait_until(self._scraped, 30, "Prometheus has scraped three sidecars and etcd", [self.prometheus.log], 0.2)
        self.screen.say("all is up")

    def show(self) -> None:
        """Print ``galeractl status``, the URLs, and some lines of /metrics."""
        self.galeractl("status")
        self.screen.title("Look at")
        rows = [(f"status page of {sidecar.name}", f"{sidecar.url}/") for sidecar in self.trio.sidecars]
        rows += [("metrics of galera-0", f"{self.trio.sidecars[0].url}/metrics")]
        rows += [("Prometheus", f"{self.prometheus.url}/"), ("Alertmanager", f"{self.alertmanager.url}/")]
        self.screen.write(*(f"  {name:27}{url}" for name, url in rows))
        self.screen.title(f"$ curl {self.trio.sidecars[0].url}/metrics   (some lines)")
        text = self.trio.sidecars[0].get()
        self.screen.write(*(f"  {line}" for line in text.splitlines() if line.startswith(_SHOWN)))

    def galeractl(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run galeractl against the demo's etcd, and show what it prints."""
        flags = [
            f"--cluster-name={CLUSTER}",
            f"--expected-size={len(self.trio.sidecars)}",
            f"--etcd.endpoints={','.join(self.trio.etcd.endpoints)}",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "galera_exporter.galeractl", command, *flags],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        self.screen.title(f"$ galeractl {command} {' '.join(flags)}")
        self.screen.write(*(f"  {line}".rstrip() for line in done.stdout.splitlines()))
        return done

    def sidecar(self, name: str) -> Sidecar:
        """Return the sidecar of a node."""
        return next(sidecar for sidecar in self.trio.sidecars if sidecar.name == name)

    def close(self) -> None:
        """End everything."""
        self._stack.close()

    def _scraped(self) -> bool:
        return len(self.prometheus.query("up == 1")) == len(self.trio.sidecars) + len(self.trio.etcd.members)

    def _told(self, message: Message) -> None:
        lines = (f"{'':10}   | {line}".rstrip() for line in message.text.splitlines())
        self.screen.write(f"{self.screen.seconds:7.1f} s ! {message.way}: {message.title}", *lines)
