"""No alert without a story in which it fires, and one in which a guard keeps it silent."""

from __future__ import annotations

import re
from pathlib import Path

from alerts.promtool import RULES
from alerts.story import alerting


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name.removeprefix("Galera"))


def test_every_alert_has_a_story_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    texts = [module.read_text() for module in Path(__file__).parent.glob("test_alerts_*.py")]
    told = [name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)]
    names = sorted({rule["alert"] for rule in alerting(RULES)})
    lacking = [
        f"{name} {what}"
        for name in names
        for what in ("fires", "is_silent")
        if not any(test.startswith(f"test{_snake(name)}_{what}") for test in told)
    ]
    assert names
    assert not lacking
