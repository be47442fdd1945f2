"""The process as a whole: what it loads, and how it logs."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from galera_exporter import log


def test_the_sidecar_loads_no_optional_library() -> None:
    code = (
        "import sys; from galera_exporter.footprint import spare_charset_tables; spare_charset_tables();"
        "import galera_exporter.sidecar;"
        "print(*[m for m, there in sys.modules.items() if there is not None])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert {"requests", "pymysql", "etcd3gw"} <= loaded
    assert not loaded & {"kubernetes", "aiohttp", "pydantic", "bcrypt", "yaml", "chardet", "charset_normalizer"}


@pytest.fixture
def restored_logging() -> object:
    root, package = logging.getLogger(), logging.getLogger("galera_exporter")
    before = root.handlers[:], root.level, package.level
    yield
    root.handlers[:], root.level, package.level = before


@pytest.mark.usefixtures("restored_logging")
def test_json_logs_are_one_object_a_line_with_the_traceback_inside(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    try:
        int("two\nlines")
    except ValueError:
        logging.getLogger("galera_exporter.registry.heartbeat").exception("한글 %d", 1)
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["level"], event["logger"], event["msg"]) == ("error", "registry.heartbeat", "한글 1")
    assert "ValueError: invalid literal for int() with base 10: 'two\\nlines'" in event["error"]


@pytest.mark.usefixtures("restored_logging")
def test_text_logs_cannot_be_forged_by_a_line_break(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("warning", "text")
    logger = logging.getLogger("galera_exporter.node")
    logger.warning("from outside: %s", "x\n2026-01-01T00:00:00.000Z info node: all is well")
    logger.info("not shown at this level")
    (line,) = capsys.readouterr().err.splitlines()
    assert " warn node: from outside: x\\n2026" in line
