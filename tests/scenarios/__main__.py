"""``python -m scenarios`` names the tests, for pytest; ``python -m scenarios JUNIT.xml`` writes docs/reliability.md.

Of several reports each adds to those before it, or says better.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scenarios.junit import cases
from scenarios.page import MissingError, every, publish


def main(arguments: list[str]) -> int:
    """Return the exit status: 1 where a test of the list was not run, or did not pass."""
    if not arguments:
        print("\n".join(sorted({f"tests/{scenario.file}::{scenario.function}" for scenario in every()})))
        return 0
    try:
        publish([case for file in arguments for case in cases(Path(file))])
    except MissingError as error:
        print(f"docs/reliability.md is left as it is:\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
