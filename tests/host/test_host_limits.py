"""What the machine does not give a sidecar: a disk to write on, space on it, descriptors, memory."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from bootstrap_real.scenario import stays_so
from host.stand import KEPT, PREFIX, TTL, Stand, in_time, place, wait_registered
from lab import EtcdCluster, Pod, Sidecar, scratch, wait_until
from lab.memory import memory_limit, memory_limit_missing
from lab.mounts import after_mounting
from lab.pod import bootstrap_flags
from lab.process import Process
from lab.template import fill
from lab.wrapper import WrappedCluster

pytestmark = pytest.mark.xdist_group("host-2")

MIB = 1 << 20


def pid_of(sidecar: Sidecar) -> int:
    assert sidecar.process is not None
    return sidecar.process.pid


class Alone:
    """One pod that decides through an etcd of one member whether it may start; ``made`` gives its sidecar."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.etcd = EtcdCluster(1, root)
        self.galera = WrappedCluster(1, root, backoff=0.5)
        self.node = self.galera.nodes[0]
        fill(self.node, bootstrap=False)

    @contextmanager
    def pod(self, under: Sequence[str]) -> Iterator[Pod]:
        """Give the pod, of which nothing runs yet, with its sidecar started by ``under``."""
        flags = {**bootstrap_flags(self.node), "etcd.ttl": str(TTL)}
        sidecar = Sidecar(self.node, self.root, etcd=self.etcd.endpoints, expected=1, flags=flags, under=under)
        sidecar.flags["bootstrap.peers"] = f"{sidecar.name}={sidecar.url}"
        try:
            self.etcd.start()
            yield Pod(self.node, sidecar)
        finally:
            sidecar.close()
            self.galera.close()
            self.etcd.close()


@pytest.fixture
def alone() -> Iterator[Alone]:
    with scratch() as folder:
        yield Alone(folder)


def refused(pid: int, folder: Path) -> str:
    """Return why a file cannot be made in a folder as a process sees it; empty where it can."""
    file = folder / "probe"
    done = subprocess.run(
        ["nsenter", "-t", str(pid), "-m", "sh", "-c", f"echo >'{file}' && rm '{file}'"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    return done.stderr


def test_with_a_read_only_root_a_sidecar_decides_registers_and_serves(alone: Alone) -> None:
    own = [alone.node.handoff, alone.node.state_dir]
    temporary = Path(tempfile.gettempdir())
    fixed = [Path("/"), *([temporary] if temporary.is_mount() else [])]
    binds = [f"mount --bind '{folder}' '{folder}'" for folder in own]
    remounts = [f"mount -o remount,bind,ro '{folder}'" for folder in fixed]
    with alone.pod(after_mounting(*binds, *remounts)) as pod:
        pod.start()
        pid = pid_of(pod.sidecar)
        for folder in (Path("/"), temporary, alone.root):
            assert "Read-only file system" in refused(pid, folder)
        assert not any(refused(pid, folder) for folder in own)
        wait_until(lambda: pod.confirmed and pod.serving, 60, "serves", pod.logs)
        wait_registered(pod.sidecar)
        assert "Read-only" not in pod.told, "nothing tries to write elsewhere"


def pour(file: Path) -> None:
    """Write to a file for ever."""
    with file.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))


def fill_up(folder: Path) -> Path:
    """Use up the space of a folder, and return the file that has it."""
    file = folder / "filler"
    with pytest.raises(OSError, match="No space left"):
        pour(file)
    return file


def test_on_a_full_disk_a_sidecar_lets_no_database_out_says_why_and_goes_on_when_there_is_space(alone: Alone) -> None:
    state = alone.node.state_dir
    with alone.pod(after_mounting(f"mount -t tmpfs -o size=64k lab '{state}'")) as pod:
        pod.sidecar.start()
        inside = Path(f"/proc/{pid_of(pod.sidecar)}/root") / state.relative_to("/")
        filler = fill_up(inside)
        pod.node.start()
        wait_until(lambda: "No space left on device" in pod.told, 30, "says why", pod.logs)
        stays_so(lambda: not pod.node.status(), TTL, "no start without its label on disk")
        page = pod.sidecar.metrics()
        assert page.value("galera_registry_up") == 1
        assert page.value("galera_up") == 0
        filler.unlink()
        wait_until(lambda: pod.confirmed and pod.serving, 60, "serves", pod.logs)
        label = (inside / "state.json").read_text()
        fill_up(inside)
        with in_time(pod.sidecar):
            stays_so(lambda: pod.serving, TTL, "it serves, with a disk that is full again")
        assert (inside / "state.json").read_text() == label


def test_with_64_descriptors_a_crowd_of_clients_costs_no_scrape_no_key_and_no_connection(stand: Stand) -> None:
    sidecar = stand.beside(stand.etcd.endpoints, under=("prlimit", "--nofile=64"))
    with stand.instead(sidecar):
        proc = Path(f"/proc/{pid_of(sidecar)}")
        assert "Max open files            64                   64" in (proc / "limits").read_text()
        with ExitStack() as held, in_time(sidecar) as pages:
            for _ in range(300):
                with stand.host.entered():
                    crowd = socket.create_connection(place(sidecar.url), timeout=5)
                held.enter_context(crowd)
            wait_until(lambda: len(list((proc / "fd").iterdir())) > 32, 5, "the crowd has its descriptors")
            stand.node.sql("KILL USER exporter")  # a new connection needs a descriptor
            stays_so(lambda: stand.key, KEPT + 2, "the key is there")
        assert pages[-1].value("galera_registry_up") == 1
        assert pages[-1].value("process_max_fds") == 64


@pytest.mark.skipif(bool(memory_limit_missing()), reason=memory_limit_missing())
def test_under_the_limit_of_64_mib_many_scrapers_and_a_littered_registry_kill_nobody(stand: Stand) -> None:
    with memory_limit(64 * MIB) as limit:
        greedy = Process([*limit.under, sys.executable, "-c", f"bytearray({80 * MIB})"], log=stand.root / "greedy.log")
        assert greedy.wait(30) == -9
        assert limit.kills == 1
    with memory_limit(64 * MIB) as limit:
        sidecar = stand.beside(stand.etcd.endpoints, under=limit.under)
        with stand.instead(sidecar), littered(stand), ThreadPoolExecutor(64) as crowd:
            sidecar.until(lambda page: (page.value("galera_registry_foreign_keys") or 0) > 1000, 10, "sees the litter")
            lengths = list(crowd.map(lambda _: len(sidecar.get(timeout=30)), range(1000)))
            assert min(lengths) > 10_000
            assert sidecar.alive
            assert limit.kills == 0
            assert sidecar.metrics().value("galera_registry_self_registered") == 1


@contextmanager
def littered(stand: Stand) -> Iterator[None]:
    """In the block there are 1,000 keys below the cluster's prefix that are nobody's, and one of a megabyte."""
    stray = f"{PREFIX}stray/"
    script = "".join(f'put {stray}{number} "{"x" * 100}"\n' for number in range(1000))
    try:
        for start in range(0, 1000, 100):
            lines = script.splitlines()[start : start + 100]
            # No compares, no requests for their failure: the three parts of a transaction end with an empty line.
            stand.etcd.ctl("txn", stdin="\n" + "\n".join(lines) + "\n\n\n")
        stand.etcd.ctl("put", f"{PREFIX}live/large", stdin="x" * MIB)
        yield
    finally:
        stand.etcd.ctl("del", "--prefix", stray)
        stand.etcd.ctl("del", f"{PREFIX}live/large")
