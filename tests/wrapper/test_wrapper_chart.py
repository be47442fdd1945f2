"""The chart's other scripts beside the start script, with a real server: its accounts, and whether it lives."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pymysql
import pytest
from decider import Decider, Make, looking_for_others

from lab import wait_until
from lab.wrapper import PATH, WRAPPER, WrappedNode

FILES = WRAPPER.parent
# What breaks naive quoting: quotes, backslashes at the end and before a quote, a percent sign, other scripts.
WEIRD = r"""it's \'a\' "secret" `$(id)` %s 비밀번호 \ """.strip()


def accounts(folder: Path, **env: str) -> str:
    """Return the SQL that galera-run.sh writes for these accounts."""
    auth, init, programs = (folder / name for name in ("auth", "sql", "bin"))
    for each in (auth, init, programs):
        each.mkdir()
    for name in ("exporter-password", "operator-password", "root-password", "password"):
        (auth / name).write_text(f"{name} {WEIRD}\n")
    (programs / "galera-run.sh").write_text((FILES / "galera-run.sh").read_text())
    start = programs / "galera-start.sh"
    start.write_text("#!/bin/sh\n")
    start.chmod(0o755)
    subprocess.run(
        ["bash", programs / "galera-run.sh"],
        check=True,
        timeout=20,
        env={
            "PATH": os.environ["PATH"],
            "POD_NAME": "x",
            "POD_IP": "127.0.0.1",
            "GALERA_INIT_DIR": str(init),
            "GALERA_HANDOFF_DIR": str(folder / "handoff"),
            "GALERA_AUTH_DIR": str(auth),
            "GALERA_SCRIPTS_DIR": str(folder / "none"),
            **env,
        },
    )
    return (init / "10-accounts.sql").read_text()


def log_in(node: WrappedNode, user: str, name: str, **where: str) -> pymysql.Connection[pymysql.cursors.Cursor]:
    """Log in over the network, or where else it is said."""
    place = where or {"host": "127.0.0.1", "port": node.port}
    # As bytes: PyMySQL takes text for Latin-1.
    password = f"{name} {WEIRD}".encode()
    return pymysql.connect(**place, user=user, password=password, autocommit=True, read_timeout=20)  # type: ignore[call-overload]


def grants(node: WrappedNode, account: str) -> set[str]:
    """What an account may do, without its password."""
    rows = node.sql(f"SHOW GRANTS FOR {account}")
    return {next(iter(row.values())).partition(" IDENTIFIED")[0] for row in rows}


def test_the_accounts_of_the_chart_log_in_with_any_password_and_may_do_what_they_need(
    make: Make, tmp_path: Path
) -> None:
    sql = accounts(tmp_path, AUTH_DATABASE="shop_1", AUTH_USERNAME="shop", AUTH_ROOT_REMOTE="true")
    decider = make(init=sql)
    node = decider.node
    node.start()
    decider.request()
    decider.bootstrap(initialize=True)
    node.wait_synced(60)

    log_in(node, "exporter", "exporter-password", unix_socket=str(node.socket)).close()
    assert grants(node, "exporter@localhost") == {
        "GRANT USAGE ON *.* TO `exporter`@`localhost`",
        "GRANT SELECT ON `mysql`.`wsrep_cluster_members` TO `exporter`@`localhost`",
    }
    with log_in(node, "operator", "operator-password") as operator, operator.cursor() as cursor:
        cursor.execute("CREATE DATABASE galera_exporter_sync_test_1")
        cursor.execute("DROP DATABASE galera_exporter_sync_test_1")
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            cursor.execute("CREATE DATABASE galera_exporter_other")
    with log_in(node, "shop", "password") as shop, shop.cursor() as cursor:
        cursor.execute("CREATE TABLE shop_1.상품 (id INT PRIMARY KEY)")
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            cursor.execute("CREATE DATABASE shopx1")  # the underscore is no pattern
    with log_in(node, "root", "root-password") as root, root.cursor() as cursor:
        cursor.execute("CREATE USER another@'%'")
        cursor.execute("GRANT ALL ON *.* TO another@'%'")


