"""What the system has promised so far, and whether it keeps it (design §1).

Rule 1: what was answered with a 2xx is certain; what was answered otherwise, or not at all, may have happened or not.
Rule 2: a violation is noted where it is seen, and ends the run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_NOTE = re.compile(rb"<note[^>]*>([^<:]+):(\d+)</note>")
_DIALOG = re.compile(rb'<dialog [^>]*?id="([^".]+)\.(\d+)"[^>]*>.*?<state[^>]*>(\w+)</state>', re.DOTALL)
_NOTIFY = re.compile(rb"NOTIFY .*?\r\nFrom: [^\r]*;tag=(\w+).*?\r\nCSeq: (\d+) ", re.DOTALL)
STATES = ("trying", "early", "confirmed", "terminated")
Key = tuple[str, str]
"""Presentity and event package."""


class Broken(AssertionError):
    """A promise was not kept."""


@dataclass
class Fact:
    """One publication: what is known of it. Times are simulated seconds."""

    name: str
    sent: int = -1
    """The last step that was sent."""
    accepted: int = -1
    """The last step that was accepted."""
    certain_until: float = 0.0
    """It surely lives until then unless it is removed."""
    possible_until: float = 0.0
    """It may live until then."""
    doubtful: bool = False
    """Something was sent of which it is not known whether it took effect."""
    removed: bool = False

    def lives(self, now: float) -> bool:
        """Return whether it is certain that it counts, and as what."""
        return self.accepted >= 0 and not self.removed and not self.doubtful and now < self.certain_until

    def gone(self, now: float) -> bool:
        """Return whether it is certain that it does not count."""
        return self.removed or now > self.possible_until


@dataclass
class Promises:
    """The facts of a run and the violations that were seen."""

    facts: dict[Key, dict[str, Fact]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def fact(self, key: Key, name: str) -> Fact:
        """Return a new publication's record."""
        return self.facts.setdefault(key, {}).setdefault(name, Fact(name))

    def violated(self, what: str) -> None:
        """Note a violation."""
        self.broken.append(what)

    def expected(self, key: Key, now: float) -> dict[str, int]:
        """Return what a watcher has to see, where all of it is certain."""
        return {one.name: one.accepted for one in self.facts.get(key, {}).values() if one.lives(now)}

    def uncertain(self, key: Key, now: float) -> list[str]:
        """Return the publications of which it is not known whether they count."""
        facts = self.facts.get(key, {}).values()
        return [one.name for one in facts if not one.lives(now) and not one.gone(now)]


def seen(event: str, body: bytes) -> dict[str, int]:
    """Return the publications that a document shows, with their steps."""
    if event == "presence":
        return {name.decode(): int(step) for name, step in _NOTE.findall(body)}
    items: dict[str, int] = {}
    for name, call, state in _DIALOG.findall(body):
        step = int(call) * len(STATES) + STATES.index(state.decode())
        items[name.decode()] = max(step, items.get(name.decode(), -1))
    return items


def document(event: str, presentity: str, name: str, step: int) -> bytes:
    """Return what a publication says at a step."""
    if event == "presence":
        return (
            f'<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="{presentity}">'
            f'<tuple id="{name}"><status><basic>open</basic></status><note>{name}:{step}</note></tuple></presence>'
        ).encode()
    call, state = divmod(step, len(STATES))
    return (
        '<?xml version="1.0"?><dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" '
        f'entity="{presentity}"><dialog id="{name}.{call}"><state>{STATES[state]}</state></dialog></dialog-info>'
    ).encode()


TYPES = {"presence": "application/pidf+xml", "dialog": "application/dialog-info+xml"}


def lit(event: str, items: dict[str, int]) -> dict[str, int]:
    """Return what is still alive of items: that a dialog has ended may be told for as long as one likes."""
    over = len(STATES) - 1
    return {name: step for name, step in items.items() if event != "dialog" or step % len(STATES) != over}


class Wire:
    """The NOTIFYs that edges put on the wire, as each process and nobody else can order them.

    One that begins anew does not know what the one before sent; of that it only sends nothing again.
    """

    def __init__(self, promises: Promises) -> None:
        self._promises = promises
        self._last: dict[tuple[str, bytes], int] = {}

    def carried(self, data: bytes, source: str) -> None:
        """Take a datagram; a CSeq that is lower than the one before it in its dialog is a violation."""
        found = _NOTIFY.match(data)
        if found is None:
            return
        key, number = (source, found[1]), int(found[2])
        if number < self._last.get(key, 0):
            self._promises.violated(f"{source} sends NOTIFY {number} of {found[1]!r} after {self._last[key]}")
        self._last[key] = number


class Story:
    """What one dialog of a watcher was told, in order."""

    def __init__(self, promises: Promises, key: Key) -> None:
        self._promises, self._key = promises, key
        self._last: dict[str, int] = {}
        self._over: set[str] = set()

    def told(self, items: dict[str, int]) -> Iterator[str]:
        """Take a document; say what is wrong with it after those before."""
        facts = self._promises.facts.get(self._key, {})
        for name, step in items.items():
            fact = facts.get(name)
            if fact is None or step > fact.sent:
                yield f"shows {name}:{step}, which nobody published"
            if name in self._over and lit(self._key[1], {name: step}):
                yield f"shows {name}:{step} again after it was gone"
            if step < self._last.get(name, -1):
                yield f"shows {name}:{step} after {name}:{self._last[name]}"
        self._over |= self._last.keys() - items.keys()
        self._last = items
