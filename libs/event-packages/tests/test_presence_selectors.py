"""Which services, persons and devices a rule provides (RFC 5025 §3.3.1)."""

import re
from collections.abc import Callable

import pytest
from lxml import etree

from event_packages.base import View
from event_packages.documents import pidf
from event_packages.documents.pidf_selectors import Selectors
from event_packages.documents.pidf_view import see
from event_packages.rules.permissions import Permissions, Selector

Valid = Callable[[bytes], etree._Element]
Seen = Callable[..., list[str]]

AOR = "sip:alice@example.com"
DECLARATIONS = " ".join(
    f'xmlns:{prefix}="urn:{namespace}"'
    for prefix, namespace in {
        "dm": "ietf:params:xml:ns:pidf:data-model",
        "rpid": "ietf:params:xml:ns:pidf:rpid",
        "op": "oma:xml:prs:pidf:oma-pres",
    }.items()
)
CONTENT = (
    '<tuple id="sip"><status><basic>open</basic></status><rpid:class>work</rpid:class>'
    "<op:service-description><op:service-id> org.example.talk </op:service-id></op:service-description>"
    "<contact>sip:alice@Example.com;transport=tcp</contact></tuple>"
    '<tuple id="im"><status><basic>closed</basic></status><rpid:class> home </rpid:class>'
    "<contact>im:alice@Example.org</contact></tuple>"
    '<tuple id="tel"><status/><contact>tel:+49-30-5550100</contact></tuple>'
    '<tuple id="none"><status/><rpid:class/></tuple><tuple id="relative"><status/><contact>alice</contact></tuple>'
    '<dm:person id="p1"><rpid:class>work</rpid:class></dm:person>'
    '<dm:person id="p2"><rpid:class>home</rpid:class></dm:person>'
    '<dm:device id="d1"><rpid:class>work</rpid:class>'
    "<dm:deviceID>urn:UUID:48662E19-5fbf-43fc-a2fd-d23002787599</dm:deviceID></dm:device>"
    '<dm:device id="d2"><dm:deviceID>urn:x-mac:0003ba4811e3</dm:deviceID></dm:device>'
)


@pytest.fixture(scope="module")
def seen(valid: Valid) -> Seen:
    """Return what shows the ids of what is left by permissions of one kind."""

    def show(kind: str, *selectors: tuple[str, str]) -> list[str]:
        body = f'<presence xmlns="urn:ietf:params:xml:ns:pidf" {DECLARATIONS}>{CONTENT}</presence>'
        provided = {kind: frozenset(Selector(*selector) for selector in selectors)}
        document = see(
            pidf.compose(AOR, [pidf.parse(body.encode())]),
            View(permissions=Permissions(**provided)),  # type: ignore[arg-type]
        )
        valid(document)
        assert b"class" not in document
        return re.findall(' id="([^"]*)"', document.decode())

    return show


