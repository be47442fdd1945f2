"""The users of etcd: made once the cluster runs, and their passwords kept as the files have them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.etcdmember.settings import AuthSettings
from galera_exporter.registry.administration import Administration, Permission
from galera_exporter.settings import Secret

log = logging.getLogger(__name__)

ROOT: Final = "root"
"""Etcd's own name for the user and the role that may do everything."""
LOOK_AGAIN: Final = 300.0
"""Seconds between two looks at users and roles that were right; etcd forgets a token that is not used for so long."""


class Accounts:
    """Root, and one user with a role of its name that may read and write the keys below one prefix.

    Each step looks first, so that all members may do it at the same time, again and again. ``admin`` logs in as root,
    ``stranger`` not at all: it tries passwords.
    """

    def __init__(
        self,
        auth: AuthSettings,
        admin: Administration,
        stranger: Administration,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._auth = auth
        self._admin = admin
        self._stranger = stranger
        self._clock = clock
        self._files: tuple[Secret, Secret] | None = None
        """Root's and the user's password as etcd has them, as far as known."""
        self._due = clock()

    def tend(self) -> None:
        """Bring users, role and passwords in line with the files, where they may have changed.

        Raises:
            RegistryError: not now; AUTH where etcd has another password of root than the file.
        """
        files = (_read(self._auth.root_password_file), _read(self._auth.password_file))
        known = self._files
        if files == known and self._clock() < self._due:
            return
        if known is not None and files[0] != known[0] and self._admin.authenticated:
            self._replace_root(files[0])
        users = self._admin.users()
        self._role()
        self._user(users, files[1])
        if not self._admin.authenticated:
            self._switch_on(users, files[0])
        self._files, self._due = files, self._clock() + LOOK_AGAIN

    def _replace_root(self, password: Secret) -> None:
        """Change root's password with the token of the old one, unless another member has done so already."""
        if not self._stranger.accepts(ROOT, password):
            self._admin.change_password(ROOT, password)
            log.info("root has the password of the file now")

    def _role(self) -> None:
        name, wanted = self._auth.user, Permission.below(self._auth.prefix)
        if name not in self._admin.roles():
            _unless_there(lambda: self._admin.add_role(name))
        has = self._admin.permissions(name)
        if wanted not in has:
            self._admin.allow(name, wanted)
        for permission in has - {wanted}:
            self._admin.forbid(name, permission)

    def _user(self, users: frozenset[str], password: Secret) -> None:
        name = self._auth.user
        if name not in users:
            _unless_there(lambda: self._admin.add_user(name, password))
        elif not self._admin.authenticated or not self._stranger.accepts(name, password):
            self._admin.change_password(name, password)
            log.info("user %s has the password of the file now", name)
        if name not in self._admin.roles_of(name):
            self._admin.grant(name, name)

    def _switch_on(self, users: frozenset[str], password: Secret) -> None:
        if ROOT not in users:
            _unless_there(lambda: self._admin.add_user(ROOT, password))
        else:
            self._admin.change_password(ROOT, password)
        self._admin.grant(ROOT, ROOT)
        self._admin.enable()
        self._admin.users()
        log.info("authentication is on; user %s may read and write %s", self._auth.user, self._auth.prefix)


def _read(file: Path) -> Secret:
    try:
        secret = Secret(file.read_text(encoding="utf-8").rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "it is not UTF-8"
        raise RegistryError(RegistryReason.AUTH, f"password file {file}: {words}") from None
    if not secret:
        raise RegistryError(RegistryReason.AUTH, f"password file {file}: it is empty")
    return secret


def _unless_there(make: Callable[[], None]) -> None:
    try:
        make()
    except RegistryError as error:
        if "already exists" not in str(error):  # another member was faster
            raise
