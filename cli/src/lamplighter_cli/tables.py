"""Dialogs and watchers for people: full documents begin a list, partial ones change it (RFC 4235 §4.3, RFC 3858 §4)."""

from collections.abc import Callable
from dataclasses import dataclass, field

from event_packages.errors import BadRequest
from event_packages.xml import Element, local_name, parse

DIALOG_TYPE = "application/dialog-info+xml"
WATCHERS_TYPE = "application/watcherinfo+xml"
_MISSING = "(documents are missing)"
_Words = Callable[[Element], tuple[str, bool]]


@dataclass(slots=True)
class Table:
    """What one subscription has told so far: words by id."""

    rows: dict[str, str] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    """Words of what the last document said is over."""
    missing: bool = False
    """Whether a partial document did not follow the one before."""
    _version: int | None = None

    def take(self, content_type: str, body: bytes) -> str:
        """Take a document of dialogs or of watchers; return in words what is known now."""
        try:
            root = parse(body)
        except BadRequest:
            return "unreadable"
        self._begin(root)
        if content_type == DIALOG_TYPE:
            self._change(root, "dialog", _dialog)
            said = ", ".join(self.rows.values()) or "idle"
        else:
            self._change(root, "watcher", _watcher)
            said = ", ".join([_number(len(self.rows)), *self.rows.values(), *self.ended])
        return f"{said} {_MISSING}" if self.missing else said

    def _begin(self, root: Element) -> None:
        """Forget what a full document does not say; notice a partial one that is not the next."""
        version = root.get("version") or ""
        number = int(version) if version.isascii() and version.isdigit() and len(version) < 20 else None
        if root.get("state") != "partial":
            self.rows.clear()
            self.missing = False
        elif self._version is None or number != self._version + 1:
            self.missing = True
        self._version = number

    def _change(self, root: Element, name: str, words: _Words) -> None:
        self.ended.clear()
        for element in [element for element in root.iter() if local_name(element)[1] == name]:
            id_ = element.get("id") or ""
            said, is_over = words(element)
            if is_over:
                self.rows.pop(id_, None)
                self.ended.append(said)
            else:
                self.rows[id_] = said


def _dialog(element: Element) -> tuple[str, bool]:
    """Return the state of a dialog and with whom, and whether it is over (RFC 4235 §4.1)."""
    state = next((_text(child) for child in element if local_name(child)[1] == "state"), "")
    remote = next((child for child in element if local_name(child)[1] == "remote"), None)
    peers = [] if remote is None else [_text(child) for child in remote if local_name(child)[1] == "identity"]
    return " ".join([state, *filter(None, peers)]), state == "terminated"


def _watcher(element: Element) -> tuple[str, bool]:
    """Return who a watcher is, its status and why, and whether it is over (RFC 3858 §3.3)."""
    status = element.get("status") or ""
    name = [f'"{element.get("display-name")}"'] if element.get("display-name") else []
    return " ".join([*name, _text(element), status, f"({element.get('event')})"]), status == "terminated"


def _number(watchers: int) -> str:
    return "1 watcher" if watchers == 1 else f"{watchers or 'no'} watchers"


def _text(element: Element) -> str:
    return " ".join((element.text or "").split())
