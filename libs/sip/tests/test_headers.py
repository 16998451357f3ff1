"""Header fields (RFC 3261 §7.3)."""

import pytest

from sip.errors import ParseError
from sip.headers import NAMES, Headers, canonical_name


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("v", "Via"),
        ("V", "Via"),
        ("VIA", "Via"),
        ("vIa", "Via"),
        ("Via \t", "Via"),
        ("CALL-ID", "Call-ID"),
        ("i", "Call-ID"),
        ("o", "Event"),
        ("u", "Allow-Events"),
        ("k", "Supported"),
        ("l", "Content-Length"),
        ("c", "Content-Type"),
        ("m", "Contact"),
        ("x", "Session-Expires"),
        ("sip-etag", "SIP-ETag"),
        ("SIP-IF-MATCH", "SIP-If-Match"),
        ("x-odd-ONE", "X-Odd-One"),
        ("cseq", "CSeq"),
        ("www-authenticate", "WWW-Authenticate"),
    ],
)
def test_name_in_any_spelling_is_one_name(name: str, canonical: str) -> None:
    assert canonical_name(name) == canonical


@pytest.mark.parametrize("name", ["", " ", "Call ID", "Vía", "a,b", "a\0"])
def test_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(ParseError):
        canonical_name(name)


def test_every_name_is_its_own_canonical_name() -> None:
    assert all(canonical_name(name) == name for name in NAMES.values())


def test_lines_of_one_name_keep_their_order() -> None:
    headers = Headers([("Route", "<sip:a>"), ("To", "x"), ("route", "<sip:b>, <sip:c>"), ("ROUTE", "<sip:d>")])

    assert headers.get("rOUTE") == "<sip:a>"
    assert headers.all("Route") == ["<sip:a>", "<sip:b>, <sip:c>", "<sip:d>"]
    assert headers.values("Route") == ["<sip:a>", "<sip:b>", "<sip:c>", "<sip:d>"]
    assert list(headers.repeated()) == ["Route"]
    assert len(headers) == 4


def test_values_are_parted_at_commas_outside_quotes_and_brackets() -> None:
    headers = Headers([("Contact", '"a, \\"b" <sip:x;y=1,2>;q="0,5" ,sip:z, , <tel:1>')])

    assert headers.values("m") == ['"a, \\"b" <sip:x;y=1,2>;q="0,5"', "sip:z", "<tel:1>"]


@pytest.mark.parametrize("line", ['"a, b', "a, <b", 'a, "b\\"'])
def test_values_of_a_line_that_does_not_balance_are_refused(line: str) -> None:
    with pytest.raises(ParseError):
        Headers([("Contact", line)]).values("Contact")


def test_header_that_is_not_there_is_none() -> None:
    headers = Headers([("To", "x")])

    assert headers.get("From") is None
    assert headers.get("X-Unknown") is None
    assert headers.all("From") == headers.values("From") == []
    assert "From" not in headers
    assert "t" in headers


def test_set_replaces_all_lines_and_remove_takes_them_away() -> None:
    headers = Headers([("Via", "1"), ("Via", "2"), ("To", "x")])

    headers.set("v", "3")
    after_set = list(headers)
    headers.remove("VIA")
    headers.remove("From")

    assert after_set == [("Via", "3"), ("To", "x")]
    assert list(headers) == [("To", "x")]


def test_first_line_alone_is_replaced() -> None:
    headers = Headers([("Via", "1"), ("Via", "2")])

    headers.replace_first("Via", "0")
    headers.replace_first("To", "x")

    assert list(headers) == [("Via", "0"), ("Via", "2"), ("To", "x")]


def test_equal_headers_are_equal() -> None:
    assert Headers([("v", "1")]) == Headers([("Via", "1")])
    assert Headers([("v", "1")]) != Headers([("Via", "2")])
    assert Headers() != []
    assert repr(Headers([("v", "1")])) == "Headers([('Via', '1')])"
