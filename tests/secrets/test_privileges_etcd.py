"""The role in etcd that etcd-member makes: each right of it is needed, and what it does not have is denied."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.registry.administration import Permission
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import delete, put
from galera_exporter.settings import EtcdSettings, Secret
from lab import EtcdCluster

pytestmark = pytest.mark.servers

ROOT = "--user=root:canary-root"
PASSWORD = "canary-user"
PREFIX = EtcdSettings(namespace="galera", cluster="db-galera").prefix
NEIGHBOUR = "/galera/v1/galera/db-galera2/"
RIGHTS = ("read", "write", "readwrite")
"""Each is also the name of a user, whose role has this right on the cluster's prefix."""


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """One member with authentication on, a user for each right, and a key that is not theirs."""
    cluster = EtcdCluster(1, tmp_path_factory.mktemp("etcd"))
    try:
        cluster.start()
        cluster.ctl("put", f"{NEIGHBOUR}bootstrap", "of the neighbour")
        for right in RIGHTS:
            cluster.ctl("role", "add", right)
            cluster.ctl("role", "grant-permission", "--prefix=true", right, right, PREFIX)
            cluster.ctl("user", "add", f"{right}:{PASSWORD}")
            cluster.ctl("user", "grant-role", right, right)
        cluster.ctl("role", "add", "root")
        cluster.ctl("user", "add", "root:canary-root")
        cluster.ctl("user", "grant-role", "root", "root")
        cluster.ctl("auth", "enable")
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def client(etcd: EtcdCluster) -> Iterator[Callable[[str], Etcd]]:
    """Make a client of one of the users."""
    made: list[Etcd] = []

    def make(user: str) -> Etcd:
        made.append(Etcd(EtcdSettings(endpoints=etcd.endpoints, user=user, password=Secret(PASSWORD), timeout=5)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_the_permission_that_etcd_member_gives_is_read_and_write_below_the_prefix() -> None:
    assert Permission.below(PREFIX) == Permission("READWRITE", PREFIX.encode(), PREFIX[:-1].encode() + b"0")


def test_with_read_and_write_below_the_prefix_all_that_a_sidecar_does_is_done(
    client: Callable[[str], Etcd], etcd: EtcdCluster
) -> None:
    sidecar = client("readwrite")
    lease = sidecar.grant(10)
    assert sidecar.transaction([], [put(f"{PREFIX}live/a".encode(), b"1", lease)]).succeeded
    assert sidecar.keepalive(lease) == 10
    assert [pair.value for pair in sidecar.range(f"{PREFIX}live/").pairs] == [b"1"]
    assert sidecar.transaction([], [delete(f"{PREFIX}live/a".encode())]).succeeded
    sidecar.revoke(lease)
    assert len(sidecar.members()) == 1
    assert sidecar.endpoint_status(etcd.endpoints[0]).reachable


@pytest.mark.parametrize(("right", "lacking"), [("read", "write"), ("write", "read")])
def test_each_of_the_two_rights_is_needed_and_its_lack_is_told_by_name(
    client: Callable[[str], Etcd], right: str, lacking: str
) -> None:
    poor = client(right)
    deeds: dict[str, Callable[[], object]] = {
        "read": lambda: poor.range(PREFIX),
        "write": lambda: poor.transaction([], [put(f"{PREFIX}x".encode(), b"")]),
    }
    deeds[right]()
    with pytest.raises(RegistryError, match="permission denied") as caught:
        deeds[lacking]()
    assert caught.value.reason is RegistryReason.PERMISSION


DENIED = {
    "read a neighbour": ("get", f"{NEIGHBOUR}bootstrap"),
    "read everything": ("get", "--prefix", ""),
    "read from the prefix on": ("get", "--from-key", PREFIX),
    "write to a neighbour": ("put", f"{NEIGHBOUR}bootstrap", "x"),
    "delete a neighbour": ("del", f"{NEIGHBOUR}bootstrap"),
    "delete everything": ("del", "--prefix", ""),
    "list users": ("user", "list"),
    "make a user": ("user", "add", "other:password"),
    "change root's password": ("user", "passwd", "root", "--interactive=false"),
    "become root": ("user", "grant-role", "readwrite", "root"),
    "widen its own role": ("role", "grant-permission", "--prefix=true", "readwrite", "readwrite", "/"),
    "switch authentication off": ("auth", "disable"),
    "take a snapshot": ("snapshot", "save", "{folder}/snapshot.db"),
    "defragment": ("defrag",),
    "add a member": ("member", "add", "other", "--peer-urls=http://127.0.0.1:1"),
    "remove a member": ("member", "remove", "{member}"),
}


@pytest.mark.parametrize("deed", DENIED)
def test_the_role_may_not(etcd: EtcdCluster, tmp_path: Path, deed: str) -> None:
    (member,) = etcd.ctl_json(ROOT, "member", "list")["members"]
    facts = {"folder": str(tmp_path), "member": f"{member['ID']:x}"}
    arguments = [argument.format(**facts) for argument in DENIED[deed]]
    with pytest.raises(subprocess.CalledProcessError) as caught:
        etcd.ctl(f"--user=readwrite:{PASSWORD}", *arguments, stdin="x\n" if deed.startswith("change") else None)
    assert "permission denied" in caught.value.stderr.lower()
