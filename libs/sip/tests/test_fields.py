"""Typed header values (RFC 3261 §20, RFC 6665 §8.2)."""

import pytest

from sip.errors import ParseError
from sip.fields import (
    CSeq,
    EventHeader,
    MediaType,
    NameAddr,
    SubscriptionState,
    Via,
    accepts,
    parse_delta_seconds,
    parse_name_addr,
)


def test_via_has_its_parts() -> None:
    via = Via.parse('SIP / 2.0 / udp [2001:DB8::1] : 5060 ; Branch=z9hG4bK1 ; rport;x="a;b,\\"c"')

    assert (via.transport, via.host, via.port, via.branch) == ("UDP", "[2001:DB8::1]", 5060, "z9hG4bK1")
    assert (via.parameter("rport"), via.parameter("received"), via.parameter("x")) == ("", None, '"a;b,\\"c"')
    assert via.sent_by == "[2001:DB8::1]:5060"
    assert str(via) == 'SIP/2.0/UDP [2001:DB8::1]:5060;branch=z9hG4bK1;rport;x="a;b,\\"c"'


def test_via_parameter_is_set_in_its_place_or_added() -> None:
    via = Via.parse("SIP/2.0/UDP a.example.com;rport;branch=z9hG4bK1")

    stamped = via.with_parameter("rport", "5062").with_parameter("received", "192.0.2.1")

    assert str(stamped) == "SIP/2.0/UDP a.example.com;rport=5062;branch=z9hG4bK1;received=192.0.2.1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 a.example.com",
        "SIP/2.0/UDPa.example.com",
        "SIP/2.0/UDP a.example.com:99999",
        "SIP/2.0/UDP a.example.com:x",
        "SIP/2.0/UDP [::zz]",
        "SIP/2.0/UDP a.example.com;",
        "SIP/2.0/UDP a.example.com;;branch=1",
        "SIP/2.0/UDP a.example.com;branch=1;branch=2",
        'SIP/2.0/UDP a.example.com;x="a',
        "SIP/2.0/UDP a.example.com junk",
        "SIP/2.0/UDP ä.example.com",
    ],
)
def test_via_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        Via.parse(text)


@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        ("sip:alice@example.com", "", "sip:alice@example.com", ""),
        ("sip:alice@example.com;tag=88", "", "sip:alice@example.com", "88"),
        ("<sip:alice@example.com;tag=1>;tag=2", "", "sip:alice@example.com;tag=1", "2"),
        ("Alice <sip:alice@example.com>", "Alice", "sip:alice@example.com", ""),
        ("A. G. Bell <sip:bell@example.com> ; tag = 4", "A. G. Bell", "sip:bell@example.com", "4"),
        ("Alice<sip:alice@example.com>", "Alice", "sip:alice@example.com", ""),
        ('"Bell, Alexander" <sip:bell@example.com>', "Bell, Alexander", "sip:bell@example.com", ""),
        ('"say \\"hi\\" <now>"<sip:a@example.com>;tag=x', 'say "hi" <now>', "sip:a@example.com", "x"),
        ('"" <sip:a@example.com>', "", "sip:a@example.com", ""),
        ("Jürgen <sip:j@example.com>", "Jürgen", "sip:j@example.com", ""),
        ("<tel:+12015550123>;tag=y", "", "tel:+12015550123", "y"),
        ("<sip:a@[2001:db8::1]:5060>", "", "sip:a@[2001:db8::1]:5060", ""),
        ("<http://www.example.com>;tag=3", "", "http://www.example.com", "3"),
    ],
)
def test_name_addr_has_its_parts(text: str, display: str, uri: str, tag: str) -> None:
    address = parse_name_addr(text)

    assert (address.display, address.uri, address.tag) == (display, uri, tag)
    assert parse_name_addr(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "<>",
        "< sip:a@example.com >",
        "<sip:a@example.com",
        "sip:a@example.com>",
        '"Alice <sip:a@example.com>',
        "Bell, Alexander <sip:bell@example.com>",
        "alice",
        "<alice>",
        "<sip:a b@example.com>",
        "<sip:ä@example.com>",
        "<sip:a@example.com>x",
        "<sip:a@example.com>;tag=1;tag=2",
        "<sip:a@example.com>;tag=ä",
        '<sip:a@example.com>;x="\x00"',
        "sip:a@example.com?subject=x",
    ],
)
def test_name_addr_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_name_addr(text)


