"""Configuration: three sources, one Config, all faults at once."""

from __future__ import annotations

import copy
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from galera_exporter import cli
from galera_exporter.config import load
from galera_exporter.errors import ConfigError
from galera_exporter.options import OPTIONS, User
from galera_exporter.settings import Config, Secret


def faults(flags: dict[str, str] | None = None, environ: dict[str, str] | None = None, path: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(flags or {}, environ or {}, "host", config_file=path)
    return list(caught.value.faults)


def good(flags: dict[str, str] | None = None, environ: dict[str, str] | None = None, path: str = "") -> Config:
    return load(flags or {}, environ or {}, "host", config_file=path).config


def toml(tmp_path: Path, text: str) -> str:
    path = tmp_path / "exporter.toml"
    path.write_text(text)
    return str(path)


def test_nothing_given_is_a_good_configuration_without_a_registry() -> None:
    config = good()
    assert (config.node, config.address, config.owner) == ("host", "host:3306", "host:3306")
    assert config.etcd.endpoints == ()
    assert config.etcd.prefix == "/galera/v1/default/galera/"
    assert config.web.listen == (("", 10104),)


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = toml(tmp_path, 'expected-size = 3\n[etcd]\nttl = 20\n[mariadb]\nuser = "filed"\n')
    environ = {"GALERA_EXPORTER_ETCD_TTL": "30", "GALERA_EXPORTER_MARIADB_USER": "environed"}
    config = good({"mariadb.user": "flagged"}, environ, path)
    assert (config.expected, config.etcd.ttl, config.mariadb.user) == (3, 30, "flagged")


def test_a_pod_gives_its_name_namespace_and_uid() -> None:
    config = good(environ={"POD_NAME": "db-1", "POD_NAMESPACE": "prod", "POD_UID": "u-1"})
    assert (config.node, config.etcd.namespace, config.owner) == ("db-1", "prod", "u-1")


def test_an_empty_variable_counts_as_not_set() -> None:
    assert good(environ={"GALERA_EXPORTER_ETCD_TTL": "", "POD_NAME": ""}).etcd.ttl == 10


def test_service_links_of_kubernetes_are_not_taken_for_options() -> None:
    names = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_METRICS", "PORT", "PORT_10104_TCP", "PORT_10104_TCP_ADDR")
    assert good(environ={f"GALERA_EXPORTER_{name}": "10.0.0.1" for name in names}).expected == 0


def test_every_fault_of_every_source_is_reported_at_once(tmp_path: Path) -> None:
    path = toml(tmp_path, 'colour = "red"\n[mariadb]\npassword = "hunter2"\n[etcd]\nttl = 2\n')
    found = faults({"expected-size": "many"}, {"GALERA_EXPORTER_ETCD_TIMEOUTS": "1"}, path)
    assert len(found) == 5
    text = "\n".join(found)
    assert "colour: no such option" in text
    assert "mariadb.password-file" in text
    assert "etcd.ttl: '2': write a whole number from 5 to 300" in text
    assert "did you mean GALERA_EXPORTER_ETCD_TIMEOUT?" in text
    assert "--expected-size: 'many'" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("mariadb.address", "localhost", "HOST:PORT"),
        ("mariadb.address", "localhost:99999", "HOST:PORT"),
        ("mariadb.address", "::1:3306", "[::1]:3306"),
        ("mariadb.timeout", "1e3", "seconds from 0.1 to 60"),
        ("mariadb.password-file", "/nonexistent/file", "No such file"),
        ("etcd.endpoints", "etcd-0:2379", "http://HOST:PORT"),
        ("etcd.endpoints", "http://user:pw@etcd-0:2379", "http://HOST:PORT"),
        ("etcd.endpoints", "http://etcd-0:2379/v3", "http://HOST:PORT"),
        ("etcd.ttl", "4", "from 5 to 300"),
        ("node-name", "a/b", "letters, digits"),
        ("cluster-name", "../x", "letters, digits"),
        ("label", "no-equals", "NAME=VALUE"),
        ("label", "__name__=x", "NAME=VALUE"),
        ("web.telemetry-path", "metrics", "such as /metrics"),
        ("web.telemetry-path", "/-/x", "taken"),
        ("web.listen-address", "10104", "HOST:PORT"),
        ("log.level", "loud", "debug, info"),
        ("collect.queue-stats", "maybe", "true or false"),
    ],
)
def test_a_bad_value_is_named_with_its_fix(name: str, text: str, hint: str) -> None:
    (found,) = faults({name: text})
    assert found.startswith(f"--{name}: {text!r}")
    assert hint in found


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        ({"etcd.endpoints": "http://a:1,https://b:2"}, "mixes http and https"),
        ({"etcd.endpoints": "http://a:1", "etcd.tls-ca": "/dev/null"}, "endpoints are http"),
        ({"etcd.user": "u"}, "its password"),
        ({"mariadb.tls-cert": "/dev/null", "mariadb.tls-ca": "/dev/null"}, "both or none"),
        ({"mariadb.tls-cert": "/dev/null", "mariadb.tls-key": "/dev/null"}, "--mariadb.tls-ca too"),
    ],
)
def test_options_that_contradict_each_other_are_refused(flags: dict[str, str], hint: str) -> None:
    assert any(hint in fault for fault in faults(flags))


