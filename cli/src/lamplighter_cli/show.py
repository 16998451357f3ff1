"""What `lamplighter watch` prints of a NOTIFY: one line that people and `grep` can read, or everything."""

from datetime import datetime

from rich.text import Text

from event_packages.errors import BadRequest
from event_packages.xml import local_name, parse
from lamplighter_cli import presence_text
from lamplighter_cli.logs import printable
from lamplighter_cli.watch import Notice

_STYLES = {"open": "bold green", "closed": "bold red", "confirmed": "bold red", "early": "bold yellow"}


def line(uri: str, notice: Notice, now: float) -> Text:
    """Return time (local, of `now` in epoch seconds), presentity and state."""
    said, *more = describe(notice).split(" ", 1)
    text = Text()
    text.append(f"{datetime.fromtimestamp(now):%H:%M:%S} ", style="dim")
    text.append(f"{uri} ", style="cyan")
    text.append(printable(said), style=_STYLES.get(said, "bold"))
    for rest in more:
        text.append(f" {printable(rest)}")
    return text


def raw(notice: Notice) -> Text:
    """Return the body and what its headers say."""
    body = notice.body.decode(errors="replace").replace("\r\n", "\n")
    return Text(f"Subscription-State: {notice.state}\nContent-Type: {notice.content_type or '-'}\n\n{printable(body)}")


def describe(notice: Notice) -> str:
    """Return in words what a NOTIFY says, its state first."""
    state = notice.state
    if state.state == "terminated":
        return f"terminated ({state.reason or 'no reason given'})"
    said = _body(notice.content_type.partition(";")[0].strip().lower(), notice.body)
    return said if state.state == "active" else f"{state.state}: {said}"


def _body(content_type: str, body: bytes) -> str:
    if not body:
        return "unknown"
    if content_type == presence_text.PIDF_TYPE:
        return str(presence_text.read(body) or "unreadable")
    if content_type == "application/dialog-info+xml":
        return _calls(body)
    return " | ".join(body.decode(errors="replace").split("\n")).replace("\r", "").strip(" |")


def _calls(body: bytes) -> str:
    """Return the states of the calls (RFC 4235 §4.1.4), `idle` without any."""
    try:
        root = parse(body)
    except BadRequest:
        return "unreadable"
    states = [(element.text or "").strip() for element in root.iter() if local_name(element)[1] == "state"]
    return " ".join(state for state in states if state != "terminated") or "idle"
