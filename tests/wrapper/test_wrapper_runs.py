"""What the wrapper does while mariadbd runs, and how it ends."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from pathlib import Path

import pytest
from decider import GROUP, Decider, Make, looking_for_others, text

from lab import LabTimeoutError, wait_until
from lab.galera_config import other_user
from lab.wrapper import WrappedNode


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def ended(node: WrappedNode, timeout: float = 30) -> int:
    """Wait for the wrapper's end and return its status, which has to be the one that it wrote down."""
    assert node.process is not None
    status = node.process.wait(timeout)
    assert (node.state.phase, node.state.exit, node.state.pid) == ("exited", status, 0)
    return status


def test_a_bootstrap_keeps_the_history_though_grastate_says_it_is_not_safe(stopped: Decider) -> None:
    node = stopped.node
    assert "safe_to_bootstrap: 0" in (node.datadir / "grastate.dat").read_text()
    node.start()
    uuid = stopped.restart().partition(":")[0]
    assert node.status()["wsrep_cluster_state_uuid"] == uuid
    assert node.sql("SELECT @@wsrep_cluster_name AS name") == [{"name": GROUP}]
    assert (node.handoff / "decision.used").exists()
    assert not (node.handoff / "decision").exists()


def test_a_bootstrap_keeps_the_history_though_grastate_was_lost(stopped: Decider) -> None:
    (stopped.node.datadir / "grastate.dat").unlink()
    stopped.node.start()
    uuid, _, seqno = stopped.restart().partition(":")
    assert stopped.node.status()["wsrep_cluster_state_uuid"] == uuid
    assert int(stopped.node.status()["wsrep_last_committed"]) > int(seqno)


def test_a_killed_server_gives_its_status_and_the_next_request_has_its_position(running: Decider) -> None:
    node = running.node
    node.sql("CREATE DATABASE kept")
    status = node.status()
    pid = node.kill_server()
    assert ended(node) == 128 + signal.SIGKILL
    assert gone(pid)
    node.start()
    request = running.request()
    assert request["position"] == f"{status['wsrep_local_state_uuid']}:{status['wsrep_last_committed']}"
    assert (request["data"], request["source"], request["grastate"]) == ("data", "recover", "ok")
    assert "Server socket created" not in (node.datadir / "recover.log").read_text()  # a probe would be misled
    assert (request["own_uuid"], request["view"]) == (status["wsrep_gcomm_uuid"], status["wsrep_gcomm_uuid"])
    assert int(request["view_seq"]) >= 1


def test_a_decision_serves_one_start_only(running: Decider) -> None:
    running.node.kill()  # the power goes: the folder of the handoff stays, as after a restart of the container
    assert (running.node.handoff / "decision.used").exists()
    running.node.start()
    running.request()
    with pytest.raises(LabTimeoutError):
        running.node.wait_phase("starting", 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=lambda n: n.name)
def test_a_signal_stops_the_server_in_order(running: Decider, number: signal.Signals) -> None:
    node = running.node
    status = node.status()
    assert node.process is not None
    node.process.signal(number)
    assert ended(node) == 0
    assert not (node.datadir / "gvwstate.dat").exists()
    node.start()
    request = running.request()
    assert request["position"] == f"{status['wsrep_local_state_uuid']}:{status['wsrep_last_committed']}"
    assert (request["source"], request["safe"]) == ("grastate", "1")
    assert request["own_uuid"] == request["view"] == status["wsrep_gcomm_uuid"]  # copied while it ran


def test_sighup_makes_the_server_open_its_logs_anew(make: Make) -> None:
    decider = make(options={"slow_query_log": "ON", "slow_query_log_file": "slow.log"})
    node = decider.node
    decider.serve()
    slow = node.datadir / "slow.log"
    wait_until(slow.exists, 5, "the log is there")
    slow.rename(node.datadir / "slow.log.1")
    assert node.process is not None
    node.process.signal(signal.SIGHUP)
    wait_until(slow.exists, 5, "the log is there again", [node.log])
    assert node.synced


