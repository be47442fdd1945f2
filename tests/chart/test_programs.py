"""The programs of this project take what the chart gives them, and reach one another by it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from chart.release import CASES, FULLNAME, NAMESPACE, Container, Release, case, values_of
from galera_exporter import arguments, cli
from galera_exporter.etcdmember import options as etcdmember
from galera_exporter.galeractl import cli as galeractl
from galera_exporter.settings import Config

HOST = "db-galera-0"
FOLDERS = ("/run/galera", "/var/lib/galera-exporter", "/var/lib/mysql", "/var/lib/etcd", "/run/etcd")
DOMAIN = f"{FULLNAME}-nodes.{NAMESPACE}.svc.cluster.local"

each_case = pytest.mark.parametrize("name", CASES)


def rooted(text: str, root: Path) -> str:
    """Make what begins with a path of the container one below ``root``."""
    head, equals, tail = text.rpartition("=") if text.startswith("--") else ("", "", text)
    return f"{head}{equals}{root}{tail}" if tail.startswith("/") and not tail.startswith("/galera/") else text


def ours(release: Release) -> list[Container]:
    """All containers of our image."""
    return [each for pod in release.pods for each in pod.containers if "galera-exporter" in each.spec["image"]]


@cache
def certificate() -> dict[str, str]:
    """A certificate that is its own CA, by file name: what is no certificate is refused."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-subj", "/O=galera", "-days", "2", "-keyout", "tls.key", "-out", "tls.crt"),
            ],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=30,
        )
        found = {name: (Path(folder) / name).read_text() for name in ("tls.crt", "tls.key")}
    return {**found, "ca.crt": found["tls.crt"]}


def files(release: Release, container: Container, root: Path) -> None:
    """Put below ``root`` what is mounted in the container."""
    volumes = {each["name"]: each for each in container.pod.spec.get("volumes", ())}
    for mount in container.spec.get("volumeMounts", ()):
        folder = Path(f"{root}{mount['mountPath']}")
        folder.mkdir(parents=True, exist_ok=True)
        volume = volumes.get(mount["name"], {})
        for source in (volume, *volume.get("projected", {}).get("sources", ())):
            for kind in ("secret", "configMap"):
                for item in source.get(kind, {}).get("items", _keys(release, source.get(kind))):
                    (folder / item["path"]).write_text(certificate().get(item["path"], "content\n"))


def _keys(release: Release, source: Mapping[str, str] | None) -> list[dict[str, str]]:
    """What a whole Secret puts into its folder."""
    if source is None:
        return []
    name = source.get("secretName", source.get("name", ""))
    if release.has("Secret", name):
        keys = list(release.get("Secret", name)["data"])
    else:  # of the user's own
        keys = ["ca.crt", "tls.crt", "tls.key", "web.yml", "root-password", "password"]
    return [{"path": key} for key in keys]


def parsed(release: Release, container: Container, root: Path) -> Config:
    """Return the configuration of a sidecar or an observer."""
    files(release, container, root)
    env = {name: rooted(value, root) for name, value in container.env.items()}
    args = [rooted(each, root) for each in container.args]
    return arguments.resolve(cli.parser(), args, env, HOST)[1].config


@each_case
def test_the_sidecar_takes_its_configuration(name: str, tmp_path: Path) -> None:
    release = case(name)
    replicas = values_of(name).get("replicaCount", 3)
    config = parsed(release, release.pod("galera").container("exporter"), tmp_path)
    assert config.node == HOST
    assert config.owner == "6b6b2f7e-0000-4000-8000-000000000000"
    assert config.address == f"{HOST}.{DOMAIN}:3306"
    assert config.expected == replicas
    assert config.etcd.prefix == f"/galera/v1/{NAMESPACE}/{FULLNAME}/"
    assert [peer for peer, _ in config.bootstrap.peers] == [f"{FULLNAME}-{ordinal}" for ordinal in range(replicas)]
    assert config.datadir is None, "galera-start.sh tells of it"
    assert config.bootstrap.handoff_dir == tmp_path / "run/galera/handoff"
    assert config.web.listen == (("", 10104),)


@pytest.mark.parametrize("name", [name for name in CASES if name != "no-observer"])
def test_the_observer_takes_its_configuration(name: str, tmp_path: Path) -> None:
    release = case(name)
    sidecar = parsed(release, release.pod("galera").container("exporter"), tmp_path)
    observer = parsed(release, release.pod("observer").container("observer"), tmp_path)
    assert observer.etcd.prefix == sidecar.etcd.prefix
    assert observer.etcd.endpoints == sidecar.etcd.endpoints
    assert observer.etcd.user == sidecar.etcd.user
    assert observer.observer.statefulset == FULLNAME
    assert observer.web.listen == (("", 10105),)


