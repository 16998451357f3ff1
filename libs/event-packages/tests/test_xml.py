"""Bodies that want to hurt: a BadRequest, or harmless; always after little work."""

import pytest

from event_packages import xml
from event_packages.errors import BadRequest

BOMB = "<!DOCTYPE a [<!ENTITY x0 'ha'>" + "".join(f"<!ENTITY x{n} '{f'&x{n - 1};' * 10}'>" for n in range(1, 10))
BOMB += "]><a>&x9;</a>"
DTD = "<!DOCTYPE a>"


def declared(encoding: str, text: str = "<a>ä</a>") -> bytes:
    return f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding)


REFUSED = {
    "nothing": b"",
    "blanks": b" \r\n",
    "no XML": b"hello",
    "truncated": b"<a><b></b>",
    "two roots": b"<a/><b/>",
    "crossed": b"<a><b></a></b>",
    "undeclared prefix": b"<p:a/>",
    "same attribute twice": b'<a b="1" b="2"/>',
    "NUL": b"<a>\x00</a>",
    "NUL behind": b"<a/>\x00",
    "control character": b"<a>\x01</a>",
    "reference to NUL": b"<a>&#0;</a>",
    "reference to a lone surrogate": b"<a>&#xD800;</a>",
    "reference past Unicode": b"<a>&#x110000;</a>",
    "broken UTF-8": b"<a>\xff</a>",
    "surrogate in UTF-8": b"<a>\xed\xa0\x80</a>",
    "overlong UTF-8": b"<a>\xc0\xbc</a>",
    "unknown entity": b"<a>&nbsp;</a>",
    "unknown encoding": b'<?xml version="1.0" encoding="klingon"?><a/>',
    "DTD": DTD.encode() + b"<a/>",
    "DTD behind a comment": b"<!-- --><!DOCTYPE a><a/>",
    "DTD from a file": b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    "entity from a file": b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
    "parameter entity": b'<!DOCTYPE a [<!ENTITY % e SYSTEM "http://127.0.0.1:9/e.dtd">%e;]><a/>',
    "billion laughs": BOMB.encode(),
    "billion laughs in an attribute": BOMB.replace("<a>&x9;</a>", '<a b="&x9;"/>').encode(),
    "UTF-16 with a DTD": declared("UTF-16", DTD + "<a/>"),
    "UTF-16 with a DTD, no mark": (DTD + "<a/>").encode("utf-16-le"),
    "UTF-7 with a DTD": declared("UTF-7", DTD + "<a/>"),
    "UTF-32": "<a/>".encode("utf-32"),
    "EBCDIC": "<?xml version='1.0' encoding='cp037'?><a/>".encode("cp037"),
    "DTD after the element": b"<a/><!DOCTYPE a>",
    "1000 deep": b"<a>" * 1000 + b"</a>" * 1000,
    "just too deep": b"<a>" * (xml.MAX_DEPTH + 1) + b"</a>" * (xml.MAX_DEPTH + 1),
    "too deep without ends": b"<a>" * 200_000,
    "over a megabyte": b"<a>" + b"x" * 1_000_001 + b"</a>",
    "too many elements": b"<a>" + b"<b/>" * (xml.MAX_ELEMENTS + 1) + b"</a>",
    "too many elements, long": b"<a>" + b"<b></b>" * (xml.MAX_ELEMENTS + 1) + b"</a>",
    "too many declarations": b"<a" + b"".join(b' xmlns:p%d="urn:x"' % n for n in range(5000)) + b"/>",
    "too many attributes": b"<a" + b"".join(b' b%d=""' % n for n in range(xml.MAX_ATTRIBUTES + 1)) + b"/>",
    "UTF-16 cut": declared("UTF-16")[:-1],
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_parse_what_cannot_be_read_or_may_hurt_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        xml.parse(body)


READ = {
    "plain": b"<a>x</a>",
    "declared": b'<?xml version="1.0" encoding="UTF-8"?>\r\n<a>x</a>\r\n',
    "single quotes": b"<?xml version='1.0' encoding='utf-8' standalone='yes'?><a>x</a>",
    "no encoding": b'<?xml version="1.0"?><a>x</a>',
    "mark": b"\xef\xbb\xbf<a>x</a>",
    "blanks before": b"\r\n <a>x</a>",
    "comment before": b"<!-- c --><a>x</a>",
    "instruction before": b'<?xml-stylesheet href="x"?><a>x</a>',
    "as deep as may be": b"<b>" * (xml.MAX_DEPTH - 1) + b"<a>x</a>" + b"</b>" * (xml.MAX_DEPTH - 1),
}


@pytest.mark.parametrize("body", READ.values(), ids=READ.keys())
def test_parse_what_is_well_formed_is_read(body: bytes) -> None:
    root = xml.parse(body)

    assert "".join(str(text) for text in root.itertext()) == "x"


@pytest.mark.parametrize("encoding", ["UTF-8", "utf-8", "ISO-8859-1", "ISO-8859-15", "windows-1252"])
def test_parse_declared_encoding_is_obeyed(encoding: str) -> None:
    root = xml.parse(declared(encoding))

    assert root.text == "ä"


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0" encoding="UTF-16"?>\r\n'])
def test_parse_utf_16_with_its_mark_is_read(mark: bytes, encoding: str, declaration: str) -> None:
    root = xml.parse(mark + f"{declaration}<a>ä</a>".encode(encoding))

    assert root.text == "ä"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_parse_utf_16_without_its_mark_is_refused(encoding: str) -> None:
    with pytest.raises(BadRequest):
        xml.parse("<a/>".encode(encoding))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a<!-- c -->b", "ab"),
        ("a<?p i?>b", "ab"),
        ("a<!-- c --><!-- d -->b<?p i?>c", "abc"),
        ("<![CDATA[<&>]]>", "<&>"),
        ("a<![CDATA[b]]>c", "abc"),
        ("&amp;&lt;&gt;&quot;&apos;", "&<>\"'"),
        ("&#65;&#x42;&#x1F4A1;", "AB💡"),
        ("a\r\nb", "a\nb"),
        ("a&#13;b", "a\rb"),
        ("&amp;amp;", "&amp;"),
    ],
)
def test_parse_text_in_pieces_is_whole(content: str, text: str) -> None:
    root = xml.parse(f"<a>{content}</a>".encode())

    assert root.text == text
    assert len(root) == 0


