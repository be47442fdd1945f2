"""docs/etcd.md says what the program says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from galera_exporter.etcdmember.decision import Reason
from galera_exporter.etcdmember.words import WORDS

PAGE = Path(__file__).parents[3] / "docs" / "etcd.md"


def sections() -> dict[str, str]:
    text = PAGE.read_text(encoding="utf-8").split("\n## Why a member waits\n")[1].split("\n## ")[0]
    parts = re.split(r"^### (\S+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_each_reason_has_a_section_in_the_order_of_the_program() -> None:
    assert list(sections()) == list(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_section_begins_with_what_the_log_says(reason: Reason) -> None:
    words = WORDS[reason]
    assert sections()[reason].strip().lower().startswith(words.lower()), words
