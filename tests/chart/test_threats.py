"""What SECURITY.md says of ports and secrets is what the chart makes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from alerts.helm import CHART
from chart.release import CASES, Container, Release, case, render

PAGE = (CHART.parents[1] / "SECURITY.md").read_text(encoding="utf-8")
SECURED = "tls-etcd-auth"

MARIADB = {"root-password", "operator-password", "exporter-password", "password"}
HOLDS = {
    "mariadb": {("db-galera", key) for key in MARIADB} | {("db-galera-cert", "tls.key")},
    "exporter": {("db-galera", "exporter-password"), ("db-galera-etcd", "password"), ("db-galera-cert", "tls.key")},
    "member": {("db-galera-etcd", "root-password"), ("db-galera-etcd", "password"), ("db-galera-cert", "tls.key")},
    "etcd": {("db-galera-etcd", "root-password"), ("db-galera-etcd", "password"), ("db-galera-cert", "tls.key")},
    "observer": {("db-galera-etcd", "password"), ("db-galera-cert", "tls.key")},
    "galeractl": {("db-galera", "operator-password"), ("db-galera-etcd", "password")},
}
"""The table "Who holds which secret"."""


def keys(secret: str, items: list[Mapping[str, str]] | None, release: Release) -> set[tuple[str, str]]:
    """Return what a mount of a Secret shows; without ``items`` all of it."""
    if items is not None:
        return {(secret, item["key"]) for item in items}
    if secret == "db-galera-cert":  # made by the user: docs/kubernetes.md says what is in it
        return {(secret, name) for name in ("ca.crt", "tls.crt", "tls.key")}
    if secret == "db-galera":  # it has the other two only where the values ask for them
        return {(secret, name) for name in {*release.get("Secret", secret)["data"]} | {"root-password", "password"}}
    return {(secret, name) for name in release.get("Secret", secret)["data"]}


def mounted(container: Container, release: Release) -> Iterator[tuple[str, str]]:
    volumes = {volume["name"]: volume for volume in container.pod.spec.get("volumes", ())}
    for mount in container.spec.get("volumeMounts", ()):
        volume: Mapping[str, Any] = volumes.get(mount["name"], {})
        if "secret" in volume:
            yield from keys(volume["secret"]["secretName"], volume["secret"].get("items"), release)
        for source in volume.get("projected", {}).get("sources", ()):
            if "secret" in source:
                yield from keys(source["secret"]["name"], source["secret"].get("items"), release)
    for each in container.spec.get("env", ()):
        reference = each.get("valueFrom", {}).get("secretKeyRef")
        if reference:
            yield reference["name"], reference["key"]


def test_each_container_holds_the_secrets_that_the_page_says_and_no_other() -> None:
    release = case(SECURED)
    public = {("db-galera-cert", "ca.crt"), ("db-galera-cert", "tls.crt")}
    for pod in release.pods:
        for container in pod.containers:
            assert {*mounted(container, release)} - public == HOLDS[container.name], container.name
    table = PAGE.split("## Who holds which secret")[1].split("\n\n")[1]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == {*HOLDS}


@pytest.mark.parametrize("name", CASES)
def test_only_the_observer_has_a_token(name: str) -> None:
    tokens = {pod.component for pod in case(name).pods if pod.spec["automountServiceAccountToken"]}
    assert tokens == (set() if name == "no-observer" else {"observer"})


def test_every_port_of_the_chart_is_in_the_table_and_no_other() -> None:
    table = PAGE.split("## What can be reached")[1].split("## ")[0]
    told = {
        int(port)
        for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
        for port in row.split(", ")
    }  # fmt: skip
    assert told == {port for pod in case("default").pods for port in pod.ports.values()}


@pytest.mark.parametrize("name", CASES)
def test_nobody_but_the_database_sees_its_files_or_can_stand_in_for_its_socket(name: str) -> None:
    for container in case(name).pod("galera").containers:
        if container.name == "mariadb":
            continue
        for mount in container.spec.get("volumeMounts", ()):
            assert (mount["name"], mount.get("subPath", "")) not in {("data", ""), ("data", "data"), ("init", "")}
            if mount["name"] == "socket":
                assert mount["readOnly"] is True


@pytest.mark.parametrize("name", CASES)
def test_every_container_beside_the_database_is_another_user_that_no_image_has_a_name_for(name: str) -> None:
    pod = case(name).pod("galera")
    users = {
        container.name: container.spec["securityContext"].get("runAsUser", pod.spec["securityContext"]["runAsUser"])
        for container in pod.containers
        if container.name in ("mariadb", "exporter")
    }
    assert users == {"mariadb": 999, "exporter": 10104}
    assert (
        pod.container("exporter").spec["securityContext"].items()
        >= pod.container("mariadb").spec["securityContext"].items()
    )
    assert pod.spec["securityContext"]["fsGroup"] == 999, "what the two hand to one another belongs to this group"


def test_the_sidecar_keeps_its_user_where_values_of_an_older_chart_are_kept_and_gives_it_up_where_told() -> None:
    without = render({"exporter": {"securityContext": None}}).pod("galera").container("exporter")
    assert without.spec["securityContext"]["runAsUser"] == 10104
    given = render({"exporter": {"securityContext": {"runAsUser": None}}}).pod("galera").container("exporter")
    assert "runAsUser" not in given.spec["securityContext"], "where the platform chooses one, as OpenShift does"
