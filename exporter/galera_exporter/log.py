"""Logs on the standard error: one line per event, as text or JSON."""

from __future__ import annotations

import json
import logging
import sys
import time

_LEVELS = {"WARNING": "warn", "CRITICAL": "error"}


def _level(record: logging.LogRecord) -> str:
    return _LEVELS.get(record.levelname, record.levelname.lower())


def _room(record: logging.LogRecord) -> str:
    return record.name.removeprefix("galera_exporter.")


def _stamp(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


class TextFormatter(logging.Formatter):
    """``2026-01-31T09:00:00.000Z info registry.heartbeat: message``; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one event."""
        message = record.getMessage().replace("\n", "\\n")
        line = f"{_stamp(record)} {_level(record)} {_room(record)}: {message}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object with ts, level, logger, msg, and error for a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one event."""
        fields = {"ts": _stamp(record), "level": _level(record), "logger": _room(record), "msg": record.getMessage()}
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def configure(level: str, form: str) -> None:
    """Send the program's log to the standard error; libraries speak only of warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # urllib3 logs every retried connection; the registry says in its own words what is the matter.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    logging.getLogger("galera_exporter").setLevel(level.upper())
