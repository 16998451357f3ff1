"""Log lines on stderr: one JSON object each, or text for people.

A message is a fixed lower-case phrase, the facts are fields (`extra`); `call_id` is the Call-ID of the request.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

_RESERVED = {*RESERVED_ATTRS, "color_message"}
_QUIET = ("uvicorn", "uvicorn.error", "asyncio", "httpx", "httpcore")
"""Loggers of libraries whose INFO lines say nothing to an operator."""


def configure(level: str, log_format: str, fields: dict[str, str], stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream` (stderr), each with `fields`."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_json(fields) if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _json(fields: dict[str, str]) -> logging.Formatter:
    return JsonLines(
        ["levelname", "name", "message"],
        rename_fields={"levelname": "level", "name": "logger"},
        static_fields=fields,
        reserved_attrs=_RESERVED,
        timestamp=True,
    )


class JsonLines(JsonFormatter):
    """One JSON object per line, the time first."""

    def jsonify_log_record(self, log_data: dict[str, object]) -> str:
        """Return the line, the time as `2026-01-31T12:00:00.123456Z` and first."""
        stamp = log_data.pop("timestamp")
        assert isinstance(stamp, datetime)
        return super().jsonify_log_record({"timestamp": _iso(stamp), **log_data})


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message key=value …` on one line, a traceback below it."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the time in UTC."""
        return _iso(datetime.fromtimestamp(record.created, UTC))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = [f"{key}={_text(value)}" for key, value in vars(record).items() if key not in _RESERVED]
        head = f"{self.formatTime(record)} {record.levelname} {record.name}:"
        return " ".join([head, record.message, *facts])


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _text(value: object) -> str:
    text = str(value)
    # What a peer sent must not end our line and begin one of its own.
    return text if text.isprintable() and text and " " not in text else json.dumps(text)
