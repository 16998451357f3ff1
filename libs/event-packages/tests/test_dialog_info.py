"""dialog-info documents: read leniently, written as RFC 4235 §4.4 wants."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from event_packages.base import View
from event_packages.documents.dialog_info_model import DialogInfo
from event_packages.errors import BadRequest
from event_packages.packages.dialog import PACKAGE

NAMESPACE = "{urn:ietf:params:xml:ns:dialog-info}"
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "schemas" / "dialog-info.xsd"))
AOR = "sip:erika@example.net"
EVERYTHING = View(parameters=(("include-session-description", ""),))


def info(content: str, declarations: str = "") -> bytes:
    """Return a body as publishers send it."""
    return (
        f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" {declarations} version="7" state="full" '
        f'entity="sip:somebody@else.example">{content}</dialog-info>'
    ).encode()


def full(*bodies: bytes, view: View = EVERYTHING) -> str:
    """Return the full document of bodies, oldest first, checked against the schema."""
    state = PACKAGE.seen(PACKAGE.compose(AOR, [PACKAGE.parse(body) for body in bodies]), view)
    body = PACKAGE.body(state, None, 0)
    assert body is not None
    document = b"%b3%b" % (body.document[: body.version_at], body.document[body.version_at :])
    SCHEMA.assertValid(etree.fromstring(document))
    return document.decode()


def inside(*bodies: bytes, view: View = EVERYTHING) -> str:
    """Return what stands in `dialog-info`."""
    return (
        full(*bodies, view=view).partition(f'entity="{AOR}"')[2].strip().removeprefix(">").partition("</dialog-info")[0]
    )


def test_document_without_publications_names_the_presentity() -> None:
    document = full()

    assert document == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" '
        f'version="3" state="full" entity="{AOR}"/>\n'
    )


def test_document_entity_is_the_presentity_whatever_publishers_say() -> None:
    document = full(info('<dialog id="a"><state>early</state></dialog>'))

    assert f'entity="{AOR}"' in document
    assert "somebody" not in document


def test_dialog_with_everything_is_kept_in_the_order_of_the_schema() -> None:
    body = info(
        '<dialog id="c7" call-id="90f2@192.0.2.7" local-tag="lt" remote-tag="rt" direction="initiator">'
        '<x:note xmlns:x="urn:x">n</x:note>'
        '<remote><cseq>5</cseq><target uri="sip:franz@192.0.2.8"/><identity display-name="Franz">sip:franz@example.net'
        "</identity></remote>"
        '<local><session-description type="application/sdp">v=0\n</session-description>'
        '<target uri="sip:erika@192.0.2.7"><param pname="+sip.rendering" pval="no"/></target>'
        "<identity>sip:erika@example.net</identity></local>"
        "<route-set><hop>sip:p1.example.net;lr</hop><hop>sip:p2.example.net;lr</hop></route-set>"
        '<referred-by display-name="Gerd">sip:gerd@example.net</referred-by>'
        '<replaces call-id="x1" local-tag="x2" remote-tag="x3"/>'
        '<duration>12</duration><state event="replaced" code="200">confirmed</state></dialog>'
    )

    content = inside(body)

    assert content == (
        '<dialog id="c7" call-id="90f2@192.0.2.7" local-tag="lt" remote-tag="rt" direction="initiator">'
        '<state event="replaced" code="200">confirmed</state><duration>12</duration>'
        '<replaces call-id="x1" local-tag="x2" remote-tag="x3"/>'
        '<referred-by display-name="Gerd">sip:gerd@example.net</referred-by>'
        "<route-set><hop>sip:p1.example.net;lr</hop><hop>sip:p2.example.net;lr</hop></route-set>"
        "<local><identity>sip:erika@example.net</identity>"
        '<target uri="sip:erika@192.0.2.7"><param pname="+sip.rendering" pval="no"/></target>'
        '<session-description type="application/sdp">v=0\n</session-description></local>'
        '<remote><identity display-name="Franz">sip:franz@example.net</identity>'
        '<target uri="sip:franz@192.0.2.8"/><cseq>5</cseq></remote>'
        '<x:note xmlns:x="urn:x">n</x:note></dialog>'
    )


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("<identity>Franz &lt;sip:franz@example.net&gt;</identity>", "<identity>sip:franz@example.net</identity>"),
        ("<identity> sip:franz@example.net\n</identity>", "<identity>sip:franz@example.net</identity>"),
        ('<identity display="F">tel:+4930</identity>', '<identity display-name="F">tel:+4930</identity>'),
        ("<identity>sip:jürgen@example.net</identity>", "<identity>sip:j%C3%BCrgen@example.net</identity>"),
        ("<identity>anonymous</identity>", ""),
        ("<identity/>", ""),
        ("<target/>", ""),
        ('<target uri="sip:[2001:db8::1]:5062"/>', '<target uri="sip:[2001:db8::1]:5062"/>'),
        ('<target uri="a"><param pval="1"/><other/></target>', '<target uri="a"/>'),
        ('<target uri="a"><param pname="n"/></target>', '<target uri="a"><param pname="n" pval=""/></target>'),
        ("<session-description/>", '<session-description type="application/sdp"></session-description>'),
        ("<cseq>-1</cseq>", ""),
        ("<cseq>none</cseq>", ""),
        ("text<unknown/><state>early</state>", ""),
    ],
)  # fmt: skip
def test_participant_that_breaks_the_schema_is_mended(written: str, kept: str) -> None:
    content = inside(info(f'<dialog id="a"><state>early</state><local>{written}</local></dialog>'))

    assert content == f'<dialog id="a"><state>early</state><local>{kept}</local></dialog>'


@pytest.mark.parametrize(
    "broken",
    [
        "<duration>soon</duration>",
        '<replaces call-id="x1" local-tag="x2"/>',
        "<route-set/>",
        "<referred-by>nobody</referred-by>",
        "<unknown/>",
        '<none xmlns=""/>',
        "<state>confirmed</state>",
    ],
)
def test_dialog_broken_part_is_left_out(broken: str) -> None:
    content = inside(info(f'<dialog id="a"><state>early</state>{broken}</dialog>'))

    assert content == '<dialog id="a"><state>early</state></dialog>'


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ("<state>Early</state>", "<state>early</state>"),
        ("<state> confirmed\n</state>", "<state>confirmed</state>"),
        ('<state event="gone" code="1000">trying</state>', "<state>trying</state>"),
        ('<state event="Timeout" code="408">early</state>', '<state event="timeout" code="408">early</state>'),
    ],
)  # fmt: skip
def test_state_is_read_leniently(state: str, kept: str) -> None:
    content = inside(info(f'<dialog id="a">{state}</dialog>'))

    assert content == f'<dialog id="a">{kept}</dialog>'


@pytest.mark.parametrize("state", ["", "<state/>", "<state>held</state>", '<state xmlns="urn:x">early</state>'])
def test_dialog_with_unknown_state_is_left_out_and_others_stay(state: str) -> None:
    content = inside(info(f'<dialog id="a">{state}</dialog><dialog id="b"><state>early</state></dialog>'))

    assert content == '<dialog id="b"><state>early</state></dialog>'


def test_dialog_direction_that_is_none_is_left_out() -> None:
    content = inside(info('<dialog id="a" direction="both"><state>early</state></dialog>'))

    assert content == '<dialog id="a"><state>early</state></dialog>'


def test_dialog_without_id_gets_the_same_in_its_next_publication() -> None:
    before = PACKAGE.parse(info('<dialog call-id="c" local-tag="l"><state>trying</state></dialog>'))
    after = PACKAGE.parse(info('<dialog call-id="c" local-tag="l" remote-tag="r"><state>early</state></dialog>'))

    assert isinstance(before, DialogInfo)
    assert isinstance(after, DialogInfo)
    assert before.dialogs[0].id == after.dialogs[0].id != ""


def test_document_prefixes_of_publishers_do_not_matter() -> None:
    prefixed = (
        b'<d:dialog-info xmlns:d="urn:ietf:params:xml:ns:dialog-info"><d:dialog id="a"><d:state>early</d:state>'
        b"</d:dialog></d:dialog-info>"
    )

    assert inside(prefixed) == inside(info('<dialog id="a"><state>early</state></dialog>'))


def test_document_extensions_follow_the_dialogs_once() -> None:
    extension = '<x:more xmlns:x="urn:x">m</x:more>'
    bodies = [info(f'{extension}<dialog id="{name}"><state>early</state></dialog>') for name in "ab"]

    content = inside(*bodies)

    assert content.endswith(f'<dialog id="b"><state>early</state></dialog>{extension}')
    assert content.count("<x:more") == 1


@pytest.mark.parametrize(
    "unfit",
    [
        ' xml:id="one"',
        ' xml:space="wide"',
        ' xml:lang="no language"',
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="x:unknown"',
    ],
)
def test_extension_attribute_that_would_break_the_document_is_left_out(unfit: str) -> None:
    content = inside(info(f'<x:more xmlns:x="urn:x"{unfit} kept="1"/>'))

    assert content == '<x:more kept="1" xmlns:x="urn:x"/>'


def test_extension_does_not_smuggle_dialogs_in() -> None:
    smuggled = '<dialog id="b"><state>confirmed</state></dialog><state event="odd">early</state><dialog-info/>'
    smuggled += "<session-description>v=0</session-description>"

    content = inside(info(f'<x:more xmlns:x="urn:x">{smuggled}</x:more>'))

    assert content == '<x:more xmlns:x="urn:x"/>'


def test_document_appearance_of_a_shared_line_is_kept() -> None:
    extension = '<sa:appearance xmlns:sa="urn:ietf:params:xml:ns:sa-dialog-info">1</sa:appearance>'

    content = inside(info(f'<dialog id="a"><state>early</state>{extension}</dialog>'))

    assert extension in content


@pytest.mark.parametrize("body", [b"<dialog-info/>", b'<presence xmlns="urn:ietf:params:xml:ns:pidf"/>', b"early", b""])
def test_body_that_is_no_dialog_info_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        PACKAGE.parse(body)


def test_document_with_many_dialogs_keeps_a_hundred_and_live_ones_first() -> None:
    ended = "".join(f'<dialog id="e{number}"><state>terminated</state></dialog>' for number in range(150))
    live = "".join(f'<dialog id="l{number}"><state>early</state></dialog>' for number in range(60))

    root = etree.fromstring(full(info(ended + live)).encode())

    ids = [str(dialog.get("id")) for dialog in root]
    assert len(ids) == 100
    assert sum(name.startswith("l") for name in ids) == 60


def test_document_version_belongs_between_its_quotes() -> None:
    body = PACKAGE.body(PACKAGE.compose(AOR, []), None, 0)

    assert body is not None
    assert body.document[: body.version_at].endswith(b' version="')
    assert body.document[body.version_at :].startswith(b'" ')
    assert body.content_type == "application/dialog-info+xml"


def test_document_written_and_read_again_says_the_same() -> None:
    body = info(
        '<dialog id="&quot;&lt;&amp;" call-id="c" local-tag="l"><state>early</state><local>'
        '<target uri="sip:a@b?x=1&amp;y"/>'
        "<session-description type='t'>a&lt;b</session-description></local></dialog>"
    )
    document = full(body)

    assert full(document.encode()) == document


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='\ufffe\uffff<&"[]'), max_size=8)
values = texts | st.sampled_from(
    ["a", "early", "confirmed", "terminated", "sip:a@b", "1", "initiator", "Erika &lt;sip:e@b>"]
)
ATTRIBUTES = (
    "id call-id local-tag remote-tag direction uri pname pval type event code display display-name "
    "xml:lang xml:id xml:space x:a xsi:type xsi:nil"
)
NAMES = (
    "dialog dialog state state duration replaces referred-by route-set hop local remote identity target param "
    "session-description cseq x:state x:other n:dialog dialog-info"
)
attributes = st.dictionaries(st.sampled_from(ATTRIBUTES.split()), values, max_size=5)
names = st.sampled_from(NAMES.split())


def element(name: str, attrs: dict[str, str], children: list[str]) -> str:
    start = name + "".join(f' {key}="{value}"' for key, value in attrs.items())
    return f"<{start}>{''.join(children)}</{name}>"


leaves = st.builds(element, names, attributes, st.lists(values, max_size=1))
nodes = st.recursive(leaves, lambda inner: st.builds(element, names, attributes, st.lists(inner | values, max_size=5)))


@given(st.lists(st.builds(element, st.just("dialog"), attributes, st.lists(leaves | nodes, max_size=5)), max_size=4))
def test_any_publication_becomes_a_document_that_follows_the_schema(children: list[str]) -> None:
    declarations = (
        'xmlns:x="urn:x" xmlns:n="urn:ietf:params:xml:ns:dialog-info" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    )
    document = full(info("".join(children), declarations))

    assert full(document.encode()) == document
    assert "session-description" not in full(document.encode(), view=View())
