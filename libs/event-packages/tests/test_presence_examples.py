"""Documents of the kind that the RFCs and OMA show: PIDF, rich presence, and the two with rules applied to them."""

import re
from collections.abc import Callable

from lxml import etree

from event_packages.base import View
from event_packages.documents import pidf
from event_packages.documents.pidf_view import removed, see
from event_packages.rules.decision import Question, decide
from event_packages.rules.identity import identity_of
from event_packages.rules.reading import read_rules

Valid = Callable[[bytes], etree._Element]
Composed = Callable[..., bytes]

AOR = "sip:alice@example.com"

PIDF_EXAMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<impp:presence xmlns:impp="urn:ietf:params:xml:ns:pidf" xmlns:loc="urn:x-example:place" entity="pres:alice@example.com">
  <impp:tuple id="laptop7">
    <impp:status>
      <impp:basic>open</impp:basic>
      <loc:floor impp:mustUnderstand="1">third</loc:floor>
    </impp:status>
    <impp:contact priority="0.6">im:alice@chat.example.com</impp:contact>
    <impp:note xml:lang="en">Do knock</impp:note>
    <impp:note xml:lang="fr">Frappez donc</impp:note>
    <impp:timestamp>2026-02-03T10:20:30Z</impp:timestamp>
  </impp:tuple>
  <impp:tuple id="letters">
    <impp:status><impp:basic>open</impp:basic></impp:status>
    <impp:contact priority="1.0">mailto:alice@example.com</impp:contact>
  </impp:tuple>
  <impp:note>Back after lunch</impp:note>
</impp:presence>"""
"""As in RFC 3863 §4.3, with a prefix for PIDF."""

RICH = """<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
    xmlns:lt="urn:ietf:params:xml:ns:location-type" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"
    entity="pres:alice@example.com">
  <tuple id="call"><status><basic>open</basic></status>
    <dm:deviceID>urn:device:0x77f1</dm:deviceID>
    <rpid:relationship><rpid:self/></rpid:relationship>
    <rpid:service-class><rpid:electronic/></rpid:service-class>
    <contact priority="0.9">sip:alice@desk.example.com</contact>
    <note xml:lang="en">Rings loudly</note><timestamp>2026-02-03T10:20:30.00Z</timestamp></tuple>
  <tuple id="post"><status><basic>open</basic></status><contact>mailto:alice@example.com</contact></tuple>
  <tuple id="fax"><status><basic>closed</basic></status><contact>tel:+49305550101</contact></tuple>
  <note>Moving house</note>
  <dm:person id="alice">
    <rpid:activities from="2026-02-03T08:00:00Z" until="2026-02-03T18:00:00Z">
      <rpid:note>Packing</rpid:note><rpid:working/><rpid:steering/></rpid:activities>
    <rpid:mood><rpid:ashamed/></rpid:mood>
    <rpid:place-is><rpid:audio><rpid:noisy/></rpid:audio></rpid:place-is>
    <rpid:place-type><lt:residence/></rpid:place-type>
    <rpid:privacy><rpid:unknown/></rpid:privacy>
    <rpid:sphere>home</rpid:sphere>
    <rpid:status-icon>http://example.com/box.png</rpid:status-icon>
    <rpid:time-offset>60</rpid:time-offset>
    <rpid:user-input idle-threshold="300" last-input="2026-02-03T10:00:00Z">idle</rpid:user-input>
    <dm:note>Up to my knees in boxes</dm:note><dm:timestamp>2026-02-03T10:20:30Z</dm:timestamp>
  </dm:person>
  <dm:device id="desk"><rpid:user-input idle-threshold="60">active</rpid:user-input>
    <dm:deviceID>urn:device:0x77f1</dm:deviceID><dm:note>Old</dm:note></dm:device>
</presence>"""
"""As in RFC 4480 §4."""

RULES = """<?xml version="1.0" encoding="UTF-8"?>
<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy">
  <cr:rule id="neighbour">
    <cr:conditions><cr:identity><cr:one id="sip:bob@example.net"/></cr:identity></cr:conditions>
    <cr:actions><sub-handling>allow</sub-handling></cr:actions>
    <cr:transformations>
      <provide-services>
        <service-uri-scheme>sip</service-uri-scheme><service-uri-scheme>mailto</service-uri-scheme>
      </provide-services>
      <provide-persons><all-persons/></provide-persons>
      <provide-activities>true</provide-activities>
      <provide-user-input>bare</provide-user-input>
      <provide-unknown-attribute ns="urn:x-example:vendor" name="shoe-size">true</provide-unknown-attribute>
    </cr:transformations>
  </cr:rule>
</cr:ruleset>"""
"""As in RFC 5025 §4."""

OMA = """<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:op="urn:oma:xml:prs:pidf:oma-pres"
    xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" entity="sip:alice@example.com">
  <tuple id="talk"><status><basic>open</basic></status><op:willingness><op:basic>open</op:basic></op:willingness>
    <op:session-participation><op:basic>closed</op:basic></op:session-participation>
    <op:registration-state>active</op:registration-state><op:barring-state>terminated</op:barring-state>
    <op:service-description><op:service-id>org.example:talk</op:service-id><op:version>2.0</op:version>
    </op:service-description></tuple>
  <tuple id="alert"><status><basic>open</basic></status><op:willingness><op:basic>closed</op:basic></op:willingness>
    <op:service-description><op:service-id>org.example:alert</op:service-id></op:service-description></tuple>
  <dm:person id="alice"><op:overriding-willingness><op:basic>open</op:basic></op:overriding-willingness></dm:person>
  <dm:device id="mobile"><op:network-availability><op:network id="IMS"><op:active/></op:network>
    </op:network-availability><dm:deviceID>urn:device:0x77f2</dm:deviceID></dm:device>
