"""Moments that the simulation found, each on its own, with the real ``Member``."""

from __future__ import annotations

import json
from random import Random

import pytest

from etcdmember import schedule
from etcdmember.world import Pod, World
from galera_exporter.etcdmember.decision import Start, StartNew
from galera_exporter.etcdmember.state import Identity, Standing


@pytest.fixture
def world() -> World:
    made = World(3, Random(1))
    schedule.mend(made)
    return made


def identity(pod: Pod) -> Identity:
    assert pod.disk.record is not None
    assert pod.disk.record.identity is not None
    return pod.disk.record.identity


def page(pod: Pod) -> dict[str, object]:
    assert pod.member is not None
    found: dict[str, object] = json.loads(pod.member.state_page(None).body)  # type: ignore[arg-type]
    return found


def bind_all(world: World) -> None:
    while not all(pod.disk.standing() is Standing.FOUNDER for pod in world.pods):
        for pod in world.pods:
            world.round(pod)


def test_an_etcd_that_begins_while_others_answer_is_not_taken_for_one_that_lost_its_data(world: World) -> None:
    bind_all(world)
    *first, last = world.pods
    for pod in world.pods:
        world.round(pod)  # writes the configuration
    for pod in first:
        world.kubelet(pod)
    before = identity(last)
    world.disturb = lambda: world.kubelet(last)
    world.round(last)
    assert last.etcd is not None
    world.disturb = lambda: None
    world.round(last)
    assert identity(last).member == before.member
    assert page(last)["member_id"] is not None


def test_an_etcd_that_still_runs_with_an_ended_identity_is_not_taken_for_the_new_one(world: World) -> None:
    assert schedule.calm(world)
    pod = world.pods[2]
    assert pod.etcd is not None
    old = pod.etcd
    world.remove(world.clusters[old.cluster], old.member)
    while pod.disk.standing() is not Standing.JOINER:
        world.round(pod)
    world.round(pod)
    assert pod.etcd is old
    assert page(pod)["member_id"] is None
    assert identity(pod).member != old.member
    assert world.clusters[old.cluster][identity(pod).member].learner


def test_the_founding_of_data_that_are_gone_is_not_told(world: World) -> None:
    bind_all(world)
    pod = world.pods[0]
    for each in world.pods[1:]:
        world.crash(each)
        world.wipe(each)
    for _ in range(2):
        world.round(pod)
        world.kubelet(pod)
    assert page(pod)["founding"]
    world.lose_data(pod)
    world.disturb = lambda: told.append(page(pod)["founding"])
    told: list[object] = []
    world.round(pod)
    assert told
    assert not any(told)


def test_from_the_word_that_data_count_no_configuration_begins_without_them(world: World) -> None:
    bind_all(world)
    pod = world.pods[0]
    world.round(pod)
    assert pod.config is not None
    assert isinstance(pod.config[1], StartNew)
    world.kubelet(pod)
    assert not identity(pod).begun
    world.round(pod)
    assert identity(pod).begun
    assert pod.config[1] == Start()


def test_a_change_whose_answer_was_lost_is_not_made_twice(world: World) -> None:
    assert schedule.calm(world)
    pod = world.pods[1]
    world.crash(pod)
    world.wipe(pod)
    world.start(pod)
    members = next(iter(world.clusters.values()))
    world.round(pod)  # removes, and is added
    assert pod.disk.standing() is Standing.JOINER
    assert pod.disk.record is not None
    lost = identity(pod).member
    pod.disk.record = type(pod.disk.record)(pod.disk.record.id)  # as if the answer had not come
    world.crash(pod)
    world.start(pod)
    assert schedule.calm(world)
    assert lost not in members
    assert len(members) == 3
