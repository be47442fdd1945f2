"""How each fault is done, how it is seen to have effect, and how it is healed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

import pymysql

from chaos.faults import MEMBERS, PODS, Fault, Kind
from chaos.network import Filter, SlowLink, dropped, lost, rejected
from chaos.stage import Stage
from lab import EtcdMember, LabTimeoutError, Pod, wait_until
from lab.namespaces import Host
from lab.site import PREFIX, at_once
from lab.web import fetch

_GRACE = 30.0
"""Seconds that a pod has to end in order, as ``terminationGracePeriodSeconds``."""
_HANGS = 1.5
_SOON = 5.0
_RETURN = 45.0
"""Seconds that a rolling restart waits for a pod before it goes on to the next."""
_TELLS = "/-/healthy"


class WithheldError(Exception):
    """The fault would be a loss that no promise covers; nothing was done."""


Seen = Callable[[str], None]
Act = Callable[[Stage, Fault, Seen], AbstractContextManager[None]]


def pod_of(stage: Stage, fault: Fault) -> Pod:
    """Return the pod that suffers."""
    return stage.site.pod(fault.targets[0])


def parts(*pods: str) -> list[str]:
    """Return what the kubelet calls the two processes of each pod."""
    return [f"{pod} {part}" for pod in pods for part in ("database", "sidecar")]


@contextmanager
def kill_database(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """Its container starts it again."""
    node = pod_of(stage, fault).node
    state = node.state
    if state.phase == "starting" and _comm(state.pid) == "mariadbd":
        os.kill(state.pid, signal.SIGKILL)
        if _within(_SOON, lambda: not _runs(state.pid)):
            seen(f"process {state.pid} is gone")
    yield


@contextmanager
def freeze_database(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """Only mariadbd; its wrapper goes on."""
    pod = pod_of(stage, fault)
    state = pod.node.state
    name = f"{pod.name} database"
    if state.phase != "starting" or _comm(state.pid) != "mariadbd":
        yield
        return
    os.kill(state.pid, signal.SIGSTOP)
    stage.kubelet.down(name)
    try:
        if _within(_SOON, lambda: _stopped(state.pid)):
            seen(f"process {state.pid} is stopped")
        if _hangs(lambda: _ask(pod)):
            seen(f"SQL gets no answer within {_HANGS:g} s")
        yield
    finally:
        if _comm(state.pid) == "mariadbd":
            os.kill(state.pid, signal.SIGCONT)
        stage.kubelet.up(name)


@contextmanager
def kill_sidecar(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """For as long as the fault lasts."""
    pod = pod_of(stage, fault)
    with _held(stage, f"{pod.name} sidecar"):
        pod.sidecar.kill()
        if _refused(pod):
            seen("its port refuses connections")
        yield


@contextmanager
def freeze_sidecar(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """SIGSTOP."""
    pod = pod_of(stage, fault)
    process = pod.sidecar.process
    name = f"{pod.name} sidecar"
    if process is None:
        yield
        return
    process.freeze()
    stage.kubelet.down(name)
    try:
        if _hangs(lambda: pod.sidecar.get(_TELLS, timeout=_HANGS)):
            seen(f"HTTP gets no answer within {_HANGS:g} s")
        yield
    finally:
        process.thaw()
        stage.kubelet.up(name)


@contextmanager
def kill_pod(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """All processes of pods are gone at once: one, or all."""
    pods = [stage.site.pod(name) for name in fault.targets]
    with _held(stage, *parts(*fault.targets)):
        at_once(pod.power_loss for pod in pods)
        _see_gone(pods, seen)
        yield


@contextmanager
def freeze_pod(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """Wrapper, mariadbd and sidecar: a paused machine."""
    pod = pod_of(stage, fault)
    pod.freeze()
    for name in parts(pod.name):
        stage.kubelet.down(name)
    try:
        if _hangs(lambda: pod.sidecar.get(_TELLS, timeout=_HANGS)):
            seen(f"HTTP gets no answer within {_HANGS:g} s")
        stopped = [process for process in (pod.node.process, pod.sidecar.process) if process and _stopped(process.pid)]
        if stopped:
            seen(f"{len(stopped)} of its 2 containers are stopped")
        yield
    finally:
        pod.thaw()
        for name in parts(pod.name):
            stage.kubelet.up(name)


@contextmanager
def stop_pod(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """In order, as the platform does: one, or all at once."""
    pods = [stage.site.pod(name) for name in fault.targets]
    with _held(stage, *parts(*fault.targets)):
        at_once(_stopper(stage, pod, seen) for pod in pods)
        _see_gone(pods, seen)
        yield


def restart(stage: Stage, pod: Pod) -> None:
    """End a pod in order; it is started again."""
    with _held(stage, *parts(pod.name)):
        _stopper(stage, pod, lambda _words: None)()


@contextmanager
def rolling_restart(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """One pod after the other, each once the one before is Synced again, or after a while."""
    end = time.monotonic() + fault.duration
    for pod in [stage.site.pod(name) for name in fault.targets]:
        with _held(stage, *parts(pod.name)):
            _stopper(stage, pod, seen)()
            _see_gone([pod], seen)
        limit = time.monotonic() + _RETURN
        while time.monotonic() < min(limit, end) and not pod.node.synced:
            stage.pause(0.5)
    yield


@contextmanager
def kill_member(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """One member of etcd, or all of them."""
    members = [stage.member(name) for name in fault.targets]
    with _held(stage, *(f"{member.name} process" for member in members)):
        for member in members:
            member.kill()
        if not any(map(_answers, members)):
            seen(f"{', '.join(fault.targets)}: no answer on the client port")
        yield


@contextmanager
def freeze_member(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """SIGSTOP."""
    member = stage.member(fault.targets[0])
    process = member.process
    name = f"{member.name} process"
    if process is None:
        yield
        return
    process.freeze()
    stage.kubelet.down(name)
    try:
        if not _answers(member):
            seen("no answer on the client port")
        yield
    finally:
        process.thaw()
        stage.kubelet.up(name)


@contextmanager
def replace_member(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """It comes back empty, and the others take it out and in again, as ``etcd-member`` does on Kubernetes."""
    member = stage.member(fault.targets[0])
    name = f"{member.name} process"
    with _held(stage, name):
        member.kill()
        member.wipe()
        if not any((member.folder / "data").iterdir()):
            seen("its data directory is empty")
        try:
            yield
        finally:
            stage.site.etcd.replace(member)
            stage.kubelet.up(name)
    seen("the others took it in anew")


@contextmanager
def wipe_keys(stage: Stage, _fault: Fault, seen: Seen) -> Iterator[None]:
    """All keys of the cluster."""
    with suppress(subprocess.SubprocessError):
        count = int(stage.site.etcd.ctl("del", "--prefix", PREFIX).split()[0])
        if count:
            seen(f"{count} keys were deleted")
    yield


@contextmanager
def between(
    stage: Stage, pairs: Iterable[tuple[str, str]], rules: Callable[[Host], list[str]], seen: Seen
) -> Iterator[None]:
    """Apply ``rules`` to what goes from the first to the second of each pair."""
    into: dict[str, list[str]] = {}
    for sender, receiver in pairs:
        into.setdefault(receiver, []).extend(rules(stage.host(sender)))
    with _filters(stage, into, seen):
        yield


@contextmanager
def cut_pods(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """Nothing gets through, and nobody is told."""
    with between(stage, _both(*fault.targets), dropped, seen):
        yield


@contextmanager
def isolate_pod(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """From the other pods, not from etcd."""
    with between(stage, _around(fault.targets[0], PODS), dropped, seen):
        yield


@contextmanager
def cut_etcd(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """A pod, or a member, and all (other) members."""
    with between(stage, _around(fault.targets[0], MEMBERS), dropped, seen):
        yield


@contextmanager
def one_way(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """What the first sends never arrives at the second; the other way stays open."""
    with between(stage, [(fault.targets[0], fault.targets[1])], dropped, seen):
        yield


@contextmanager
def reject(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """As a firewall that says no."""
    with between(stage, _both(*fault.targets), rejected, seen):
        yield


@contextmanager
def loss(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """A part of what arrives at a host is lost."""
    with _filters(stage, {fault.targets[0]: lost(fault.amount)}, seen):
        yield


@contextmanager
def slow_link(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """What a host sends is slow."""
    link = SlowLink(stage.host(fault.targets[0]), fault.amount)
    try:
        yield
    finally:
        delayed = link.delayed
        link.remove()
    if delayed:
        seen(f"{delayed} packets had to wait or were dropped")


@contextmanager
def full_disk(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """What is given back meanwhile is taken again."""
    disk = stage.disks[fault.targets[0]]
    disk.fill()
    try:
        if disk.full:
            seen("a write fails with ENOSPC")
        end = time.monotonic() + fault.duration
        while time.monotonic() < end:
            stage.pause(1)
            disk.fill()
        yield
    finally:
        disk.relieve()


@contextmanager
def wipe_volume(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """Only where the two others serve and have all that the node has: Galera could not prevent the loss otherwise."""
    pod = pod_of(stage, fault)
    others = [other for other in stage.site.pods if other is not pod]
    with _held(stage, *parts(pod.name)):
        _stopper(stage, pod, seen)()
        reached = _position(pod)
        if reached < 0 or not _within(20, lambda: all(_has(other, reached) for other in others)):
            raise WithheldError(
                f"{pod.name} may have what the others lack: it ended at {reached}, and they do not serve beyond"
            )
        pod.node.wipe()
        if not (pod.node.datadir / "ibdata1").exists():
            seen("its data directory is empty")
        yield


@contextmanager
def clock_step(stage: Stage, fault: Fault, seen: Seen) -> Iterator[None]:
    """The wall clock of mariadbd, wrapper and sidecar jumps, and jumps back."""
    pod = pod_of(stage, fault)
    file = stage.clock_file(pod.name)
    file.write_text(f"{fault.amount:+d}m\n")
    try:
        if _within(_SOON, lambda: abs(_server_time(pod) - time.time() - 60 * fault.amount) < 30):
            seen("SYSDATE() of its server has jumped")
        elif abs(_process_time(pod) - time.time() - 60 * fault.amount) < 30:
            seen("the clock of its processes has jumped; its server does not answer")
        yield
    finally:
        file.write_text("+0\n")


ACTS: Mapping[Kind, Act] = {
    Kind.KILL_DATABASE: kill_database,
    Kind.FREEZE_DATABASE: freeze_database,
    Kind.KILL_SIDECAR: kill_sidecar,
    Kind.FREEZE_SIDECAR: freeze_sidecar,
    Kind.KILL_POD: kill_pod,
    Kind.FREEZE_POD: freeze_pod,
    Kind.STOP_POD: stop_pod,
    Kind.STOP_ALL_PODS: stop_pod,
    Kind.ROLLING_RESTART: rolling_restart,
    Kind.POWER_LOSS: kill_pod,
    Kind.KILL_MEMBER: kill_member,
    Kind.FREEZE_MEMBER: freeze_member,
    Kind.ETCD_DOWN: kill_member,
    Kind.REPLACE_MEMBER: replace_member,
    Kind.WIPE_KEYS: wipe_keys,
    Kind.CUT_PODS: cut_pods,
    Kind.ISOLATE_POD: isolate_pod,
    Kind.CUT_ETCD: cut_etcd,
    Kind.SPLIT_ETCD: cut_etcd,
    Kind.ONE_WAY: one_way,
    Kind.REJECT: reject,
    Kind.LOSS: loss,
    Kind.SLOW_LINK: slow_link,
    Kind.FULL_DISK: full_disk,
    Kind.FULL_MEMBER_DISK: full_disk,
    Kind.WIPE_VOLUME: wipe_volume,
    Kind.CLOCK_STEP: clock_step,
}


@contextmanager
def _held(stage: Stage, *names: str) -> Iterator[None]:
    stage.kubelet.hold(*names)
    try:
        yield
    finally:
        stage.kubelet.release(*names)


@contextmanager
def _filters(stage: Stage, into: Mapping[str, Sequence[str]], seen: Seen) -> Iterator[None]:
    made: list[Filter] = []
    try:
        made += [Filter(stage.host(name), stage.unique(), rules) for name, rules in into.items()]
        yield
    finally:
        packets = sum(each.packets for each in made)
        for each in made:
            each.remove()
    if packets:
        seen(f"{packets} packets were taken")


def _both(one: str, other: str) -> list[tuple[str, str]]:
    return [(one, other), (other, one)]


def _around(one: str, others: Iterable[str]) -> list[tuple[str, str]]:
    return [pair for other in others if other != one for pair in _both(one, other)]


def _stopper(stage: Stage, pod: Pod, seen: Seen) -> Callable[[], None]:
    def stop() -> None:
        try:
            pod.node.stop(_GRACE)
        except LabTimeoutError:
            seen(f"{pod.name} had to be killed after {_GRACE:g} s")
        with suppress(LabTimeoutError):
            pod.sidecar.stop()
        for name in parts(pod.name):
            stage.kubelet.still_down(name)

    return stop


def _see_gone(pods: Sequence[Pod], seen: Seen) -> None:
    for pod in pods:
        if not pod.node.alive and not pod.sidecar.alive and _refused(pod):
            seen(f"{pod.name}: all processes are gone, its port refuses connections")


def _refused(pod: Pod) -> bool:
    try:
        pod.sidecar.get(_TELLS, timeout=_HANGS)
    except URLError as error:
        return isinstance(error.reason, ConnectionRefusedError)
    except OSError:
        return False
    return False


def _hangs(ask: Callable[[], object]) -> bool:
    """Whether a request has no answer in time; that a connection is refused, or broken, is an answer."""
    began = time.monotonic()
    try:
        ask()
    except (OSError, pymysql.MySQLError):
        return time.monotonic() - began >= _HANGS - 0.1
    return False


def _ask(pod: Pod) -> None:
    pod.node.connect(timeout=_HANGS).close()


def _server_time(pod: Pod) -> float:
    with suppress(OSError, pymysql.MySQLError):
        return float(pod.node.sql("SELECT UNIX_TIMESTAMP(SYSDATE()) AS now")[0]["now"])
    return 0.0


def _process_time(pod: Pod) -> float:
    done = subprocess.run(["date", "+%s"], env=pod.sidecar.env, capture_output=True, text=True, timeout=10, check=False)
    return float(done.stdout or 0)


def _answers(member: EtcdMember) -> bool:
    with suppress(OSError), member.host.entered():
        fetch(f"{member.endpoint}/version", timeout=_HANGS)
        return True
    return False


def _position(pod: Pod) -> int:
    """Return the seqno at which the database ended in order; -1 where it did not."""
    with suppress(OSError):
        found = re.search(r"^seqno: +(\d+)$", (pod.node.datadir / "grastate.dat").read_text(), re.MULTILINE)
        return -1 if found is None else int(found[1])
    return -1


def _has(pod: Pod, seqno: int) -> bool:
    status = pod.node.status()
    served = status.get("wsrep_cluster_status") == "Primary" and status.get("wsrep_local_state") == "4"
    return served and int(status.get("wsrep_last_committed", -1)) >= seqno


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    try:
        return wait_until(holds, seconds, "an effect", interval=0.1)
    except LabTimeoutError:
        return False


def _comm(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _runs(pid: int) -> bool:
    return _state(pid) not in ("", "Z")


def _stopped(pid: int) -> bool:
    return _state(pid) == "T"


def _state(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""
