"""``galeractl explain`` against a real etcd: what it shows, and what it advises."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from ctl import OnTerminal, galeractl
from protocol import Protocol, epoch, report
from written import RECORD, UUID

from galera_exporter.bootstrap.state import Activity, Phase, Purpose
from galera_exporter.model import Position
from lab import EtcdCluster

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("orders")]

OTHER = "99999999-0f3b-11f1-9c1d-4b4f3f5b6a01"


def row(text: str, node: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith(f"{node} "))


def test_it_says_who_is_missing_what_each_node_has_and_what_would_resolve_it(protocol: Protocol) -> None:
    protocol.outage()
    done = galeractl("explain", *protocol.flags)
    assert done.code == 2
    first = "No Primary component: the cluster was further than any node that reports: galera-1 "
    assert done.out.startswith(first)
    assert row(done.out, "galera-0")[:6] == ["galera-0", "gate", "data", "3", "108", "-"]
    assert row(done.out, "galera-0")[-2:] == ["waits:", "regressed"]
    assert row(done.out, "galera-1") == ["galera-1", "away", "-", "3", "120", "-", "-", "-"]
    assert "  - epoch 3 by galera-0, from seqno 90 of epoch 2, for all nodes had reported\n" in done.out
    assert "galera-0, galera-2 wait: the cluster was further" in done.out
    assert "    galeractl force-bootstrap galera-0 --accept-data-loss\n" in done.out
    assert "galera-1 was at seqno 120 in epoch 3, galera-0 has 108: at least 12 transactions would be lost" in done.out
    assert "More: docs/operations.md#regressed" in done.out
    assert "Decided here from etcd alone" in done.out


def test_what_it_advises_works(protocol: Protocol) -> None:
    protocol.outage()
    (waiting,) = galeractl("explain", "--output", "json", *protocol.flags).json["waiting"]
    _, *command = waiting["command"].split()
    with protocol.acting("galera-0"):
        done = galeractl(*command, "--yes", *protocol.flags)
    assert done.code == 0, done.err


def test_json_has_what_the_help_says(protocol: Protocol) -> None:
    protocol.outage()
    protocol.order("t", Purpose.DISCARD, "galera-2")
    protocol.put("hold", b'{"schema":1,"reason":"maintenance"}')
    found = galeractl("explain", "--output", "json", *protocol.flags).json
    assert found["level"] == "down"
    assert found["primary"] == []
    assert found["election"]["phase"] == "primary"
    assert [each["number"] for each in found["history"]] == [3, 2, 1]
    assert found["history"][0]["why"] == "all nodes had reported"
    assert found["hold"] == "maintenance"
    assert found["orders"] == [{"token": "t", "purpose": "discard", "node": "galera-2", "lossy": False, "by": "kim"}]
    (waiting,) = found["waiting"]
    assert waiting["reason"] == "hold"
    assert waiting["nodes"] == ["galera-0", "galera-2"]
    assert waiting["command"] == "galeractl release"
    assert waiting["section"] == "docs/operations.md#hold"
    first, second, _ = found["nodes"]
    assert (first["activity"], first["data"], first["seqno"], first["next"]) == ("gate", "data", 108, "waits: hold")
    assert 0 <= first["age_seconds"] < 60
    assert (second["activity"], second["data"], second["seqno"], second["age_seconds"]) == ("away", None, 120, None)


def all_here(protocol: Protocol) -> None:
    protocol.reports(report("galera-1", 120))


def elected(protocol: Protocol) -> None:
    protocol.elected(epoch(4, 108, confirmed=False), Phase.ELECTED)


def elected_and_refused(protocol: Protocol) -> None:
    elected(protocol)
    protocol.reports(report("galera-0", 108, activity=Activity.STARTING, refused=True))


def given_up(protocol: Protocol) -> None:
    protocol.elected(epoch(4, 108, confirmed=False), Phase.VOID)


def elected_other(protocol: Protocol) -> None:
    protocol.elected(epoch(4, 120, node="galera-1"), Phase.ELECTED)


def survivors(protocol: Protocol) -> None:
    all_here(protocol)
    protocol.reports(report("galera-2", 100, activity=Activity.SURVIVOR))


def never_further(protocol: Protocol) -> None:
    protocol.remembered("galera-1", 107)


def all_empty(protocol: Protocol) -> None:
    protocol.reports(*(report(f"galera-{number}") for number in range(3)))


def some_empty(protocol: Protocol) -> None:
    protocol.reports(*(report(f"galera-{number}") for number in (0, 2)))


def foreign(protocol: Protocol) -> None:
    protocol.reports(report("galera-2", 5, epoch=0, position=Position(OTHER, 5)))


def unreadable(protocol: Protocol) -> None:
    protocol.put("override/x", b"by hand")


def ordered(protocol: Protocol) -> None:
    protocol.order("t", Purpose.FORCE, "galera-1")


def serving(protocol: Protocol) -> None:
    protocol.primary("galera-1")


def serving_beyond(protocol: Protocol) -> None:
    protocol.elected(epoch(4, 100))
    protocol.primary("galera-1")


def tainted(protocol: Protocol) -> None:
    protocol.reports(report("galera-0", 108, tainted=True), report("galera-2", 100, tainted=True))


@pytest.mark.parametrize(
    ("scene", "code", "words"),
    [
        (all_here, 1, "galera-1 elects itself (epoch 4, from seqno 120 of epoch 3), for all nodes had reported."),
        (elected, 1, "galera-0 is elected (epoch 4) and starts its database."),
        (elected, 1, "  - epoch 4 by galera-0, from seqno 108 of epoch 3, for all nodes had reported, not confirmed\n"),
        (elected_and_refused, 2, "that is seen: the database refuses the login of its sidecar: galera-0.\n"),
        (elected_and_refused, 2, "(its database refuses the login of its sidecar: docs/operations.md#the-sidecars-"),
        (
            elected_and_refused,
            2,
            "  Give the sidecar the password that the database knows, or the database that of the",
        ),
        (elected_and_refused, 2, "  More: docs/operations.md#the-sidecars-login-is-refused\n"),
        (
            given_up,
            2,
            "  - epoch 4 by galera-0, from seqno 108 of epoch 3, for all nodes had reported, given up by it\n",
        ),
        (elected_other, 1, "No Primary component: the elected node is gone: galera-1"),
        (survivors, 1, "nodes without a Primary component are being stopped: galera-2"),
        (never_further, 2, "    galeractl force-bootstrap galera-0\n"),
        (all_empty, 2, "    galeractl reset --accept-data-loss\n"),
        (some_empty, 2, "a node that may have newer data is missing"),
        (foreign, 2, "    galeractl discard galera-2\n"),
        (foreign, 2, f"  0      {OTHER}  5      "),
        (unreadable, 2, "Cannot be read: override/x\n"),
        (ordered, 2, "Order: bootstrap from galera-1, by kim. To take it back: galeractl withdraw t\n"),
        (serving, 0, "Primary component of epoch 3: galera-1."),
        (serving, 0, "joins epoch 3\n"),
        (serving_beyond, 1, "    galeractl discard galera-0\n"),
        (serving_beyond, 1, "They left the cluster's history at seqno 100: 8 transactions would be lost"),
        (tainted, 2, "no node has whole data: galera-0, galera-2"),
    ],
)
def test_each_scene_has_its_words_and_its_exit_status(
    protocol: Protocol, scene: Callable[[Protocol], None], code: int, words: str
) -> None:
    protocol.outage()
    scene(protocol)
    done = galeractl("explain", *protocol.flags)
    assert words in done.out
    assert done.code == code


def test_json_names_the_nodes_whose_login_is_refused(protocol: Protocol) -> None:
    protocol.outage()
    elected(protocol)
    assert galeractl("explain", "--output", "json", *protocol.flags).json["refused"] == []
    elected_and_refused(protocol)
    found = galeractl("explain", "--output", "json", *protocol.flags).json
    assert found["refused"] == ["galera-0"]
    assert found["nodes"][0]["flags"] == ["refused"]


def test_of_a_node_that_answers_its_present_position_is_shown(protocol: Protocol) -> None:
    protocol.outage()
    protocol.primary("galera-1")
    protocol.registry.live(replace(RECORD, node="galera-1", position=Position(UUID, 131)))
    protocol.registry.live(replace(RECORD, node="galera-3", position=Position(UUID, 99), epoch=2))
    done = galeractl("explain", *protocol.flags)
    assert row(done.out, "galera-1")[:5] == ["galera-1", "primary", "-", "3", "131"]
    assert row(done.out, "galera-3")[:5] == ["galera-3", "running", "-", "2", "99"]


def test_which_data_are_right_is_left_to_a_person_where_nothing_tells(protocol: Protocol) -> None:
    protocol.reports(report("galera-0", 100, epoch=0), report("galera-1", 200, epoch=0, position=Position(OTHER, 200)))
    (waiting,) = galeractl("explain", "--output", "json", *protocol.flags).json["waiting"]
    assert waiting["reason"] == "uuid_conflict"
    assert waiting["command"] == "galeractl discard NODE"
    assert len(waiting["costs"]) == 2


def test_no_command_is_advised_where_none_helps(protocol: Protocol) -> None:
    protocol.outage()
    some_empty(protocol)
    (waiting,) = galeractl("explain", "--output", "json", *protocol.flags).json["waiting"]
    assert waiting["reason"] == "missing"
    assert waiting["command"] == ""


def test_an_empty_registry_is_said_to_be_so(protocol: Protocol) -> None:
    done = galeractl("explain", *protocol.flags)
    assert done.code == 2
    assert done.out.startswith("etcd knows no node of this cluster.\n")


def test_what_others_wrote_does_not_move_the_cursor(protocol: Protocol) -> None:
    protocol.outage()
    protocol.put("history/\x1b[2J", b"x")
    protocol.put("live/\x1b[2J", b"x")
    done = galeractl("explain", *protocol.flags)
    assert "Cannot be read: history/\\x1b[2J" in done.out
    assert "\x1b" not in done.out


def test_it_watches_until_ctrl_c(protocol: Protocol) -> None:
    protocol.outage()
    seen = OnTerminal("explain", "--watch", "0.3", *protocol.flags)
    seen.expect("regressed")
    protocol.primary("galera-1")
    seen.expect("Primary component of epoch 3: galera-1.")
    seen.type("\x03")
    assert seen.end() == 0


def test_of_what_answers_and_is_no_etcd_it_does_not_say_that_etcd_is_down() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        done = galeractl("explain", f"--etcd.endpoints=http://127.0.0.1:{other.server_port}")
        other.shutdown()
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "Without etcd" not in done.err


@pytest.mark.parametrize("output", [(), ("--output", "json")], ids=["text", "json"])
def test_of_an_etcd_that_is_down_it_says_what_that_means_and_where_to_look(
    protocol: Protocol, etcd: EtcdCluster, output: tuple[str, ...]
) -> None:
    etcd.stop()
    done = galeractl("explain", *output, *protocol.flags)
    assert (done.code, done.out) == (2, "")
    first, *rest = done.err.splitlines()
    assert first.startswith("galeractl: etcd: ")
    assert "Connection refused" in first
    text = " ".join(rest)
    assert "nothing can be elected" in text
    assert "Databases that run go on" in text
    assert "has a leader: galeractl etcd-health" in text
    assert "More: docs/operations.md#etcd_unavailable" in text
