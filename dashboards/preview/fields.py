"""What a panel's field configuration makes of a value: its text and its colour."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from preview.frames import Cell
from preview.spec import Panel
from preview.units import written


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as it is read."""

    text: str
    colour: str = ""
    """Empty: the colour of the text around it."""


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of one field: the panel's defaults, and what overrides say by its name."""

    unit: str = "none"
    decimals: int | None = None
    absent: str = "\u2013"
    minimum: float | None = None
    maximum: float | None = None
    mappings: Sequence[Mapping[str, Any]] = ()
    steps: Sequence[tuple[float | None, str]] = ()
    colour: str = ""
    """A fixed one."""
    custom: Mapping[str, Any] = field(default_factory=dict)

    def shown(self, value: Cell) -> Shown:
        """Return text and colour of a value."""
        for mapping in self.mappings:
            result = _mapped(mapping, value)
            if result is not None:
                return Shown(result.get("text", str(value)), result.get("color", ""))
        if value is None:
            return Shown(self.absent)
        if isinstance(value, str):
            return Shown(value or self.absent)
        return Shown(written(value, self.unit, self.decimals), self.colour_of(value))

    def colour_of(self, value: float) -> str:
        """Return the colour of the highest threshold that the value reaches."""
        reached = [colour for start, colour in self.steps if start is None or value >= start]
        return reached[-1] if reached else ""


def config(panel: Panel, name: str) -> Config:
    """Return the configuration of the panel's field of this name."""
    found: dict[str, Any] = {**panel.defaults, "custom": dict(panel.defaults.get("custom", {}))}
    for override in panel.overrides:
        if not _matches(override["matcher"], name):
            continue
        for each in override["properties"]:
            key: str = each["id"]
            if key.startswith("custom."):
                found["custom"][key.removeprefix("custom.")] = each["value"]
            else:
                found[key] = each["value"]
    colour = found.get("color", {})
    return Config(
        unit=found.get("unit", "none"),
        decimals=found.get("decimals"),
        absent=found.get("noValue", "\u2013"),
        minimum=found.get("min"),
        maximum=found.get("max"),
        mappings=found.get("mappings", ()),
        steps=[(step["value"], step["color"]) for step in found.get("thresholds", {}).get("steps", ())],
        colour=colour.get("fixedColor", "") if colour.get("mode") == "fixed" else "",
        custom=found["custom"],
    )


def _matches(matcher: Mapping[str, str], name: str) -> bool:
    if matcher["id"] == "byName":
        return matcher["options"] == name
    if matcher["id"] == "byRegexp":
        return re.search(matcher["options"].strip("/"), name) is not None
    raise ValueError(f"the preview does not know the matcher {matcher['id']}")


def _mapped(mapping: Mapping[str, Any], value: Cell) -> Mapping[str, Any] | None:
    options: Mapping[str, Any] = mapping["options"]
    if mapping["type"] == "value":
        key = value if isinstance(value, str) else "" if value is None else f"{value:.15g}"
        found: Mapping[str, Any] | None = options.get(key)
        return found
    if mapping["type"] == "special" and options["match"] == "null":
        result: Mapping[str, Any] = options["result"]
        return result if value is None else None
    raise ValueError(f"the preview does not know the mapping {mapping['type']}")
