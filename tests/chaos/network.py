"""What packets suffer at a host: nftables and tc in its network namespace, each fault in a table of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

from lab.namespaces import Host


class Filter:
    """One table of nftables at a host; all that it takes is counted."""

    def __init__(self, host: Host, name: str, rules: Sequence[str]) -> None:
        self._host = host
        self._name = name
        lines = [f"table inet {name} {{", "chain in { type filter hook input priority -10; policy accept;"]
        _run(host, ["nft", "-f", "-"], "\n".join([*lines, *rules, "}", "}", ""]))

    @property
    def packets(self) -> int:
        """How many packets its rules have taken."""
        listed = json.loads(_run(self._host, ["nft", "-j", "list", "table", "inet", self._name]))
        expressions = [each for row in listed["nftables"] for each in row.get("rule", {}).get("expr", [])]
        return sum(each["counter"]["packets"] for each in expressions if "counter" in each)

    def remove(self) -> None:
        """Let all packets pass again."""
        _run(self._host, ["nft", "delete", "table", "inet", self._name])


def dropped(sender: Host) -> list[str]:
    """Return rules that drop what comes from a host, without a word."""
    return [f"ip saddr {sender.address} counter drop"]


def rejected(sender: Host) -> list[str]:
    """Return rules that refuse what comes from a host: connections are reset, datagrams answered by ICMP."""
    of = f"ip saddr {sender.address}"
    return [f"{of} meta l4proto tcp counter reject with tcp reset", f"{of} meta l4proto != icmp counter reject"]


def lost(percent: int, network: str = "10.77.0.0/24") -> list[str]:
    """Return rules that lose some of all packets that come from other hosts; a host hears itself."""
    return [f"iifname eth0 ip saddr {network} numgen random mod 100 < {percent} counter drop"]


class SlowLink:
    """A token bucket before a host's interface: what it sends waits, up to 400 ms, and is dropped beyond that."""

    def __init__(self, host: Host, kilobits: int) -> None:
        self._host = host
        shape = f"tc qdisc add dev eth0 root tbf rate {kilobits}kbit burst 8kb latency 400ms"
        _run(host, shape.split())

    @property
    def delayed(self) -> int:
        """How many packets had to wait, or were dropped."""
        found = json.loads(_run(self._host, ["tc", "-s", "-j", "qdisc", "show", "dev", "eth0"]))
        return sum(row["overlimits"] + row["drops"] for row in found if row["kind"] == "tbf")

    def remove(self) -> None:
        """Let the interface send as fast as it can."""
        _run(self._host, ["tc", "qdisc", "del", "dev", "eth0", "root"])


def _run(host: Host, command: Sequence[str], text: str | None = None) -> str:
    with host.entered():
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
