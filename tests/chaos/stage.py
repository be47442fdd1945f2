"""Everything that runs: three pods, three etcd members, Prometheus; each pod and each member a host of its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from alerts_live.values import render
from chaos.clock import Clock
from chaos.faults import MEMBERS, PODS, Kind
from chaos.kubelet import BACKOFF, Kubelet
from chaos.pulse import Pulse
from chaos.schedule import Schedule
from chaos.volume import Volume
from chaos.watching import NodeWatcher, Scraper
from lab import EtcdMember, Prometheus, Target, wait_until
from lab.namespaces import Host, Namespaces
from lab.site import Site
from lab.writer import Ledger, Writer

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
LABELS = {"namespace": "default", "galera_cluster": "lab"}
_POD_DISK = 320
_MEMBER_DISK = 256
# The rate of these is over five minutes, which no value shortens: they would speak of what is over.
_OFF: Mapping[str, Mapping[str, object]] = {"GaleraFlowControlPaused": {"enabled": False}}


class EndedError(Exception):
    """The run is to end at once."""


class Stage:
    """What a run breaks, below ``root``."""

    def __init__(self, root: Path, schedule: Schedule) -> None:
        self._root = root
        self._stack = ExitStack()
        self._names = count(1)
        self.ending = threading.Event()
        self.clock = Clock()
        self.disks: dict[str, Volume] = {}
        self._stack.callback(self._unmount)  # after the end of all servers
        try:
            self.network = Namespaces((*PODS, *MEMBERS, "client"))
            self._stack.callback(self.network.close)
            self.site = Site(
                root,
                members=len(MEMBERS),
                hosts=self.network.hosts,
                options={"innodb_flush_log_at_trx_commit": "1"},
                env=self._clocks(schedule),
                backoff=BACKOFF,
            )
            self._stack.callback(self.site.close)
            self.kubelet = Kubelet(self.site, self.clock)
            self._stack.callback(self.kubelet.stop)
            self.prometheus = self._prometheus()
            self._stack.callback(self.prometheus.close)
        except BaseException:
            self._stack.close()
            raise
        self.ledger = Ledger()
        self.watchers: list[NodeWatcher] = []
        self.scrapers: list[Scraper] = []
        self.pulse: Pulse | None = None
        self._writers: list[Writer] = []

    def start(self) -> None:
        """Start all, and wait until all serve and Prometheus has scraped all."""
        self.site.fill()
        for pod in self.site.pods:
            folders = (pod.node.datadir, pod.node.state_dir)
            self.disks[pod.name] = Volume(pod.node.config.folder / "volume", folders, _POD_DISK)
        for member in self.site.etcd.members:
            self.disks[member.name] = Volume(member.folder / "volume", (member.folder / "data",), _MEMBER_DISK)
        self.site.start()
        self.prometheus.start()
        self.site.wait_serving(timeout=300)
        wait_until(
            lambda: len(self.prometheus.query("up == 1")) == len(PODS) + len(MEMBERS),
            60,
            "Prometheus has scraped all",
            [self.prometheus.log],
            0.5,
        )
        self.kubelet.start()

    def watch(self, longest: float) -> None:
        """Begin to write on all nodes, and to look at them; the clock begins."""
        self.clock.begin()
        self.pulse = Pulse(self.clock)
        self._stack.callback(self.pulse.stop)
        for pod in self.site.pods:
            watcher, scraper = NodeWatcher(pod, self.clock), Scraper(pod, self.clock)
            self._stack.callback(watcher.stop)
            self._stack.callback(scraper.stop)
            self.watchers.append(watcher)
            self.scrapers.append(scraper)
            # As a Service does: what a node acknowledges that is not ready yet is promised to nobody.
            writer = Writer([pod.node], self.ledger, pause=0.05, longest=longest, open_to=watcher.lets_in)
            self._writers.append(writer)
            self._stack.callback(writer.stop)
            writer.start()

    def quiet(self) -> None:
        """Write no more."""
        for writer in self._writers:
            writer.stop()

    def unwatched(self) -> None:
        """Look no more."""
        for watcher in self.watchers:
            watcher.stop()
        for scraper in self.scrapers:
            scraper.stop()

    def pause(self, seconds: float) -> None:
        """Let a fault last; raises EndedError where the run is to end at once."""
        if self.ending.wait(max(0.0, seconds)):
            raise EndedError

    def host(self, name: str) -> Host:
        """Return the host of a pod or a member."""
        return self.network[name]

    def member(self, name: str) -> EtcdMember:
        """Return a member of etcd."""
        return next(member for member in self.site.etcd.members if member.name == name)

    def unique(self) -> str:
        """Return a name that was never given."""
        return f"chaos{next(self._names)}"

    def clock_file(self, pod: str) -> Path:
        """Return the file that the wall clock of a pod follows."""
        return self._root / f"{pod}-clock"

    @property
    def logs(self) -> list[Path]:
        """Where to look when something went wrong."""
        pods = [log for pod in self.site.pods for log in (*pod.logs, pod.node.datadir / "recover.log")]
        return [*pods, *(member.log for member in self.site.etcd.members), self.prometheus.log]

    def close(self) -> None:
        """End everything."""
        self.ending.set()
        self._stack.close()

    def _unmount(self) -> None:
        for disk in self.disks.values():
            disk.remove()

    def _clocks(self, schedule: Schedule) -> dict[str, dict[str, str]]:
        """Return the environment of each pod whose clock is to step: its wall clock follows a file."""
        found: dict[str, dict[str, str]] = {}
        for fault in schedule.faults:
            if fault.kind is Kind.CLOCK_STEP and FAKETIME is not None:
                pod = fault.targets[0]
                self.clock_file(pod).write_text("+0\n")
                found[pod] = {
                    "LD_PRELOAD": str(FAKETIME),
                    "FAKETIME_TIMESTAMP_FILE": str(self.clock_file(pod)),
                    "FAKETIME_CACHE_DURATION": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                }
        return found

    def _prometheus(self) -> Prometheus:
        pods = [Target(pod.sidecar.url.removeprefix("http://"), {**LABELS, "pod": pod.name}) for pod in self.site.pods]
        members = [
            Target(member.endpoint.removeprefix("http://"), {**LABELS, "component": "etcd", "pod": member.name})
            for member in self.site.etcd.members
        ]
        return Prometheus(self._root, [*pods, *members], rules=[render(self._root, _OFF)], host=self.network["client"])
