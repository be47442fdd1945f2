"""The fields of a JSON object that somebody wrote, each checked: a value is read as a whole or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self, TypeVar

from galera_exporter.registry.records import MAX_VALUE, SCHEMA, is_name, is_text, is_uuid

_LARGEST: Final = 2**63 - 1
_WORD: Final = re.compile(r"[0-9A-Za-z._-]{0,32}", re.ASCII)

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class UnreadableError(ValueError):
    """A value that this version does not write."""


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object. Each method returns one field, its default where it is absent, or raises UnreadableError."""

    found: Mapping[str, Any]

    @classmethod
    def of(cls, found: object) -> Self:
        """Return the fields of what JSON says is an object."""
        if not isinstance(found, dict):
            raise UnreadableError("not an object")
        return cls(found)

    def has(self, name: str) -> bool:
        """Whether there is such a field, and it is not null."""
        return self.found.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text that can be shown."""
        return self._checked(name, default, is_text)

    def name(self, name: str) -> str:
        """Return what can be the name of a node."""
        return self._checked(name, None, lambda text: isinstance(text, str) and is_name(text))

    def word(self, name: str, default: str | None = None) -> str:
        """Return a short name of letters, digits, points, lines; it may become part of a command line."""
        return self._checked(name, default, lambda word: isinstance(word, str) and bool(_WORD.fullmatch(word)))

    def uuid(self, name: str, default: str | None = None) -> str:
        """Return a UUID as Galera writes it."""
        return self._checked(name, default, lambda text: is_text(text) and (is_uuid(text) or text == default))

    def number(self, name: str, default: int | None = None, low: int = -1, high: int = _LARGEST) -> int:
        """Return a whole number from ``low`` to ``high``."""
        return self._checked(name, default, lambda number: type(number) is int and low <= number <= high)

    def flag(self, name: str) -> bool:
        """Return true or false; absent: false."""
        return self._checked(name, False, lambda flag: isinstance(flag, bool))  # noqa: FBT003 -- it is the default

    def choice(self, name: str, kind: type[E]) -> E:
        """Return a member of ``kind``."""
        text = self.text(name)
        if text not in {*kind}:
            raise UnreadableError(name)
        return kind(text)

    def inner(self, name: str) -> Fields:
        """Return the fields of an object in this one."""
        return Fields.of(self.found.get(name))

    def items(self, name: str, most: int) -> list[Any]:
        """Return a list of at most ``most`` items; absent: none."""
        return self._checked(name, [], lambda items: isinstance(items, list) and len(items) <= most)

    def _checked(self, name: str, default: T | None, right: Callable[[Any], bool]) -> T:
        found: Any = self.found.get(name, default)
        if not right(found):
            raise UnreadableError(name)
        checked: T = found
        return checked


def read(value: bytes, make: Callable[[Fields], T]) -> T | None:
    """Return what ``make`` makes of a value of etcd, None where it is not one of this schema. Total."""
    if len(value) > MAX_VALUE:
        return None
    try:
        fields = Fields.of(json.loads(value))
        fields.number("schema", low=1, high=SCHEMA)
        return make(fields)
    except (ValueError, RecursionError):
        return None
