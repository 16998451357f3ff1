"""What a watcher sees of presence: what no rule provides is withheld, everywhere (RFC 5025 §3.3)."""

import re
from collections.abc import Callable

import pytest
from lxml import etree

from event_packages.base import View
from event_packages.documents import pidf
from event_packages.documents.pidf_phone import ON_THE_PHONE
from event_packages.documents.pidf_view import removed, see
from event_packages.packages.presence import PACKAGE
from event_packages.rules.permissions import ALL, ALL_ATTRIBUTES, EVERYTHING, NOTHING, Permissions, Selector, UserInput

Valid = Callable[[bytes], etree._Element]
Seen = Callable[..., str]

AOR = "sip:alice@example.com"
NAMESPACES = {
    "dm": "urn:ietf:params:xml:ns:pidf:data-model",
    "rpid": "urn:ietf:params:xml:ns:pidf:rpid",
    "ts": "urn:ietf:params:xml:ns:pidf:timed-status",
    "ci": "urn:ietf:params:xml:ns:pidf:cipid",
    "caps": "urn:ietf:params:xml:ns:pidf:caps",
    "op": "urn:oma:xml:prs:pidf:oma-pres",
    "gp": "urn:ietf:params:xml:ns:pidf:geopriv10",
    "x": "urn:x",
}
EVERYONE = {"services": frozenset({ALL}), "persons": frozenset({ALL}), "devices": frozenset({ALL})}
"""Everything is provided, but nothing of what is in it."""

TUPLES = (
    '<tuple id="sip"><status><basic>open</basic><x:load>3</x:load></status>'
    "<rpid:class>work</rpid:class><rpid:relationship><rpid:assistant/></rpid:relationship>"
    "<dm:deviceID>urn:uuid:48662e19-5fbf-43fc-a2fd-d23002787599</dm:deviceID>"
    "<op:willingness><op:basic>open</op:basic></op:willingness>"
    "<rpid:service-class><rpid:electronic/></rpid:service-class>"
    "<op:service-description><op:service-id>talk</op:service-id><dm:note>n</dm:note></op:service-description>"
    '<contact priority="0.8">sip:alice@Example.com;transport=tcp</contact><note xml:lang="en">At my desk</note>'
    "<timestamp>2026-03-04T05:06:07Z</timestamp></tuple>"
    '<tuple id="im"><status><basic>closed</basic></status><rpid:class>home</rpid:class>'
    "<contact>im:alice@Example.org</contact><note>Later</note></tuple>"
)
PERSONS = (
    '<dm:person id="p1"><rpid:activities from="2026-03-04T05:00:00Z"><rpid:note>Quarter</rpid:note><rpid:meeting/>'
    "</rpid:activities><rpid:class>work</rpid:class><rpid:mood><rpid:happy/></rpid:mood>"
    "<rpid:place-is><rpid:audio><rpid:noisy/></rpid:audio></rpid:place-is><rpid:place-type><x:office/></rpid:place-type>"
    "<rpid:privacy><rpid:text/></rpid:privacy><rpid:sphere>work</rpid:sphere>"
    "<rpid:status-icon>http://example.com/a.png</rpid:status-icon><rpid:time-offset>60</rpid:time-offset>"
    '<rpid:user-input idle-threshold="600" last-input="2026-03-04T04:00:00Z">idle</rpid:user-input>'
    "<ci:display-name>Alice</ci:display-name><gp:geopriv><gp:location-info/></gp:geopriv>"
    "<op:overriding-willingness><op:basic>open</op:basic></op:overriding-willingness>"
    "<dm:note>Busy</dm:note><dm:timestamp>2026-03-04T05:06:07Z</dm:timestamp></dm:person>"
    '<dm:person id="p2"><rpid:class>home</rpid:class><rpid:mood><rpid:sad/></rpid:mood>'
    "<dm:note>Tired</dm:note></dm:person>"
)
DEVICES = (
    '<dm:device id="d1"><rpid:class>work</rpid:class><rpid:user-input idle-threshold="60">active</rpid:user-input>'
    "<op:network-availability><op:network id='IMS'><op:active/></op:network></op:network-availability>"
    "<dm:deviceID>urn:UUID:48662E19-5fbf-43fc-a2fd-d23002787599</dm:deviceID><dm:note>Low battery</dm:note></dm:device>"
    '<dm:device id="d2"><rpid:mood><rpid:bored/></rpid:mood><rpid:user-input last-input="2026-03-04T04:00:00Z">'
    "idle</rpid:user-input><dm:deviceID>urn:x-mac:0003ba4811e3</dm:deviceID><dm:note>Lent out</dm:note></dm:device>"
)
FULL = f"{TUPLES}<note>Everywhere</note>{PERSONS}{DEVICES}<x:more/>"


def composed(content: str) -> bytes:
    """Return a composed document."""
    declarations = "".join(f' xmlns:{prefix}="{namespace}"' for prefix, namespace in NAMESPACES.items())
    body = f'<presence xmlns="urn:ietf:params:xml:ns:pidf"{declarations} entity="{AOR}">{content}</presence>'
    return pidf.compose(AOR, [pidf.parse(body.encode())])