def test_name_addr_parameters_keep_quotes_of_values() -> None:
    contact = parse_name_addr('<sip:a@example.com>;+sip.instance="<urn:uuid:1>";q=0.5;ob')

    assert contact.parameter("+sip.instance") == '"<urn:uuid:1>"'
    assert (contact.parameter("q"), contact.parameter("ob"), contact.parameter("expires")) == ("0.5", "", None)


def test_display_with_controls_prints_as_quoted_pairs() -> None:
    address = NameAddr('a"\\\x07', "sip:a@example.com")

    assert str(address) == '"a\\"\\\\\\\x07" <sip:a@example.com>'
    assert parse_name_addr(str(address)) == address


@pytest.mark.parametrize(
    ("text", "cseq"),
    [("1 PUBLISH", CSeq(1, "PUBLISH")), ("0009 \t INVITE", CSeq(9, "INVITE")), ("2147483647 X", CSeq(2**31 - 1, "X"))],
)
def test_cseq_is_number_and_method(text: str, cseq: CSeq) -> None:
    assert CSeq.parse(text) == cseq


@pytest.mark.parametrize(
    "text", ["", "1", "PUBLISH", "-1 A", "1A", "1  ", "2147483648 A", "9" * 5000 + " A", "1 A B", "\uff11 A", "1 Ä"]
)
def test_cseq_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        CSeq.parse(text)


def test_event_has_package_id_and_parameters() -> None:
    event = EventHeader.parse("presence.winfo ; x=1 ;id=ab7;y")

    assert event == EventHeader("presence.winfo", (("x", "1"), ("id", "ab7"), ("y", None)))
    assert event.id == "ab7"
    assert str(event) == "presence.winfo;x=1;id=ab7;y"


@pytest.mark.parametrize(
    "text", ["", ";id=1", "pres ence", "presence;", "presence;id=1;id=2", "prä", "presence,dialog"]
)
def test_event_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        EventHeader.parse(text)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("active;expires=3599", SubscriptionState("active", 3599)),
        ("Pending", SubscriptionState("pending")),
        (
            "terminated;reason=probation;retry-after=120;x=y",
            SubscriptionState("terminated", None, "probation", 120, (("x", "y"),)),
        ),
    ],
)
def test_subscription_state_has_its_parts(text: str, state: SubscriptionState) -> None:
    assert SubscriptionState.parse(text) == state
    assert SubscriptionState.parse(str(state)) == state


def test_subscription_state_that_is_none_is_refused() -> None:
    with pytest.raises(ParseError):
        SubscriptionState.parse(";expires=1")


def test_media_type_is_compared_in_lower_case() -> None:
    media = MediaType.parse("Application/PIDF+xml ; Charset=UTF-8")

    assert media == MediaType("application", "pidf+xml", (("charset", "UTF-8"),))
    assert str(media) == "application/pidf+xml;charset=UTF-8"


@pytest.mark.parametrize(
    ("values", "allowed"),
    [
        (["application/pidf+xml"], True),
        (["text/plain", "Application/PIDF+XML;q=0.1"], True),
        (["application/*"], True),
        (["*/*"], True),
        (["text/*"], False),
        ([], False),
        (["application/pidf+xml;q=0"], False),
        (["*/*", "application/pidf+xml;q=0.000"], False),
        (["application/pidf+xml", "*/*;q=0"], True),
        (["application/*;q=0", "*/*"], False),
        (["junk", "application/pidf+xml"], True),
        (["junk"], False),
    ],
)
def test_accept_allows_what_its_most_specific_range_says(values: list[str], allowed: bool) -> None:
    assert accepts(values, "application/pidf+xml") is allowed


def test_accept_allows_nothing_that_is_no_media_type() -> None:
    assert not accepts(["*/*"], "pidf")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3600", 3600),
        (" 0 ", 0),
        ("0060", 60),
        ("4294967296", 2**32 - 1),
        ("9" * 10_000, 2**32 - 1),
        ("", None),
        (None, None),
        ("-1", None),
        ("1.5", None),
        ("١٢", None),
        ("soon", None),
        ("1 2", None),
    ],
)
def test_delta_seconds_are_bounded_numbers(text: str | None, seconds: int | None) -> None:
    assert parse_delta_seconds(text) == seconds
