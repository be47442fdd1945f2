"""Changes of the etcd cluster itself: its members, and who may do what."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.registry.gateway import Gateway
from galera_exporter.registry.keyvalue import integer, prefix_end, span
from galera_exporter.settings import EtcdSettings, Secret

_ANY_KEY: Final = b"/"
_READWRITE: Final = "READWRITE"


@dataclass(frozen=True, slots=True)
class Permission:
    """What a role may do with the keys from ``key`` up to ``end``; an empty end is the one key."""

    kind: str
    """READ, WRITE or READWRITE."""
    key: bytes
    end: bytes

    @classmethod
    def below(cls, prefix: str) -> Permission:
        """Return reading and writing of all keys that begin with ``prefix``."""
        return cls(_READWRITE, prefix.encode(), prefix_end(prefix.encode()))


class Administration:
    """An etcd cluster, by the endpoints of ``settings``, for its keeper. For one thread at a time.

    Its methods raise RegistryError, and AmbiguousError where a change may have been made all the same.
    """

    def __init__(self, settings: EtcdSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._gateway = Gateway(settings, 2.5 * settings.timeout, clock)

    @property
    def authenticated(self) -> bool:
        """Whether the last call had a token; without one etcd has authentication off."""
        return self._gateway.authenticated

    def close(self) -> None:
        """Close the connections."""
        self._gateway.close()

    def confirm_quorum(self) -> int:
        """Read linearizably, which only a majority can answer; return the id of the cluster."""
        return self._gateway.call(
            "/kv/range",
            {**span(_ANY_KEY, None), "count_only": True},
            lambda answer: integer(answer["header"]["cluster_id"]),
        )

    def add_learner(self, peer_url: str) -> tuple[int, int]:
        """Add a member that does not vote yet; return the ids of the cluster and of the new member."""
        return self._gateway.call(
            "/cluster/member/add",
            {"peerURLs": [peer_url], "isLearner": True},
            lambda answer: (integer(answer["header"]["cluster_id"]), integer(answer["member"]["ID"])),
            once=True,
        )

    def remove(self, member: int) -> None:
        """Remove a member for good."""
        self._gateway.call("/cluster/member/remove", {"ID": str(member)}, lambda _: None, once=True)

    def promote(self, member: int) -> None:
        """Make a learner that has caught up a voter."""
        self._gateway.call("/cluster/member/promote", {"ID": str(member)}, lambda _: None, once=True)

    def users(self) -> frozenset[str]:
        """Return the names of all users."""
        return self._gateway.call("/auth/user/list", {}, lambda answer: frozenset(map(str, answer.get("users", ()))))

    def roles_of(self, user: str) -> frozenset[str]:
        """Return the roles that a user has."""
        return self._gateway.call(
            "/auth/user/get", {"name": user}, lambda answer: frozenset(map(str, answer.get("roles", ())))
        )

    def roles(self) -> frozenset[str]:
        """Return the names of all roles."""
        return self._gateway.call("/auth/role/list", {}, lambda answer: frozenset(map(str, answer.get("roles", ()))))

    def permissions(self, role: str) -> frozenset[Permission]:
        """Return what a role may do."""
        return self._gateway.call("/auth/role/get", {"role": role}, _permissions)

    def add_user(self, name: str, password: Secret) -> None:
        """Make a user."""
        self._do("/auth/user/add", {"name": name, "password": password.reveal()})

    def change_password(self, name: str, password: Secret) -> None:
        """Give a user another password; its tokens end."""
        self._do("/auth/user/changepw", {"name": name, "password": password.reveal()})

    def add_role(self, name: str) -> None:
        """Make a role that may do nothing yet."""
        self._do("/auth/role/add", {"name": name})

    def allow(self, role: str, permission: Permission) -> None:
        """Give a role a permission."""
        keys = span(permission.key, permission.end or None)
        self._do("/auth/role/grant", {"name": role, "perm": {"permType": permission.kind, **keys}})

    def forbid(self, role: str, permission: Permission) -> None:
        """Take a permission from a role."""
        self._do("/auth/role/revoke", {"role": role, **span(permission.key, permission.end or None)})

    def grant(self, user: str, role: str) -> None:
        """Give a user a role."""
        self._do("/auth/user/grant", {"user": user, "role": role})

    def accepts(self, user: str, password: Secret) -> bool:
        """Whether a user can log in with this password; authentication must be on, and this be nobody's login."""
        try:
            self._do("/auth/authenticate", {"name": user, "password": password.reveal()})
        except RegistryError as error:
            if error.reason is RegistryReason.AUTH:
                return False
            raise
        return True

    def enable(self) -> None:
        """Ask everybody for name and password from now on; needs a user root with the role root."""
        self._do("/auth/enable", {})

    def _do(self, path: str, body: Mapping[str, Any]) -> None:
        self._gateway.call(path, body, lambda _: None, once=True)


def _permissions(answer: Mapping[str, Any]) -> frozenset[Permission]:
    return frozenset(
        Permission(
            str(each.get("permType", "READ")), b64decode(each.get("key", "")), b64decode(each.get("range_end", ""))
        )
        for each in answer.get("perm", ())
    )
