"""No secret leaves the process: canaries are planted everywhere, and looked for everywhere, on real servers."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from galera_exporter.errors import DatabaseError, RegistryError
from galera_exporter.mariadb.connection import Connection
from galera_exporter.registry.etcd import Etcd
from galera_exporter.settings import EtcdSettings, MariadbSettings, Secret
from lab import EtcdCluster, GaleraNode, Sidecar
from lab.sidecar import environment
from lab.template import EXPORTER_PASSWORD
from lab.web import fetch

MARIADB_WRONG = "canary-mariadb-wrong"
ETCD_PASSWORD = "canary-etcd-password"
ETCD_WRONG = "canary-etcd-wrong"
WEB_PASSWORD = "canary-web-password"
CANARIES = (EXPORTER_PASSWORD, MARIADB_WRONG, ETCD_PASSWORD, ETCD_WRONG, WEB_PASSWORD)
PREFIX = "/galera/v1/default/lab/"


def planted(text: str) -> list[str]:
    """Return the canaries in ``text``, as they are or as base64 (the form in HTTP headers and etcd's JSON)."""
    forms = [(name, base64.b64encode(name.encode()).decode().rstrip("=")) for name in CANARIES]
    return [plain for plain, encoded in forms if plain in text or encoded in text]


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """One member with authentication on, and a user whose role covers the cluster's prefix only."""
    cluster = EtcdCluster(1, tmp_path_factory.mktemp("etcd"))
    try:
        cluster.start()
        for command in (
            ("user", "add", "root:root"),
            ("user", "grant-role", "root", "root"),
            ("role", "add", "sidecar"),
            ("role", "grant-permission", "sidecar", "--prefix=true", "readwrite", PREFIX),
            ("user", "add", f"sidecar:{ETCD_PASSWORD}"),
            ("user", "grant-role", "sidecar", "sidecar"),
            ("auth", "enable"),
        ):
            if command[:2] == ("user", "grant-role") and command[2] == "root":
                cluster.ctl("role", "add", "root")
            cluster.ctl(*command)
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def sidecar(single_node: GaleraNode, etcd: EtcdCluster, tmp_path: Path) -> Iterator[Sidecar]:
    """A sidecar that knows every secret, and logs all that it can."""
    hashed = bcrypt.hashpw(WEB_PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users:\n  scraper: {hashed}\n")
    password = tmp_path / "etcd-password"
    password.write_text(ETCD_PASSWORD)
    made = Sidecar(
        single_node,
        tmp_path,
        etcd=etcd.endpoints,
        flags={
            "etcd.user": "sidecar",
            "etcd.password-file": str(password),
            "web.config.file": str(web),
            "log.level": "debug",
        },
    )
    made.start()
    try:
        yield made
    finally:
        made.close()


def get(sidecar: Sidecar, path: str, password: str = WEB_PASSWORD) -> str:
    token = base64.b64encode(f"scraper:{password}".encode()).decode()
    return fetch(sidecar.url + path, timeout=10, headers={"Authorization": f"Basic {token}"})


def wait_for(sidecar: Sidecar, *lines: str) -> str:
    """Return the metrics page once it has all these lines."""
    page = ""

    def look() -> bool:
        nonlocal page
        page = get(sidecar, "/metrics")
        return set(lines) <= set(page.splitlines())

    sidecar.wait(look, 20, f"shows {lines}")
    return page


def test_a_sidecar_that_uses_every_secret_shows_none(sidecar: Sidecar, etcd: EtcdCluster) -> None:
    page = wait_for(sidecar, "galera_up 1.0", "galera_registry_self_registered 1.0")
    assert sidecar.process is not None
    process = Path(f"/proc/{sidecar.process.pid}")
    stored = etcd.ctl("--user=root:root", "get", "--prefix", "/")
    assert PREFIX in stored, "the node is registered, by an account that may write below the prefix only"
    for place, text in {
        "metrics": page,
        "status page": get(sidecar, "/"),
        "log": sidecar.log.read_text(),
        "command line": (process / "cmdline").read_text(),
        "environment": (process / "environ").read_text(),
        "etcd": stored,
    }.items():
        assert text, place
        assert planted(text) == [], place


def test_wrong_secrets_are_named_by_what_they_open_and_never_shown(sidecar: Sidecar) -> None:
    wait_for(sidecar, "galera_up 1.0", "galera_registry_up 1.0")
    sidecar.set_password(MARIADB_WRONG)
    Path(sidecar.flags["etcd.password-file"]).write_text(ETCD_WRONG)
    sidecar.stop()
    sidecar.start()
    sidecar.wait(lambda: "etcd is not readable (auth)" in sidecar.log.read_text(), 20, "is refused by etcd")
    page = wait_for(sidecar, 'galera_up_reason{reason="auth"} 1.0', "galera_registry_up 0.0")
    with pytest.raises(OSError, match="401"):
        get(sidecar, "/metrics", "canary-web-wrong")
    log = sidecar.log.read_text()
    assert "MariaDB: auth" in log
    for place, text in {"metrics": page, "status page": get(sidecar, "/"), "log": log}.items():
        assert planted(text) == [], place
        assert "canary-web-wrong" not in text, place


def test_failures_of_the_rooms_carry_no_secret_in_any_text(single_node: GaleraNode, etcd: EtcdCluster) -> None:
    mariadb = MariadbSettings(port=single_node.port, user="exporter", password=Secret(MARIADB_WRONG))
    with pytest.raises(DatabaseError) as refused:
        Connection(mariadb).query("SELECT 1")
    store = EtcdSettings(endpoints=etcd.endpoints, user="sidecar", password=Secret(ETCD_WRONG))
    guard = Etcd(store)
    with pytest.raises(RegistryError) as denied:
        guard.range(PREFIX)
    guard.close()
    for error in (refused.value, denied.value):
        chain, seen = error, []
        while chain is not None:
            seen.append(f"{chain!s} {chain!r} {chain.args} {vars(chain)}")
            chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
        assert planted(" ".join(seen)) == []
    assert planted(f"{mariadb!r} {store!r} {mariadb} {guard!r}") == []


def test_the_environment_gives_secrets_that_no_command_shows(tmp_path: Path) -> None:
    env = environment({"GALERA_EXPORTER_MARIADB_PASSWORD": MARIADB_WRONG, "GALERA_EXPORTER_ETCD_PASSWORD": ETCD_WRONG})
    flags = ["--etcd.user=u", "--etcd.endpoints=http://127.0.0.1:1", f"--datadir={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "galera_exporter", "check-config", *flags],
        capture_output=True,
        text=True,
        env=env,
        timeout=30,
        check=True,
    )
    assert "***" in done.stdout
    assert planted(done.stdout + done.stderr) == []


def test_json_logs_at_debug_level_are_clean_too(single_node: GaleraNode, etcd: EtcdCluster, tmp_path: Path) -> None:
    flags = {"log.level": "debug", "log.format": "json", "etcd.user": "sidecar"}
    sidecar = Sidecar(
        single_node, tmp_path, etcd=etcd.endpoints, flags=flags, env={"GALERA_EXPORTER_ETCD_PASSWORD": ETCD_WRONG}
    )
    sidecar.set_password(MARIADB_WRONG)
    try:
        sidecar.start()
        sidecar.until(lambda page: page.value("galera_up_reason", reason="auth") == 1, 20, "is refused by MariaDB")
        sidecar.wait(lambda: "etcd is not readable (auth)" in sidecar.log.read_text(), 20, "is refused by etcd")
        events = [json.loads(line) for line in sidecar.log.read_text().splitlines()]
    finally:
        sidecar.close()
    assert any("MariaDB: auth" in event["msg"] for event in events)
    assert any("(auth)" in event["msg"] for event in events)
    assert planted(json.dumps(events)) == []
