"""All elections that etcd ever had, by its revisions: they are not compacted in a run."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from dataclasses import replace

from chaos.history import Grant
from lab import EtcdCluster
from lab.site import PREFIX

_MARK = PREFIX + "bootstrap-read-to-here"
_LONGEST = 30.0


def grants(etcd: EtcdCluster) -> tuple[Grant, ...]:
    """Read every value that ``bootstrap`` had, and return each election among them."""
    etcd.ctl("put", _MARK, "x")
    found: list[Grant] = []
    with etcd.client.entered():
        process = subprocess.Popen(
            [
                "etcdctl",
                f"--endpoints={','.join(etcd.endpoints)}",
                "watch",
                "--rev=1",
                "--prefix",
                f"{PREFIX}bootstrap",
                "-w",
                "json",
            ],
            env={"ETCDCTL_API": "3", "PATH": "/usr/local/bin:/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
    limit = threading.Timer(_LONGEST, process.kill)
    limit.start()
    try:
        for line in process.stdout or ():
            events = json.loads(line).get("Events", [])
            for event in events:
                take(found, event["kv"])
            if any(_text(event["kv"]["key"]) == _MARK for event in events):
                return tuple(found)
    finally:
        limit.cancel()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    raise OSError("the history of etcd could not be read to its end")


def take(found: list[Grant], pair: dict[str, str | int]) -> None:
    """Add what one change of ``bootstrap`` says: an election, the confirmation of one, or that the key was deleted."""
    if _text(str(pair["key"])) != f"{PREFIX}bootstrap":
        return
    value = _text(str(pair.get("value", "")))
    if not value:
        if found:
            found[-1] = replace(found[-1], forgotten=True)
        return
    record = json.loads(value)
    epoch = record["epoch"]
    if record["phase"] == "elected":
        found.append(Grant(int(epoch["number"]), str(record["token"]), str(epoch["node"]), int(pair["mod_revision"])))
    elif record["phase"] == "primary":
        found[:] = [replace(grant, primary=True) if grant.token == record["token"] else grant for grant in found]


def _text(encoded: str | int) -> str:
    return base64.b64decode(str(encoded)).decode()
