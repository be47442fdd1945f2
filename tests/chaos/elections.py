"""All elections that etcd ever had, by its revisions: they are not compacted in a run."""

from __future__ import annotations

import base64
import json
import subprocess
import threading

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
            found += [grant for event in events if (grant := _grant(event["kv"])) is not None]
            if any(_text(event["kv"]["key"]) == _MARK for event in events):
                return tuple(found)
    finally:
        limit.cancel()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    raise OSError("the history of etcd could not be read to its end")


def _grant(pair: dict[str, str | int]) -> Grant | None:
    value = _text(str(pair.get("value", "")))
    if _text(str(pair["key"])) != f"{PREFIX}bootstrap" or not value:  # deleted
        return None
    record = json.loads(value)
    if record["phase"] != "elected":
        return None
    epoch = record["epoch"]
    return Grant(int(epoch["number"]), str(record["token"]), str(epoch["node"]), int(pair["mod_revision"]))


def _text(encoded: str | int) -> str:
    return base64.b64decode(str(encoded)).decode()
