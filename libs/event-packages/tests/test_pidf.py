"""Whatever a publisher sends, watchers get a valid document (RFC 3863 §4.4, RFC 4479 §5); `inside` checks it."""

from collections.abc import Callable

import pytest

from event_packages.documents import pidf
from event_packages.errors import BadRequest
from event_packages.xml import MAX_DEPTH

Inside = Callable[..., str]
Composed = Callable[..., bytes]
Presence = Callable[..., str]

DM = 'xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"'
RPID = 'xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"'
OPEN = "<status><basic>open</basic></status>"
TIME = "2005-10-27T16:49:29Z"


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        (f"<contact>sip:a@b</contact>{OPEN}", f"{OPEN}<contact>sip:a@b</contact>"),
        (f"<timestamp>{TIME}</timestamp><note>n</note>{OPEN}", f"{OPEN}<note>n</note><timestamp>{TIME}</timestamp>"),
        (f'<note>1</note>{OPEN}<contact priority="0.8">sip:a@b</contact><note xml:lang="de">2</note>',
         f'{OPEN}<contact priority="0.8">sip:a@b</contact><note>1</note><note xml:lang="de">2</note>'),
        ("<note>n</note>", "<status/><note>n</note>"),
        ("", "<status/>"),
        ("<status><basic> open\r\n</basic></status>", OPEN),
        ("<status><basic>unknown</basic></status>", "<status/>"),
        ("<status><basic/></status>", "<status/>"),
        ("<status><basic>open</basic><basic>closed</basic></status>", OPEN),
        (f"{OPEN}<status><basic>closed</basic></status>", OPEN),
        (f"{OPEN}<contact>sip:a@b</contact><contact>sip:c@d</contact>", f"{OPEN}<contact>sip:a@b</contact>"),
        (f"{OPEN}<timestamp>now</timestamp>", OPEN),
        (f"{OPEN}<timestamp>2005-02-30T16:49:29Z</timestamp>", OPEN),
        (f"{OPEN}<timestamp>now</timestamp><timestamp> {TIME} </timestamp>", f"{OPEN}<timestamp>{TIME}</timestamp>"),
        (f"{OPEN}<note>a<b xmlns='urn:x'>b</b>c</note>", f"{OPEN}<note>abc</note>"),
        (f"{OPEN}<note xml:lang='not a language' id='x'>n</note>", f"{OPEN}<note>n</note>"),
        (f"{OPEN}<unheard-of/>", OPEN),
        (f"stray{OPEN}text", OPEN),
        ('<status a="b">stray<basic c="d">open</basic></status>', OPEN),
        (f"{OPEN}<nowhere xmlns=''/>", OPEN),
        (f"{OPEN}<note/>", f"{OPEN}<note></note>"),
    ],
)  # fmt: skip
def test_tuple_against_the_schema_is_mended(inside: Inside, presence: Presence, sent: str, written: str) -> None:
    written_tuple = inside(presence(f'<tuple id="t">{sent}</tuple>'))

    assert written_tuple == f'<tuple id="t">{written}</tuple>'


@pytest.mark.parametrize("priority", ["0", "0.", "0.5", "0.123", "1", "1.0", "1.000"])
def test_contact_priority_in_range_is_kept(inside: Inside, presence: Presence, priority: str) -> None:
    written = inside(presence(f'<tuple id="t">{OPEN}<contact priority="{priority}">sip:a@b</contact></tuple>'))

    assert f'<contact priority="{priority}">' in written


@pytest.mark.parametrize("priority", ["", "2", "1.1", "-0.5", "0.1234", "high", ".5", "+1"])
def test_contact_priority_out_of_range_is_left_out(inside: Inside, presence: Presence, priority: str) -> None:
    written = inside(presence(f'<tuple id="t">{OPEN}<contact priority="{priority}">sip:a@b</contact></tuple>'))

    assert "<contact>sip:a@b</contact>" in written


