"""Every file of tests/corpus is given to every reader of what comes from outside: each raises only what it documents.

And the files of each kind are taken or refused by the reader that they are for.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.readers import ALL, CORPUS, FILES, RAISING, TOTAL, files
from galera_exporter.bootstrap.handoff import Handoff
from galera_exporter.bootstrap.local import LocalState
from galera_exporter.bootstrap.peers import parse as parse_peer
from galera_exporter.bootstrap.statefile import StateFile
from galera_exporter.etcdmember.state import read_volume
from galera_exporter.web.message import BadRequest, parse


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
    for read, documented in ALL.values():
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
