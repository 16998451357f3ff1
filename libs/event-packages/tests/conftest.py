"""What watchers may be sent: the schemas, and a check of the same rules by hand."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from event_packages.documents import pidf

PIDF = "{urn:ietf:params:xml:ns:pidf}"
DATA_MODEL = "{urn:ietf:params:xml:ns:pidf:data-model}"
AOR = "sip:alice@example.com"
# A letter for each kind of child, in the order in which they stand.
CONTENT = {
    PIDF + "presence": "T*N*x*",
    PIDF + "tuple": "Sx*C?N*I?",
    PIDF + "status": "B?x*",
    DATA_MODEL + "person": "(x|[TNSCIB])*n*i?",
    DATA_MODEL + "device": "(x|[TNSCIB])*Dn*i?",
}
LETTERS = {
    **{PIDF + name: letter for name, letter in zip(("tuple", "note", "status", "contact"), "TNSC", strict=True)},
    **{PIDF + name: letter for name, letter in zip(("timestamp", "basic"), "IB", strict=True)},
    **{DATA_MODEL + name: letter for name, letter in zip(("deviceID", "note", "timestamp"), "Dni", strict=True)},
}


def _letter(parent: str, child: str) -> str:
    """Return the kind of a child; elements of the data model are foreign to PIDF."""
    if parent.startswith(PIDF) and not child.startswith(PIDF):
        return "x" if child[0] == "{" else "?"
    return LETTERS.get(child, "x" if child[0] == "{" and not child.startswith((PIDF, DATA_MODEL)) else "?")


def _check_by_hand(root: etree._Element) -> None:
    ids = [id_ for element in root if (id_ := element.get("id")) is not None and element.tag in CONTENT]
    assert len(ids) == len(set(ids))
    for element in (root, *root, *root.findall(f"{PIDF}tuple/{PIDF}status")):
        tag = str(element.tag)
        if tag in CONTENT:
            children = "".join(_letter(tag, str(child.tag)) for child in element)
            assert re.fullmatch(CONTENT[tag], children), f"{tag}: {children}"
            assert not "".join([element.text or "", *(child.tail or "" for child in element)]).strip()
        if tag in (PIDF + "tuple", DATA_MODEL + "person", DATA_MODEL + "device"):
            assert re.fullmatch(r"[A-Za-z_][\w.-]*", element.attrib["id"])
            assert list(element.attrib) == ["id"]


Valid = Callable[[bytes | None], etree._Element]


@pytest.fixture(scope="session")
def valid() -> Valid:
    """Return a check that a composed document is what the RFCs want; it returns the root."""
    schema = etree.XMLSchema(etree.parse(Path(__file__).parent / "schemas" / "pidf.xsd"))

    def check(document: bytes | None) -> etree._Element:
        assert document is not None
        root = etree.fromstring(document)
        assert root.tag == PIDF + "presence"
        assert root.prefix is None
        _check_by_hand(root)
        schema.assertValid(root)
        return root

    return check


Composed = Callable[..., bytes]


@pytest.fixture(scope="session")
def composed(valid: Valid) -> Composed:
    """Return what composes bodies, oldest first, and checks the result on the way."""

    def compose(*bodies: str | bytes) -> bytes:
        documents = [pidf.parse(body if isinstance(body, bytes) else body.encode()) for body in bodies]
        document = pidf.compose(AOR, documents)
        valid(document)
        assert document is not None
        assert pidf.compose(AOR, [pidf.parse(document)]) == document
        return document

    return compose


Inside = Callable[..., str]


@pytest.fixture(scope="session")
def inside(composed: Composed) -> Inside:
    """Return what composes bodies and returns what stands inside of `presence`."""

    def strip(*bodies: str | bytes) -> str:
        text = composed(*bodies).decode()
        return re.sub(r"(?s)^.*?<presence [^>]*>(.*)</presence>\n$", r"\1", text)

    return strip


def presence(content: str, declarations: str = "", *, entity: str = "sip:alice@example.com") -> str:
    """Return a body as publishers send it."""
    return f'<presence xmlns="urn:ietf:params:xml:ns:pidf" {declarations} entity="{entity}">{content}</presence>'


@pytest.fixture(scope="session", name="presence")
def presence_fixture() -> Callable[..., str]:
    """Return the maker of bodies."""
    return presence
