"""Presence documents that tests publish and see again (RFC 3863, RFC 4479, RFC 4480)."""

from collections.abc import Iterator

from lxml import etree

PIDF_TYPE = "application/pidf+xml"
PIDF = "urn:ietf:params:xml:ns:pidf"
MODEL = "urn:ietf:params:xml:ns:pidf:data-model"
RPID = "urn:ietf:params:xml:ns:pidf:rpid"
_STEP = "step-"


def pidf(
    entity: str, *, basic: str = "open", tuple_id: str = "phone", note: str = "", person: str = "", device: str = ""
) -> bytes:
    """Return a document with one tuple, perhaps a note in it, a person with this activity, a device of this id."""
    noted = f"<note>{note}</note>" if note else ""
    persons = f'<dm:person id="me"><rpid:activities><rpid:{person}/></rpid:activities></dm:person>' if person else ""
    devices = f'<dm:device id="{device}"><dm:deviceID>urn:uuid:{device}</dm:deviceID></dm:device>' if device else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<presence xmlns="{PIDF}" xmlns:dm="{MODEL}" xmlns:rpid="{RPID}" entity="{entity}">'
        f'<tuple id="{tuple_id}"><status><basic>{basic}</basic></status>{noted}</tuple>'
        f"{persons}{devices}</presence>"
    ).encode()


def numbered(entity: str, step: int, *, tuple_id: str = "phone") -> bytes:
    """Return a document that says which of a series it is."""
    return pidf(entity, basic="open" if step % 2 else "closed", note=f"{_STEP}{step}", tuple_id=tuple_id)


def read(body: bytes) -> etree._Element:
    """Return the root of a document."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    return etree.fromstring(body, parser)


def notes(body: bytes) -> list[str]:
    """Return the texts of all notes."""
    return [one.text or "" for one in read(body).iter(f"{{{PIDF}}}note")] if body else []


def basics(body: bytes) -> list[str]:
    """Return all basic statuses in order."""
    return [one.text or "" for one in read(body).iter(f"{{{PIDF}}}basic")] if body else []


def tuple_ids(body: bytes) -> list[str]:
    """Return the ids of all tuples in order."""
    return [one.get("id") or "" for one in read(body).iter(f"{{{PIDF}}}tuple")]


def step(body: bytes) -> int:
    """Return the highest number that a document of `numbered` put into it, -1 without one."""
    numbers = [int(text[len(_STEP) :]) for text in notes(body) if text.startswith(_STEP)]
    return max(numbers, default=-1)


def faults(body: bytes, presentity: str) -> Iterator[str]:
    """Say what keeps a body from being a PIDF document of this presentity as strict clients take it."""
    root = read(body)
    if root.tag != f"{{{PIDF}}}presence":
        yield f"root {root.tag}"
    if root.prefix is not None:
        yield f"prefix {root.prefix} for PIDF"
    if root.get("entity") != presentity:
        yield f"entity {root.get('entity')}"
    ranks = [_rank(child) for child in root if isinstance(child.tag, str)]
    if ranks != sorted(ranks):
        yield f"order of elements {[child.tag for child in root]}"
    ids = [child.get("id") for child in root if child.get("id") is not None]
    if len(ids) != len(set(ids)):
        yield f"ids that are not unique {ids}"


def _rank(child: etree._Element) -> int:
    return {f"{{{PIDF}}}tuple": 0, f"{{{PIDF}}}note": 1}.get(str(child.tag), 2)
