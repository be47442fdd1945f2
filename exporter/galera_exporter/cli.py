"""``galera-exporter``: arguments to subcommands."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from galera_exporter import __version__, arguments, contents
from galera_exporter.config import Resolved
from galera_exporter.errors import ConfigError
from galera_exporter.etcdmember import options as etcdmember
from galera_exporter.footprint import share_one_heap, spare_charset_tables

_ABOUT = """\
Prometheus exporter for one node of a MariaDB Galera Cluster, and its heartbeat in etcd.
Start one beside each node:

  galera-exporter run --mariadb.socket=/run/mysqld/mysqld.sock \\
      --mariadb.password-file=/etc/galera-exporter/password \\
      --etcd.endpoints=http://etcd-0:2379,http://etcd-1:2379,http://etcd-2:2379

then read http://localhost:10104/ and http://localhost:10104/metrics.
"""

_RUN = """\
Run the sidecar of one node until SIGTERM or SIGINT. It serves / (the cluster at a glance), /metrics,
/-/healthy and /-/ready; SIGHUP or POST /-/reload reads the web configuration again.

exit status: 0 ended by a signal, 2 a faulty configuration or an address that cannot be had
"""
_CHECK = """\
Check the configuration and the files that it names, print each value with its origin, and exit.

exit status: 0 good, 2 with all faults
"""
_ETCD_MEMBER = """\
Run beside one member of etcd: decide how it starts, write its configuration once it may start
(GET /-/start answers 200 then), and look after it until SIGTERM or SIGINT. docs/etcd.md says how.

exit status: 0 ended by a signal, 2 a faulty configuration or an address that cannot be had
"""


def parser() -> argparse.ArgumentParser:
    """The command line of galera-exporter."""
    top = arguments.Parser(
        prog="galera-exporter",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"galera-exporter {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words, description in (
        ("run", "run the sidecar of one node", _RUN),
        ("check-config", "check the configuration, print it with the origin of each value, and exit", _CHECK),
    ):
        command = commands.add_parser(
            name,
            help=words,
            description=description,
            epilog=arguments.SOURCES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        arguments.add_options(command, sidecar=True)
    member = commands.add_parser(
        "etcd-member",
        help="run beside one member of etcd",
        description=_ETCD_MEMBER,
        epilog="Every option can also be given as an environment variable (in brackets), or in a TOML file.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    arguments.add_options(member, sidecar=True, options=etcdmember.OPTIONS, title="this member")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 2 for a faulty configuration or an address that cannot be had."""
    given = sys.argv[1:] if argv is None else argv
    try:
        if given[:1] == ["etcd-member"]:
            return _etcd_member(given)
        parsed, resolved = arguments.resolve(
            parser(),
            given,
            os.environ,
            socket.gethostname(),
            contents=contents.faults,
        )
        if parsed.command == "check-config":
            return _check(resolved)
        share_one_heap()
        spare_charset_tables()
        # The sidecar loads the libraries of MariaDB and etcd: not before the configuration is known to be good.
        from galera_exporter.sidecar import run  # noqa: PLC0415 - see above

        return run(resolved.config)
    except ConfigError as error:
        sys.stderr.write(arguments.report("galera-exporter", error))
        return 2


def _etcd_member(argv: Sequence[str]) -> int:
    parsed, unknown = parser().parse_known_args(argv)
    settings = etcdmember.load(
        arguments.given_flags(parsed, etcdmember.OPTIONS),
        os.environ,
        socket.gethostname(),
        config_file=parsed.config,
        early_faults=tuple(arguments.unknown_faults(unknown, etcdmember.OPTIONS)),
    )
    share_one_heap()
    spare_charset_tables()
    # It loads the library of etcd, and nothing of MariaDB's.
    from galera_exporter.etcdmember.process import run as run_member  # noqa: PLC0415 - see above

    return run_member(settings)


def _check(resolved: Resolved) -> int:
    width = max(len(name) for name, _, _ in resolved.origins)
    for name, text, origin in resolved.origins:
        sys.stdout.write(f"{name:{width}}  {text or '-'}  ({origin})\n")
    sys.stdout.write("\nThe configuration is good.\n")
    return 0
