"""The sidecar's user has no right to the data, and in the database only its account; the database's user has all."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest
import yaml
from decider import Decider

from lab.galera_config import other_group, server_user
from lab.template import EXPORTER_PASSWORD
from lab.wrapper import PATH, WRAPPER, WrappedNode

VALUES = yaml.safe_load((WRAPPER.parents[1] / "values.yaml").read_text(encoding="utf-8"))
SIDECAR = VALUES["exporter"]["securityContext"]["runAsUser"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two other users")


def run(user: int | str, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user, with the group that database and sidecar share in a pod."""
    return subprocess.run(
        command,
        user=user,
        group=other_group(),
        extra_groups=[],
        env={"PATH": PATH},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def log_in(node: WrappedNode, user: int | str, account: str, *more: str) -> str:
    """Log in by the socket, and return who the server says one is, or its error."""
    done = run(
        user,
        *("mariadb", "--no-defaults", "--protocol=socket", f"--socket={node.socket}", f"--user={account}", *more),
        *("--batch", "--skip-column-names", "--execute=SELECT CURRENT_USER()"),
    )
    return done.stdout.strip() or done.stderr.strip()


def test_the_sidecars_user_has_no_name_that_an_account_could_have() -> None:
    with pytest.raises(KeyError):
        pwd.getpwuid(SIDECAR)


def test_only_the_databases_user_is_an_administrator_by_the_socket(running: Decider) -> None:
    node = running.node
    assert log_in(node, server_user(), server_user()) == f"{server_user()}@localhost"
    # One that is named as a user of the system is let in without a password; this one is nobody's.
    node.sql(f"CREATE USER '{SIDECAR}'@localhost IDENTIFIED VIA unix_socket")
    for account in ("root", server_user(), str(SIDECAR)):
        assert "Access denied" in log_in(node, SIDECAR, account), account
    assert log_in(node, SIDECAR, "exporter", f"--password={EXPORTER_PASSWORD}") == "exporter@localhost"


@pytest.mark.parametrize("name", ["mysql/global_priv.MAD", "ibdata1", "grastate.dat"])
def test_only_the_databases_user_reads_its_files(running: Decider, name: str) -> None:
    file = running.node.datadir / name
    assert run(server_user(), "head", "-c", "1", file).returncode == 0
    done = run(SIDECAR, "head", "-c", "1", file)
    assert done.returncode != 0
    assert "Permission denied" in done.stderr


def test_group_and_mode_alone_would_not_keep_the_data_from_the_sidecar(running: Decider) -> None:
    """So the chart does not mount them: Kubernetes puts every container of a pod into the group of its volumes."""
    node = running.node
    node.datadir.chmod(0o2770)
    assert run(SIDECAR, "head", "-c", "1", node.datadir / "ibdata1").returncode == 0
