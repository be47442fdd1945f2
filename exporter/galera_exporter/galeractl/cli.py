"""``galeractl``: arguments to subcommands, and every failure to one line and an exit status."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Final, Never

from galera_exporter import __version__, arguments, log
from galera_exporter.errors import ConfigError, DatabaseError, RegistryError
from galera_exporter.galeractl import (
    discard,
    etcd_health,
    explain,
    force_bootstrap,
    hold,
    reset,
    status,
    sync_test,
    withdraw,
)
from galera_exporter.galeractl.command import Command, Context
from galera_exporter.galeractl.exits import Exit, RefusedError, UsageError
from galera_exporter.galeractl.terminal import Terminal, printable
from galera_exporter.options import User

COMMANDS: Final[tuple[Command, ...]] = (
    status.COMMAND,
    explain.COMMAND,
    etcd_health.COMMAND,
    sync_test.COMMAND,
    hold.HOLD_COMMAND,
    hold.RELEASE_COMMAND,
    force_bootstrap.COMMAND,
    discard.COMMAND,
    withdraw.COMMAND,
    reset.COMMAND,
)

_ABOUT: Final = """\
See and care for a MariaDB Galera Cluster, from any place that reaches its etcd. In the sidecar's
container no option is needed: galeractl reads the same environment and the same file.

  galeractl status                     which nodes there are, and how they are
  galeractl status --watch             the same, again and again
  galeractl explain                    what nodes that do not start wait for, and what resolves it
  galeractl etcd-health                the etcd behind it
  galeractl sync-test --user tester --password-file /run/secrets/tester
  galeractl COMMAND --help             options, exit status, JSON, examples

exit status: 0 healthy, 1 degraded, 2 down, 3 refused, 64 wrong usage, 70 a fault of galeractl
"""


class Parser(arguments.Parser):
    """A parser whose errors leave with 64: 1 and 2 are verdicts on the cluster."""

    def error(self, message: str) -> Never:
        """Say in one line what is wrong and where help is."""
        self.exit(Exit.USAGE, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def parser() -> argparse.ArgumentParser:
    """Return the command line of galeractl."""
    top = Parser(
        prog="galeractl",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"galeractl {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        own = commands.add_parser(
            command.name,
            usage=f"galeractl {command.name}{' ' * bool(command.operands)}{command.operands} [OPTION]...",
            help=command.help,
            description=command.description,
            epilog=arguments.SOURCES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_arguments(own)
        own.add_argument("--debug", action="store_true", help="log what is done, and show where a failure came from")
        arguments.add_options(own, User.GALERACTL)
    return top


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the command and return its exit status; no traceback without --debug."""
    given = sys.argv[1:] if argv is None else argv
    debug = "--debug" in given
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 gets escapes, not a failure
    if debug:
        log.configure("debug", "text")
    else:
        logging.getLogger().addHandler(logging.NullHandler())  # what matters is in the result
    try:
        return int(_run(given, environ))
    except ConfigError as error:
        sys.stderr.write(arguments.report("galeractl", error))
        return Exit.USAGE
    except BrokenPipeError:
        # The reader of a pipe has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except KeyboardInterrupt:
        return 128 + 2
    except Exception as error:  # noqa: BLE001 -- a person at 3 a.m. gets a line, not a traceback
        if debug:
            traceback.print_exc()
        text, code = _explain(error)
        notes: list[str] = getattr(error, "__notes__", [])
        sys.stderr.write("\n".join([f"galeractl: {printable(text)}", *notes]) + "\n")
        return code


def _run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    parsed, resolved = arguments.resolve(parser(), argv, environ, socket.gethostname())
    context = Context(resolved.config, Terminal(sys.stdout, environ), Terminal(sys.stderr, environ))
    command = next(command for command in COMMANDS if command.name == parsed.command)
    return command.run(context, parsed)


def _explain(error: Exception) -> tuple[str, Exit]:
    match error:
        case UsageError():
            return str(error), Exit.USAGE
        case RefusedError():
            return f"refused: {error}", Exit.REFUSED
        case RegistryError():
            return f"etcd: {error}", Exit.DOWN
        case DatabaseError():
            return f"MariaDB: {error}", Exit.DOWN
        case _:
            words = f"{type(error).__name__}: {error}"
            return f"a fault of galeractl: {words} (run it again with --debug for details)", Exit.BUG