@pytest.mark.parametrize("name", [name for name in CASES if name != "external-etcd"])
def test_etcds_helper_takes_its_configuration(name: str, tmp_path: Path) -> None:
    release = case(name)
    container = release.pod("etcd").container("member")
    files(release, container, tmp_path)
    given = [rooted(each, tmp_path) for each in container.args]
    found, unknown = cli.parser().parse_known_args(given)
    assert not unknown
    settings = etcdmember.load(
        arguments.given_flags(found, etcdmember.OPTIONS), {"POD_NAME": f"{FULLNAME}-etcd-0"}, HOST
    )
    sidecar = parsed(release, release.pod("galera").container("exporter"), tmp_path)
    assert settings.name == f"{FULLNAME}-etcd-0"
    assert tuple(settings.client_url(member) for member in settings.hosts) == sidecar.etcd.endpoints
    assert len(settings.hosts) == release.get("StatefulSet", f"{FULLNAME}-etcd")["spec"]["replicas"]
    assert settings.listen == ("", 2378)
    assert (settings.scheme == "https") is values_of(name).get("tls", {}).get("enabled", False)
    assert (settings.auth is not None) is bool(sidecar.etcd.user)
    if settings.auth is not None:
        assert settings.auth.prefix == sidecar.etcd.prefix
        assert settings.auth.user == sidecar.etcd.user
    # etcd asks for certificates exactly where it has no users, and its clients then have one.
    assert (sidecar.etcd.tls_cert is not None) is (settings.tls is not None and settings.auth is None)
    # What the helper writes is what etcd's container reads.
    etcd = release.pod("etcd").container("etcd")
    assert etcd.spec["command"] == ["etcd", f"--config-file={container.args[6].partition('=')[2]}"]


@each_case
def test_the_tests_of_the_release_are_commands_of_galeractl(name: str, tmp_path: Path) -> None:
    release = case(name)
    pods = [pod for pod in release.pods if pod.component == "test"]
    assert {pod.owner for pod in pods} == {f"{FULLNAME}-test-{test}" for test in ("etcd", "status", "sync")} - (
        {f"{FULLNAME}-test-sync"} if name == "one-replica" else set()
    )
    for pod in pods:
        (container,) = pod.containers
        assert container.spec["command"] == ["galeractl"]
        files(release, container, tmp_path)
        env = {key: rooted(value, tmp_path) for key, value in container.env.items()}
        given = [rooted(each, tmp_path) for each in container.args]
        config = arguments.resolve(galeractl.parser(), given, env, HOST)[1].config
        assert config.etcd.prefix == f"/galera/v1/{NAMESPACE}/{FULLNAME}/"


@each_case
def test_every_program_of_ours_reads_the_files_that_are_mounted_for_it(name: str) -> None:
    for container in ours(case(name)):
        mounts = [mount["mountPath"] for mount in container.spec.get("volumeMounts", ())]
        named = [each.rpartition("=")[2] for each in (*container.env.values(), *container.args)]
        for path in named:
            if path.startswith("/") and not path.startswith("/galera/"):
                assert any(f"{path}/".startswith(f"{mount}/") for mount in mounts), (container.name, path)


@pytest.mark.parametrize("name", ["tls-cert-manager"])
def test_the_certificate_is_valid_for_every_name_that_somebody_asks(name: str, tmp_path: Path) -> None:
    release = case(name)
    (certificate,) = release.all("Certificate")
    names = certificate["spec"]["dnsNames"]
    asked = set()
    for component in ("galera", "observer"):
        container = next(each for each in ours(release) if each.pod.component == component)
        config = parsed(release, container, tmp_path)
        asked |= {urlsplit(url).hostname for url in config.etcd.endpoints}
        asked |= {urlsplit(url).hostname for _, url in config.bootstrap.peers}
    for service in release.all("Service"):
        if service["spec"].get("clusterIP") != "None":
            asked.add(f"{service['metadata']['name']}.{NAMESPACE}.svc.cluster.local")
    for monitor in release.all("PodMonitor"):
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            asked.add(endpoint.get("tlsConfig", {}).get("serverName", "localhost"))
    assert len(asked) > 10
    # A member of etcd looks these up, one after the other, until one has the address of the member that connects.
    assert names[0] == f"{FULLNAME}-etcd-nodes.{NAMESPACE}.svc.cluster.local"
    for host in asked:
        assert any(_matches(pattern, str(host)) for pattern in names), host
    assert certificate["spec"].get("commonName") is None  # etcd would take it for a user
    assert all(len(each) <= 253 for each in names)


def _matches(pattern: str, host: str) -> bool:
    """As TLS does: a star is one label."""
    if not pattern.startswith("*."):
        return pattern == host
    return host.partition(".")[2] == pattern[2:]


@pytest.mark.parametrize("name", ["tls", "tls-cert-manager", "tls-etcd-auth"])
def test_with_tls_nothing_is_asked_in_the_clear(name: str, tmp_path: Path) -> None:
    release = case(name)
    config = parsed(release, release.pod("galera").container("exporter"), tmp_path)
    assert all(url.startswith("https://") for url in config.etcd.endpoints)
    assert all(url.startswith("https://") for _, url in config.bootstrap.peers)
    assert config.bootstrap.tls_ca is not None
    assert config.web.config_file is not None
    web = yaml.safe_load(release.config("web.yml"))
    assert web == {"tls_server_config": {"cert_file": "tls.crt", "key_file": "tls.key"}}
    for pod in release.pods:
        for container in pod.containers:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                get = container.spec.get(probe, {}).get("httpGet", {})
                # etcd's own metrics and health are on a port of their own, without TLS.
                assert get.get("scheme", "HTTP") == ("HTTPS" if get and container.name != "etcd" else "HTTP")
    options = release.pod("galera").container("mariadb").env["GALERA_PROVIDER_OPTIONS"]
    assert "socket.ssl=yes" in options
    assert "encrypt = 4" in release.config("my.cnf")
