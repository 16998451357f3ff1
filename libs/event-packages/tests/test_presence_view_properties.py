"""What holds for every document and every view of it (RFC 5025 §3.3)."""

from collections.abc import Callable, Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from event_packages.base import View
from event_packages.documents import pidf
from event_packages.documents.pidf_view import removed, see
from event_packages.rules.permissions import ALL, ALL_ATTRIBUTES, Permissions, Selector, UserInput

Valid = Callable[[bytes], etree._Element]
Fact = tuple[object, ...]

AOR = "sip:alice@example.com"
PIDF = "urn:ietf:params:xml:ns:pidf"
RPID, DATA_MODEL, OMA = f"{PIDF}:rpid", f"{PIDF}:data-model", "urn:oma:xml:prs:pidf:oma-pres"
DECLARATIONS = (
    f'xmlns="{PIDF}" xmlns:dm="{DATA_MODEL}" xmlns:rpid="{RPID}" xmlns:op="{OMA}" '
    f'xmlns:gp="{PIDF}:geopriv10" xmlns:x="urn:x"'
)
NAMED = {
    f"{{{RPID}}}activities": "activities",
    f"{{{RPID}}}class": "class",
    f"{{{RPID}}}mood": "mood",
    f"{{{RPID}}}sphere": "sphere",
    f"{{{DATA_MODEL}}}note": "note",
    f"{{{PIDF}}}note": "note",
    f"{{{OMA}}}willingness": "willingness",
    f"{{{OMA}}}overriding-willingness": "willingness",
    f"{{{PIDF}:geopriv10}}geopriv": "geopriv",
}
USER_INPUT = f"{{{RPID}}}user-input"
THINGS = {f"{{{PIDF}}}tuple", f"{{{DATA_MODEL}}}person", f"{{{DATA_MODEL}}}device"}
SHOWN = {
    *THINGS,
    *(f"{{{PIDF}}}{name}" for name in ("presence", "status", "basic", "contact", "timestamp")),
    *(f"{{{DATA_MODEL}}}{name}" for name in ("deviceID", "timestamp")),
}
CONTAINERS = {*THINGS, f"{{{PIDF}}}presence", f"{{{PIDF}}}status"}
SERVICE_CLASS = (f"{{{PIDF}}}tuple", f"{{{RPID}}}service-class")

words = st.sampled_from(["work", "home", "open", "1"])
leaves = st.one_of(
    st.builds(
        "<{0}>{1}</{0}>".format,
        st.sampled_from(["rpid:class", "rpid:mood", "rpid:sphere", "dm:note", "note", "op:willingness", "x:a", "x:b"]),
        words,
    ),
    st.sampled_from(
        [
            '<rpid:user-input idle-threshold="6" last-input="2026-01-02T03:04:05Z">idle</rpid:user-input>',
            "<rpid:activities><rpid:note>n</rpid:note><rpid:away/></rpid:activities>",
            "<op:overriding-willingness/>",
            "<gp:geopriv/>",
        ]
    ),
)
nodes = st.recursive(
    leaves,
    lambda inner: (
        st.builds("<{0}>t{1}t{2}</{0}>".format, st.sampled_from(["x:a", "x:b"]), inner, inner)
        | inner.map("<rpid:service-class>{}</rpid:service-class>".format)
        | inner.map("<rpid:activities><rpid:away/>{}</rpid:activities>".format)
    ),
    max_leaves=5,
)
contents = st.lists(nodes, max_size=4).map("".join)
tuples = st.builds(
    '<tuple id="{}"><status><basic>{}</basic>{}</status>{}<contact>{}</contact></tuple>'.format,
    st.sampled_from("abc"),
    st.sampled_from(["open", "closed"]),
    contents,
    contents,
    st.sampled_from(["sip:a@b", "im:a@b"]),
)
persons = st.builds('<dm:person id="{}">{}</dm:person>'.format, st.sampled_from("cde"), contents)
devices = st.builds(
    '<dm:device id="{}">{}<dm:deviceID>urn:x:{}</dm:deviceID></dm:device>'.format,
    st.sampled_from("efg"),
    contents,
    words,
)
bodies = st.lists(tuples | persons | devices | nodes, max_size=6).map("".join)


def composed(*published: str) -> bytes:
    return pidf.compose(
        AOR, [pidf.parse(f'<presence {DECLARATIONS} entity="{AOR}">{body}</presence>'.encode()) for body in published]
    )


documents = st.lists(bodies, min_size=1, max_size=2).map(lambda published: composed(*published))

by_id = st.builds(Selector, st.just("occurrence-id"), st.sampled_from("abcdefg"))
by_contact = st.builds(Selector, st.just("service-uri-scheme"), st.sampled_from(["sip", "im"]))
lasting = st.frozensets(st.just(ALL) | by_id | by_contact, max_size=2)
"""Selectors by what a watcher always sees."""
selectors = st.frozensets(
    st.just(ALL) | by_id | by_contact | words.map(lambda word: Selector("class", word)), max_size=2
)