@pytest.mark.parametrize(
    "uri",
    [
        "sip:a@b;x=y?z=1&amp;q=2", "bob%40example.com", "tel:+49-30;ext=1", "sip:a@%5B2001:db8::1%5D:5060",
        "im:a@b", "a", "sip:a@[::1]", "::", "sip:%zz", "with blank", "sip:a@b#c#d", "http://[", "sip:ü@b",
        "&lt;sip:a@b&gt;", "%", "[", "1:2", ":", "//", "",
    ],
)  # fmt: skip
def test_contact_any_text_gives_a_valid_document(inside: Inside, presence: Presence, uri: str) -> None:
    written = inside(presence(f'<tuple id="t">{OPEN}<contact>{uri}</contact></tuple>'))

    assert written.startswith(f'<tuple id="t">{OPEN}')
    if uri.startswith(("sip:a@b;", "bob", "tel:", "sip:a@%", "im:")):
        assert f"<contact>{uri}</contact>" in written


@pytest.mark.parametrize("given", ["", "1", "a b", "a:b", "é", "-a", "x" * 300, "&lt;&quot;", " "])
def test_tuple_with_an_id_that_is_no_name_gets_one_that_is_always_the_same(
    inside: Inside, presence: Presence, given: str
) -> None:
    body = presence(f'<tuple id="{given}">{OPEN}</tuple>')

    assert inside(body) == inside(body)


def test_tuples_without_ids_are_all_kept(inside: Inside, presence: Presence) -> None:
    written = inside(presence(f"<tuple>{OPEN}</tuple><tuple>{OPEN}<note>2</note></tuple>"))

    assert written.count("<tuple ") == 2


def test_presence_children_in_any_order_are_sorted(inside: Inside, presence: Presence) -> None:
    person = '<dm:person id="p"></dm:person>'

    written = inside(
        presence(f'{person}<note>n</note>stray<x:y/><tuple id="t">{OPEN}</tuple>', f'{DM} xmlns:x="urn:x"')
    )

    assert written == f'<tuple id="t">{OPEN}</tuple><note>n</note>{person}<x:y xmlns:x="urn:x"/>'


def test_presence_children_that_the_schema_does_not_know_are_left_out(inside: Inside, presence: Presence) -> None:
    assert inside(presence("<note>n</note><unheard-of/><status/><nowhere xmlns=''/>")) == "<note>n</note>"


def test_presence_entity_is_ours(composed: Composed, presence: Presence) -> None:
    document = composed(presence("", entity="bob%40example.com"))

    assert b' entity="sip:alice@example.com">' in document


def test_presence_entity_with_special_characters_is_escaped() -> None:
    document = pidf.compose('sip:a&b"<c@d', [pidf.parse(b'<presence xmlns="urn:ietf:params:xml:ns:pidf"/>')])

    assert document is not None
    assert b'entity="sip:a&amp;b&quot;&lt;c@d"' in document


def test_person_with_pidf_timestamp_and_note_has_those_of_the_data_model(inside: Inside, presence: Presence) -> None:
    """As Linphone publishes it."""
    sent = f'<dm:person id="p"><timestamp>{TIME}</timestamp><note xml:lang="de">n</note><rpid:away/></dm:person>'

    written = inside(presence(sent, f"{DM} {RPID}"))

    assert written == (
        '<dm:person id="p"><rpid:away/><dm:note xml:lang="de">n</dm:note>'
        f"<dm:timestamp>{TIME}</dm:timestamp></dm:person>"
    )


def test_person_without_id_gets_one(inside: Inside, presence: Presence) -> None:
    written = inside(presence("<dm:person/><dm:person id=''/>", DM))

    assert written.count("<dm:person id=") == 2


def test_device_is_written_in_order(inside: Inside, presence: Presence) -> None:
    sent = "<dm:note>n</dm:note><dm:deviceID> urn:d </dm:deviceID><x:y/>"

    written = inside(presence(f'<dm:device id="d">{sent}</dm:device>', f'{DM} xmlns:x="urn:x"'))

    assert written == (
        '<dm:device id="d"><x:y xmlns:x="urn:x"/><dm:deviceID>urn:d</dm:deviceID><dm:note>n</dm:note></dm:device>'
    )


@pytest.mark.parametrize("device_id", ["", "[", "%", "urn:d", "a b", "1:2", ":"])
def test_device_any_device_id_gives_a_valid_document(inside: Inside, presence: Presence, device_id: str) -> None:
    written = inside(presence(f'<dm:device id="d"><dm:deviceID>{device_id}</dm:deviceID></dm:device>', DM))

    assert ("urn:d" in written) == (device_id == "urn:d")