</presence>"""

OMA_RULES = """<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules"
    xmlns:ocp="urn:oma:xml:xdm:common-policy" xmlns="urn:oma:xml:prs:pres-rules">
  <cr:rule id="everybody"><cr:conditions><ocp:other-identity/></cr:conditions>
    <cr:actions><pr:sub-handling>allow</pr:sub-handling></cr:actions>
    <cr:transformations>
      <pr:provide-services><service-id>org.example:talk</service-id></pr:provide-services>
      <pr:provide-devices><pr:deviceID>urn:device:0x77f2</pr:deviceID></pr:provide-devices>
      <provide-willingness>true</provide-willingness><provide-barring-state>true</provide-barring-state>
      <provide-registration-state>false</provide-registration-state>
    </cr:transformations></cr:rule>
</cr:ruleset>"""


def view_of(rules: str, watcher: str) -> View:
    """Return what rules give a watcher."""
    decision = decide([read_rules(rules.encode())], Question(watcher=identity_of(watcher), now=1_770_000_000))
    return View(permissions=decision.permissions)


def without_blanks(document: bytes) -> str:
    """Return what stands inside of `presence`, without the blanks that the examples are laid out with."""
    inside = re.sub(r"(?s)^.*?<presence [^>]*>(.*)</presence>\n$", r"\1", document.decode())
    return re.sub(r">\s+<", "><", inside)


def test_pidf_example_is_written_without_prefixes_and_keeps_all(composed: Composed) -> None:
    written = without_blanks(composed(PIDF_EXAMPLE))

    assert written == (
        '<tuple id="laptop7"><status><basic>open</basic>'
        '<loc:floor pidf:mustUnderstand="1" xmlns:loc="urn:x-example:place" '
        'xmlns:pidf="urn:ietf:params:xml:ns:pidf">third</loc:floor></status>'
        '<contact priority="0.6">im:alice@chat.example.com</contact><note xml:lang="en">Do knock</note>'
        '<note xml:lang="fr">Frappez donc</note><timestamp>2026-02-03T10:20:30Z</timestamp></tuple>'
        '<tuple id="letters"><status><basic>open</basic></status>'
        '<contact priority="1.0">mailto:alice@example.com</contact></tuple><note>Back after lunch</note>'
    )


def test_rich_example_is_written_as_it_was_published(composed: Composed) -> None:
    written = without_blanks(composed(RICH))

    published = re.sub(r"(?s)^.*?<presence [^>]*>\s*(.*?)\s*</presence>$", r"\1", RICH)
    assert written.replace(' xmlns:lt="urn:ietf:params:xml:ns:location-type"', "") == re.sub(r">\s+<", "><", published)


def test_rules_example_provides_a_rich_document_in_part(valid: Valid, composed: Composed) -> None:
    document = see(composed(RICH), view_of(RULES, "sip:bob@example.net"))

    valid(document)
    assert without_blanks(document) == (
        '<tuple id="call"><status><basic>open</basic></status>'
        "<rpid:service-class><rpid:electronic/></rpid:service-class>"
        '<contact priority="0.9">sip:alice@desk.example.com</contact>'
        "<timestamp>2026-02-03T10:20:30.00Z</timestamp></tuple>"
        '<tuple id="post"><status><basic>open</basic></status><contact>mailto:alice@example.com</contact></tuple>'
        '<dm:person id="alice"><rpid:activities from="2026-02-03T08:00:00Z" until="2026-02-03T18:00:00Z">'
        "<rpid:note>Packing</rpid:note><rpid:working/><rpid:steering/></rpid:activities>"
        "<rpid:user-input>idle</rpid:user-input><dm:timestamp>2026-02-03T10:20:30Z</dm:timestamp></dm:person>"
    )


def test_rules_example_says_what_it_takes(composed: Composed) -> None:
    taken = removed(composed(RICH), view_of(RULES, "sip:bob@example.net"))

    assert taken == (
        "tuple call: deviceID",
        "tuple call: relationship",
        "tuple call: note",
        "tuple fax (service not provided)",
        "presence: note",
        *(f"person alice: {name}" for name in ("mood", "place-is", "place-type", "privacy", "sphere", "status-icon")),
        "person alice: time-offset",
        "person alice: idle-threshold of user-input",
        "person alice: last-input of user-input",
        "person alice: note",
        "device desk (device not provided)",
    )


def test_rules_example_gives_others_the_neutral_document(composed: Composed) -> None:
    document = see(composed(RICH), view_of(RULES, "sip:carol@example.net"))

    assert document == pidf.compose(AOR, [])


def test_oma_example_provides_a_service_by_its_id(valid: Valid, composed: Composed) -> None:
    document = see(composed(OMA), view_of(OMA_RULES, "tel:+49305550102"))

    root = valid(document)
    assert [child.get("id") for child in root] == ["talk", "mobile"]
    names = [str(one.tag).rpartition("}")[2] for child in root for one in child]
    assert names == ["status", "willingness", "barring-state", "service-description", "deviceID"]


def test_sphere_of_the_rich_example_is_home() -> None:
    assert pidf.sphere([pidf.parse(RICH.encode()), pidf.parse(PIDF_EXAMPLE.encode())]) == "home"
