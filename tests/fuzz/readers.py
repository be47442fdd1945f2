"""Each reader of what comes from outside, as a function of bytes: the corpus and the fuzzer are given to all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from galera_exporter.bootstrap import records
from galera_exporter.bootstrap.handoff import Handoff
from galera_exporter.bootstrap.peers import parse as parse_peer
from galera_exporter.bootstrap.statefile import NAME, StateFile
from galera_exporter.errors import ConfigError
from galera_exporter.etcdmember.state import read_report, read_volume
from galera_exporter.mariadb import datadir, options, status
from galera_exporter.observer.pods import read_pods, read_workload
from galera_exporter.registry import records as registry
from galera_exporter.registry.keyvalue import parse_pairs, parse_responses
from galera_exporter.web.message import BadRequest, parse
from galera_exporter.web.webconfig import load

CORPUS: Final = Path(__file__).parents[1] / "corpus"
FILES: Final = sorted(path.name for path in CORPUS.iterdir() if ".good." in path.name or ".bad." in path.name)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _rows(data: bytes) -> list[tuple[object, ...]]:
    return [tuple(line.split("\t")) for line in _text(data).splitlines()]


def _variables(data: bytes) -> dict[str, str]:
    return dict(line.partition("\t")[::2] for line in _text(data).splitlines())


def _document(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def files(folder: Path, data: bytes) -> Path:
    """Give the data to whoever reads a file of the folder."""
    for name in ("request", "phase", "decision", NAME, "grastate.dat", "gvwstate.dat", "web.yml"):
        (folder / name).write_bytes(data)
    return folder


Reader = Callable[[bytes, Path], object]
TOTAL: Final[Mapping[str, Reader]] = {
    "status": lambda data, _: status.parse_status(_rows(data)),  # type: ignore[arg-type]  # rows of any shape
    "variables": lambda data, _: status.parse_variables(_rows(data)),  # type: ignore[arg-type]  # as above
    "members": lambda data, _: status.parse_members(_rows(data)),
    "options": lambda data, _: options.settings(_variables(data)),
    "provider options": lambda data, _: options.parse_options(_text(data)),
    "grastate": lambda data, _: datadir.parse_grastate(_text(data)),
    "position": lambda data, _: datadir.parse_position(_text(data)),
    "data directory": lambda data, folder: datadir.read_datadir(files(folder, data)),
    "request of the wrapper": lambda data, folder: Handoff(files(folder, data)).request(),
    "phase of the wrapper": lambda data, folder: Handoff(files(folder, data)).wrapper(),
    "decision that lies there": lambda data, folder: Handoff(files(folder, data)).decided("b-1"),
    "peer": lambda data, _: parse_peer("galera-1", data),
    "record": lambda data, _: registry.decode(data, "galera-1"),
    "key": lambda data, _: registry.classify("/galera/v1/default/lab/", data),
    "election": lambda data, _: records.decode_bootstrap(data),
    "epoch": lambda data, _: records.decode_epoch(data, "2"),
    "report": lambda data, _: records.decode_report(data, "galera-1"),
    "order": lambda data, _: records.decode_order(data, "x"),
    "hold": lambda data, _: records.decode_hold(data),
    "turn": lambda data, _: records.decode_turn(data),
    "component": lambda data, _: records.decode_component(data),
    "report of an etcd member": lambda data, _: read_report(data),
    "pods": lambda data, _: read_pods(_document(data), "db-galera"),
    "workload": lambda data, _: read_workload(_document(data)),
}
_NOT_OF_ETCD: Final = (ValueError, TypeError, KeyError, AttributeError)
"""These raise nothing."""

RAISING: Final[Mapping[str, tuple[Reader, tuple[type[Exception], ...]]]] = {
    "label of the data": (lambda data, folder: StateFile(files(folder, data)).load(), (ValueError,)),
    "volume of an etcd member": (lambda data, _: read_volume(data), (ValueError,)),
    "web configuration": (lambda data, folder: load(files(folder, data) / "web.yml"), (ConfigError,)),
    "request over HTTP": (lambda data, _: parse(data), (BadRequest,)),
    "pairs": (lambda data, _: parse_pairs(_document(data)), _NOT_OF_ETCD),  # type: ignore[arg-type]  # any document
    "responses": (lambda data, _: parse_responses(_document(data)), _NOT_OF_ETCD),  # type: ignore[arg-type]  # any document
}
"""These raise what is beside them, and nothing else."""

ALL: Final[Mapping[str, tuple[Reader, tuple[type[Exception], ...]]]] = {
    **{name: (read, ()) for name, read in TOTAL.items()},
    **RAISING,
}
"""What each may raise; any other exception is a defect."""