def view(**provided: object) -> View:
    """Return the view of a watcher with some permissions."""
    return View(permissions=Permissions(**provided))  # type: ignore[arg-type]


def everyone(*attributes: str, **more: object) -> View:
    """Return a view of everything with some attributes in it."""
    return view(**EVERYONE, attributes=frozenset(attributes), **more)


@pytest.fixture(scope="module")
def seen(valid: Valid) -> Seen:
    """Return what shows a view of a document, checked, without what is around it."""

    def show(seen_through: View, content: str = FULL) -> str:
        document = see(composed(content), seen_through)
        valid(document)
        assert pidf.compose(AOR, [pidf.parse(document)]) == document
        return re.sub(r"(?s)^.*?<presence [^>]*>(.*)</presence>\n$", r"\1", document.decode())

    return show


@pytest.mark.parametrize("through", [View(), View(permissions=EVERYTHING), View(single=True)])
def test_view_of_everything_is_the_document_itself(through: View) -> None:
    document = composed(FULL)

    assert see(document, through) is document
    assert removed(document, through) == ()
    assert PACKAGE.seen(document, through) is document


def test_view_of_nothing_is_the_neutral_document() -> None:
    document = composed(FULL)

    assert see(document, View(permissions=NOTHING)) == pidf.compose(AOR, [])


def test_view_of_attributes_without_things_is_the_neutral_document() -> None:
    through = view(attributes=frozenset({"activities", "mood", "willingness"}), user_input=UserInput.FULL)

    assert see(composed(FULL), through) == pidf.compose(AOR, [])


def test_view_without_services_says_nothing_of_open(seen: Seen) -> None:
    written = seen(view(persons=frozenset({ALL}), attributes=frozenset({"activities"})))

    assert re.findall(' id="([^"]*)"', written) == ["p1", "p2"]
    assert "open" not in written


def test_view_without_attributes_has_what_everybody_may_see(seen: Seen) -> None:
    assert seen(everyone()) == (
        '<tuple id="sip"><status><basic>open</basic></status>'
        "<rpid:service-class><rpid:electronic/></rpid:service-class>"
        '<op:service-description xmlns:op="urn:oma:xml:prs:pidf:oma-pres"><op:service-id>talk</op:service-id>'
        "</op:service-description>"
        '<contact priority="0.8">sip:alice@Example.com;transport=tcp</contact>'
        "<timestamp>2026-03-04T05:06:07Z</timestamp></tuple>"
        '<tuple id="im"><status><basic>closed</basic></status><contact>im:alice@Example.org</contact></tuple>'
        '<dm:person id="p1"><dm:timestamp>2026-03-04T05:06:07Z</dm:timestamp></dm:person>'
        '<dm:person id="p2"></dm:person>'
        '<dm:device id="d1"><dm:deviceID>urn:UUID:48662E19-5fbf-43fc-a2fd-d23002787599</dm:deviceID></dm:device>'
        '<dm:device id="d2"><dm:deviceID>urn:x-mac:0003ba4811e3</dm:deviceID></dm:device>'
    )


def test_view_without_attributes_declares_no_namespace_of_what_is_withheld() -> None:
    document = see(composed(FULL), everyone())

    assert re.findall(rb"xmlns:(\w+)", document) == [b"dm", b"rpid", b"op"]
    assert b"xmlns:" not in see(composed(FULL), view(services=frozenset({Selector("class", "home")})))


ATTRIBUTES = {
    "activities": ["activities"],
    "class": ["class"] * 5,
    "deviceID": ["deviceID"],
    "mood": ["mood"] * 3,
    "place-is": ["place-is"],
    "place-type": ["place-type"],
    "privacy": ["privacy"],
    "relationship": ["relationship"],
    "sphere": ["sphere"],
    "status-icon": ["status-icon"],
    "time-offset": ["time-offset"],
    "note": ["note"] * 7,
    "geopriv": ["geopriv"],
    "willingness": ["willingness", "overriding-willingness"],
    "network-availability": ["network-availability"],
    "session-participation": [],
    "registration-state": [],
    "barring-state": [],
}
"""Permissions and the elements of the full document that are for them."""


@pytest.mark.parametrize(("attribute", "elements"), ATTRIBUTES.items(), ids=ATTRIBUTES.keys())
def test_view_of_one_attribute_has_all_of_it_and_nothing_else(seen: Seen, attribute: str, elements: list[str]) -> None:
    least, written = (etree.fromstring(see(composed(FULL), everyone(*some))) for some in ((), (attribute,)))

    shown = [str(one.tag).rpartition("}")[2] for parent in written for one in (parent, *parent)]
    for one in (one for parent in least for one in (parent, *parent)):
        shown.remove(str(one.tag).rpartition("}")[2])
    assert shown == elements


@pytest.mark.parametrize("name", ["session-participation", "registration-state", "barring-state"])
def test_view_of_an_attribute_of_oma_has_it(seen: Seen, name: str) -> None:
    element = f"<op:{name}>active</op:{name}>"
    content = f'<tuple id="t"><status><basic>open</basic>{element}</status>{element}</tuple>'

    assert seen(everyone(name), content).count(f"<op:{name} ") == 2
    assert name not in seen(everyone("willingness"), content)


