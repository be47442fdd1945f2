"""The parsers over what real servers gave, and over what is broken. See corpus/README.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from galera_exporter.mariadb import datadir, options, status
from galera_exporter.model import ZERO_UUID, ClusterStatus, NodeState

CORPUS = Path(__file__).parents[1] / "corpus"
UUID = "c58fcf34-e769-11f1-a9e0-eb4fc005f309"
PRIMARY, NON_PRIMARY, DISCONNECTED = ClusterStatus.PRIMARY, ClusterStatus.NON_PRIMARY, ClusterStatus.DISCONNECTED


def rows(name: str) -> list[tuple[object, ...]]:
    text = (CORPUS / name).read_bytes().decode("utf-8", "replace")
    return [tuple(line.split("\t")) for line in text.splitlines()]


def names(pattern: str) -> list[str]:
    found = sorted(path.name for path in CORPUS.glob(pattern))
    assert found
    return found


def pairs(name: str) -> list[tuple[object, object]]:
    return rows(name)  # type: ignore[return-value]  # rows of other shapes are what some files are about


STATUS = {
    "10.11-synced": (PRIMARY, NodeState.SYNCED, 3, True),
    "10.11-synced-2": (PRIMARY, NodeState.SYNCED, 3, True),
    "10.11-synced-after-sst": (PRIMARY, NodeState.SYNCED, 3, True),
    "10.11-rejecting": (PRIMARY, NodeState.SYNCED, 3, True),
    "10.11-desynced": (PRIMARY, NodeState.DONOR, 3, True),
    "10.11-donor": (PRIMARY, NodeState.DONOR, 3, True),
    "10.11-joined": (PRIMARY, NodeState.JOINED, 3, True),
    "10.11-receiving": (PRIMARY, NodeState.RECEIVING, 3, True),
    "10.11-receiving-non-primary": (NON_PRIMARY, NodeState.RECEIVING, 2, True),
    "10.11-initialized": (NON_PRIMARY, NodeState.INITIALIZED, 0, True),
    "10.11-non-primary": (NON_PRIMARY, NodeState.INITIALIZED, 1, True),
    "10.11-disconnected": (DISCONNECTED, NodeState.INITIALIZED, 0, False),
    "10.11-wsrep-off": (DISCONNECTED, NodeState.UNKNOWN, 0, False),
    "10.11-no-provider": (DISCONNECTED, NodeState.UNKNOWN, 0, False),
    "10.11-zero-uuid": (PRIMARY, NodeState.SYNCED, 3, True),
    "11.8-single": (PRIMARY, NodeState.SYNCED, 1, True),
    "11.8-synced": (PRIMARY, NodeState.SYNCED, 3, True),
    "11.8-kubernetes": (PRIMARY, NodeState.SYNCED, 3, True),
    "11.8-desynced": (PRIMARY, NodeState.DONOR, 3, True),
    "11.8-non-primary": (NON_PRIMARY, NodeState.INITIALIZED, 1, True),
    "11.8-disconnected": (DISCONNECTED, NodeState.INITIALIZED, 0, False),
    "11.8-wsrep-off": (DISCONNECTED, NodeState.UNKNOWN, 0, False),
    "11.8-no-provider": (DISCONNECTED, NodeState.UNKNOWN, 0, False),
}


def test_there_is_an_expectation_for_each_recorded_status() -> None:
    assert names("status-*.good.tsv") == sorted(f"status-mariadb-{key}.good.tsv" for key in STATUS)


@pytest.mark.parametrize("key", STATUS)
def test_a_recorded_status_is_understood(key: str) -> None:
    sample = status.parse_status(pairs(f"status-mariadb-{key}.good.tsv"))
    assert (sample.cluster_status, sample.state, sample.cluster_size, sample.connected) == STATUS[key]
    if sample.primary:
        assert sample.conf_id >= 0
        assert 0 <= sample.local_index < sample.cluster_size
    galera = sample.raw["wsrep_provider_name"] == "Galera"
    assert galera == (not key.endswith(("-off", "-no-provider")))
    if galera and "zero" not in key:
        assert sample.position.defined
        assert sample.cached_downto >= 0
    if sample.primary:
        assert sample.cluster_uuid == sample.local_uuid or sample.state is NodeState.RECEIVING
        assert sample.member_uuid != ZERO_UUID


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("status-*.bad.tsv")))
def test_a_broken_status_is_never_taken_for_a_working_node(name: str) -> None:
    sample = status.parse_status(pairs(name))
    assert not (sample.primary and sample.ready and sample.state is NodeState.SYNCED and sample.cluster_size)


SETTINGS = {
    "wsrep_on": 1.0,
    "read_only": 0.0,
    "sync_wait": 0.0,
    "sst_donor_rejects_queries": 0.0,
    "applier_threads": 1.0,
    "max_writeset_size_bytes": 2147483647.0,
    "node_weight": 1.0,
    "pc_ignore_sb": 0.0,
    "pc_ignore_quorum": 0.0,
    "gcache_page_size_bytes": 134217728.0,
    "gcache_recover": 1.0,
    "evs_suspect_timeout_seconds": 5.0,
    "evs_inactive_timeout_seconds": 15.0,
    "innodb_flush_log_at_trx_commit": 1.0,
    "sync_binlog": 0.0,
}
VARIABLES = {
    "10.11-synced": {"desync": 0.0, "gcache_size_bytes": 16777216.0},
    "10.11-desynced": {"desync": 1.0, "gcache_size_bytes": 16777216.0},
    "10.11-disconnected": {"desync": 0.0, "gcache_size_bytes": 16777216.0},
    "11.8-single": {"desync": 0.0, "gcache_size_bytes": 16777216.0, "pc_bootstrap": 0.0},
    "11.8-synced": {"desync": 0.0, "gcache_size_bytes": 16777216.0, "pc_bootstrap": 0.0},
    "11.8-desynced": {"desync": 1.0, "gcache_size_bytes": 16777216.0, "pc_bootstrap": 0.0},
    "11.8-disconnected": {"desync": 0.0, "gcache_size_bytes": 16777216.0, "pc_bootstrap": 0.0},
}


@pytest.mark.parametrize("key", VARIABLES)
def test_recorded_variables_are_understood(key: str) -> None:
    found = status.parse_variables(pairs(f"variables-mariadb-{key}.good.tsv"))
    assert found.settings == SETTINGS | VARIABLES[key]
    assert found.version.startswith(key.split("-", maxsplit=1)[0])
    assert found.sst_method == "mariabackup"
    assert found.node_name
    assert found.node_address.startswith("127.0.0.1:")
    assert options.flow_control_limits(found.provider, 3) == (28.0, 28.0)


@pytest.mark.parametrize("version", ["10.11", "11.8"])
def test_variables_of_a_server_without_wsrep_say_so(version: str) -> None:
    found = status.parse_variables(pairs(f"variables-mariadb-{version}-wsrep-off.good.tsv"))
    assert found.settings["wsrep_on"] == 0.0
    # No provider is loaded: its options are only what the option file sets.
    assert "node_weight" not in found.settings
    assert options.flow_control_limits(found.provider, 3) is None


def test_the_variables_of_the_provider_plugin_say_the_same_as_the_text_of_the_options() -> None:
    variables = {str(name): str(value) for name, value in pairs("variables-mariadb-11.8-kubernetes.good.tsv")}
    plugin = {name: value for name, value in variables.items() if name != "wsrep_provider_options"}
    one = {name: value for name, value in variables.items() if not name.startswith("wsrep_provider_")}
    one["wsrep_provider_options"] = variables["wsrep_provider_options"]
    # pc.bootstrap is a command and not a setting; only the plugin shows it.
    assert {**options.settings(one), "pc_bootstrap": 1.0} == options.settings(plugin)


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("variables-*.bad.tsv")))
def test_broken_variables_give_no_wrong_number(name: str) -> None:
    good = status.parse_variables(pairs("variables-mariadb-10.11-synced.good.tsv"))
    assert status.parse_variables(pairs(name)).settings.items() <= good.settings.items()


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("members-*.good.tsv")))
def test_recorded_members_are_understood(name: str) -> None:
    members = status.parse_members(rows(name))
    assert 1 <= len(members) <= 3
    assert all(member.name and member.address for member in members)


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("members-*.bad.tsv")))
def test_broken_members_are_left_out(name: str) -> None:
    assert status.parse_members(rows(name)) == ()


GRASTATE = {
    "mariadb-10.11-running": (False, False),
    "mariadb-10.11-disconnected": (True, False),
    "mariadb-10.11-non-primary": (False, False),
    "mariadb-10.11-killed": (False, False),
    "mariadb-10.11-stopped": (True, False),
    "mariadb-11.8-running": (False, False),
    "mariadb-11.8-killed": (False, False),
    "mariadb-11.8-stopped-last": (True, True),
    "crlf": (True, True),
    "old-without-safe": (True, None),
    "after-failed-sst": (False, True),
}


@pytest.mark.parametrize("key", GRASTATE)
def test_a_recorded_grastate_is_understood(key: str) -> None:
    found = datadir.parse_grastate((CORPUS / f"grastate-{key}.good.dat").read_bytes().decode())
    assert found is not None
    assert (found.position.seqno >= 0, found.safe_to_bootstrap) == GRASTATE[key]
    assert (found.position.uuid == ZERO_UUID) == (key == "after-failed-sst")


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("grastate-*.bad.dat")))
def test_a_broken_grastate_is_none(name: str) -> None:
    assert datadir.parse_grastate((CORPUS / name).read_bytes().decode("utf-8", "replace")) is None


def test_the_corpus_has_the_promised_size() -> None:
    assert len(list(CORPUS.glob("*.good.*"))) + len(list(CORPUS.glob("*.bad.*"))) >= 60
