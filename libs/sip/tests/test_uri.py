"""URIs (RFC 3261 §19.1, RFC 3966)."""

import pytest

from sip.errors import ParseError
from sip.uri import SipUri, TelUri, canonical_aor, canonical_host, equivalent, parse_uri, split_host_port


def test_sip_uri_in_full_has_all_its_parts() -> None:
    uri = parse_uri(
        "sips:alice:secret@[2001:db8::1]:5061;transport=TCP;lr;maddr=192.0.2.1?subject=a%20b&priority=urgent"
    )

    assert uri == SipUri(
        scheme="sips",
        user="alice",
        password="secret",
        host="[2001:db8::1]",
        port=5061,
        params=(("transport", "TCP"), ("lr", None), ("maddr", "192.0.2.1")),
        headers=(("subject", "a%20b"), ("priority", "urgent")),
    )


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@example.com",
        "sip:example.com",
        "sips:1212@gateway.com",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:j%40s0n@example.com:5060;transport=udp;ob",
        "sip:[2001:db8::1]",
        "sip:presence_core:5060",
        "sip:host.example.com.",
        "tel:+1-201-555-0123",
        "tel:7042;phone-context=example.com",
    ],
)
def test_uri_prints_as_it_came(text: str) -> None:
    assert str(parse_uri(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        "sip:@example.com",
        "sip:alice@",
        "sip:al ice@example.com",
        "sip:a@b@example.com",
        "sip:alice@exa mple.com",
        "sip:alice@example..com",
        "sip:alice@-example.com",
        "sip:alice@example.com:",
        "sip:alice@example.com:65536",
        "sip:alice@example.com:port",
        "sip:alice@[2001:db8::1",
        "sip:alice@[2001:db8::zz]",
        "sip:alice@[1::2::3]",
        "sip:alice@2001:db8::1",
        "sip:alice%4@example.com",
        "sip:alice%zz@example.com",
        "sip:älice@example.com",
        "sip:alice@exämple.com",
        "sip:alice@example.com;",
        "sip:alice@example.com;=x",
        "sip:alice@example.com;lr;lr",
        "sip:alice@example.com;x=a@b",
        "sip:alice@example.com?",
        "sip:alice@example.com?x",
        'sip:"alice"@example.com',
        "sip:alice@example.com\n",
        "sip:\udc80@example.com",
        "tel:",
        "tel:+",
        "tel:abc-xyz",
        "tel:+1 201",
    ],
)
def test_uri_that_is_none_is_refused_with_400(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_uri(text)

    assert caught.value.status == 400


@pytest.mark.parametrize("text", ["http://example.com", "nobodyKnowsThisScheme:x", "soap.beep://192.0.2.103:3002"])
def test_uri_of_another_scheme_is_refused_with_416(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_uri(text)

    assert caught.value.status == 416


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:alice@[2001:db8::1]", "sip:alice@[2001:DB8:0:0::1]"),
        ("tel:+1-201-555-0123", "tel:+1(201)5550123"),
    ],
)
def test_uris_that_are_equal_by_the_rfc_are_equivalent(one: str, other: str) -> None:
    assert equivalent(parse_uri(one), parse_uri(other))
    assert equivalent(parse_uri(other), parse_uri(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=off", "sip:carol@chicago.com;security=on"),
        ("sip:alice@example.com", "sips:alice@example.com"),
        ("sip:alice:a@example.com", "sip:alice:b@example.com"),
        ("sip:alice:@example.com", "sip:alice@example.com"),
        ("sip:example.com", "sip:@example.com".replace("@", "a@")),
        ("sip:a%3Bb@example.com", "sip:a;b@example.com"),
        ("sip:1@example.com;user=phone", "sip:1@example.com"),
        ("sip:1@example.com;maddr=192.0.2.1", "sip:1@example.com"),
        ("sip:1@example.com;ttl=1", "sip:1@example.com"),
        ("sip:1@example.com;method=PUBLISH", "sip:1@example.com"),
        ("tel:+12015550123", "sip:+12015550123@example.com;user=phone"),
        ("tel:7042;phone-context=example.com", "tel:7042;phone-context=example.net"),
    ],
)
def test_uris_that_differ_by_the_rfc_are_not_equivalent(one: str, other: str) -> None:
    assert not equivalent(parse_uri(one), parse_uri(other))
    assert not equivalent(parse_uri(other), parse_uri(one))


@pytest.mark.parametrize(
    ("text", "aor"),
    [
        ("sip:alice@example.com", "sip:alice@example.com"),
        ("SIP:alice@EXAMPLE.com", "sip:alice@example.com"),
        ("sips:alice@example.com", "sip:alice@example.com"),
        ("sip:Alice@example.com", "sip:Alice@example.com"),
        ("sip:alice:secret@example.com:5070;transport=tcp?subject=x", "sip:alice@example.com"),
        ("sip:%61lic%65@example.com", "sip:alice@example.com"),
        ("sip:%2B1201@example.com;user=phone", "sip:+1201@example.com"),
        ("sip:bob%40home@example.com", "sip:bob%40home@example.com"),
        ("sip:a%c3%a4@example.com", "sip:a%C3%A4@example.com"),
        ("sip:null-%00@example.com", "sip:null-%00@example.com"),
        ("sip:alice@example.com.", "sip:alice@example.com"),
        ("sip:alice@[2001:DB8:0::1]:5060", "sip:alice@[2001:db8::1]"),
        ("sip:example.com:5060", "sip:example.com"),
        ("tel:+1-201-555-0123;ext=5", "tel:+12015550123"),
        ("tel:7042;phone-context=Example.com", "tel:7042;phone-context=example.com"),
    ],
)
def test_canonical_aor_is_the_one_spelling(text: str, aor: str) -> None:
    assert canonical_aor(text) == aor
    assert canonical_aor(aor) == aor


@pytest.mark.parametrize(("text", "status"), [("alice@example.com", 400), ("sip:", 400), ("mailto:alice@a.com", 416)])
def test_canonical_aor_of_no_address_is_refused(text: str, status: int) -> None:
    with pytest.raises(ParseError) as caught:
        canonical_aor(text)

    assert caught.value.status == status


def test_long_uri_is_parsed_but_not_remembered() -> None:
    text = f"sip:{'a' * 2000}@example.com"

    first, second = parse_uri(text), parse_uri(text)

    assert first == second
    assert first is not second
    assert canonical_aor(text) == text


def test_tel_digits_have_no_separators() -> None:
    uri = parse_uri("tel:+1-(201).555-0123;Ext=5")

    assert isinstance(uri, TelUri)
    assert (uri.digits, uri.parameter("ext"), uri.parameter("isub")) == ("+12015550123", "5", None)


def test_parameter_without_a_value_is_empty() -> None:
    uri = parse_uri("sip:p.example.com;LR")

    assert isinstance(uri, SipUri)
    assert uri.parameter("lr") == ""
    assert uri.parameter("maddr") is None


def test_host_and_port_are_parted() -> None:
    assert split_host_port("[2001:db8::1]:5060") == ("[2001:db8::1]", 5060)
    assert split_host_port("example.com") == ("example.com", None)
    assert canonical_host("EXAMPLE.com.") == "example.com"
