"""Log lines of all processes on one screen: time, instance, level, message, fields.

Services write JSON lines; PostgreSQL and nats-server write text of their own.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

COLOURS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green", "bright_magenta")
_LEVEL_STYLES = {"DEBUG": "dim", "WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold red"}
_HEAD = ("timestamp", "level", "logger", "message", "instance", "exc_info", "stack_info")
_NATS = re.compile(r"\[\d+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d+ \[(?P<level>[A-Z]{3})\] ?(?P<message>.*)")
_NATS_LEVELS = {"WRN": "WARNING", "ERR": "ERROR", "FTL": "ERROR"}
_POSTGRES = re.compile(r"(?P<level>[A-Z]+\d?):  (?P<message>.*)")
_POSTGRES_LEVELS = {"WARNING": "WARNING", "ERROR": "ERROR", "FATAL": "ERROR", "PANIC": "ERROR"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A log line; one that is `quiet` is shown only when its process has died."""

    time: str = ""
    level: str = "INFO"
    message: str
    fields: Mapping[str, object] = field(default_factory=dict)
    traceback: str = ""
    quiet: bool = False


def read(raw: str) -> Line:
    """Return what a line of a process says."""
    if raw.startswith("{"):
        return _read_json(raw)
    if match := _NATS.fullmatch(raw):
        level = _NATS_LEVELS.get(match["level"], "INFO")
        return Line(level=level, message=match["message"], quiet=level == "INFO")
    if match := _POSTGRES.fullmatch(raw):
        level = _POSTGRES_LEVELS.get(match["level"], "INFO")
        # Who asks whether it is up yet is told so by an error.
        quiet = level == "INFO" or match["message"].startswith("the database system is ")
        return Line(level=level, message=match["message"], quiet=quiet)
    return Line(message=raw)


def _read_json(raw: str) -> Line:
    try:
        values = json.loads(raw)
        return Line(
            time=str(values.get("timestamp", "")),
            level=str(values["level"]),
            message=str(values["message"]),
            fields={name: value for name, value in values.items() if name not in _HEAD},
            traceback=str(values.get("exc_info") or ""),
        )
    except (ValueError, KeyError):
        return Line(message=raw)


def printable(text: str) -> str:
    """Return text that cannot move the cursor: control characters are escaped."""
    return "".join(one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in text)


def render(instance: str, colour: str, line: Line, now: float) -> Text:
    """Return the line as it is shown; `now`, epoch seconds, is the time of one that has none."""
    text = Text()
    text.append(f"{_clock(line.time, now)} ", style="dim")
    text.append(f"{instance:<10} ", style=colour)
    style = _LEVEL_STYLES.get(line.level, "")
    text.append(f"{line.level:<7} ", style=style)
    text.append(printable(line.message), style=style)
    for name, value in line.fields.items():
        text.append(f" {name}=", style="dim")
        text.append(_value(value))
    if line.traceback:
        text.append(f"\n{printable(line.traceback)}", style="dim")
    return text


def _clock(stamp: str, now: float) -> str:
    """Return a time in UTC with milliseconds."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        moment = datetime.fromtimestamp(now, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _value(value: object) -> str:
    text = printable(value if isinstance(value, str) else json.dumps(value))
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text


class Screen:
    """Where the lines of all processes go: stderr, in colours when it is a terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._colours: dict[str, str] = {}

    def show(self, instance: str, line: Line, now: float) -> None:
        """Print a line."""
        colour = self._colours.setdefault(instance, COLOURS[len(self._colours) % len(COLOURS)])
        # Soft wrapping leaves long lines whole where they go to a file.
        self.console.print(render(instance, colour, line, now), soft_wrap=True, highlight=False)