def test_tuple_device_id_is_an_extension(inside: Inside, presence: Presence) -> None:
    sent = f'<tuple id="t">{OPEN}<contact>sip:a@b</contact><dm:deviceID>urn:d</dm:deviceID></tuple>'

    written = inside(presence(sent, DM))

    assert written == f'<tuple id="t">{OPEN}<dm:deviceID>urn:d</dm:deviceID><contact>sip:a@b</contact></tuple>'


@pytest.mark.parametrize("content", ["", "[", "%", "a b", "1:2", ":"])
def test_tuple_any_device_id_gives_a_valid_document(inside: Inside, presence: Presence, content: str) -> None:
    inside(presence(f'<tuple id="t">{OPEN}<dm:deviceID>{content}</dm:deviceID></tuple>', DM))


@pytest.mark.parametrize(
    "content", ["<![CDATA[<a> & ]]>", "&amp;&lt;&#x1F4A1;&#13;", "  blanks\t ", 'id="t" ]]&gt;', "ü"]
)
def test_note_text_is_read_by_watchers_as_it_was_sent(
    composed: Composed, valid: Callable[..., object], presence: Presence, content: str
) -> None:
    body = presence(f"<note>{content}</note>")

    again = pidf.parse(composed(body))

    assert again.parts == pidf.parse(body.encode()).parts


@pytest.mark.parametrize("encoding", ["UTF-8", "ISO-8859-1"])
def test_document_declared_in_an_encoding_is_written_in_utf_8(
    inside: Inside, presence: Presence, encoding: str
) -> None:
    body = f'<?xml version="1.0" encoding="{encoding}"?>{presence("<note>äöü</note>")}'

    assert inside(body.encode(encoding)) == "<note>äöü</note>"


def test_document_with_prefixes_for_pidf_is_written_without(composed: Composed, presence: Presence) -> None:
    """Some watchers look for `<basic>open</basic>` in the text."""
    sent = (
        '<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"'
        ' xmlns:d="urn:ietf:params:xml:ns:pidf:data-model"><p:tuple id="t"><p:status><p:basic>open</p:basic></p:status>'
        '</p:tuple><d:person id="p"><r:activities><r:away/></r:activities></d:person></p:presence>'
    )

    document = composed(sent)

    assert document.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf"'
        ' xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"'
        ' entity="sip:alice@example.com">'
        f'<tuple id="t">{OPEN}</tuple><dm:person id="p"><rpid:activities><rpid:away/></rpid:activities></dm:person>'
        "</presence>\n"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"<presence/>",
        b'<presence xmlns="urn:other"/>',
        b'<tuple xmlns="urn:ietf:params:xml:ns:pidf"/>',
        b'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info"/>',
        b"Messages-Waiting: yes\r\n",
        b"",
    ],
)
def test_document_of_another_kind_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        pidf.parse(body)


def test_document_does_not_grow_without_measure(presence: Presence) -> None:
    """A long namespace, declared once and used by thousands, would be a cheap way to fill the memory."""
    body = presence("<x:a/>" * 5_000, f'xmlns:x="urn:{"x" * 30_000}"')
    body_of_many = presence(f"<tuple id='t'>{OPEN}{'<x:a/>' * 5_000}</tuple>", f'xmlns:x="urn:{"x" * 30_000}"')

    for hostile in (body, body_of_many):
        try:
            size = sum(len(part.xml) for part in pidf.parse(hostile.encode()).parts)
        except BadRequest:
            size = 0

        assert size < 20 * len(hostile)


def test_document_with_many_tuples_of_one_id_is_read_in_bounded_time(presence: Presence) -> None:
    tuples = "".join(f'<tuple id="t"><contact>a{number}</contact></tuple>' for number in range(4_000))

    document = pidf.parse(presence(tuples).encode())

    assert len({part.id for part in document.parts}) == 4_000


def test_document_as_deep_as_may_be_is_read(inside: Inside, presence: Presence) -> None:
    deep = "<x:a>" * (MAX_DEPTH - 1) + "</x:a>" * (MAX_DEPTH - 1)

    written = inside(presence(deep, 'xmlns:x="urn:x"'))

    assert written.count("x:a") == 2 * (MAX_DEPTH - 1) - 1


def test_device_that_is_left_out_leaves_no_declaration(composed: Composed, presence: Presence) -> None:
    document = composed(presence(f"<dm:device><rpid:away/></dm:device><tuple>{OPEN}</tuple>", f"{DM} {RPID}"))

    assert b"rpid" not in document