def test_view_of_activities_has_what_is_in_them(seen: Seen) -> None:
    assert (
        '<rpid:activities from="2026-03-04T05:00:00Z"><rpid:note>Quarter</rpid:note><rpid:meeting/></rpid:activities>'
    ) in seen(everyone("activities"))


@pytest.mark.parametrize(
    ("level", "inputs"),
    [
        (UserInput.FALSE, []),
        (UserInput.BARE, [">idle", ">active", ">idle"]),
        (UserInput.THRESHOLDS, [' idle-threshold="600">idle', ' idle-threshold="60">active', ">idle"]),
        (
            UserInput.FULL,
            [
                ' idle-threshold="600" last-input="2026-03-04T04:00:00Z">idle',
                ' idle-threshold="60">active',
                ' last-input="2026-03-04T04:00:00Z">idle',
            ],
        ),
    ],
)
def test_view_of_user_input_has_as_much_as_its_level(seen: Seen, level: UserInput, inputs: list[str]) -> None:
    written = seen(everyone("mood", user_input=level))

    assert re.findall("<rpid:user-input([^<]*)", written) == inputs


def test_view_of_all_attributes_has_everything_in_what_is_provided(seen: Seen) -> None:
    written = seen(view(persons=frozenset({ALL}), attributes=frozenset({ALL_ATTRIBUTES})))

    assert written == seen(View(), f"<note>Everywhere</note>{PERSONS}<x:more/>")


@pytest.mark.parametrize("unknown", [("urn:x", "load"), ("urn:x", "more"), (NAMESPACES["ci"], "display-name")])
def test_view_of_an_unknown_attribute_has_it_and_no_other(seen: Seen, unknown: tuple[str, str]) -> None:
    written = seen(everyone(unknown=frozenset({unknown})))

    assert re.findall(r"<(?:x|ci):([\w-]+)", written) == [unknown[1]]


@pytest.mark.parametrize("unknown", [("", "more"), ("urn:y", "more"), ("urn:x", "mor"), ("urn:X", "more")])
def test_view_of_another_unknown_attribute_does_not_have_it(seen: Seen, unknown: tuple[str, str]) -> None:
    assert seen(everyone(unknown=frozenset({unknown}))) == seen(everyone())


def test_view_of_what_nests_other_attributes_withholds_those(seen: Seen) -> None:
    mood = "<rpid:mood><rpid:angry/></rpid:mood>"
    content = (
        f'<tuple id="t"><status><basic>open</basic><x:a>{mood}<x:b>{mood}1</x:b>2</x:a></status>'
        f"<ts:timed-status><ts:basic>open</ts:basic>{mood}<x:c><note>n</note></x:c></ts:timed-status></tuple>"
    )
    unknown = frozenset({("urn:x", "a"), (NAMESPACES["ts"], "timed-status")})

    assert "mood" not in seen(everyone("note", unknown=unknown), content)
    assert "<note>" in seen(everyone("note", unknown=unknown), content)
    assert seen(everyone("mood", unknown=unknown), content).count("<rpid:mood>") == 3


def test_view_of_user_input_inside_of_another_attribute_has_its_level(seen: Seen) -> None:
    content = '<dm:person id="p"><x:a><rpid:user-input idle-threshold="6" last-input="x">idle</rpid:user-input></x:a>'

    written = seen(everyone(unknown=frozenset({("urn:x", "a")}), user_input=UserInput.BARE), f"{content}</dm:person>")

    assert "<rpid:user-input>idle</rpid:user-input>" in written


def test_view_of_a_document_on_the_phone_without_activities_does_not_say_so() -> None:
    written = see(pidf.compose(AOR, [ON_THE_PHONE]), everyone())

    assert b"phone" not in written.lower()
    assert b"<basic>open</basic>" in written


def test_view_of_what_is_no_document_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError):
        see(None, View())
    with pytest.raises(TypeError):
        removed("<presence/>", View())


def test_removed_says_what_a_view_takes_from_which_part() -> None:
    through = view(
        services=frozenset({Selector("class", "work")}),
        persons=frozenset({Selector("class", "home")}),
        devices=frozenset({ALL}),
        attributes=frozenset({"class", "note"}),
        user_input=UserInput.THRESHOLDS,
    )

    assert removed(composed(FULL), through) == (
        "tuple sip: load (urn:x)",
        "tuple sip: relationship",
        "tuple sip: deviceID",
        "tuple sip: willingness",
        "tuple im (service not provided)",
        "person p1 (person not provided)",
        "person p2: mood",
        "device d1: network-availability",
        "device d2: mood",
        "device d2: last-input of user-input",
        "presence: more (urn:x)",
    )


def test_removed_says_each_thing_once() -> None:
    content = '<dm:person id="p"><dm:note>1</dm:note><dm:note>2</dm:note></dm:person>'

    assert removed(composed(content), everyone()) == ("person p: note",)
