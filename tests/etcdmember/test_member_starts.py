"""A StatefulSet of three, with real etcd: first start, restarts, lost volumes, and what a person may do to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from etcdmember.stand import Pod, Stand

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("etcdmember")]

MakeStand = Callable[..., Stand]


def lose_volume(*pods: Pod) -> None:
    for pod in pods:
        pod.kill()
        pod.wipe()


def test_three_members_that_start_at_once_on_empty_volumes_make_one_cluster(three: Stand) -> None:
    assert sorted(member["name"] for member in three.members()) == ["etcd-0", "etcd-1", "etcd-2"]
    # The ids that were written before etcd began are those that etcd gave itself.
    known = {json.loads((pod.volume / "identity.json").read_text())["identity"]["member_id"] for pod in three.pods}
    assert known == {f"{member['ID']:x}" for member in three.members()}


def test_members_restart_on_their_data_one_by_one_and_all_at_once(three: Stand) -> None:
    before = three.members()
    three.ctl("put", "/restart", "1")
    for pod in three.pods:
        pod.stop()
        pod.start()
        three.wait_voters()
    for pod in three.pods:
        pod.kill()
    three.start()
    three.wait_voters()
    assert three.members() == before
    assert three.ctl("get", "/restart", pod=three.pods[0]).split() == ["/restart", "1"]


def test_a_lost_volume_is_replaced_by_a_learner_that_becomes_a_voter_with_all_data(three: Stand) -> None:
    three.ctl("put", "/kept", "1")
    cluster, before = three.pods[0].cluster(), {member["ID"] for member in three.members()}
    lost = three.pods[2]
    lose_volume(lost)
    lost.start()
    three.wait_voters()
    after = three.members()
    assert lost.cluster() == cluster
    assert len(after) == 3
    assert len(before & {member["ID"] for member in after}) == 2
    assert not any(member.get("isLearner") for member in after)
    assert three.ctl("get", "/kept", pod=lost).split() == ["/kept", "1"]
    assert "as learner" in lost.told()


def test_a_volume_that_is_lost_while_another_member_is_down_waits_for_that_one(three: Stand) -> None:
    three.ctl("put", "/both", "1")
    _, down, lost = three.pods
    down.stop()
    lose_volume(lost)
    lost.start()
    three.wait_for(lost, "no_quorum")
    assert not lost.started()
    assert not lost.config.exists()
    down.start()
    three.wait_voters()
    assert three.ctl("get", "/both", pod=lost).split() == ["/both", "1"]


def test_two_lost_volumes_wait_and_never_make_a_second_cluster_until_a_person_gives_up_the_third(three: Stand) -> None:
    survivor, *lost = three.pods
    cluster = survivor.cluster()
    lose_volume(*lost)
    survivor.stop()
    for pod in lost:
        pod.start()
        three.wait_for(pod, "members_silent")
    survivor.start()
    for pod in lost:
        three.wait_for(pod, "no_quorum")
        assert pod.etcd is None or not pod.etcd.alive
        three.wait(
            lambda pod=pod: pod.state()["others"][survivor.name]["cluster_id"] == cluster, f"{pod.name} hears of it", 20
        )
    lose_volume(survivor)
    survivor.start()
    three.wait_voters()
    assert survivor.cluster() != cluster


def test_the_data_of_the_one_volume_that_is_left_can_be_kept_as_docs_etcd_md_says(three: Stand) -> None:
    three.ctl("put", "/rescued", "1")
    survivor, *lost = three.pods
    lose_volume(*lost)
    survivor.stop()  # in order: what only the log has is not in its database
    old = survivor.volume / json.loads((survivor.volume / "identity.json").read_text())["identity"]["directory"]
    url = f"http://{survivor.host}:2380"
    three.ctl(
        "snapshot",
        "restore",
        str(old / "member" / "snap" / "db"),
        "--skip-hash-check",
        f"--data-dir={survivor.volume / 'restored'}",
        f"--name={survivor.name}",
        f"--initial-cluster={survivor.name}={url}",
        f"--initial-advertise-peer-urls={url}",
        "--initial-cluster-token=restored-1",
    )
    backup = survivor.volume.with_name("backup")
    backup.mkdir()
    for path in (old, survivor.volume / "identity.json"):
        path.rename(backup / path.name)
    three.start()
    three.wait_voters(timeout=90)
    assert len(three.members()) == 3
    assert three.ctl("get", "/rescued", pod=lost[1]).split() == ["/rescued", "1"]


def test_after_the_loss_of_all_volumes_a_new_cluster_begins_under_another_id(three: Stand) -> None:
    before = three.pods[0].cluster()
    three.begin_again()
    assert three.pods[0].cluster() != before
    assert len(three.members()) == 3


def test_a_member_that_a_person_removed_comes_back_under_a_new_id_and_its_old_data_stay(three: Stand) -> None:
    pod = three.pods[1]
    old = json.loads((pod.volume / "identity.json").read_text())["identity"]
    three.remove(old["member_id"], three.pods[0])
    three.wait(lambda: pod.state()["member_id"] not in (None, old["member_id"]), "it has a new id", 60)
    three.wait_voters()
    assert len(three.members()) == 3
    assert (pod.volume / old["directory"] / "member" / "wal").is_dir()
    assert "it was removed" in pod.told()


def test_a_member_whose_data_were_removed_by_hand_never_starts_empty_under_its_identity(three: Stand) -> None:
    pod = three.pods[1]
    old = json.loads((pod.volume / "identity.json").read_text())["identity"]
    assert pod.etcd is not None
    pod.etcd.kill()
    shutil.rmtree(pod.volume / old["directory"])
    three.wait(lambda: pod.state()["member_id"] not in (None, old["member_id"]), "it has a new id", 60)
    three.wait_voters()
    assert old["member_id"] not in {f"{member['ID']:x}" for member in three.members()}


def test_a_sidecar_that_restarts_alone_leaves_the_running_etcd_alone(three: Stand) -> None:
    pod = three.pods[0]
    assert pod.etcd is not None
    assert pod.sidecar is not None
    before, members = pod.etcd.pid, three.members()
    pod.sidecar.kill()
    pod.start_sidecar()
    three.wait_voters()
    assert pod.etcd.alive
    assert pod.etcd.pid == before
    assert three.members() == members


def test_a_member_that_is_not_there_yet_is_waited_for(stand: MakeStand) -> None:
    three = stand()
    *early, late = three.pods
    for pod in early:
        pod.start()
        three.wait_for(pod, "members_silent")
    assert late.name in early[0].get("/-/state")
    late.start()
    three.wait_voters()


def test_a_volume_that_does_not_say_whose_it_is_stops_a_first_start(stand: MakeStand) -> None:
    three = stand()
    odd = three.pods[2]
    (odd.volume / "identity.json").write_text('{"schema": 99}')
    three.start()
    three.wait_for(odd, "volume_unreadable")
    three.wait_for(three.pods[0], "members_unsure")
    assert "schema 99" in odd.told()


def test_the_only_member_begins_anew_on_a_new_volume_and_says_so(stand: MakeStand) -> None:
    one = stand(size=1)
    (pod,) = one.pods
    one.start()
    one.wait_voters()
    one.ctl("put", "/gone", "1")
    first = pod.cluster()
    pod.stop()
    pod.start()
    one.wait_voters()
    assert pod.cluster() == first
    assert one.ctl("get", "/gone").split() == ["/gone", "1"]
    lose_volume(pod)
    pod.start()
    one.wait_voters()
    assert pod.cluster() != first
    assert one.ctl("get", "/gone") == ""
    assert pod.told().count("a NEW, EMPTY etcd begins") == 2


def test_data_of_an_etcd_that_was_there_before_are_taken_on(stand: MakeStand) -> None:
    one = stand(size=1)
    (pod,) = one.pods
    one.start()
    one.wait_voters()
    one.ctl("put", "/old", "1")
    before = one.members()
    pod.stop()
    identity = pod.volume / "identity.json"
    directory = json.loads(identity.read_text())["identity"]["directory"]
    identity.unlink()
    (pod.volume / directory / "member").rename(pod.volume / "member")
    pod.start()
    one.wait_voters()
    assert one.members() == before
    assert one.ctl("get", "/old").split() == ["/old", "1"]
    assert json.loads(identity.read_text())["identity"]["member_id"] == f"{before[0]['ID']:x}"
