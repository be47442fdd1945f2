"""Each reason to wait has its words, and its command is one that galeractl has."""

from __future__ import annotations

import shlex

import pytest

from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.bootstrap.state import Reason
from galera_exporter.bootstrap.words import NODE, WORDS, headline, section
from galera_exporter.galeractl import cli


def test_each_reason_has_its_words() -> None:
    assert {*WORDS} == {*Reason}


@pytest.mark.parametrize("reason", Reason)
def test_its_command_is_one_that_galeractl_has(reason: Reason) -> None:
    name, *arguments = shlex.split(WORDS[reason].command.replace(NODE, "galera-1"))
    assert name == "galeractl"
    assert cli.parser().parse_args(arguments).command in {command.name for command in cli.COMMANDS}


@pytest.mark.parametrize("reason", Reason)
def test_its_texts_are_sentences_and_its_title_goes_on(reason: Reason) -> None:
    words = WORDS[reason]
    assert words.meaning.endswith(".")
    assert words.action.endswith(".")
    assert not words.title.endswith(".")
    assert words.title.isprintable()


def test_a_headline_names_the_nodes_and_the_details() -> None:
    wait = Wait(Reason.MISSING, ("galera-0", "galera-2"), "1 of 3 nodes has reported")
    expected = "a node that may have newer data is missing: galera-0, galera-2 (1 of 3 nodes has reported)"
    assert headline(wait) == expected
    assert headline(Wait(Reason.ETCD_UNAVAILABLE)) == "etcd does not answer"


def test_each_reason_has_a_section_in_the_runbook() -> None:
    assert section(Reason.DATA_LOSS_GUARD) == "docs/operations.md#data_loss_guard"