def test_the_handoff_folder_may_come_later_and_no_other(tmp_path: Path) -> None:
    needed = {"etcd.endpoints": "http://a:1", "expected-size": "3", "bootstrap.state-dir": str(tmp_path)}
    for place in (tmp_path, tmp_path / "to-come"):
        assert good({**needed, "bootstrap.handoff-dir": str(place)}).bootstrap.handoff_dir == place
    (tmp_path / "file").touch()
    for name, place in (
        ("bootstrap.handoff-dir", tmp_path / "file"),
        ("bootstrap.handoff-dir", tmp_path / "not-there" / "to-come"),
        ("bootstrap.state-dir", tmp_path / "to-come"),
    ):
        assert "is no directory" in faults({**needed, "bootstrap.handoff-dir": str(tmp_path), name: str(place)})[0]


def test_both_forms_of_a_password_at_once_are_refused() -> None:
    found = faults({"mariadb.password-file": "/dev/null"}, {"GALERA_EXPORTER_MARIADB_PASSWORD": "hunter2"})
    assert len(found) == 1
    assert "give one of them" in found[0]
    assert "hunter2" not in found[0]


@pytest.mark.parametrize("text", ["\x00", "= 1", '"', "[etcd", "ttl = 1979-05-27"])
def test_a_broken_file_is_a_fault_that_names_the_file(tmp_path: Path, text: str) -> None:
    path = toml(tmp_path, text)
    assert path in faults(path=path)[0]


def test_a_missing_file_is_a_fault() -> None:
    assert "No such file" in faults(path="/nonexistent.toml")[0]


def test_lists_tables_and_switches_of_a_file_are_understood(tmp_path: Path) -> None:
    path = toml(
        tmp_path,
        'node_name = "n"\n[etcd]\nendpoints = ["http://a:1", "http://b:2"]\n[label]\ndc = "seoul"\n'
        "[collect]\nqueue-stats = true\n",
    )
    config = good(path=path)
    assert config.etcd.endpoints == ("http://a:1", "http://b:2")
    assert dict(config.labels) == {"dc": "seoul"}
    assert config.queue_stats


def test_several_listen_addresses_may_be_given() -> None:
    assert good({"web.listen-address": "127.0.0.1:1,[::1]:2"}).web.listen == (("127.0.0.1", 1), ("::1", 2))


@given(st.dictionaries(st.sampled_from([option.name for option in OPTIONS]), st.text(max_size=40)))
def test_any_text_gives_a_config_or_faults_never_a_traceback(flags: dict[str, str]) -> None:
    try:
        assert isinstance(good(flags), Config)
    except ConfigError as error:
        assert error.faults  # noqa: PT017 - either outcome is right


def test_no_option_is_taken_twice() -> None:
    assert len({option.env for option in OPTIONS}) == len({option.name for option in OPTIONS}) == len(OPTIONS)


def test_a_secret_is_shown_nowhere() -> None:
    secret = Secret("hunter2")
    shown = f"{secret} {secret!r} {secret:>20} {[secret]} {Config(node='n')!r}"
    assert "hunter2" not in shown
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2")
    assert not Secret("")
    for copier in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not written anywhere"):
            copier(secret)


def run(*argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "galera_exporter", *argv],
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": os.environ["PATH"], **environ},
        check=False,
    )


