"""What galeractl says to wrong usage, to faults of its own, and to those who ask for help."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable

import pytest
from ctl import ARGV, galeractl

from galera_exporter.errors import DatabaseError, DatabaseReason
from galera_exporter.galeractl import cli
from galera_exporter.galeractl.command import Command
from galera_exporter.galeractl.exits import UsageError
from galera_exporter.galeractl.peer import parse_target
from galera_exporter.galeractl.terminal import Cell, Terminal, printable, width
from lab.sidecar import environment


@pytest.mark.parametrize("name", [command.name for command in cli.COMMANDS])
def test_each_help_has_exit_status_and_examples(name: str) -> None:
    done = galeractl(name, "--help")
    assert done.code == 0
    assert "exit status:" in done.out
    assert f"  galeractl {name}" in done.out
    assert "GALERA_EXPORTER_ETCD_ENDPOINTS" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "COMMAND"),
        (("stauts",), "status"),
        (("status", "--output", "xml"), "table"),
        (("status", "--watch", "0"), "write seconds from 0.2"),
        (("status", "--etcd.endpoint=x"), "did you mean --etcd.endpoints?"),
        (("status", "--etcd.endpoints=ftp://x"), "write http://HOST:PORT"),
        (("status", "--mariadb.password=canary"), "GALERA_EXPORTER_MARIADB_PASSWORD"),
        (("etcd-health",), "--etcd.endpoints"),
        (("reset",), "--etcd.endpoints"),
        (("explain",), "--etcd.endpoints"),
        (("hold",), "--etcd.endpoints"),
        (("release",), "--etcd.endpoints"),
        (("withdraw",), "--etcd.endpoints"),
        (("force-bootstrap", "galera-0"), "--etcd.endpoints"),
        (("force-bootstrap",), "NODE"),
        (("force-bootstrap", "galera-0", "galera-1"), "not expected"),
        (("force-bootstrap", "galera-0", "--timeout", "0"), "write seconds from 0.1"),
        (("discard",), "NODE"),
        (("hold", "--reason", "two\nlines", "--etcd.endpoints=http://127.0.0.1:1"), "in one line"),
        (("reset", "--accept-data-loss", "--while-alive"), "leave --while-alive"),
        (("sync-test",), "--etcd.endpoints"),
        (("sync-test", "--nodes", "a:b,c"), "write host:port"),
        (("sync-test", "--nodes", "a,a"), "twice"),
        (("sync-test", "--timeout", "x", "--nodes", "a,b"), "write seconds from 0.1"),
        (("sync-test", "--password-file", "/dev/null", "--nodes", "a,b"), "--user"),
    ],
)
def test_wrong_usage_leaves_with_64_and_names_the_fix(arguments: tuple[str, ...], words: str) -> None:
    done = galeractl(*arguments)
    assert done.code == 64
    assert words in done.err
    assert done.out == ""
    assert "canary" not in done.err


def test_the_environment_of_the_sidecar_is_enough() -> None:
    done = galeractl("etcd-health", env={"GALERA_EXPORTER_ETCD_ENDPOINTS": "http://127.0.0.1:1"})
    assert done.code == 2
    assert "http://127.0.0.1:1" in done.out


def failing(error: Exception) -> Command:
    def run(*_: object) -> int:
        raise error

    return Command("fail", "fails", "exit status:", lambda _: None, run)


def test_a_bug_is_one_line_and_a_traceback_only_with_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "COMMANDS", (failing(ZeroDivisionError("by \x1b[0m zero")),))
    assert cli.main(["fail"], {}) == 70
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "ZeroDivisionError: by \\x1b[0m zero (run it again with --debug" in error
    assert cli.main(["fail", "--debug"], {}) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_database_that_fails_is_no_bug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli, "COMMANDS", (failing(DatabaseError(DatabaseReason.REFUSED, "no one listens")),))
    assert cli.main(["fail"], {}) == 2
    assert capsys.readouterr().err == "galeractl: MariaDB: no one listens\n"


def test_a_reader_who_leaves_early_is_no_failure_of_ours() -> None:
    with subprocess.Popen(
        [*ARGV, "status", "--watch=0.2", "--etcd.endpoints=http://127.0.0.1:1", "--mariadb.address=127.0.0.1:1"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(20) == 141


def test_an_output_without_unicode_gets_escapes() -> None:
    done = galeractl("status", "--namespace=x", "--mariadb.address=127.0.0.1:1", env={"PYTHONIOENCODING": "ascii"})
    assert done.code == 2


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("db", "db:3306"),
        (" db:1 ", "db:1"),
        ("10.0.0.1:3307", "10.0.0.1:3307"),
        ("[::1]:5", "[::1]:5"),
        ("[::1]", "[::1]:3306"),
    ],
)
def test_an_address_of_a_node_is_a_host_with_or_without_a_port(text: str, address: str) -> None:
    assert parse_target(text).address == address


@pytest.mark.parametrize("text", ["", "a b", "db:0", "db:65536", "::1", "db:x", "[db]:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="host:port"):
        parse_target(text)


def test_columns_line_up_with_wide_letters() -> None:
    page = Terminal(io.StringIO(), {}).table(("A", "B"), [(Cell("가나"), "x"), ("a", "y")])
    assert [width(line[: line.rindex(line[-1])]) for line in page.splitlines()] == [6, 6, 6]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "shown"),
    [
        (Screen, {}, "\x1b[32mx\x1b[0m"),
        (Screen, {"NO_COLOR": ""}, "\x1b[32mx\x1b[0m"),
        (Screen, {"NO_COLOR": "1"}, "x"),
        (Screen, {"TERM": "dumb"}, "x"),
        (io.StringIO, {}, "x"),
    ],
)
def test_colours_are_for_people_who_want_them(
    stream: Callable[[], io.StringIO], environ: dict[str, str], shown: str
) -> None:
    assert Terminal(stream(), environ).paint("x", "good") == shown


def test_unprintable_text_is_escaped_and_korean_is_not() -> None:
    assert printable("가\x1b[2J\x07\u202e\ud800b\n") == "가\\x1b[2J\\x07\\u202e\\ud800b\\n"
