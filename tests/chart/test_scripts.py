"""The scripts of the database's container, apart from the one that starts the server: what it is started with."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from chart.release import CASES, CHART, FULLNAME, NAMESPACE, case
from lab import wait_until

FILES = CHART / "files"
PROVIDERS = [
    "usr/lib/libgalera_smm.so",
    "usr/lib/galera/libgalera_smm.so",
    "usr/lib64/galera-4/libgalera_smm.so",
]
SHOW = '#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n'


class Container:
    """Folders of a container in which galera-start.sh only tells its arguments."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.init = root / "init"
        self.handoff = root / "handoff"
        self.auth = root / "auth"
        self.values = root / "initdb" / "values"
        self.secret = root / "initdb" / "secret"
        for folder in (self.init, self.auth, self.values, self.secret, root / "bin"):
            folder.mkdir(parents=True)
        self.script = root / "bin" / "galera-run.sh"
        self.script.write_text((FILES / "galera-run.sh").read_text())
        start = root / "bin" / "galera-start.sh"
        start.write_text(SHOW)
        start.chmod(0o755)

    def put(self, provider: str) -> Path:
        """Have a library of Galera in the image."""
        path = self.root / provider
        path.parent.mkdir(parents=True)
        path.touch()
        return path

    def run(self, **env: str) -> subprocess.CompletedProcess[str]:
        """Run it once."""
        return subprocess.run(
            ["bash", self.script],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
            env={
                "PATH": os.environ["PATH"],
                "POD_NAME": "db-galera-1",
                "POD_IP": "10.0.0.7",
                "GALERA_ROOT": str(self.root),
                "GALERA_INIT_DIR": str(self.init),
                "GALERA_HANDOFF_DIR": str(self.handoff),
                "GALERA_AUTH_DIR": str(self.auth),
                "GALERA_SCRIPTS_DIR": str(self.root / "initdb"),
                **env,
            },
        )

    def arguments(self, **env: str) -> list[str]:
        """Return what galera-start.sh is called with."""
        done = self.run(**env)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


@pytest.mark.parametrize("path", sorted(FILES.glob("*.sh")), ids=lambda path: path.name)
def test_shellcheck_finds_nothing(path: Path) -> None:
    done = subprocess.run(["shellcheck", path], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", sorted(FILES.glob("*.sh")), ids=lambda path: path.name)
def test_the_config_map_has_every_script_as_it_is_and_the_container_runs_it(path: Path) -> None:
    assert case("default").config(path.name).strip() == path.read_text().strip()
    pod = case("default").pod("galera")
    (volume,) = (each for each in pod.spec["volumes"] if each["name"] == "scripts")
    assert volume["configMap"]["defaultMode"] == 0o555
    assert path.name in {item["path"] for item in volume["configMap"]["items"]}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_library_of_galera_is_found_wherever_the_image_has_it(container: Container, provider: str) -> None:
    path = container.put(provider)
    assert f"--wsrep-provider={path}" in container.arguments()


def test_without_a_library_the_start_script_gets_to_say_so(container: Container) -> None:
    assert "--wsrep-provider=none" in container.arguments()


def test_the_server_gets_the_name_and_the_address_of_its_pod(container: Container) -> None:
    assert container.arguments(GALERA_PROVIDER_OPTIONS="gcache.size=1G") == [
        "mariadbd",
        "--defaults-file=/etc/galera/my.cnf",
        "--wsrep-provider=none",
        "--wsrep-node-name=db-galera-1",
        "--wsrep-node-address=10.0.0.7",
        "--wsrep-provider-options=gcache.size=1G",
    ]


def test_with_ipv6_galera_listens_there(container: Container) -> None:
    found = container.arguments(POD_IP="fd00::7", GALERA_PROVIDER_OPTIONS="gcache.size=1G")
    assert "--wsrep-node-address=[fd00::7]" in found
    assert "--wsrep-provider-options=gmcast.listen_addr=tcp://[::]:4567;gcache.size=1G" in found


def test_the_handoff_folder_is_made_once_for_the_group_and_without_the_sticky_bit(container: Container) -> None:
    for _ in range(2):
        container.arguments()
        assert stat.S_IMODE(container.handoff.stat().st_mode) == 0o2770
        (container.handoff / "phase").touch()
    assert container.handoff.joinpath("phase").exists()


def test_passwords_are_in_a_file_that_only_its_owner_reads_and_in_no_argument(container: Container) -> None:
    for name in ("exporter-password", "operator-password", "root-password", "password"):
        (container.auth / name).write_text(f"canary-{name}")
    found = container.arguments(AUTH_USERNAME="shop", AUTH_DATABASE="shop_1", AUTH_ROOT_REMOTE="true")
    assert "canary" not in "\n".join(found)
    sql = container.init / "10-accounts.sql"
    assert stat.S_IMODE(sql.stat().st_mode) == 0o600
    text = sql.read_text()
    assert text.count("canary-") == 5  # root's twice
    assert "ON `shop\\_1`.* TO 'shop'@'%'" in text


def test_accounts_without_a_password_are_not_made(container: Container) -> None:
    container.arguments(AUTH_USERNAME="shop", AUTH_ROOT_REMOTE="true")
    text = (container.init / "10-accounts.sql").read_text()
    assert "USER" not in text


def test_scripts_of_both_kinds_come_after_the_accounts_in_the_order_of_their_names(container: Container) -> None:
    (container.values / "20-b.sql").touch()
    (container.secret / "10-a.sql").touch()
    for _ in range(2):  # a container that is started again finds what it made before
        container.arguments()
        assert sorted(path.name for path in container.init.iterdir()) == [
            "10-accounts.sql",
            "50-10-a.sql",
            "50-20-b.sql",
        ]
    assert (container.init / "50-10-a.sql").resolve() == container.secret / "10-a.sql"


def test_two_scripts_of_one_name_are_refused(container: Container) -> None:
    (container.values / "a.sql").touch()
    (container.secret / "a.sql").touch()
    done = container.run()
    assert done.returncode == 78
    assert "two scripts of the first start are called a.sql" in done.stderr


def test_a_script_that_was_removed_is_not_run(container: Container) -> None:
    (container.values / "a.sql").touch()
    container.arguments()
    (container.values / "a.sql").unlink()
    container.arguments()
    assert not (container.init / "50-a.sql").is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a process namespace")
def test_a_container_that_only_sleeps_ends_when_it_is_told_to() -> None:
    """The first process of a container gets no signal that it has not asked for."""
    command = case("diagnostic").pod("galera").container("mariadb").spec["command"]
    with subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *command]) as container:
        try:
            children = Path(f"/proc/{container.pid}/task/{container.pid}/children")
            first = int(wait_until(lambda: children.read_text().split()[:1], 5, "it runs")[0])
            status = Path(f"/proc/{first}/status")
            mask = 1 << (signal.SIGTERM - 1)
            wait_until(lambda: int(_field(status, "SigCgt"), 16) & mask, 5, "it waits for the signal")
            os.kill(first, signal.SIGTERM)
            assert container.wait(10) in (0, 128 + signal.SIGTERM)
        finally:
            container.kill()