def test_parse_text_around_a_comment_between_elements_stays() -> None:
    root = xml.parse(b"<a><b/>x<!-- c -->y<b/></a>")

    assert [child.tail for child in root] == ["xy", None]


def test_parse_xinclude_is_not_followed() -> None:
    body = b'<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="/etc/passwd" parse="text"/></a>'

    root = xml.parse(body)

    assert [xml.local_name(child)[1] for child in root] == ["include"]
    assert not "".join(str(text) for text in root.itertext())


def test_parse_new_names_without_end_do_not_stop_later_bodies() -> None:
    """Names are kept by the parser's library; they must not fill it for good."""
    for start in range(0, 60_000, 3_000):
        xml.parse(b"<a>" + b"".join(b"<n%d_%s/>" % (start + n, b"x" * 100) for n in range(3_000)) + b"</a>")

    assert xml.parse(b"<never-seen-before/>").tag == "never-seen-before"


@pytest.mark.parametrize(
    ("body", "name"),
    [(b"<a/>", ("", "a")), (b'<a xmlns="urn:x"/>', ("urn:x", "a")), (b'<p:a xmlns:p="u:x"/>', ("u:x", "a"))],
)
def test_local_name_of_an_element_is_namespace_and_name(body: bytes, name: tuple[str, str]) -> None:
    assert xml.local_name(xml.parse(body)) == name
