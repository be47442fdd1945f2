"""The lab's own promises: nothing is left behind, and nothing collides."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from lab import EtcdCluster, GaleraNode, LabTimeoutError, Ports, Process, scratch, wait_until
from lab.checks import LogMark, Transfer
from lab.namespaces import Namespaces, namespaces_missing
from lab.slow import slow_link

TESTS = Path(__file__).parents[1]


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_ports_are_given_once_and_a_server_with_reuseaddr_can_listen_on_them(tmp_path: Path) -> None:
    ports = Ports()
    taken = [ports.take() for _ in range(50)]
    assert len(set(taken)) == 50
    assert all(port < int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]) for port in taken)
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", taken[0]))
    server = Process([sys.executable, "-m", "http.server", "--bind=127.0.0.1", str(taken[0])], log=tmp_path / "log")
    wait_until(lambda: Path(f"/proc/{server.pid}/net/tcp").read_text().count(f":{taken[0]:04X}"), 5, "listens")
    assert server.alive
    server.kill()
    ports.close()


def test_a_stopped_process_takes_its_children_with_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = Process(["sh", "-c", "sleep 600 & echo $!; trap 'exit 3' TERM; wait"], log=log)
    child = int(wait_until(log.read_text, 5, "the child's pid"))
    assert process.stop() == 3
    wait_until(lambda: not alive(child), 5, "the child is gone")


def test_a_process_that_does_not_end_is_killed_and_reported(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = Process(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], log=log)
    wait_until(log.read_text, 5, "the trap is set")
    with pytest.raises(LabTimeoutError, match="end of sh"):
        process.stop(timeout=0.3)
    assert process.returncode == -signal.SIGKILL


def test_a_frozen_process_is_alive_and_ends_in_order_when_asked(tmp_path: Path) -> None:
    process = Process(["sleep", "600"], log=tmp_path / "log")
    process.freeze()
    assert Path(f"/proc/{process.pid}/stat").read_text().split()[2] == "T"
    assert process.alive
    assert process.stop() == -signal.SIGTERM


def test_a_wait_in_vain_shows_the_end_of_the_logs(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("".join(f"line {n}\n" for n in range(100)))
    with pytest.raises(LabTimeoutError, match=r"(?s)not within 0.1 s: a miracle.*server\.log.*line 99"):
        wait_until(lambda: False, 0.1, "a miracle", [log])


def test_a_lab_that_is_killed_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    script = tmp_path / "doomed.py"
    script.write_text(
        textwrap.dedent("""\
            import os, signal
            from lab import Process, scratch
            with scratch() as folder:
                child = Process(["sh", "-c", "sleep 600 & echo $! $$; wait"], log=folder / "log")
                while not (folder / "log").read_text():
                    pass
                print(folder, (folder / "log").read_text(), flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            """)
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    folder, *pids = done.stdout.split()
    assert len(pids) == 2
    wait_until(lambda: not any(alive(int(pid)) for pid in pids), 10, "both processes are gone")
    wait_until(lambda: not Path(folder).exists(), 10, "the folder is gone")


@pytest.mark.skipif(bool(namespaces_missing()), reason=namespaces_missing())
def test_two_hosts_that_are_cut_off_hear_nothing_of_one_another_and_a_third_hears_both() -> None:
    def listen(name: str) -> socket.socket:
        with network[name].entered():
            return socket.create_server((network[name].address, 7000))

    def reaches(one: str, other: str) -> bool:
        with network[one].entered():
            try:
                socket.create_connection((network[other].address, 7000), timeout=0.5).close()
            except TimeoutError:
                return False
            return True

    network = Namespaces("abc")
    try:
        with listen("a"), listen("b"), listen("c"):
            assert all(reaches(*pair) for pair in ("ab", "ba", "ac", "bc"))
            network.cut("a", "b")
            assert not any(reaches(*pair) for pair in ("ab", "ba"))
            assert all(reaches(*pair) for pair in ("ac", "bc", "ca", "cb"))
            network.heal()
            network.isolate("c")
            assert not any(reaches(*pair) for pair in ("ac", "bc", "ca", "cb"))
            assert reaches("a", "b")
            network.heal()
            assert reaches("a", "c")
    finally:
        network.close()


@pytest.mark.skipif(bool(namespaces_missing()), reason=namespaces_missing())
def test_what_is_refused_is_told_at_once_and_what_is_lost_is_not_told() -> None:
    def reach() -> None:
        with network["a"].entered():
            socket.create_connection((network["b"].address, 7000), timeout=0.5).close()

    network = Namespaces("ab")
    try:
        with network["b"].entered():
            server = socket.create_server((network["b"].address, 7000))
        with server:
            reach()
            network.reject("a", "b")
            with pytest.raises(ConnectionRefusedError):
                reach()
            assert network.counted("a") == [1]
            network.heal()
            network.lose("b", percent=100)
            with pytest.raises(TimeoutError):
                reach()
            lost, came = network.counted("b")
            assert lost >= 1
            assert came == 0
            network.heal()
            reach()
    finally:
        network.close()


def test_a_slow_link_is_late_once_for_a_long_answer_and_passes_all_of_it() -> None:
    sent = os.urandom(3_000_000)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(16)
                peer.sendall(sent)

        thread = threading.Thread(target=answer)
        thread.start()
        with (
            slow_link(server.getsockname(), 0.3) as link,
            socket.create_connection(("127.0.0.1", link.port), 5) as sock,
        ):
            began = time.monotonic()
            sock.sendall(b"?")
            first = sock.recv(1)
            assert time.monotonic() - began >= 0.3
            came = first + b"".join(iter(lambda: sock.recv(1 << 16), b""))
            assert time.monotonic() - began < 3
        thread.join(5)
    assert came == sent


@pytest.mark.parametrize(
    ("lines", "transfer"),
    [
        ([], Transfer.NONE),
        (["State transfer required:", "'xtrabackup_ist' received from donor: Running IST"], Transfer.IST),
        (["State transfer required:", "Proceeding with SST", "Receiving IST: 3 writesets"], Transfer.SST),
        (["Proceeding with SST", "State transfer required:", "WSREP: Receiving IST: 3 writesets"], Transfer.IST),
    ],
)
def test_a_log_tells_the_last_transfer_since_its_mark(tmp_path: Path, lines: list[str], transfer: Transfer) -> None:
    log = tmp_path / "log"
    log.write_text("WSREP: State transfer required:\nProceeding with SST\n")
    mark = LogMark(log)
    with log.open("a") as stream:
        stream.writelines(f"[Note] WSREP: {line}\n" for line in lines)
    assert mark.transfer() is transfer


@pytest.mark.servers
def test_an_etcd_cluster_survives_its_leader_and_keeps_its_data(lab_folder: Path) -> None:
    etcd = EtcdCluster(3, lab_folder)
    try:
        etcd.start()
        etcd.ctl("put", "/kept", "yes")
        leader = etcd.leader()
        leader.kill()
        assert etcd.leader() is not leader
        etcd.start()
        assert etcd.keys() == ["/kept"]
        etcd.stop()
        assert not etcd.healthy()
    finally:
        etcd.close()


def test_a_crashed_node_comes_back_at_the_position_it_had(single_node: GaleraNode) -> None:
    single_node.sql("CREATE DATABASE IF NOT EXISTS crash")
    before = single_node.status()["wsrep_last_committed"]
    single_node.kill()
    assert single_node.recover().endswith(f":{before}")
    state = single_node.datadir / "grastate.dat"
    state.write_text(state.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))
    single_node.start(new_cluster=True)
    single_node.wait_synced()
    assert {"Database": "crash"} in single_node.sql("SHOW DATABASES")


def test_the_server_does_not_run_as_root(single_node: GaleraNode) -> None:
    assert single_node.process is not None
    assert Path(f"/proc/{single_node.process.pid}").stat().st_uid != 0


def test_the_exporter_account_of_the_lab_can_read_and_change_nothing(single_node: GaleraNode) -> None:
    grants = {
        next(iter(row.values())).partition(" IDENTIFIED")[0]
        for row in single_node.sql("SHOW GRANTS FOR exporter@'127.0.0.1'")
    }
    assert {grant.split(" TO ")[0] for grant in grants} == {
        "GRANT USAGE ON *.*",
        "GRANT SELECT ON `mysql`.`wsrep_cluster_members`",
    }


def test_a_scratch_folder_is_removed_also_after_an_error() -> None:
    def fail() -> None:
        with scratch() as folder:
            folders.append(folder)
            raise KeyboardInterrupt

    folders: list[Path] = []
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not folders[0].exists()