def test_faults_end_the_command_with_status_2_and_no_traceback() -> None:
    done = run("run", "--etcd.ttl=1", "--mariadb.adress=x", "stray", GALERA_EXPORTER_NODE="x")
    assert done.returncode == 2
    assert "the configuration has 4 faults" in done.stderr
    assert "did you mean --mariadb.address?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "argv", [("--mariadb.password=hunter2",), ("--mariadb.password", "hunter2"), ("--mariadb.pasword", "hunter2")]
)
def test_a_password_on_the_command_line_is_refused_and_not_repeated(argv: tuple[str, ...]) -> None:
    done = run("run", *argv)
    assert done.returncode == 2
    assert "hunter2" not in done.stderr + done.stdout


def test_check_config_prints_each_value_with_its_origin_and_hides_secrets(tmp_path: Path) -> None:
    path = toml(tmp_path, "[etcd]\nttl = 15\n")
    done = run("check-config", "--config", path, "--expected-size=3", GALERA_EXPORTER_MARIADB_PASSWORD="hunter2")
    assert done.returncode == 0
    lines = {" ".join(line.split()) for line in done.stdout.splitlines()}
    assert f"etcd.ttl 15 ({path})" in lines
    assert "expected-size 3 (--expected-size)" in lines
    assert "mariadb.password *** ($GALERA_EXPORTER_MARIADB_PASSWORD)" in lines
    assert "hunter2" not in done.stdout


@pytest.mark.parametrize(("command", "user"), [("run", User.SIDECAR), ("observe", User.OBSERVER)])
def test_help_names_every_flag_and_variable_of_the_command(command: str, user: User) -> None:
    text = " ".join(cli.parser()._subparsers._group_actions[0].choices[command].format_help().split())  # type: ignore[union-attr,call-overload,index]
    for option in OPTIONS:
        if option.secret or user not in option.users:
            assert f"--{option.name} " not in text
        else:
            assert f"--{option.name} " in text or f"[--{option.name}]" in text
        assert option.env in text or user not in option.users


def test_the_observer_has_a_port_of_its_own_and_the_clusters_statefulset() -> None:
    flags = {"etcd.endpoints": "http://etcd:2379", "cluster-name": "db-galera"}
    config = load(flags, {}, "host", user=User.OBSERVER).config
    assert config.web.listen == (("", 10105),)
    assert (config.observer.statefulset, config.observer.kubeconfig) == ("db-galera", None)
    assert load({**flags, "statefulset": "old"}, {}, "host", user=User.OBSERVER).config.observer.statefulset == "old"
    assert load({**flags, "web.listen-address": ":1"}, {}, "host", user=User.OBSERVER).config.web.listen == (("", 1),)


def test_the_observer_needs_a_registry() -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, {}, "host", user=User.OBSERVER)
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["--etcd.endpoints"]


def test_what_is_printed_of_the_configuration_has_no_option_of_another_command() -> None:
    names = {name for name, _, _ in load({}, {}, "host").origins}
    assert "mariadb.user" in names
    assert not names & {"statefulset", "kubeconfig"}


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.mkdir(mode=stat.S_IRWXU)
    assert "cannot be read" in faults({"mariadb.password-file": str(path)})[0]


def test_faults_inside_the_files_are_told_with_those_of_the_options(tmp_path: Path) -> None:
    web = tmp_path / "web.yml"
    web.write_text("tls_server_config: {}\nfoo: 1\n")
    done = run(
        "check-config",
        f"--web.config.file={web}",
        f"--mariadb.tls-ca={web}",
        "--etcd.endpoints=https://etcd:2379",
        f"--etcd.tls-cert={web}",
        f"--etcd.tls-key={web}",
        "--etcd.ttl=1",
    )
    assert done.returncode == 2
    assert "the configuration has 6 faults" in done.stderr
    for part in (
        "--etcd.ttl",
        "--mariadb.tls-ca",
        "--etcd.tls-cert and --etcd.tls-key",
        "foo",
        "cert_file",
        "key_file",
    ):
        assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_an_option_of_the_sidecar_is_named_as_such_by_galeractl() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "galera_exporter.galeractl", "status", "--log.level", "debug"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 64
    assert "--log.level: an option of another command: leave it out" in done.stderr
