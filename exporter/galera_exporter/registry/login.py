"""Name and password for etcd, and the token they were exchanged for."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Final

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.settings import EtcdSettings, Secret

log = logging.getLogger(__name__)

REFUSED_PAUSE: Final = 5.0
"""Seconds for which a refused password is not tried again: each try costs etcd about 0.1 s of CPU (bcrypt)."""


class Login:
    """What is known of our login. The gateway does the requests; this remembers, and never shows a secret."""

    def __init__(self, settings: EtcdSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._token: Secret | None = None
        self._password = settings.password
        self._off = False
        self._refused: tuple[Secret, float] | None = None

    @property
    def possible(self) -> bool:
        """Whether a user is set."""
        return bool(self._settings.user)

    @property
    def needed(self) -> bool:
        """Whether the next request needs a login first."""
        return self.possible and self._token is None and not self._off

    @property
    def token(self) -> str | None:
        """The token of the last login, None where there is none."""
        return self._token.reveal() if self._token else None

    def password(self) -> Secret:
        """Return the password, read anew where it is in a file.

        Raises:
            RegistryError: AUTH; the file cannot be read, or this password was refused a moment ago.
        """
        file = self._settings.password_file
        if file is not None:
            try:
                self._password = Secret(file.read_text(encoding="utf-8").rstrip("\r\n"))
            except (OSError, UnicodeDecodeError) as error:
                words = getattr(error, "strerror", None) or "it is not UTF-8"
                raise RegistryError(RegistryReason.AUTH, f"password file {file}: {words}") from None
        if self._refused and self._refused[0] == self._password and self._clock() < self._refused[1]:
            raise RegistryError(RegistryReason.AUTH, "etcd refused this user and password a moment ago")
        return self._password

    def accept(self, token: object) -> bool:
        """Keep the token of a login; return whether it is one."""
        if not isinstance(token, str) or not token.isprintable() or not token.isascii() or not token:
            return False
        self._token = Secret(token)
        self._refused = None
        return True

    def refuse(self, password: Secret) -> None:
        """Note that etcd did not take this password."""
        self._refused = (password, self._clock() + REFUSED_PAUSE)

    def forget(self) -> None:
        """Drop the token: etcd no longer takes it."""
        self._token = None
        self._off = False

    def switch_off(self) -> None:
        """Go on without a token: this etcd has no authentication. A later refusal switches it on again."""
        self._off = True
        log.warning("etcd user %r is set, but etcd has authentication off: going on without", self._settings.user)

    def redact(self, text: str) -> str:
        """Return ``text`` with token and password blotted out."""
        for secret in (self._token, self._password):
            if secret:
                for form in (secret.reveal(), json.dumps(secret.reveal())[1:-1]):
                    text = text.replace(form, "***")
        return text