def test_a_stop_order_leads_to_a_new_request_of_the_same_process(running: Decider) -> None:
    node = running.node
    process, first = node.process, running.boot_id
    status = node.status()
    pid = node.state.pid
    running.order(reason="survivor of an outage")
    request = running.request()
    assert node.process is process
    assert running.boot_id != first
    assert gone(pid)
    assert request["position"] == f"{status['wsrep_local_state_uuid']}:{status['wsrep_last_committed']}"
    assert request["source"] == "grastate"
    assert not (node.handoff / "order").exists()
    assert "the sidecar orders a stop: survivor of an outage" in text(node.log)
    running.restart_from(request["position"])


def test_what_a_server_leaves_behind_has_ended_before_the_next_one_starts(stopped: Decider) -> None:
    """The first process of a container may, and must: a socat of an old state transfer keeps the port of the next."""
    user = other_user()
    if user is None:
        pytest.skip("only root makes namespaces of processes")
    account = pwd.getpwnam(user)
    as_user = ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    node = stopped.node
    node.contained = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *as_user)
    node.start()
    stopped.restart()
    assert node.process is not None
    (first,) = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text().split()
    left = subprocess.Popen(["nsenter", "--target", first, "--pid", *as_user, "sleep", "600"])
    try:
        assert left.poll() is None
        stopped.order()
        stopped.request()
        assert left.wait(5) in {-signal.SIGKILL, 128 + signal.SIGKILL}
    finally:
        left.kill()
        left.wait()


def test_an_order_for_another_start_is_removed_and_ignored(running: Decider) -> None:
    running.order("00000000-1111-2222-3333-444444444444")
    wait_until(lambda: not (running.node.handoff / "order").exists(), 5, "removed", [running.node.log])
    assert "ignored an order for another start" in text(running.node.log)
    assert running.node.synced


def test_sigterm_during_a_stop_order_ends_the_wrapper(running: Decider) -> None:
    running.order()
    wait_until(lambda: not (running.node.handoff / "order").exists(), 5, "seen", [running.node.log], 0.005)
    assert running.node.process is not None
    running.node.process.signal(signal.SIGTERM)
    assert ended(running.node) == 0


def test_a_server_that_hangs_while_it_ends_is_killed_and_has_lost_nothing(make: Make) -> None:
    decider = make(env={"GALERA_STOP_SECONDS": "2"})
    node = decider.node
    decider.serve()
    node.sql("CREATE DATABASE kept")
    seqno = int(node.status()["wsrep_last_committed"])
    pid = node.state.pid
    os.kill(pid, signal.SIGSTOP)
    assert node.process is not None
    node.process.signal(signal.SIGTERM)
    assert ended(node) == 128 + signal.SIGKILL
    assert gone(pid)
    assert "it hangs, and is killed" in text(node.log)
    node.start()
    assert int(decider.request()["position"].partition(":")[2]) == seqno


def test_what_a_server_that_hangs_writes_to_its_log_is_no_sign_of_life(make: Make) -> None:
    decider = make(env={"GALERA_STOP_SECONDS": "2"})
    node = decider.node
    decider.serve()
    refused = "Failed to establish connection: Connection refused"
    with looking_for_others(node), node.log.open("rb") as log:
        wait_until(lambda: refused in text(node.log), 20, "it is refused", [node.log])
        decider.order()

        def killed() -> bool:
            os.fsync(log)  # as a busy machine does: each further line is written to the disk anew
            return "it hangs, and is killed" in text(node.log)

        wait_until(killed, 20, "it is killed", [node.log])
    assert refused in text(node.log).partition("ends mariadbd")[2], "it wrote all the time"