SELECTED = [
    ("services", "class", "work", ["sip"]),
    ("services", "class", "home", ["im"]),
    ("services", "class", "Work", []),
    ("services", "class", "", []),
    ("services", "occurrence-id", "im", ["im"]),
    ("services", "occurrence-id", "p1", []),
    ("services", "service-uri", "sip:alice@example.com;transport=TCP", ["sip"]),
    ("services", "service-uri", "sip:%61lice@EXAMPLE.com;transport=tcp", ["sip"]),
    ("services", "service-uri", "sip:alice@example.com", []),
    ("services", "service-uri", "sips:alice@example.com;transport=tcp", []),
    ("services", "service-uri", "sip:Alice@example.com;transport=tcp", []),
    ("services", "service-uri", "tel:+49305550100", ["tel"]),
    ("services", "service-uri", "IM:alice@example.org", ["im"]),
    ("services", "service-uri", "im:Alice@example.org", []),
    ("services", "service-uri", "pres:alice@example.org", []),
    ("services", "service-uri", "alice", ["relative"]),
    ("services", "service-uri", "", []),
    ("services", "service-uri-scheme", "sip", ["sip"]),
    ("services", "service-uri-scheme", "SIP", ["sip"]),
    ("services", "service-uri-scheme", "si", []),
    ("services", "service-uri-scheme", "sips", []),
    ("services", "service-uri-scheme", "im", ["im"]),
    ("services", "service-uri-scheme", "alice", []),
    ("services", "service-uri-scheme", "", []),
    ("services", "service-id", "org.example.talk", ["sip"]),
    ("services", "service-id", "org.example", []),
    ("services", "all", "", ["sip", "im", "tel", "none", "relative"]),
    ("services", "unheard-of", "work", []),
    ("persons", "class", "home", ["p2"]),
    ("persons", "occurrence-id", "p1", ["p1"]),
    ("persons", "all", "", ["p1", "p2"]),
    ("devices", "class", "work", ["d1"]),
    ("devices", "occurrence-id", "d2", ["d2"]),
    ("devices", "deviceID", "urn:uuid:48662e19-5fbf-43fc-a2fd-d23002787599", ["d1"]),
    ("devices", "deviceID", "URN:X-MAC:0003ba4811e3", ["d2"]),
    ("devices", "deviceID", "urn:x-mac:0003BA4811e3", []),
    ("devices", "all", "", ["d1", "d2"]),
]
"""Kind, selector, value, and the ids of what is selected."""


@pytest.mark.parametrize(("kind", "by", "value", "selected"), SELECTED)
def test_selector_of_services_persons_or_devices_provides_only_those(
    seen: Seen, kind: str, by: str, value: str, selected: list[str]
) -> None:
    assert seen(kind, (by, value)) == (selected or [pidf.NEUTRAL[0].id])


def test_selectors_several_provide_what_any_of_them_does(seen: Seen) -> None:
    assert seen("services", ("class", "work"), ("service-uri-scheme", "im")) == ["sip", "im"]


def test_selectors_none_provide_nothing(seen: Seen) -> None:
    assert seen("persons") == [pidf.NEUTRAL[0].id]


@pytest.mark.parametrize(
    ("wanted", "contact", "is_same"),
    [
        ("sip:a@b", "sip:a@b;ob", True),
        ("sip:a@b;x=1", "sip:a@b", True),
        ("sip:a@b", "sip:a@b:5060", False),
        ("sip:a@b;transport=tcp", "sip:a@b;transport=udp", False),
        ("sip:a@b;lr;transport=tcp", "sip:a@b;transport=TCP;lr", True),
        ("sip:a@b;gr=urn:uuid:1", "sip:a@b;gr=urn:uuid:2", False),
        ("sip:a@b", "sip:a@b;gr=urn:uuid:2", False),
        ("sip:a@b", "sip:a@b;gr", False),
        ("sip:a@b", "tel:a", False),
        ("tel:+1-23", "tel:+123", True),
        ("tel:+123", "tel:+123;ext=4", False),
        ("mailto:a@b", "mailto:a@b", True),
        ("mailto:a@b", "mailto:A@b", False),
    ],
)
def test_selector_of_a_service_by_its_uri_compares_what_makes_it_another(
    wanted: str, contact: str, is_same: bool
) -> None:
    element = etree.fromstring(f'<tuple xmlns="urn:ietf:params:xml:ns:pidf"><contact>{contact}</contact></tuple>')

    assert Selectors([Selector("service-uri", wanted)]).select(element) == is_same


def test_selectors_by_the_thousand_are_looked_up(seen: Seen) -> None:
    """Compared one after the other this would take minutes."""
    many = Selectors(Selector("service-uri", f"sip:a@b;x={number}") for number in range(5_000))
    contact = '<contact xmlns="urn:ietf:params:xml:ns:pidf">sip:c@b</contact>'
    element = etree.fromstring(f"<tuple>{contact}</tuple>")

    assert not any(many.select(element) for _ in range(5_000))
