"""Any answer to any question to etcd is a value or a RegistryError: never another exception, never a hang."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.registry.administration import Administration
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import Range, put
from galera_exporter.settings import EtcdSettings, Secret

CORPUS = Path(__file__).parents[1] / "corpus"
SETTINGS = EtcdSettings(endpoints=("http://127.0.0.1:1",), timeout=1)
HEADER = {"cluster_id": "14841639068965178418", "member_id": "10276657743932975437", "revision": "7", "raft_term": "2"}
PAIR = {"key": "L2E=", "create_revision": "2", "mod_revision": "5", "version": "4", "value": "MQ==", "lease": "9"}
ANSWERS: dict[str, dict[str, Any]] = {
    "range": {"header": HEADER, "kvs": [PAIR], "count": "1"},
    "transaction": {"header": HEADER, "succeeded": True, "responses": [{"response_range": {"kvs": [PAIR]}}]},
    "grant": {"header": HEADER, "ID": "7587886447311912454", "TTL": "10"},
    "keepalive": {"result": {"header": HEADER, "ID": "7", "TTL": "10"}},
    "revoke": {"header": HEADER},
    "time_to_live": {"header": HEADER, "ID": "7", "TTL": "9", "grantedTTL": "10"},
    "members": {"header": HEADER, "members": [{"ID": "1", "name": "a", "peerURLs": ["http://a"], "clientURLs": []}]},
    "alarms": {"header": HEADER, "alarms": [{"memberID": "1", "alarm": "NOSPACE"}]},
    "users": {"header": HEADER, "users": ["root"]},
    "permissions": {"header": HEADER, "perm": [{"permType": "READWRITE", "key": "L2E=", "range_end": "L2I="}]},
}
"""What a real etcd answers, by the method that asks."""


class Scripted:
    """Clients of etcd whose session gives one answer to everything."""

    def __init__(self) -> None:
        self.etcd = Etcd(SETTINGS)
        self.keeper = Administration(SETTINGS)
        self.status, self.body = HTTPStatus.OK, b""
        for gateway in (self.etcd._gateway, self.keeper._gateway):
            gateway._session.send = self._send  # type: ignore[method-assign]

    def _send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        response = requests.Response()
        response.request, response.url, response.status_code = request, str(request.url), self.status
        response._content, response.encoding = self.body, "utf-8"
        return response

    @property
    def questions(self) -> dict[str, Callable[[], object]]:
        etcd = self.etcd
        return {
            "range": lambda: etcd.range("/"),
            "transaction": lambda: etcd.transaction([], [put(b"/a", b"")]),
            "grant": lambda: etcd.grant(10),
            "keepalive": lambda: etcd.keepalive(7),
            "revoke": lambda: etcd.revoke(7),
            "time_to_live": lambda: etcd.time_to_live(7),
            "members": etcd.members,
            "alarms": etcd.alarms,
            "users": self.keeper.users,
            "permissions": lambda: self.keeper.permissions("a"),
        }

    def ask(self, question: str, body: bytes, status: int = HTTPStatus.OK) -> object:
        """Return the value, or the RegistryError that was raised; anything else is raised."""
        self.status, self.body = HTTPStatus(status), body
        for gateway in (self.etcd._gateway, self.keeper._gateway):
            gateway.cluster_id = None
        try:
            return self.questions[question]()
        except RegistryError as error:
            return error


@pytest.fixture(scope="module")
def scripted() -> Scripted:
    return Scripted()


def told_short(found: object) -> bool:
    """Whether it is an error whose text is one short line."""
    return isinstance(found, RegistryError) and str(found).isprintable() and len(str(found)) < 600


numbers = st.integers() | st.floats() | st.sampled_from(["7", "-1", "x", "", "1e3", "\u0667", "9" * 5000, "0x7", " 7 "])
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*HEADER, *PAIR]), inner, max_size=3),
    max_leaves=6,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the way to each part of a JSON document, the whole included."""
    found = [path]
    if isinstance(value, dict):
        for key, part in value.items():
            found += places(part, (*path, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            found += places(part, (*path, number))
    return found


def replaced(document: Any, path: tuple[str | int, ...], value: object) -> Any:
    if not path:
        return value
    copy = json.loads(json.dumps(document))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return copy


@st.composite
def almost_answers(draw: st.DrawFn) -> tuple[str, bytes]:
    """An answer of etcd in which one to three parts are something else."""
    question = draw(st.sampled_from([*ANSWERS]))
    document: Any = ANSWERS[question]
    for _ in range(draw(st.integers(1, 3))):
        document = replaced(document, draw(st.sampled_from(places(document))), draw(json_values))
    return question, json.dumps(document).encode()


MANY = settings(
    max_examples=500,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("question", ANSWERS)
def test_what_etcd_answers_is_understood(scripted: Scripted, question: str) -> None:
    assert not isinstance(scripted.ask(question, json.dumps(ANSWERS[question]).encode()), RegistryError)


def recorded(verdict: str) -> list[str]:
    found = sorted(path.name for path in CORPUS.glob(f"etcd-*.{verdict}.json"))
    assert found
    return found


@pytest.mark.parametrize("name", recorded("good"))
def test_what_etcd_did_answer_is_understood(scripted: Scripted, name: str) -> None:
    assert not isinstance(scripted.ask(name.split("-")[1], (CORPUS / name).read_bytes()), RegistryError)


@pytest.mark.parametrize("name", recorded("bad"))
def test_what_etcd_would_not_answer_is_an_error(scripted: Scripted, name: str) -> None:
    assert told_short(scripted.ask(name.split("-")[1], (CORPUS / name).read_bytes()))


@MANY
@given(almost_answers())
@example(("range", b'{"header":{"cluster_id":Infinity,"revision":1,"raft_term":1}}'))
@example(("grant", b'{"header":{"cluster_id":1,"revision":1,"raft_term":1},"ID":1e999}'))
@example(("range", b'{"header":{"cluster_id":NaN,"revision":1,"raft_term":1}}'))
@example(("members", b'{"header":{"cluster_id":1,"raft_term":1,"revision":1},"members":[{"ID":-Infinity}]}'))
def test_an_answer_that_is_almost_one_is_a_value_or_a_registry_error(
    scripted: Scripted, asked: tuple[str, bytes]
) -> None:
    question, body = asked
    found = scripted.ask(question, body)
    if isinstance(found, RegistryError):
        assert found.reason in {RegistryReason.BAD_ANSWER, RegistryReason.LEASE_EXPIRED}
        assert told_short(found)
    if isinstance(found, Range):
        assert all(type(pair.lease) is int and isinstance(pair.key, bytes) for pair in found.pairs)


@MANY
@given(st.sampled_from([*ANSWERS]), st.binary(max_size=100) | json_values.map(lambda value: json.dumps(value).encode()))
def test_an_answer_that_is_none_is_a_registry_error(scripted: Scripted, question: str, body: bytes) -> None:
    found = scripted.ask(question, body)
    assert isinstance(found, RegistryError) or (question == "alarms" and found == ()), found


@MANY
@given(
    st.sampled_from([*ANSWERS]),
    st.sampled_from([400, 401, 403, 404, 412, 429, 500, 502, 503, 504]),
    st.binary(max_size=100)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries({"code": json_values, "message": json_values}).map(
        lambda value: json.dumps(value).encode()
    ),
)
@example("range", 500, b'{"code":14,"message":' + b"[" * 400 + b"]" * 400 + b"}")
@example("range", 500, b'{"code":Infinity,"error":"x"}')
def test_a_refusal_of_any_shape_is_a_registry_error(
    scripted: Scripted, question: str, status: int, body: bytes
) -> None:
    found = scripted.ask(question, body, status)
    assert told_short(found) or question == "revoke"


@pytest.mark.parametrize("depth", [10, 400, 900, 990, 5000])
@pytest.mark.parametrize("place", ['{"header":%s}', '{"code":1,"message":%s}', '{"members":%s}'])
@pytest.mark.parametrize("status", [200, 500])
def test_deep_nesting_is_a_registry_error(scripted: Scripted, depth: int, place: str, status: int) -> None:
    body = (place % ("[" * depth + "]" * depth)).encode()
    assert isinstance(scripted.ask("members", body, status), RegistryError)
    named = {"header": HEADER, "members": [{"ID": "1", "name": "NAME"}]}
    deep = json.dumps(named).replace('"NAME"', "[" * depth + "]" * depth).encode()
    scripted.ask("members", deep, status)


@pytest.mark.parametrize("token", [None, 1, [], {}, "", "a\r\nb", "x" * 100_000, float("inf")])
def test_any_token_of_a_login_is_taken_or_refused(token: object) -> None:
    scripted = Scripted()
    settings = EtcdSettings(endpoints=SETTINGS.endpoints, timeout=1, user="u", password=Secret("canary"))
    scripted.etcd = Etcd(settings)
    scripted.etcd._gateway._session.send = scripted._send  # type: ignore[method-assign]
    found = scripted.ask("range", json.dumps({"header": HEADER, "token": token}).encode())
    assert isinstance(found, RegistryError | Range)
    assert "canary" not in str(found)
