"""One question before something that cannot be undone."""

from __future__ import annotations

import argparse
import sys

from galera_exporter.galeractl.command import Context
from galera_exporter.galeractl.exits import RefusedError


def add_yes(parser: argparse.ArgumentParser) -> None:
    """Add ``--yes``."""
    parser.add_argument("--yes", action="store_true", help="do not ask; for scripts")


def confirm(context: Context, question: str, answer: str, *, yes: bool) -> None:
    """Return if the person types ``answer``, or with ``yes``.

    Raises:
        RefusedError: not confirmed, or nobody is there to be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise RefusedError("nobody can be asked (the input is no terminal): add --yes")
    context.out.write(f"{question} {answer}: ")
    if sys.stdin.readline().strip() != answer:
        raise RefusedError("not confirmed: nothing was done")
