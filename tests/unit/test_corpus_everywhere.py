"""Every file of tests/corpus is given to every reader of what comes from outside: each raises only what it documents.

And the files of each kind are taken or refused by the reader that they are for.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from galera_exporter.bootstrap import records
from galera_exporter.bootstrap.handoff import Handoff
from galera_exporter.bootstrap.local import LocalState
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

CORPUS = Path(__file__).parents[1] / "corpus"
FILES = sorted(path.name for path in CORPUS.iterdir() if ".good." in path.name or ".bad." in path.name)


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def rows(data: bytes) -> list[tuple[object, ...]]:
    return [tuple(line.split("\t")) for line in text(data).splitlines()]


def variables(data: bytes) -> dict[str, str]:
    return dict(line.partition("\t")[::2] for line in text(data).splitlines())


def document(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def files(folder: Path, data: bytes) -> Path:
    for name in ("request", "phase", "decision", NAME, "grastate.dat", "gvwstate.dat", "web.yml"):
        (folder / name).write_bytes(data)
    return folder


Reader = Callable[[bytes, Path], object]
TOTAL: dict[str, Reader] = {
    "status": lambda data, _: status.parse_status(rows(data)),  # type: ignore[arg-type]  # rows of any shape
    "variables": lambda data, _: status.parse_variables(rows(data)),  # type: ignore[arg-type]  # as above
    "members": lambda data, _: status.parse_members(rows(data)),
    "options": lambda data, _: options.settings(variables(data)),
    "provider options": lambda data, _: options.parse_options(text(data)),
    "grastate": lambda data, _: datadir.parse_grastate(text(data)),
    "position": lambda data, _: datadir.parse_position(text(data)),
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
    "pods": lambda data, _: read_pods(document(data), "db-galera"),
    "workload": lambda data, _: read_workload(document(data)),
}
NOT_OF_ETCD = (ValueError, TypeError, KeyError, AttributeError)
RAISING: dict[str, tuple[Reader, tuple[type[Exception], ...]]] = {
    "label of the data": (lambda data, folder: StateFile(files(folder, data)).load(), (ValueError,)),
    "volume of an etcd member": (lambda data, _: read_volume(data), (ValueError,)),
    "web configuration": (lambda data, folder: load(files(folder, data) / "web.yml"), (ConfigError,)),
    "request over HTTP": (lambda data, _: parse(data), (BadRequest,)),
    "pairs": (lambda data, _: parse_pairs(document(data)), NOT_OF_ETCD),  # type: ignore[arg-type]  # any document
    "responses": (lambda data, _: parse_responses(document(data)), NOT_OF_ETCD),  # type: ignore[arg-type]  # any document
}


@pytest.mark.parametrize("reader", TOTAL)
def test_a_total_reader_takes_every_file(reader: str, tmp_path: Path) -> None:
    for name in FILES:
        TOTAL[reader]((CORPUS / name).read_bytes(), tmp_path)


@pytest.mark.parametrize("reader", RAISING)
def test_a_reader_that_refuses_does_so_as_it_says(reader: str, tmp_path: Path) -> None:
    read, documented = RAISING[reader]
    taken, refused = 0, 0
    for name in FILES:
        try:
            read((CORPUS / name).read_bytes(), tmp_path)
            taken += 1
        except documented:
            refused += 1
    assert refused, "or it would not be one that refuses"
    assert taken + refused == len(FILES)


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A file of the corpus that was cut, doubled, or has other bytes in some places."""
    data = bytearray((CORPUS / draw(st.sampled_from(FILES))).read_bytes()[:4096])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.integers(0, 40)))
        data[at:to] = draw(st.sampled_from([b"", bytes(data[at:to]) * 2, b"Infinity", b"-1", b"9" * 400, b"\x00"]))
    return bytes(data)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(spoiled() | st.binary(max_size=200))
def test_no_reader_raises_what_it_does_not_document_of_a_spoiled_file(tmp_path: Path, data: bytes) -> None:
    for read in TOTAL.values():
        read(data, tmp_path)
    for read, documented in RAISING.values():
        with contextlib.suppress(*documented):
            read(data, tmp_path)


def of(kind: str, verdict: str) -> list[str]:
    found = [name for name in FILES if name.startswith(f"{kind}-") and f".{verdict}." in name]
    assert found
    return found


@pytest.mark.parametrize("name", of("handoff", "good"))
def test_a_good_request_of_the_wrapper_is_one(name: str, tmp_path: Path) -> None:
    assert Handoff(files(tmp_path, (CORPUS / name).read_bytes())).request() is not None


@pytest.mark.parametrize("name", of("handoff", "bad"))
def test_a_bad_request_of_the_wrapper_is_none(name: str, tmp_path: Path) -> None:
    assert Handoff(files(tmp_path, (CORPUS / name).read_bytes())).request() is None


@pytest.mark.parametrize("name", of("state", "good"))
def test_a_good_label_is_read(name: str, tmp_path: Path) -> None:
    assert isinstance(StateFile(files(tmp_path, (CORPUS / name).read_bytes())).load(), LocalState)


@pytest.mark.parametrize("name", of("state", "bad"))
def test_a_bad_label_is_an_error_with_the_files_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"state\.json is not a state"):
        StateFile(files(tmp_path, (CORPUS / name).read_bytes())).load()


@pytest.mark.parametrize("name", of("identity", "good"))
def test_a_good_identity_of_a_volume_is_read(name: str) -> None:
    assert read_volume((CORPUS / name).read_bytes()).id == "0f3c"


@pytest.mark.parametrize("name", of("identity", "bad"))
def test_a_bad_identity_of_a_volume_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not what this version writes"):
        read_volume((CORPUS / name).read_bytes())


@pytest.mark.parametrize("name", of("peer", "good"))
def test_a_good_answer_of_another_sidecar_is_heard(name: str) -> None:
    peer = parse_peer("galera-1", (CORPUS / name).read_bytes())
    assert peer is not None
    assert (peer.primary, peer.confirmed, peer.epoch) == (True, True, 2)


@pytest.mark.parametrize("name", of("peer", "bad"))
def test_a_bad_answer_of_another_sidecar_says_nothing(name: str) -> None:
    assert parse_peer("galera-1", (CORPUS / name).read_bytes()) is None


@pytest.mark.parametrize("name", of("http", "good"))
def test_a_good_request_over_http_is_taken(name: str) -> None:
    data = (CORPUS / name).read_bytes()
    parsed = parse(data)
    assert parsed is not None
    assert parsed[1] == len(data)


@pytest.mark.parametrize("name", of("http", "bad"))
def test_a_bad_request_over_http_is_refused(name: str) -> None:
    with pytest.raises(BadRequest):
        parse((CORPUS / name).read_bytes())


def test_every_file_is_of_a_kind_that_a_test_reads() -> None:
    page = (CORPUS / "README.md").read_text(encoding="utf-8")
    kinds = {name.partition("-")[0] for name in FILES}
    for kind in kinds:
        assert f"`{kind}-`" in page, kind
