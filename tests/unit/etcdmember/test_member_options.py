"""The command line of ``galera-exporter etcd-member``: all faults at once, each with its fix."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from galera_exporter import cli
from galera_exporter.errors import ConfigError
from galera_exporter.etcdmember.options import load
from galera_exporter.etcdmember.settings import AuthSettings, MemberSettings


@pytest.fixture
def flags(tmp_path: Path) -> dict[str, str]:
    """The least that is needed."""
    return {
        "initial-members": "db-etcd-0,db-etcd-1,db-etcd-2",
        "domain": "db-etcd-nodes.prod.svc.cluster.local",
        "data-dir": str(tmp_path),
        "config-file": str(tmp_path / "etcd.conf.yml"),
    }


def good(flags: dict[str, str], **environ: str) -> MemberSettings:
    return load(flags, {"POD_NAME": "db-etcd-1", **environ}, "host")


def faults(flags: dict[str, str], **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        good(flags, **environ)
    return "\n".join(caught.value.faults)


def test_in_a_pod_names_and_a_domain_are_enough(flags: dict[str, str]) -> None:
    settings = good(flags)
    assert settings.name == "db-etcd-1"
    assert settings.others == ("db-etcd-0", "db-etcd-2")
    assert settings.peer_url("db-etcd-0") == "http://db-etcd-0.db-etcd-nodes.prod.svc.cluster.local:2380"
    assert settings.client_url("db-etcd-0") == "http://db-etcd-0.db-etcd-nodes.prod.svc.cluster.local:2379"
    assert settings.state_url("db-etcd-0") == "http://db-etcd-0.db-etcd-nodes.prod.svc.cluster.local:2378"
    assert settings.tls is None
    assert settings.auth is None


def test_hosts_may_stand_in_for_the_domain(flags: dict[str, str]) -> None:
    del flags["domain"]
    settings = good(flags | {"initial-members": "db-etcd-1=10.0.0.1,b=fd00::1"})
    assert settings.peer_url("db-etcd-1") == "http://10.0.0.1:2380"
    assert settings.peer_url("b") == "http://[fd00::1]:2380"


def test_a_variable_of_the_environment_does_as_well(flags: dict[str, str]) -> None:
    token = good(flags, GALERA_EXPORTER_CLUSTER_TOKEN="db-galera-etcd").token
    assert token == "db-galera-etcd"
    assert "no such option; did you mean" in faults(flags, GALERA_EXPORTER_CLUSTER_TOKN="x")


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"initial-members": ""}, "name all members"),
        ({"initial-members": "a,a"}, "name each member once"),
        ({"initial-members": "a=:,db-etcd-1"}, "name each member once"),
        ({"initial-members": "a,b"}, "has no db-etcd-1"),
        ({"domain": ""}, "give it, or a host for each member"),
        ({"domain": "-x"}, "write a domain"),
        ({"data-dir": "/nowhere"}, "is no directory"),
        ({"config-file": "/nowhere/etcd.conf.yml"}, "is no directory: mount one"),
        ({"compaction-retention": "1 hour"}, "write a number and a unit"),
        ({"quota-backend-bytes": "1"}, "write bytes from 16777216 (16 MiB)"),
        ({"listen-address": "2378"}, "write HOST:PORT"),
        ({"auth.user": "galera"}, "--auth.prefix: give it too"),
        ({"auth.user": "root"}, "root is etcd's own"),
        ({"auth.prefix": "galera/"}, "write the beginning of the keys"),
        ({"tls-ca": __file__}, "--tls-cert: give it too"),
        ({"tls-ca": __file__}, "holds no certificate"),
    ],
)
def test_a_fault_is_told_with_its_fix(flags: dict[str, str], changed: dict[str, str], fault: str) -> None:
    assert fault in faults(flags | changed)


def test_all_faults_are_told_at_once(flags: dict[str, str]) -> None:
    told = faults(flags | {"domain": "", "compaction-retention": "x", "auth.user": "galera"})
    assert len(told.splitlines()) == 5


def test_users_come_with_all_four_options(flags: dict[str, str], tmp_path: Path) -> None:
    for name in ("root", "user"):
        (tmp_path / name).touch()
    settings = good(
        flags
        | {
            "auth.root-password-file": str(tmp_path / "root"),
            "auth.user": "galera",
            "auth.password-file": str(tmp_path / "user"),
            "auth.prefix": "/galera/",
        }
    )
    assert settings.auth == AuthSettings(tmp_path / "root", "galera", tmp_path / "user", "/galera/")


def test_the_command_names_an_option_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["etcd-member", "--dommain=x", "--mariadb.user=x"]) == 2
    told = capsys.readouterr().err
    assert "--dommain: no such option; did you mean --domain?" in told
    assert "--mariadb.user: no such option" in told


def test_the_process_loads_nothing_of_mariadb_or_prometheus() -> None:
    code = (
        "import sys; from galera_exporter import cli; from galera_exporter.footprint import spare_charset_tables;"
        "spare_charset_tables(); import galera_exporter.etcdmember.process;"
        "print(*[m for m, there in sys.modules.items() if there is not None])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert {"requests", "etcd3gw"} <= loaded
    assert not loaded & {
        "pymysql",
        "prometheus_client",
        "kubernetes",
        "yaml",
        "bcrypt",
        "chardet",
        "charset_normalizer",
    }
