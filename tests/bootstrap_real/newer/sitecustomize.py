"""Makes a sidecar one of a newer version: every JSON object that it writes has a field more. On PYTHONPATH of one."""

from __future__ import annotations

import json
from typing import Any

_dumps = json.dumps


def dumps(value: Any, *args: Any, **options: Any) -> str:
    """Write a value as the newer version does."""
    if isinstance(value, dict) and "schema" in value:
        value = {**value, "from_the_future": {"nobody": ["knows", 1]}}
    return _dumps(value, *args, **options)


json.dumps = dumps
