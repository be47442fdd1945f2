"""A StatefulSet of three: first start, restarts, lost volumes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etcdmember.stand import Stand

pytestmark = pytest.mark.servers

MakeStand = Callable[..., Stand]


def test_three_members_that_start_at_once_on_empty_volumes_make_one_cluster(stand: MakeStand) -> None:
    three = stand()
    three.start()
    three.wait_voters()
    assert sorted(member["name"] for member in three.members()) == ["etcd-0", "etcd-1", "etcd-2"]


def test_each_member_restarts_on_its_data(stand: MakeStand) -> None:
    three = stand()
    three.start()
    three.wait_voters()
    before = three.members()
    three.ctl("put", "/a", "1")
    for pod in three.pods:
        pod.stop()
        pod.start()
        three.wait_voters()
    assert three.members() == before
    assert three.ctl("get", "/a", pod=three.pods[0]).split() == ["/a", "1"]
