"""Presence documents for people: PIDF written from options, and read for a terminal (RFC 3863, RFC 4479, RFC 4480)."""

from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from event_packages.errors import BadRequest
from event_packages.xml import Element, local_name, parse

PIDF_TYPE = "application/pidf+xml"
# fmt: off
ACTIVITIES = (
    "appointment", "away", "breakfast", "busy", "dinner", "holiday", "in-transit", "looking-for-work", "meal",
    "meeting", "on-the-phone", "performance", "permanent-absence", "playing", "presentation", "shopping", "sleeping",
    "spectator", "steering", "travel", "tv", "vacation", "working", "worship",
)
# fmt: on
"""Those of RFC 4480 §3.2; others are written as `other`."""
_RPID = "urn:ietf:params:xml:ns:pidf:rpid"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a document says; `basic` is open, closed or unknown."""

    basic: str
    notes: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()

    def __str__(self) -> str:
        notes = [f'"{note}"' for note in self.notes]
        activities = [f"[{', '.join(self.activities)}]"] if self.activities else []
        return " ".join([self.basic, *notes, *activities])


def write(entity: str, state: State, *, tuple_id: str) -> bytes:
    """Return a PIDF document of one tuple and one person.

    The person is there without activities, too: of two documents with the same ids the newer replaces all of the older.
    """
    notes = "".join(f"<note>{escape(note)}</note>" for note in state.notes)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"'
        f' xmlns:rpid="{_RPID}" entity={quoteattr(entity)}>'
        f"<tuple id={quoteattr(tuple_id)}><status><basic>{state.basic}</basic></status>{notes}</tuple>"
        f"{_person(state.activities, tuple_id)}</presence>\n"
    ).encode()


def _person(activities: tuple[str, ...], tuple_id: str) -> str:
    inner = "".join(
        f"<rpid:{name}/>" if name in ACTIVITIES else f"<rpid:other>{escape(name)}</rpid:other>" for name in activities
    )
    if inner:
        inner = f"<rpid:activities>{inner}</rpid:activities>"
    return f"<dm:person id={quoteattr(f'p{tuple_id}')}>{inner}</dm:person>"


def read(body: bytes) -> State | None:
    """Return what a PIDF document says, open if any tuple is; None when it cannot be read."""
    try:
        root = parse(body)
    except BadRequest:
        return None
    basics = {_text(element) for element in _named(root, "basic")}
    notes = dict.fromkeys(_text(element) for element in _named(root, "note"))
    activities = [child for element in _named(root, "activities") for child in element]
    names = dict.fromkeys(_activity(child) for child in activities if local_name(child)[0] == _RPID)
    return State(
        basic=next((basic for basic in ("open", "closed") if basic in basics), "unknown"),
        notes=tuple(note for note in notes if note),
        activities=tuple(names),
    )


def _named(root: Element, name: str) -> list[Element]:
    return [element for element in root.iter() if local_name(element)[1] == name]


def _activity(element: Element) -> str:
    name = local_name(element)[1]
    return _text(element) or name if name == "other" else name


def _text(element: Element) -> str:
    return " ".join((element.text or "").split())
