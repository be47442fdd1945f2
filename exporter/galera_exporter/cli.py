"""``galera-exporter``: arguments to subcommands."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Callable, Sequence

from galera_exporter import __version__, arguments, contents
from galera_exporter.config import Resolved
from galera_exporter.errors import ConfigError
from galera_exporter.etcdmember import options as etcdmember
from galera_exporter.footprint import share_one_heap, spare_charset_tables
from galera_exporter.options import User
from galera_exporter.settings import Config

_ABOUT = """\
Prometheus exporter for one node of a MariaDB Galera Cluster, and its heartbeat in etcd.
Start one beside each node (on Kubernetes, one observer for each cluster too):

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
_OBSERVE = """\
Run the observer of one cluster on Kubernetes until SIGTERM or SIGINT. It keeps the label galera.role=primary on one
pod that serves, writes an event on a pod for each bootstrap decision and each lasting wait, and serves /, /metrics,
/-/healthy and /-/ready. It needs a service account that may, in its namespace, get and list and patch pods, get
statefulsets, create and patch events; and the extra galera-exporter[kubernetes].

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
    for name, words, description, user in (
        ("run", "run the sidecar of one node", _RUN, User.SIDECAR),
        ("observe", "run the observer of one cluster on Kubernetes", _OBSERVE, User.OBSERVER),
        ("check-config", "check the configuration of run, print each value with its origin", _CHECK, User.SIDECAR),
    ):
        command = commands.add_parser(
            name,
            help=words,
            description=description,
            epilog=arguments.SOURCES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        title = "the cluster" if user is User.OBSERVER else "this node"
        arguments.add_options(command, user, title=title)
    member = commands.add_parser(
        "etcd-member",
        help="run beside one member of etcd",
        description=_ETCD_MEMBER,
        epilog="Every option can also be given as an environment variable (in brackets), or in a TOML file.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    arguments.add_options(member, User.SIDECAR, options=etcdmember.OPTIONS, title="this member")
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
        return _start(parsed.command)(resolved.config)
    except ConfigError as error:
        sys.stderr.write(arguments.report("galera-exporter", error))
        return 2


def _start(command: str) -> Callable[[Config], int]:
    """Return what runs ``command``; loaded here, for each loads libraries that the other one does without."""
    if command == "observe":
        try:
            from galera_exporter.observer.process import observe  # noqa: PLC0415 - see above
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "kubernetes":
                raise
            raise ConfigError(
                ("observe: the Kubernetes client is not installed: install galera-exporter[kubernetes]",)
            ) from None
        return observe
    from galera_exporter.sidecar import run  # noqa: PLC0415 - see above

    return run


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
