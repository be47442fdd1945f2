"""A data directory with the lab's accounts and a replication history, made once and copied for every node."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.galera_config import STORAGE, NodeConfig, NodePorts, give, other_group, other_user, server_user
from lab.mariadb import GaleraNode
from lab.ports import Ports

_CACHE = Path(__file__).parents[2] / "build" / "lab"

EXPORTER_PASSWORD = "exporter-secret"
OPERATOR_PASSWORD = "operator-secret"

# The exporter has what its documentation asks for and no more. The operator is for galeractl sync-test.
ACCOUNTS = tuple(
    statement
    for host in ("127.0.0.1", "localhost")
    for statement in (
        f"CREATE USER exporter@'{host}' IDENTIFIED BY '{EXPORTER_PASSWORD}' WITH MAX_USER_CONNECTIONS 3",
        f"GRANT SELECT ON mysql.wsrep_cluster_members TO exporter@'{host}'",
        f"CREATE USER operator@'{host}' IDENTIFIED BY '{OPERATOR_PASSWORD}'",
        f"GRANT CREATE, DROP, SELECT, INSERT, UPDATE, DELETE ON `galera\\_exporter\\_%`.* TO operator@'{host}'",
    )
)


def fill(node: GaleraNode, *, bootstrap: bool) -> None:
    """Give a node that was never started a copy of the template.

    All copies have one position, so a node joins another by IST, or with nothing to
    transfer. ``bootstrap`` marks the one that may start the cluster.
    """
    shutil.copytree(_template(node.config.folder.parent), node.datadir)
    state = node.datadir / "grastate.dat"
    state.write_text(state.read_text().replace("safe_to_bootstrap: 1", f"safe_to_bootstrap: {int(bootstrap)}"))
    give(node.datadir)


def _template(work: Path) -> Path:
    version = subprocess.run(["mariadbd", "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
    recipe = "\0".join((version, STORAGE, *ACCOUNTS, server_user()))
    kept = _CACHE / f"datadir-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    if kept.exists():
        return kept
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder, tempfile.TemporaryDirectory(dir=_CACHE) as staged:
        Path(folder).chmod(0o711)
        made = _make(Path(folder) / "node")
        ready = Path(staged) / "data"
        shutil.copytree(made, ready, ignore=shutil.ignore_patterns("galera.cache", "*.pid"))
        try:
            ready.rename(kept)  # atomic: a parallel worker may have been first
        except OSError:
            if not kept.exists():
                raise
    return kept


def _make(folder: Path) -> Path:
    ports = Ports()
    try:
        own = NodePorts(*(ports.take() for _ in range(4)))
        node = GaleraNode(NodeConfig("template", folder, "template", own, (f"127.0.0.1:{own.group}",)))
        _install(node.datadir)
        node.start(new_cluster=True)
        node.wait_synced()
        for statement in ACCOUNTS:
            node.sql(statement)
        node.stop()
        return node.datadir
    finally:
        ports.close()


def _install(datadir: Path) -> None:
    datadir.mkdir()
    give(datadir)
    options = [f"--{line.replace(' ', '')}" for line in STORAGE.splitlines()]
    done = subprocess.run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={datadir}",
            "--auth-root-authentication-method=socket",
            f"--auth-root-socket-user={server_user()}",
            "--skip-test-db",
            *options,
        ],
        user=other_user(),
        group=other_group(),
        extra_groups=None if other_user() is None else [],
        cwd=datadir,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode != 0:
        raise RuntimeError(f"mariadb-install-db failed ({done.returncode}):\n{done.stdout}\n{done.stderr}")
