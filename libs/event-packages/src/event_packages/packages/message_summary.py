"""The event package `message-summary`: a lamp for waiting messages (RFC 3842).

Rule 1: lenient with what publishers send, strict with what watchers get: the written body follows RFC 3842 §5.2.
Rule 2: the latest publication counts alone; without one there are no messages.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from event_packages.base import EventPackage
from event_packages.errors import BadRequest

MAX_BYTES = 32_768
NOTHING = b"Messages-Waiting: no\r\n"

Header = tuple[str, str]

_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
_LINE_END = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-~]+")
_COUNTS = re.compile(r"([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*(?:\(\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*\)\s*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many messages of one class there are (RFC 3458 §6), new and old."""

    kind: str
    new: int
    old: int
    urgent: tuple[int, int] | None = None
    """New and old ones among them that are urgent; None when that was not said."""

    def __str__(self) -> str:
        urgent = "" if self.urgent is None else f" ({self.urgent[0]}/{self.urgent[1]})"
        return f"{self.kind}: {self.new}/{self.old}{urgent}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSummary:
    """What one publisher says of an account."""

    waiting: bool
    account: str = ""
    counts: tuple[Counts, ...] = ()
    messages: tuple[tuple[Header, ...], ...] = ()
    """Headers of new messages, one group for each."""

    def body(self) -> bytes:
        """Return it as RFC 3842 §5.2 writes it."""
        lines = [f"Messages-Waiting: {'yes' if self.waiting else 'no'}"]
        if self.account:
            lines.append(f"Message-Account: {self.account}")
        lines += [str(one) for one in self.counts]
        for headers in self.messages:
            lines += ["", *(f"{name}: {value}" for name, value in headers)]
        return "".join([line + "\r\n" for line in lines]).encode()


def parse(body: bytes) -> MessageSummary:
    """Return a published summary; raise BadRequest for one that does not say whether messages wait."""
    status, *messages = _groups(_text(body)) or [()]
    named = {name.lower(): value for name, value in status}
    waiting = named.get("messages-waiting", "").lower()
    if waiting not in ("yes", "no"):
        raise BadRequest("message summary without Messages-Waiting: yes or no")
    account = named.get("message-account", "").strip("<>")
    return MessageSummary(
        waiting=waiting == "yes",
        account=account if _URI.fullmatch(account) else "",
        counts=tuple(one for name, value in named.items() if (one := _counts(name, value)) is not None),
        messages=tuple(messages),
    )


def compose(presentity: str, documents: Sequence[object]) -> bytes:
    """Return the body of the latest summary."""
    summaries = [document for document in documents if isinstance(document, MessageSummary)]
    return summaries[-1].body() if summaries else NOTHING


def _text(body: bytes) -> str:
    if len(body) > MAX_BYTES:
        raise BadRequest("message summary too large")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise BadRequest("message summary that is not UTF-8") from None
    if _CONTROL.search(text):
        raise BadRequest("message summary with control characters")
    return text


def _groups(text: str) -> list[tuple[Header, ...]]:
    """Return the headers of every group of lines that has any; empty lines part them."""
    groups: list[list[Header]] = [[]]
    for line in _unfolded(_LINE_END.split(text)):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not line:
            groups.append([])
        elif colon and value and _TOKEN.fullmatch(name):
            groups[-1].append((name, value))
    return [tuple(group) for group in groups if group]


def _unfolded(lines: Iterable[str]) -> list[str]:
    """Return lines with their continuations (RFC 3261 §7.3.1)."""
    whole: list[str] = []
    for line in lines:
        if line[:1] in (" ", "\t") and line.strip() and whole and whole[-1]:
            whole[-1] += " " + line.strip()
        else:
            whole.append(line.strip())
    return whole


def _counts(name: str, value: str) -> Counts | None:
    """Return what a line says of a class of messages, None for a line that says something else."""
    match = _COUNTS.fullmatch(value)
    if match is None:
        return None
    new, old, *urgent = match.groups()
    return Counts(
        kind="-".join(part.capitalize() for part in name.split("-")),
        new=int(new),
        old=int(old),
        urgent=None if urgent[0] is None else (int(urgent[0]), int(urgent[1])),
    )


PACKAGE = EventPackage(
    name="message-summary",
    content_types=("application/simple-message-summary",),
    parse=parse,
    compose=compose,
    winfo=False,
)
