"""What watchers see of each device, and the documents that well-known clients publish."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from event_packages.documents import pidf

Valid = Callable[[bytes | None], etree._Element]
Composed = Callable[..., bytes]
Inside = Callable[..., str]

PIDF = "urn:ietf:params:xml:ns:pidf"
AOR = "sip:alice@example.com"
TIME = "2026-01-02T03:04:05Z"


def tuple_of(name: str, basic: str, contact: str, note: int) -> str:
    written = f"<contact>{contact}</contact>" if contact else ""
    return f'<tuple id="{name}"><status><basic>{basic}</basic></status>{written}<note>{note}</note></tuple>'


def publications(*contacts: str) -> st.SearchStrategy[list[str]]:
    """Return some publications of few devices that use few ids, some twice in one document."""
    one = st.builds(
        tuple_of,
        st.sampled_from("ab"),
        st.sampled_from(["open", "closed"]),
        st.sampled_from(contacts),
        st.integers(0, 9),
    )
    body = st.lists(one, min_size=1, max_size=3).map("".join).map(f'<presence xmlns="{PIDF}">{{}}</presence>'.format)
    return st.lists(body, min_size=1, max_size=4)


@given(bodies=publications("sip:a@b", "sip:c@d"))
def test_compose_shows_the_newest_of_each_device_and_nothing_else(composed: Composed, bodies: list[str]) -> None:
    newest: dict[tuple[str | None, str], str] = {}
    for body in reversed(bodies):
        for one in etree.fromstring(body.encode()):
            device = (one.get("id"), one.findtext(f"{{{PIDF}}}contact", ""))
            newest.setdefault(device, one.findtext(f"{{{PIDF}}}note", ""))

    shown = etree.fromstring(composed(*bodies))

    said = [(one.findtext(f"{{{PIDF}}}contact"), one.findtext(f"{{{PIDF}}}note")) for one in shown]
    assert said == [(contact, note) for (_, contact), note in newest.items()]


@given(bodies=publications("", "sip:a@b"))
def test_compose_with_a_contact_missing_takes_it_for_the_same_device(composed: Composed, bodies: list[str]) -> None:
    shown = etree.fromstring(composed(*bodies))

    assert len({one.get("id", "")[0] for one in shown}) == len(shown)


@given(bodies=publications("", "sip:a@b", "sip:c@d"))
def test_compose_of_a_publication_sent_twice_is_as_of_one(composed: Composed, bodies: list[str]) -> None:
    assert composed(*bodies, bodies[-1]) == composed(*bodies)


def test_compose_linphone_has_its_timestamp_in_the_data_model(inside: Inside) -> None:
    body = (
        '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n'
        f'<presence xmlns="{PIDF}" entity="sip:alice@example.com" xmlns:p1="urn:ietf:params:xml:ns:pidf:data-model"'
        ' xmlns:pidfonline="http://example.com/pidfonline" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid">\n'
        '  <tuple id="q2w3e4">\n    <status>\n      <basic>open</basic>\n    </status>\n'
        f'    <contact priority="0.8">sip:alice@192.0.2.1</contact>\n    <timestamp>{TIME}</timestamp>\n  </tuple>\n'
        '  <p1:person id="a9">\n    <rpid:activities><rpid:on-the-phone/></rpid:activities>\n'
        f"    <timestamp>{TIME}</timestamp>\n  </p1:person>\n</presence>\n"
    )

    written = inside(body)

    assert written == (
        '<tuple id="q2w3e4"><status><basic>open</basic></status><contact priority="0.8">sip:alice@192.0.2.1</contact>'
        f"<timestamp>{TIME}</timestamp></tuple>"
        '<dm:person id="a9"><rpid:activities><rpid:on-the-phone/></rpid:activities>'
        f"<dm:timestamp>{TIME}</dm:timestamp></dm:person>"
    )


def baresip(basic: str, activity: str = "") -> str:
    activities = f"<rpid:activities>{activity}</rpid:activities>" if activity else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\r\n<presence xmlns="{PIDF}"\r\n'
        '    xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"\r\n'
        '    xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"\r\n    entity="sip:alice@example.com">\r\n'
        f'  <dm:person id="p4">{activities}</dm:person>\r\n  <tuple id="t4">\r\n    <status>\r\n'
        f"      <basic>{basic}</basic>\r\n    </status>\r\n    <contact>sip:alice@example.com</contact>\r\n"
        "  </tuple>\r\n</presence>\r\n"
    )


def test_compose_baresip_twice_with_one_tuple_id_is_its_later_state(composed: Composed) -> None:
    """It publishes twice without an entity-tag when it registers, first as unknown."""
    document = composed(baresip("unknown"), baresip("open", "<rpid:away/>")).decode()

    assert document.count("<tuple ") == 1
    assert "<basic>open</basic>" in document
    assert "<rpid:away/>" in document
    assert "unknown" not in document


def test_compose_sip_simple_with_an_escaped_entity_and_contact_is_about_the_presentity(composed: Composed) -> None:
    body = (
        f"<?xml version='1.0' encoding='UTF-8'?>\n<presence xmlns=\"{PIDF}\""
        ' xmlns:caps="urn:ietf:params:xml:ns:pidf:caps" xmlns:agp-pidf="urn:ag-projects:xml:ns:pidf"'
        ' xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" entity="alice%40example.com">'
        '<tuple id="SID-1"><status><basic>open</basic><agp-pidf:extended>available</agp-pidf:extended></status>'
        "<dm:deviceID>DID-1</dm:deviceID><caps:servcaps><caps:audio>true</caps:audio></caps:servcaps>"
        f'<contact>alice%40example.com</contact><note xml:lang="en">here</note><timestamp>{TIME}</timestamp></tuple>'
        '<dm:device id="DID-1"><agp-pidf:hostname>pc</agp-pidf:hostname><dm:deviceID>DID-1</dm:deviceID></dm:device>'
        "</presence>"
    )

    document = composed(body).decode()

    assert f' entity="{AOR}">' in document
    assert "<contact>alice%40example.com</contact>" in document
    assert re.search("<agp-pidf:extended [^>]*>available<", document)
    assert re.search("<agp-pidf:hostname [^>]*>pc<", document)


@pytest.mark.parametrize("pairs", [[("a", "open"), ("b", "closed")], [("a", "closed"), ("b", "open")]])
def test_compose_two_devices_the_first_tuple_is_the_last_one_published(
    composed: Composed, pairs: list[tuple[str, str]]
) -> None:
    """Some watchers look at the first `basic` only."""
    bodies = [f'<presence xmlns="{PIDF}">{tuple_of(name, basic, "", 0)}</presence>' for name, basic in pairs]

    document = composed(*bodies).decode()

    assert re.findall("<basic>(.*?)</basic>", document) == [basic for _, basic in reversed(pairs)]


@pytest.mark.parametrize("newest", ["", "<dm:note>n</dm:note>"])
def test_compose_of_a_person_without_activities_again_is_the_same(composed: Composed, newest: str) -> None:
    """A namespace that only a replaced part used is not declared any more."""
    root = f'<presence xmlns="{PIDF}" xmlns:dm="{PIDF}:data-model" xmlns:rpid="{PIDF}:rpid">'
    persons = ["<rpid:activities><rpid:away/></rpid:activities>", newest]

    document = composed(*(f'{root}<dm:person id="p">{content}</dm:person></presence>' for content in persons))

    assert b"rpid" not in document


def test_parse_keeps_little_of_a_document() -> None:
    body = f'<presence xmlns="{PIDF}">{" " * 5000}{tuple_of("t", "open", "sip:a@b", 1)}<!-- {"x" * 5000} --></presence>'

    document = pidf.parse(body.encode())

    assert sum(len(part.xml) for part in document.parts) < 200
