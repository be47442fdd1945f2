"""The command line of all commands: options made from the table, faults collected instead of fatal."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Never

from galera_exporter.config import CONFIG_ENV, Contents, Resolved, load, nearest
from galera_exporter.errors import ConfigError
from galera_exporter.options import OPTIONS, Option, User

SOURCES = textwrap.dedent(
    f"""\
    Every option can also be given as an environment variable (in brackets) or in a TOML file:
      [mariadb]
      socket = "/run/mysqld/mysqld.sock"
      [etcd]
      endpoints = ["http://etcd-0:2379", "http://etcd-1:2379"]
    A flag wins over the environment, that over the file (--config or ${CONFIG_ENV}).
    Passwords are never flags: use a *-file option or the environment
    ($GALERA_EXPORTER_MARIADB_PASSWORD, $GALERA_EXPORTER_ETCD_PASSWORD).
    """
)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line that names the fix, with exit status 2."""

    def error(self, message: str) -> Never:
        """Say what is wrong and where help is; never repeat an argument that may be a password."""
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def add_options(
    parser: argparse.ArgumentParser,
    user: User,
    options: tuple[Option, ...] = OPTIONS,
    title: str = "this node",
) -> None:
    """Add --config and every option of the table that ``user`` takes."""
    parser.set_defaults(takes=user)  # for resolve(); a command may have an option "--user"
    parser.add_argument("--config", metavar="FILE", default="", help=f"TOML file with options [${CONFIG_ENV}]")
    groups = {"": parser.add_argument_group(title)}
    for option in options:
        if option.secret or user not in option.users:
            continue
        room = option.name.split(".")[0] if "." in option.name else ""
        if room not in groups:
            groups[room] = parser.add_argument_group(room)
        value = option.default_of(user)
        default = f" (default: {value})" if value and option.metavar else ""
        text = f"{option.help}{default} [${option.env}]".replace("%", "%%")
        if not option.metavar:
            groups[room].add_argument(
                f"--{option.name}", action="store_const", const="true", help=text, dest=option.name
            )
        elif option.many:
            groups[room].add_argument(
                f"--{option.name}", action="append", metavar=option.metavar, help=text, dest=option.name
            )
        else:
            groups[room].add_argument(f"--{option.name}", metavar=option.metavar, help=text, dest=option.name)


def resolve(
    parser: argparse.ArgumentParser,
    argv: Sequence[str],
    environ: Mapping[str, str],
    hostname: str,
    *,
    contents: Contents = lambda _: (),
) -> tuple[argparse.Namespace, Resolved]:
    """Parse the command line and turn it, the environment and the file into a configuration.

    Each command of ``parser`` has its options from ``add_options``.

    Raises:
        ConfigError: with every fault of all three.
        SystemExit: for --help, --version, and a command line that names no known command.
    """
    arguments, unknown = parser.parse_known_args(argv)
    faults = tuple(unknown_faults(unknown))
    return arguments, load(
        given_flags(arguments, OPTIONS),
        environ,
        hostname,
        user=arguments.takes,
        config_file=vars(arguments).get("config", ""),
        early_faults=faults,
        contents=contents,
    )


def given_flags(arguments: argparse.Namespace, options: tuple[Option, ...]) -> dict[str, str]:
    """Return the text of each option that the command line gave."""
    flags: dict[str, str] = {}
    for option in options:
        value = vars(arguments).get(option.name)
        if value is not None:
            flags[option.name] = ",".join(value) if isinstance(value, list) else value
    return flags


def unknown_faults(unknown: Sequence[str], options: tuple[Option, ...] = OPTIONS) -> Iterator[str]:
    """Name each argument that is no option, without the value behind it: that may be a password."""
    known = {f"--{option.name}": option for option in options}
    value_follows = False
    for argument in unknown:
        name, equals, _ = argument.partition("=")
        option = known.get(name)
        if option is not None and option.secret:
            yield (
                f"{name}: not taken from the command line, which every process of the machine can read: "
                f"use {name}-file or ${option.env}"
            )
        elif option is not None:
            yield f"{name}: an option of another command: leave it out"
        elif name.startswith("-"):
            yield f"{name}: no such option{nearest(name, known)}"
        elif not value_follows:
            yield f"{argument!r}: not expected: options begin with --"
        value_follows = name.startswith("-") and not equals


def report(prog: str, error: ConfigError) -> str:
    """All faults of a configuration as text for the standard error."""
    count = len(error.faults)
    head = f"{prog}: the configuration has {count} fault{'s' if count > 1 else ''}:\n"
    return head + "".join(f"  {fault}\n" for fault in error.faults)
