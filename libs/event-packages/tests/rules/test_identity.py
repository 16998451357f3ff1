"""Who is whom (RFC 3261 §19.1.4, RFC 3966 §4, RFC 5025 §3.1.1)."""

import pytest

from event_packages.rules.identity import Identity, identities, identity_of, same
from sip.errors import ParseError

TOO_LONG = pytest.param("sip:" + "a" * 2_000, id="too long")


@pytest.mark.parametrize(
    ("uri", "identity"),
    [
        ("sip:bob@Example.COM", Identity(aor="sip:bob@example.com", domain="example.com")),
        (" sips:b%6Fb@example.com:5061;lr\n", Identity(aor="sip:bob@example.com", domain="example.com")),
        ("tel:+49-(30)-555", Identity(aor="tel:+4930555", number="+4930555")),
        (
            "sip:+49-30-555@gw.example;user=phone",
            Identity(aor="sip:+49-30-555@gw.example", number="+4930555", domain="gw.example"),
        ),
        ("sip:+4930555@gw.example", Identity(aor="sip:+4930555@gw.example", domain="gw.example")),
        ("sip:bob@gw.example;user=phone", Identity(aor="sip:bob@gw.example", domain="gw.example")),
        ("sip:example.com", Identity(aor="sip:example.com", domain="example.com")),
        (
            "sip:anyone@Anonymous.invalid",
            Identity(aor="sip:anyone@anonymous.invalid", domain="anonymous.invalid", anonymous=True),
        ),
    ],
)
def test_identity_of_a_uri_is_canonical(uri: str, identity: Identity) -> None:
    assert identity_of(uri) == identity


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "bob",
        "bob@example.com",
        "sip:",
        "sip:bob@",
        "mailto:bob@example.com",
        "tel:",
        pytest.param("sip:" + "a" * 2_000, id="too long"),
    ],
)
def test_identity_of_what_is_no_uri_is_an_error(uri: str) -> None:
    with pytest.raises(ParseError):
        identity_of(uri)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("sip:bob@example.com", "sips:bob@EXAMPLE.COM."),
        ("tel:+1-555-0100", "tel:+15550100"),
        ("tel:+1-555-0100", "sip:+1.555.0100@gw.example;user=phone"),
        ("sip:+15550100@a.example;user=phone", "sip:+15550100@b.example;user=PHONE"),
        ("tel:100;phone-context=Example.com", "tel:1-00;phone-context=example.com"),
        ("tel:100;phone-context=example.com", "sip:100@example.com;user=phone"),
        ("tel:100;phone-context=example.com", "sip:100;phone-context=example.com@gw.example;user=phone"),
    ],
)
def test_same_spellings_of_one_are_the_same(a: str, b: str) -> None:
    assert same(identity_of(a), identity_of(b))
    assert identity_of(a) in identities([identity_of(b)])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("sip:bob@example.com", "sip:Bob@example.com"),
        ("sip:bob@example.com", "sip:bob@example.org"),
        ("sip:bob@a.example;user=phone", "sip:bob@b.example;user=phone"),
        ("tel:+15550100", "sip:+15550100@gw.example"),
        ("sip:100@a.example;user=phone", "sip:100@b.example;user=phone"),
        ("tel:100;phone-context=a.example", "tel:100;phone-context=b.example"),
        ("tel:15550100", "tel:+15550100"),
        ("sip:a@example.com", "sip:b@example.com"),
    ],
)
def test_same_others_are_not(a: str, b: str) -> None:
    assert not same(identity_of(a), identity_of(b))
    assert identity_of(a) not in identities([identity_of(b)])
