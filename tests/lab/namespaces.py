"""Hosts in network namespaces of their own, so that any two can be cut off from one another.

A namespace lives as long as a descriptor or a process holds it. The descriptors are this process's own, and
the warden ends the servers: whatever way the lab dies, the kernel takes namespaces, bridge and links away.
The machine's own namespace gets no interface and no rule. Needs root (CAP_SYS_ADMIN), iproute2 and nftables.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_OWN = Path("/proc/thread-self/ns/net")
_LIBC = ctypes.CDLL(None, use_errno=True)  # os.setns and os.unshare are new in Python 3.12
# No host has this address, so the bridge hands the frame to all and nobody takes it: a drop without a word, as
# on a dead link. A blackhole route would tell the sender at once.
_NOBODY = "02:00:00:00:00:00"


@dataclass(frozen=True, slots=True)
class Host:
    """Where a server of the lab lives: its address, and its network namespace unless it is the machine's own."""

    address: str = "127.0.0.1"
    namespace: int | None = None
    """An open descriptor of the namespace."""

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets and processes that this thread makes in the block are of this host; other threads stay out."""
        if self.namespace is None:
            yield
            return
        home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call("setns", self.namespace)
            try:
                yield
            finally:
                _call("setns", home)
        finally:
            os.close(home)


LOOPBACK = Host()


class Namespaces:
    """Named hosts on one bridge, each in a namespace of its own, and the cuts between them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._descriptors: list[int] = []
        self._cuts: set[tuple[str, str]] = set()
        self._filtered: set[str] = set()
        self.hosts: dict[str, Host] = {}
        try:
            self._bridge = Host(namespace=self._new())
            _ip(self._bridge, "link add bridge type bridge")
            _ip(self._bridge, "link set bridge up")
            for number, name in enumerate(names, start=1):
                self.hosts[name] = self._host(number)
        except BaseException:
            self.close()
            raise

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def cut(self, one: str, other: str) -> None:
        """Drop all that the two hosts send to one another; connections stay open and hang."""
        self.drop(one, other)
        self.drop(other, one)

    def drop(self, sender: str, receiver: str) -> None:
        """Drop what ``sender`` sends to ``receiver``; the other way stays open."""
        target = self[receiver].address
        _ip(self[sender], f"neighbour replace {target} lladdr {_NOBODY} dev eth0 nud permanent")
        self._cuts.add((sender, receiver))

    def reject(self, sender: str, receiver: str) -> None:
        """Have what ``sender`` sends to ``receiver`` by TCP refused at once, as a firewall that answers does."""
        self._filter(
            sender, "output", f"ip daddr {self[receiver].address} meta l4proto tcp counter reject with tcp reset"
        )

    def lose(self, receiver: str, percent: int) -> None:
        """Lose so many in a hundred of the packets that come to ``receiver`` from other hosts, at random."""
        dice = f"numgen random mod 100 >= {100 - percent}"
        self._filter(receiver, "input", f"iifname eth0 {dice} counter drop", "iifname eth0 counter")

    def counted(self, name: str) -> list[int]:
        """Return how many packets each rule of ``reject`` or ``lose`` on this host has met."""
        return [int(count) for count in re.findall(r"counter packets (\d+)", _nft(self[name], "list table ip lab"))]

    def isolate(self, some: Iterable[str]) -> None:
        """Cut each of ``some`` off from every host that is not one of them."""
        inside = set(some)
        for one in inside:
            for other in self.hosts.keys() - inside:
                self.cut(one, other)

    def heal(self) -> None:
        """Undo all of these."""
        for sender, receiver in self._cuts:
            _ip(self[sender], f"neighbour del {self[receiver].address} dev eth0")
        self._cuts.clear()
        for name in self._filtered:
            _nft(self[name], "delete table ip lab")
        self._filtered.clear()

    def close(self) -> None:
        """Let go of the namespaces: each goes away with its last process."""
        while self._descriptors:
            os.close(self._descriptors.pop())
        self.hosts.clear()

    def _filter(self, name: str, hook: str, *rules: str) -> None:
        chain = "\n".join([f"type filter hook {hook} priority 0", *rules])
        _nft(self[name], f"table ip lab {{\nchain {hook} {{\n{chain}\n}}\n}}")
        self._filtered.add(name)

    def _host(self, number: int) -> Host:
        host = Host(f"10.77.0.{number}", self._new())
        _ip(self._bridge, f"link add port{number} type veth peer name eth0 netns {_path(host.namespace)}")
        _ip(self._bridge, f"link set port{number} master bridge up")
        _ip(host, "link set lo up")
        _ip(host, f"address add {host.address}/24 dev eth0")
        _ip(host, "link set eth0 up")
        return host

    def _new(self) -> int:
        descriptor = _new_namespace()
        self._descriptors.append(descriptor)
        return descriptor


def namespaces_missing() -> str:
    """Say why this process cannot make network namespaces; empty where it can."""
    try:
        os.close(_new_namespace())
    except OSError as error:
        return f"no network namespace can be made here ({error}): run as root, with CAP_SYS_ADMIN"
    return ""


def _new_namespace() -> int:
    """Make a namespace in a thread that ends right after it: no thread of the lab is ever left in one."""
    made: list[int | OSError] = []

    def make() -> None:
        try:
            _call("unshare")
            made.append(os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def _call(name: str, *args: int) -> None:
    if getattr(_LIBC, name)(*args, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _path(descriptor: int | None) -> str:
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _ip(host: Host, command: str) -> None:
    _run(host, "ip", *command.split())


def _nft(host: Host, text: str) -> str:
    return _run(host, "nft", text)


def _run(host: Host, *command: str) -> str:
    with host.entered():
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