def _field(status: Path, name: str) -> str:
    return next(line.split()[1] for line in status.read_text().splitlines() if line.startswith(f"{name}:"))


def settings(name: str, folder: Path) -> dict[str, str]:
    """What the server makes of the my.cnf of a case, by variable."""
    file = folder / "my.cnf"
    text = case(name).config("my.cnf").replace("!includedir /etc/galera/conf.d", "")
    file.write_text(text)
    done = subprocess.run(
        ["mariadbd", f"--defaults-file={file}", "--verbose", "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert "unknown" not in done.stderr
    found = {}
    for line in done.stdout.partition("\n---")[2].splitlines():
        variable, _, value = line.partition(" ")
        found[variable] = value.strip()
    return found


@pytest.mark.servers
@pytest.mark.parametrize("name", CASES)
def test_the_server_takes_its_option_file(name: str, tmp_path: Path) -> None:
    found = settings(name, tmp_path)
    nodes = [f"{FULLNAME}-{ordinal}" for ordinal in range({"one-replica": 1, "five-replicas": 5}.get(name, 3))]
    domain = f"{FULLNAME}-nodes.{NAMESPACE}.svc.cluster.local"
    assert found["wsrep-cluster-address"] == "gcomm://" + ",".join(f"{node}.{domain}" for node in nodes)
    assert found["wsrep-cluster-name"] == FULLNAME
    assert found["character-set-server"] == "utf8mb4"
    assert found["lower-case-table-names"] == "1"
    assert found["binlog-format"] == "ROW"
    assert found["datadir"] == "/var/lib/mysql/"


@pytest.mark.servers
def test_options_of_the_user_win_over_those_of_the_chart(tmp_path: Path) -> None:
    found = settings("application", tmp_path)
    assert found["innodb-flush-log-at-trx-commit"] == "2"
    assert found["max-connections"] == "300"
    assert found["innodb-buffer-pool-size"] == str(1 << 30)
    assert found["collation-server"] == "utf8mb4_unicode_520_ci"


@pytest.mark.servers
def test_with_tls_the_server_has_its_certificate_and_asks_clients_for_tls(tmp_path: Path) -> None:
    found = settings("tls", tmp_path)
    assert found["ssl-cert"] == "/etc/galera/tls/tls.crt"
    assert found["require-secure-transport"] == "TRUE"