def test_a_bootstrap_whose_lease_is_not_renewed_is_ended_with_status_75(stopped: Decider) -> None:
    node = stopped.node
    node.start()
    position = stopped.request()["position"]
    stopped.bootstrap(position, lease_seconds=2)
    node.wait_synced(30)
    pid = node.state.pid
    for beat in range(1, 9):  # kept alive well beyond its 2 s
        stopped.lease(beat)
        time.sleep(0.5)
    assert node.synced
    renewed = time.monotonic()
    assert ended(node) == 75
    assert 0.5 < time.monotonic() - renewed < 8
    assert gone(pid)
    assert "the lease of its bootstrap was not renewed for 2 s" in node.state.text


def test_a_lease_of_another_start_counts_for_nothing(stopped: Decider) -> None:
    stopped.node.start()
    position = stopped.request()["position"]
    stopped.bootstrap(position, lease_seconds=2)
    stopped.node.wait_phase("starting")
    stopped.boot_id, own = "another", stopped.boot_id
    stopped.lease(1, confirmed=True)
    stopped.boot_id = own
    assert ended(stopped.node) == 75


def test_a_server_that_does_not_end_is_killed_when_its_lease_is_stale(stopped: Decider) -> None:
    node = stopped.node
    node.start()
    position = stopped.request()["position"]
    stopped.bootstrap(position, lease_seconds=2)
    pid = node.wait_phase("starting").pid
    node.wait_synced(30)
    os.kill(pid, signal.SIGSTOP)
    assert ended(node, 20) == 75
    assert gone(pid)


def test_a_machine_that_slept_past_its_lease_ends_its_bootstrap_at_once(stopped: Decider) -> None:
    node = stopped.node
    node.start()
    position = stopped.request()["position"]
    stopped.bootstrap(position, lease_seconds=3)
    node.wait_synced(30)
    stopped.lease(1)
    time.sleep(0.5)
    node.freeze()
    time.sleep(4)
    node.thaw()
    woken = time.monotonic()
    wait_until(lambda: node.state.phase in ("stopping", "exited"), 5, "it ends", [node.log], 0.02)
    assert time.monotonic() - woken < 2.5, "it does not begin its 3 s anew"
    assert ended(node) == 75


def test_a_confirmed_bootstrap_needs_no_lease_any_more(stopped: Decider) -> None:
    stopped.node.start()
    position = stopped.request()["position"]
    stopped.bootstrap(position, lease_seconds=2)
    stopped.node.wait_phase("starting")
    stopped.confirm()
    (stopped.node.handoff / "lease").unlink()
    stopped.node.wait_synced(30)
    time.sleep(3)
    assert stopped.node.synced


def test_a_gtid_behind_the_recovered_position_is_not_part_of_it(make: Make) -> None:
    decider = make(
        options={"wsrep_gtid_mode": "ON", "wsrep_gtid_domain_id": "7", "log_bin": "bin", "log_slave_updates": "ON"}
    )
    node = decider.node
    decider.serve()
    node.sql("CREATE DATABASE one")
    status = node.status()
    node.kill()
    node.start()
    request = decider.request()
    assert request["position"] == f"{status['wsrep_local_state_uuid']}:{status['wsrep_last_committed']}"
    assert f"Recovered position: {request['position']},7-" in (node.datadir / "recover.log").read_text()


def test_a_platform_starts_again_what_ended_and_not_what_was_stopped(make: Make) -> None:
    decider = make(backoff=0.2)
    node = decider.node
    decider.serve()
    node.kill_server()
    decider.restart()
    node.stop()
    assert not node.alive
    assert text(node.log).count("[platform]") == 1


def test_a_server_that_is_shut_down_by_sql_ends_the_wrapper_with_status_0(running: Decider) -> None:
    running.node.sql("SHUTDOWN")
    assert ended(running.node) == 0


def test_a_server_that_cannot_start_gives_its_status(stopped: Decider) -> None:
    stopped.node.start()
    stopped.join(stopped.request()["position"])  # there is no other node, and without a decision no new cluster
    assert ended(stopped.node) == 1
    assert "No address to connect" in text(stopped.node.log)
    assert stopped.node.state.text == "mariadbd ended with status 1"