class Probe:
    """galera-alive.sh as the kubelet runs it in the node's container."""

    def __init__(self, node: WrappedNode, **env: str) -> None:
        self._node = node
        self._env = env

    def __call__(self) -> int:
        """Return its exit status."""
        return subprocess.run(
            [FILES / "galera-alive.sh"],
            check=False,
            timeout=20,
            env={
                "PATH": PATH,
                "GALERA_HANDOFF_DIR": str(self._node.handoff),
                "GALERA_SOCKET": str(self._node.socket),
                **self._env,
            },
        ).returncode


def test_a_node_that_waits_for_a_decision_lives_however_long(waiting: WrappedNode) -> None:
    assert Probe(waiting, GALERA_STALL_SECONDS="0")() == 0
    assert Probe(waiting, GALERA_STALL_SECONDS="0")() == 0


def test_a_server_that_answers_lives_and_one_that_answered_before_and_is_frozen_does_not(running: Decider) -> None:
    node = running.node
    alive = Probe(node)
    assert alive() == 0
    node.freeze()
    assert alive() == 1
    node.thaw()
    assert alive() == 0


def test_a_server_that_takes_no_more_connections_lives(running: Decider) -> None:
    node = running.node
    node.sql("SET GLOBAL max_connections = 10")
    with contextlib.ExitStack() as held:

        def connect_again_and_again() -> None:
            for _ in range(20):
                held.enter_context(contextlib.closing(node.connect()))

        with pytest.raises(pymysql.OperationalError, match="Too many connections"):
            connect_again_and_again()
        assert Probe(node)() == 0


def test_a_server_that_lost_its_primary_component_lives(running: Decider) -> None:
    node = running.node
    with looking_for_others(node):
        wait_until(lambda: node.status().get("wsrep_cluster_status", "Primary") != "Primary", 20, "lost", [node.log])
        assert Probe(node)() == 0


def test_a_server_that_was_killed_does_not_live_until_the_wrapper_has_said_what_it_does_next(running: Decider) -> None:
    node = running.node
    alive = Probe(node)
    assert alive() == 0
    assert node.process is not None
    os.killpg(node.process.pid, signal.SIGKILL)  # the whole container, so that the old phase stays
    node.process.wait(10)
    assert alive() == 1
    node.start()
    running.request()
    assert alive() == 0


# A container of its own: of what others on this machine read and write the probe must see nothing.
_CONTAINER = """\
mount -t proc proc /proc
{work} & pid=$!
printf 'boot_id=b\\nphase=starting\\npid=%s\\n' "$pid" >"$GALERA_HANDOFF_DIR/phase"
echo started
wait
"""
WRITES = 'while :; do dd if=/dev/zero of="$GALERA_HANDOFF_DIR/data" bs=4k count=1 conv=fsync status=none; done'


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a process namespace")
@pytest.mark.parametrize(("work", "expected"), [("sleep 60", [0, 1]), (WRITES, [0, 0])], ids=["idle", "busy"])
def test_a_start_lives_as_long_as_something_is_read_or_written(
    lab_folder: Path, work: str, expected: list[int]
) -> None:
    env = {
        "PATH": PATH,
        "GALERA_HANDOFF_DIR": str(lab_folder),
        "GALERA_SOCKET": str(lab_folder / "none.sock"),
        "GALERA_STALL_SECONDS": "1",
    }
    command = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "bash", "-c", _CONTAINER.format(work=work)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as container:
        try:
            assert container.stdout is not None
            assert container.stdout.readline() == b"started\n"
            inside = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()[0]
            # As a container runtime does it: the probe's parent is outside.
            probe = ["nsenter", f"--target={inside}", "--pid", "--mount", FILES / "galera-alive.sh"]
            said = []
            for _ in range(2):
                said.append(subprocess.run(probe, check=False, timeout=20, env=env).returncode)
                time.sleep(1.2)  # longer than the limit, which is what is tested
            assert said == expected
            # The sidecar can write there too.
            progress, proof = lab_folder / "progress", lab_folder / "proof"
            progress.write_text(" ".join([*progress.read_text().split()[:2], f"a[$(touch\t{proof})]"]) + "\n")
            assert subprocess.run(probe, check=False, timeout=20, env=env).returncode == 0
            assert not proof.exists(), "no text of it is run as a command"
        finally:
            container.kill()
