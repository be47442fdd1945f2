"""What a subcommand is: one value, made in a module of its own and listed once in ``cli``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass

from galera_exporter.galeractl.terminal import Terminal
from galera_exporter.settings import Config


@dataclass(frozen=True, slots=True)
class Context:
    """What a subcommand works with: the configuration, and where to write results and remarks."""

    config: Config
    out: Terminal
    err: Terminal


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand of galeractl."""

    name: str
    help: str
    """One line, for the list of commands."""
    description: str
    """For its own --help: what it does, its exit status, its JSON, examples."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Context, argparse.Namespace], int]
    """Returns the exit status; may raise UsageError, RefusedError, RegistryError and DatabaseError."""
    operands: str = ""
    """What stands on the command line beside options."""


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add ``--output table|json``."""
    parser.add_argument(
        "--output", choices=("table", "json"), default="table", help="for people or for programs (default: table)"
    )


def as_json(value: object, *, one_line: bool = False) -> str:
    """Return ``value`` as JSON with a newline at its end."""
    return json.dumps(value, ensure_ascii=False, indent=None if one_line else 2) + "\n"


def milliseconds(seconds: float | None) -> float | None:
    """Return ``seconds`` as milliseconds for JSON, to the microsecond; None stays None."""
    return None if seconds is None else round(seconds * 1000, 3)
