"""What is written to the volume, told to other members and given to etcd."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from galera_exporter.etcdmember import neighbours
from galera_exporter.etcdmember.configfile import ConfigFile
from galera_exporter.etcdmember.decision import Reason, Start, StartExisting, StartNew, Wait
from galera_exporter.etcdmember.etcdconf import SEALED, render
from galera_exporter.etcdmember.journal import AGAIN, REMIND, Journal
from galera_exporter.etcdmember.naming import cluster_id, founding_token, member_id
from galera_exporter.etcdmember.settings import AuthSettings, MemberSettings, TlsFiles
from galera_exporter.etcdmember.state import (
    Identity,
    Report,
    Standing,
    Volume,
    read_report,
    read_volume,
    report_fields,
    standing,
    volume_fields,
)
from galera_exporter.etcdmember.volume import NAME, VolumeStore
from galera_exporter.registry.members import EtcdMember

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=8)
ROSTERS = st.dictionaries(NAMES, NAMES, max_size=4).map(lambda found: tuple(sorted(found.items())))
IDS = st.integers(0, 2**64 - 1)
DIRECTORIES = st.from_regex(r"[0-9a-f]{0,16}", fullmatch=True)
VOLUMES = st.builds(Volume, NAMES, st.none() | st.builds(Identity, IDS, IDS, DIRECTORIES, ROSTERS, st.booleans()))
REPORTS = st.builds(
    Report,
    NAMES,
    NAMES,
    st.sampled_from([each for each in Standing if each is not Standing.UNKNOWN]),
    ROSTERS,
    ROSTERS,
    IDS,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("schema", "volume", "identity", "name", "standing", "proposal", "founding", "cluster_id")),
            inner,
        )
    ),
    max_leaves=12,
)

SETTINGS = MemberSettings(
    name="m0",
    hosts={"m0": "m0.nodes", "m1": "m1.nodes", "m2": "fd00::2"},
    data_dir=Path("/var/lib/etcd"),
    config_file=Path("/run/etcd/etcd.conf.yml"),
    token="token",
    listen=("", 2378),
    quota=1 << 28,
    retention="1h",
)
ROSTER = (("m0", "v0"), ("m1", "v1"), ("m2", "v2"))


@given(VOLUMES)
def test_a_volume_is_read_as_it_was_written(volume: Volume) -> None:
    assert read_volume(json.dumps(volume_fields(volume)).encode()) == volume


@given(REPORTS)
def test_a_report_is_read_as_it_was_told(report: Report) -> None:
    assert read_report(json.dumps(report_fields(report)).encode()) == report


@given(st.binary(max_size=200) | JSON.map(lambda found: json.dumps(found).encode()))
def test_what_no_member_wrote_is_no_volume_and_no_report(content: bytes) -> None:
    with pytest.raises(ValueError, match="not what this version writes"):
        read_volume(content)
    assert read_report(content) is None


@pytest.mark.parametrize("directory", ["..", "../other", "/etc", ".", "a/b", ".hidden"])
def test_a_directory_outside_the_volume_is_refused(directory: str) -> None:
    fields = volume_fields(Volume("v", Identity(1, 2, "d")))
    fields["identity"]["directory"] = directory
    with pytest.raises(ValueError, match="not what"):
        read_volume(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("identity", "data", "expected"),
    [
        (None, False, Standing.EMPTY),
        (Identity(1, 2, "d", ROSTER), False, Standing.FOUNDER),
        (Identity(1, 2, "d"), False, Standing.JOINER),
        (Identity(1, 2, "d", ROSTER, begun=True), False, Standing.LOST),
        (Identity(1, 2, "d", ROSTER), True, Standing.MEMBER),
        (Identity(1, 2, "d", begun=True), True, Standing.MEMBER),
    ],
)
def test_what_a_volume_holds(identity: Identity | None, data: bool, expected: Standing) -> None:  # noqa: FBT001 - a column
    assert standing(Volume("v", identity), data=data) is expected


# The volume:


def make_data(folder: Path) -> None:
    (folder / "member" / "wal").mkdir(parents=True)
    (folder / "member" / "wal" / "0000000000000000-0000000000000000.wal").touch()


def test_an_empty_volume_gets_an_id_once(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    first = VolumeStore(tmp_path).load()
    assert first.identity is None
    assert VolumeStore(tmp_path).load() == first
    assert VolumeStore(tmp_path).renew().id != first.id


def test_two_volumes_have_different_ids(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert VolumeStore(tmp_path / "a").load() != VolumeStore(tmp_path / "b").load()


@pytest.mark.parametrize("directory", ["", "default.etcd"])
def test_data_without_an_identity_are_taken_on_where_they_are(tmp_path: Path, directory: str) -> None:
    make_data(tmp_path / directory)
    store = VolumeStore(tmp_path)
    volume = store.load()
    assert volume.identity == Identity(0, 0, directory, begun=True)
    assert store.standing(volume) is Standing.MEMBER
    assert store.directory(volume.identity) == tmp_path / directory


def test_data_of_two_members_without_an_identity_are_left_alone(tmp_path: Path) -> None:
    make_data(tmp_path / "one")
    make_data(tmp_path / "two")
    with pytest.raises(ValueError, match=r"one, two: leave one"):
        VolumeStore(tmp_path).load()
    assert not (tmp_path / NAME).exists()


def test_what_etcd_would_not_take_for_data_is_none(tmp_path: Path) -> None:
    (tmp_path / "d" / "member" / "wal").mkdir(parents=True)
    (tmp_path / "d" / "member" / "wal" / "0.tmp").touch()
    store = VolumeStore(tmp_path)
    volume = Volume("v", Identity(1, 2, "d", ROSTER))
    assert store.standing(volume) is Standing.FOUNDER
    make_data(tmp_path / "e")
    assert store.standing(replace(volume, identity=Identity(1, 2, "e", ROSTER))) is Standing.MEMBER


def test_a_file_of_identity_that_was_cut_short_is_named(tmp_path: Path) -> None:
    store = VolumeStore(tmp_path)
    store.load()
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=str(path)):
        VolumeStore(tmp_path).load()


# Etcd's configuration:


def conf(
    how: StartNew | StartExisting | Start, settings: MemberSettings = SETTINGS, listen: str = "::"
) -> dict[str, object]:
    found: dict[str, object] = json.loads(render(settings, Path("/var/lib/etcd/01"), how, listen))
    return found


def test_founders_name_all_members_and_a_token_of_their_own() -> None:
    found = conf(StartNew(ROSTER))
    assert found["initial-cluster"] == "m0=http://m0.nodes:2380,m1=http://m1.nodes:2380,m2=http://[fd00::2]:2380"
    assert found["initial-cluster-state"] == "new"
    assert found["initial-cluster-token"] == founding_token("token", ROSTER)
    assert founding_token("token", ROSTER) != founding_token("token", (*ROSTER[:2], ("m2", "other")))


def test_a_learner_names_the_members_of_the_cluster_as_they_are() -> None:
    members = (
        EtcdMember(1, "m1", ("http://m1.nodes:2380",), ("http://m1.nodes:2379",), learner=False),
        EtcdMember(0x2A, "", ("http://m0.nodes:2380",), (), learner=True),
        EtcdMember(0x2B, "", ("http://[fd00::2]:2380",), (), learner=False),
    )
    found = conf(StartExisting(members))
    assert found["initial-cluster"] == "m1=http://m1.nodes:2380,m0=http://m0.nodes:2380,2b=http://[fd00::2]:2380"
    assert found["initial-cluster-state"] == "existing"


def test_with_data_the_configuration_does_not_let_etcd_begin_without_them() -> None:
    assert conf(Start())["initial-cluster"] == SEALED
    assert "m0=" not in SEALED


def test_etcd_listens_where_this_process_does_and_shows_metrics_without_tls() -> None:
    tls = TlsFiles(Path("/tls/ca.crt"), Path("/tls/tls.crt"), Path("/tls/tls.key"))
    found = conf(Start(), replace(SETTINGS, tls=tls), "127.0.0.1")
    assert found["listen-client-urls"] == "https://127.0.0.1:2379"
    assert found["listen-metrics-urls"] == "http://127.0.0.1:2381"
    assert found["advertise-client-urls"] == "https://m0.nodes:2379"
    assert conf(Start())["listen-peer-urls"] == "http://[::]:2380"


def test_without_users_clients_need_a_certificate_and_with_users_a_password() -> None:
    tls = TlsFiles(Path("/tls/ca.crt"), Path("/tls/tls.crt"), Path("/tls/tls.key"))
    auth = AuthSettings(Path("/root"), "galera", Path("/user"), "/galera/")
    asks = {"trusted-ca-file": "/tls/ca.crt", "client-cert-auth": True}
    for users in (None, auth):
        found = conf(Start(), replace(SETTINGS, tls=tls, auth=users))
        client, peers = found["client-transport-security"], found["peer-transport-security"]
        assert isinstance(client, dict)
        assert isinstance(peers, dict)
        assert asks.items() <= peers.items()
        assert (asks.items() <= client.items()) is (users is None)
        assert "trusted-ca-file" not in client or users is None


def test_the_file_is_written_on_change_only_and_can_be_withdrawn(tmp_path: Path) -> None:
    path = tmp_path / "etcd.conf.yml"
    file = ConfigFile(replace(SETTINGS, config_file=path))
    file.write(Path("/d"), Start())
    before = path.stat().st_ino
    file.write(Path("/d"), Start())
    assert path.stat().st_ino == before
    file.write(Path("/d"), StartNew(ROSTER))
    assert path.stat().st_ino != before
    file.withdraw()
    file.withdraw()
    assert not path.exists()
    file.write(Path("/d"), StartNew(ROSTER))
    assert path.exists()


def test_ids_are_those_that_etcd_gives() -> None:
    # What etcd 3.4.23 says of --initial-cluster=m0=http://127.77.1.1:2380 --initial-cluster-token=tok-1.
    assert member_id("http://127.77.1.1:2380", "tok-1") == 10220793847532403320
    assert cluster_id([10220793847532403320]) == 8196121862611426895


# What others answer:


def answer(content: bytes, cluster: str | None = "2a") -> requests.Response:
    made = requests.Response()
    made._content = content
    if cluster is not None:
        made.headers["X-Etcd-Cluster-Id"] = cluster
    return made


def test_members_are_read_from_the_peer_port() -> None:
    body = b'[{"id":1,"peerURLs":["http://a:2380"],"name":"a","clientURLs":["http://a:2379"]},{"id":2,"peerURLs":["u"],"isLearner":true}]'
    found = neighbours._read(answer(body), "")
    assert found is not None
    assert found.id == 42
    assert found.quorum
    assert found.members == (
        EtcdMember(1, "a", ("http://a:2380",), ("http://a:2379",), learner=False),
        EtcdMember(2, "", ("u",), (), learner=True),
    )


@given(
    st.binary(max_size=100) | JSON.map(lambda found: json.dumps(found).encode()), st.sampled_from((None, "", "x", "2a"))
)
@example(b'[{"id":Infinity,"peerURLs":[]}]', "2a")
@example(b'[{"id":1e999,"peerURLs":[]}]', "2a")
def test_an_answer_of_something_else_is_no_cluster(content: bytes, cluster: str | None) -> None:
    found = neighbours._read(answer(content, cluster), "")
    assert found is None or (cluster == "2a" and found.members == ())


# The journal:


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_other_details_of_a_wait_that_lasts_are_logged_but_not_at_every_look(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    journal = Journal(clock)
    caplog.set_level("INFO")
    silent = Wait(Reason.MEMBERS_SILENT, ("m1",), "Name or service not known")
    journal.waits(silent)
    for attempt in range(int(AGAIN)):
        clock.now += 1
        journal.waits(replace(silent, text=f"certificate verify failed {attempt}"))
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "Name or service not known",
        f"certificate verify failed {AGAIN - 1:.0f}",
    ]


def test_a_wait_is_logged_once_then_now_and_then_and_again_when_it_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    journal = Journal(clock)
    caplog.set_level("INFO")
    silent, quorum = Wait(Reason.MEMBERS_SILENT, ("m1",)), Wait(Reason.NO_QUORUM, ("m1",))
    for _ in range(int(REMIND) - 1):
        journal.waits(silent)
        clock.now += 1
    assert len(caplog.records) == 1
    assert "members_silent" in caplog.text
    assert "(m1)" in caplog.text
    clock.now += 1
    journal.waits(silent)
    assert len(caplog.records) == 2
    assert f"waits for {REMIND:.0f} s" in caplog.text
    for _ in range(int(AGAIN) - 2):  # back and forth: each is said once
        journal.waits(quorum)
        journal.waits(silent)
        clock.now += 1
    assert len(caplog.records) == 3
    assert journal.fields() == {
        "reason": "members_silent",
        "meaning": "the volume is empty, and not all members answer: one of them may have data",
        "members": ["m1"],
        "detail": "",
        "seconds": 1,
    }
    journal.goes_on()
    assert journal.fields() is None
