"""What holds for every value: printing and parsing undo each other."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from sip.errors import ParseError
from sip.fields import CSeq, EventHeader, NameAddr, SubscriptionState, Via, parse_name_addr
from sip.framing import StreamFramer
from sip.grammar import format_params, parse_params, quote, split_values, unquote
from sip.message import Request, build_request, parse, response_head, stamp_received
from sip.uri import SipUri, canonical_aor, equivalent, parse_uri

ALNUM = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
tokens = st.text(ALNUM + "-.!%*_+`'~", min_size=1, max_size=12)
names = tokens.map(str.lower)
# Text without line breaks, which no header can have; and without what UTF-8 cannot write.
texts = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
labels = st.text(ALNUM + "-_", min_size=1, max_size=8).filter(lambda text: not text.startswith("-"))
ipv6 = st.ip_addresses(v=6).map(lambda address: f"[{address}]")
hosts = st.lists(labels, min_size=1, max_size=4).map(".".join) | st.ip_addresses(v=4).map(str) | ipv6
ports = st.none() | st.integers(0, 65535)
escapes = st.integers(0, 255).map(lambda number: f"%{number:02X}") | st.integers(0, 255).map("%{:02x}".format)


def joined(characters: str, min_size: int = 1) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(characters) | escapes, min_size=min_size, max_size=10).map("".join)


def params_of(
    name: st.SearchStrategy[str], value: st.SearchStrategy[str]
) -> st.SearchStrategy[tuple[tuple[str, str | None], ...]]:
    return st.dictionaries(name, st.none() | value, max_size=4).map(lambda found: tuple(found.items()))


header_params = params_of(names, tokens | texts.filter(lambda text: "\0" not in text).map(quote))
uri_params = params_of(joined("abc[]/:&+$-_.!~*'()").map(str.lower), joined(ALNUM + "[]/:&+$-_.!~*'()"))
sip_uris = st.builds(
    SipUri,
    scheme=st.sampled_from(["sip", "sips"]),
    user=st.none() | joined(ALNUM + "-_.!~*'()&=+$,;?/"),
    password=st.none(),
    host=hosts,
    port=ports,
    params=uri_params,
    headers=st.lists(st.tuples(joined("abc/?:+$"), joined("abc/?:+$", 0)), max_size=2).map(tuple),
)
branches = tokens.map("z9hG4bK{}".format)


@given(sip_uris)
def test_uri_printed_and_parsed_is_the_same(uri: SipUri) -> None:
    assert parse_uri(str(uri)) == uri
    assert equivalent(uri, parse_uri(str(uri)))


@given(sip_uris)
def test_canonical_aor_of_an_aor_is_itself(uri: SipUri) -> None:
    aor = canonical_aor(str(uri))

    assert canonical_aor(aor) == aor


@given(st.text(max_size=40))
def test_any_text_is_a_stable_uri_or_none(text: str) -> None:
    for scheme in ("sip:", "tel:", ""):
        try:
            uri = parse_uri(scheme + text)
        except ParseError:
            continue
        assert parse_uri(str(uri)) == uri
        assert canonical_aor(canonical_aor(str(uri))) == canonical_aor(str(uri))


@given(tokens.map(str.upper), hosts, ports, header_params)
def test_via_printed_and_parsed_is_the_same(
    transport: str, host: str, port: int | None, params: tuple[tuple[str, str | None], ...]
) -> None:
    via = Via(transport, host, port, params)

    assert Via.parse(str(via)) == via


@given(texts.map(str.strip).filter(lambda text: text == text.strip(" \t")), sip_uris, header_params)
def test_name_addr_printed_and_parsed_is_the_same(
    display: str, uri: SipUri, params: tuple[tuple[str, str | None], ...]
) -> None:
    address = NameAddr(display, str(uri), params)

    assert parse_name_addr(str(address)) == address
    assert split_values(f"{address},{address}") == [str(address)] * 2


@given(st.text(max_size=60))
def test_any_text_is_a_stable_name_addr_or_none(text: str) -> None:
    for candidate in (text, f"{text}<sip:a>", f"<sip:{text}>", f'"{text}" <sip:a>', f"<sip:a>;{text}"):
        try:
            address = parse_name_addr(candidate)
        except ParseError:
            continue
        if "\r" not in address.display and "\n" not in address.display:
            assert parse_name_addr(str(address)) == address


@given(st.integers(0, 2**31 - 1), tokens)
def test_cseq_printed_and_parsed_is_the_same(number: int, method: str) -> None:
    assert CSeq.parse(str(CSeq(number, method))) == CSeq(number, method)


@given(tokens, header_params)
def test_event_printed_and_parsed_is_the_same(package: str, params: tuple[tuple[str, str | None], ...]) -> None:
    event = EventHeader(package, params)

    assert EventHeader.parse(str(event)) == event


@given(names, st.none() | st.integers(0, 2**32 - 1), st.just("") | tokens, st.none() | st.integers(0, 2**32 - 1))
def test_subscription_state_printed_and_parsed_is_the_same(
    state: str, expires: int | None, reason: str, retry_after: int | None
) -> None:
    value = SubscriptionState(state, expires, reason, retry_after)

    assert SubscriptionState.parse(str(value)) == value


@given(header_params)
def test_parameters_printed_and_parsed_are_the_same(params: tuple[tuple[str, str | None], ...]) -> None:
    assert parse_params(format_params(params)) == params


@given(texts)
def test_quoted_text_means_the_text(text: str) -> None:
    assert unquote(quote(text)) == text


header_values = texts.filter(lambda text: "\0" not in text).map(lambda text: text.strip(" \t"))
further = st.lists(st.tuples(st.sampled_from(["Subject", "x-odd", "k", "User-Agent"]), header_values), max_size=5)


@given(
    sip_uris.map(lambda uri: uri.__class__(host=uri.host, user=uri.user)),
    branches,
    hosts,
    further,
    st.binary(max_size=50),
)
def test_message_printed_and_parsed_is_the_same(
    uri: SipUri, branch: str, host: str, fields: list[tuple[str, str]], body: bytes
) -> None:
    required = [
        ("Via", f"SIP/2.0/UDP {host};branch={branch};rport"),
        ("From", f"<{uri}>;tag=1"),
        ("To", f"<{uri}>"),
        ("Call-ID", "c"),
        ("CSeq", "1 PUBLISH"),
    ]
    data = build_request("PUBLISH", str(uri), [*required, *fields], body)

    (framed,) = StreamFramer().feed(data)
    request = parse(data)

    assert isinstance(request, Request)
    assert framed == data
    assert (request.uri, request.body) == (str(uri), body)
    assert bytes(parse(bytes(request))) == bytes(request)
    assert request.headers.all("Subject") == [value for name, value in fields if name == "Subject"]
    stamp_received(request, "192.0.2.7", 5080)
    via = Via.parse(request.headers.get("Via") or "")
    assert (via.branch, via.parameter("rport"), via.parameter("received")) == (branch, "5080", "192.0.2.7")


@given(
    st.integers(100, 699), branches, hosts, st.sampled_from(["Via: ", "v:", "VIA : ", "X: y\r\nVia: "]), header_params
)
def test_response_head_agrees_with_the_parser(
    status: int, branch: str, host: str, name: str, params: tuple[tuple[str, str | None], ...]
) -> None:
    via = Via("UDP", host, None, (*(item for item in params if item[0] != "branch"), ("branch", branch)))
    rest = "From: <sip:a>;tag=1\r\nTo: <sip:a>\r\nCall-ID: c\r\nCSeq: 1 NOTIFY\r\n\r\n"
    data = f"SIP/2.0 {status} Whatever\r\n{name}{via}\r\n{rest}".encode()

    assert response_head(data) == (status, branch)
    assert parse(data).headers.get("Via") == str(via)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_parse_error(data: bytes) -> None:
    for candidate in (data, b"SIP/2.0 200 OK\r\nVia: " + data, b"PUBLISH sip:a SIP/2.0\r\n" + data + b"\r\n\r\n"):
        with suppress(ParseError):
            parse(candidate)
