"""What `lamplighter watch` prints of a NOTIFY: one line that people and `grep` can read, or everything."""

from datetime import datetime

from rich.text import Text

from lamplighter_cli import presence_text
from lamplighter_cli.logs import printable
from lamplighter_cli.tables import DIALOG_TYPE, WATCHERS_TYPE, Table
from lamplighter_cli.watch import Notice

_STYLES = {"open": "bold green", "closed": "bold red", "confirmed": "bold red", "early": "bold yellow"}


def line(uri: str, notice: Notice, now: float, table: Table) -> Text:
    """Return time (local, of `now` in epoch seconds), presentity and state."""
    said, *more = describe(notice, table).split(" ", 1)
    text = Text()
    text.append(f"{datetime.fromtimestamp(now):%H:%M:%S} ", style="dim")
    text.append(f"{uri} ", style="cyan")
    text.append(printable(said), style=_STYLES.get(said.rstrip(","), "bold"))
    for rest in more:
        text.append(f" {printable(rest)}")
    return text


def raw(notice: Notice) -> Text:
    """Return the body and what its headers say."""
    body = notice.body.decode(errors="replace").replace("\r\n", "\n")
    return Text(f"Subscription-State: {notice.state}\nContent-Type: {notice.content_type or '-'}\n\n{printable(body)}")


def describe(notice: Notice, table: Table) -> str:
    """Return in words what a NOTIFY says, its state first; `table` holds what the ones before have said."""
    state = notice.state
    if state.state == "terminated":
        return f"terminated ({state.reason or 'no reason given'})"
    said = _body(notice.content_type.partition(";")[0].strip().lower(), notice.body, table)
    return said if state.state == "active" else f"{state.state}: {said}"


def _body(content_type: str, body: bytes, table: Table) -> str:
    if not body:
        return "unknown"
    if content_type == presence_text.PIDF_TYPE:
        return str(presence_text.read(body) or "unreadable")
    if content_type in (DIALOG_TYPE, WATCHERS_TYPE):
        return table.take(content_type, body)
    lines = [line.strip() for line in body.decode(errors="replace").split("\n")]
    return " | ".join([line for line in lines if line])