def permissions(selected: st.SearchStrategy[frozenset[Selector]]) -> st.SearchStrategy[Permissions]:
    return st.builds(
        Permissions,
        services=selected,
        persons=selected,
        devices=selected,
        attributes=st.frozensets(st.sampled_from(sorted({*NAMED.values()})), max_size=4)
        | st.just(frozenset({ALL_ATTRIBUTES})),
        user_input=st.sampled_from(UserInput),
        unknown=st.frozensets(st.tuples(st.just("urn:x"), st.sampled_from("ab")), max_size=2),
    )


def facts(document: bytes) -> set[Fact]:
    """Return all that a document says: each text and attribute with the elements around it."""
    found: set[Fact] = set()
    if not pidf.is_neutral(document):
        _collect(etree.fromstring(document), (), found)
    return found


def _collect(element: etree._Element, around: Fact, found: set[Fact]) -> None:
    path = (*around, element.tag, element.get("id"))
    found |= {path, (*path, element.text or "")}
    found |= {(*path, str(name), str(value)) for name, value in element.attrib.items()}
    for child in element:
        _collect(child, path, found)


def attributes_of(document: bytes) -> Iterator[etree._Element]:
    """Yield what needs a permission: all with a name that has one, and of the others what stands on its own."""
    for element in etree.fromstring(document).iter():
        parent = element.getparent()
        shown = element.tag in SHOWN or (parent is not None and (parent.tag, element.tag) == SERVICE_CLASS)
        stands_alone = parent is not None and parent.tag in CONTAINERS and not shown
        if stands_alone or element.tag in NAMED or element.tag == USER_INPUT:
            yield element


def is_provided(element: etree._Element, provided: Permissions) -> bool:
    tag = str(element.tag)
    if ALL_ATTRIBUTES in provided.attributes or tuple(tag[1:].split("}")) in provided.unknown:
        return True
    return provided.user_input > UserInput.FALSE if tag == USER_INPUT else NAMED.get(tag) in provided.attributes


@settings(max_examples=50, deadline=None)
@given(documents, permissions(selectors))
def test_view_of_any_document_is_valid_and_says_nothing_new(valid: Valid, document: bytes, some: Permissions) -> None:
    seen = see(document, View(permissions=some))

    valid(seen)
    assert facts(seen) <= facts(document)
    assert pidf.compose(AOR, [pidf.parse(seen)]) == seen


@settings(max_examples=50, deadline=None)
@given(documents, permissions(selectors))
def test_view_of_any_document_has_no_attribute_that_is_not_provided(document: bytes, some: Permissions) -> None:
    seen = see(document, View(permissions=some))

    assert all(is_provided(element, some) for element in attributes_of(seen))


@settings(max_examples=50, deadline=None)
@given(documents, permissions(selectors))
def test_view_of_any_document_has_what_is_provided_outright(document: bytes, some: Permissions) -> None:
    """Leaves only: what is in others may be withheld with them."""
    seen = facts(see(document, View(permissions=some)))

    root = etree.fromstring(document)
    for thing in (thing for thing in root if (root.tag, None, thing.tag, thing.get("id")) in seen):
        leaves = [child for child in thing if thing.tag in THINGS and not len(child)]
        for child in (child for child in leaves if child.tag in SHOWN or is_provided(child, some)):
            assert (root.tag, None, thing.tag, thing.get("id"), child.tag, None, child.text or "") in seen


@settings(max_examples=50, deadline=None)
@given(documents, permissions(lasting))
def test_view_of_a_view_is_the_view(document: bytes, some: Permissions) -> None:
    seen = see(document, View(permissions=some))

    assert see(seen, View(permissions=some)) == seen
    assert removed(seen, View(permissions=some)) == ()


@settings(max_examples=50, deadline=None)
@given(documents, permissions(selectors), permissions(selectors))
def test_view_with_more_permissions_never_shows_less(document: bytes, some: Permissions, more: Permissions) -> None:
    less, all_ = (see(document, View(permissions=one)) for one in (some, some.joined(more)))

    assert facts(less) <= facts(all_)


@settings(max_examples=50, deadline=None)
@given(documents, permissions(selectors))
def test_removed_is_empty_exactly_when_all_is_seen(document: bytes, some: Permissions) -> None:
    taken = removed(document, View(permissions=some))

    assert (see(document, View(permissions=some)) == document) == (not taken)


def test_view_of_a_document_larger_than_any_publication_is_shown() -> None:
    one = "".join(
        f'<tuple id="{{}}{n}"><status><basic>open</basic></status><note>n</note></tuple>' for n in range(4000)
    )
    bodies = [f'<presence xmlns="urn:ietf:params:xml:ns:pidf">{one.format(*[k] * 4000)}</presence>' for k in "abc"]
    document = pidf.compose(AOR, [pidf.parse(body.encode()) for body in bodies])

    view = View(permissions=Permissions(services=frozenset({ALL})))

    written = see(document, view)

    assert len(document) > 1_000_000 or document.count(b"<") > 20_000
    assert written.count(b"<tuple ") == 12_000
    assert b"<note>" not in written
