"""What holds for every publication, the worst too."""

from collections.abc import Callable
from contextlib import suppress
from xml.sax.saxutils import escape, quoteattr

from hypothesis import given, settings
from hypothesis import strategies as st

from event_packages import xml
from event_packages.documents import pidf
from event_packages.errors import BadRequest

Composed = Callable[..., bytes]

NAMESPACES = {
    "p": "urn:ietf:params:xml:ns:pidf",
    "dm": "urn:ietf:params:xml:ns:pidf:data-model",
    "rpid": "urn:ietf:params:xml:ns:pidf:rpid",
    "x": "urn:x",
    "y": "urn:y",
}
PIDF_NAMES = ["tuple", "status", "basic", "contact", "note", "timestamp", "presence", "other"]
DATA_NAMES = ["person", "device", "deviceID", "note", "timestamp", "other"]

text_characters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
texts = st.one_of(
    st.sampled_from(["open", "closed", " open ", "", "2005-10-27T16:49:29Z", "sip:a@b", "%", ' id="a"', "]]>", "1:2"]),
    st.text(text_characters, max_size=8),
)
names = st.one_of(
    st.sampled_from(PIDF_NAMES).map("p:{}".format),
    st.sampled_from(PIDF_NAMES).map("p:{}".format),
    st.sampled_from(DATA_NAMES).map("dm:{}".format),
    st.sampled_from(["rpid:away", "rpid:note", "x:a", "y:tuple", "x:b", "none"]),
)
attributes = st.dictionaries(
    st.sampled_from(["id", "priority", "xml:lang", "x:id", "entity", "p:mustUnderstand"]),
    st.one_of(st.sampled_from(["a", "b", "0.5", "1", "en", "x:a", ' id="a"']), texts),
    max_size=2,
)


def element(name: str, attrs: dict[str, str], children: list[str]) -> str:
    written = "".join(f" {key}={quoteattr(value)}" for key, value in attrs.items())
    return f"<{name}{written}>{''.join(children)}</{name}>"


pieces = (
    texts.map(escape)
    | st.just("<!-- c -->")
    | texts.filter(lambda text: "]]>" not in text).map("<![CDATA[{}]]>".format)
)
leaves = st.builds(element, names, attributes, st.lists(pieces, max_size=2))
nodes = st.recursive(
    leaves, lambda inner: st.builds(element, names, attributes, st.lists(inner | pieces, max_size=5)), max_leaves=10
)


def document(children: list[str], default: bool) -> str:
    """Return a body with PIDF as the default namespace or with a prefix."""
    written = "".join(children)
    if default:
        written = written.replace("<p:", "<").replace("</p:", "</")
    declarations = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
    if default:
        return f'<presence xmlns="{NAMESPACES["p"]}"{declarations} entity="sip:a@b">{written}</presence>'
    return f"<p:presence{declarations}>{written}</p:presence>"


def tuple_like(id_: str, contact: str, inner: list[str]) -> str:
    return f'<p:tuple id="{id_}"><p:status>{"".join(inner)}</p:status><p:contact>{contact}</p:contact></p:tuple>'


likely = st.builds(
    tuple_like, st.sampled_from("abc"), st.sampled_from(["", "sip:1", "sip:2"]), st.lists(nodes | pieces, max_size=2)
)
bodies = st.builds(document, st.lists(likely | nodes | pieces, max_size=6), st.booleans())


@settings(max_examples=3000, deadline=None)
@given(st.lists(bodies, min_size=1, max_size=3))
def test_composed_of_any_publications_is_valid_and_reads_back_the_same(
    composed: Composed, published: list[str]
) -> None:
    """`composed` checks the schema, the rules by hand, and that composing the result changes nothing."""
    first = composed(*published)

    assert composed(*published) == first


@settings(max_examples=3000, deadline=None)
@given(st.lists(bodies, min_size=1, max_size=3))
def test_composed_has_the_tuples_of_the_newest_publication_first(published: list[str]) -> None:
    documents = [pidf.parse(body.encode()) for body in published]

    composed = pidf.compose("sip:a@b", documents)

    assert composed is not None
    newest = [part.id for part in documents[-1].parts if part.kind == "tuple"]
    assert [part.id for part in pidf.parse(composed).parts if part.kind == "tuple"][: len(newest)] == newest


@settings(max_examples=3000, deadline=None)
@given(st.binary(max_size=60) | bodies.map(str.encode), st.integers(0, 400), st.binary(max_size=3))
def test_damaged_body_is_a_bad_request_or_a_document(body: bytes, place: int, damage: bytes) -> None:
    damaged = body[:place] + damage + body[place + len(damage) :]

    with suppress(BadRequest):
        assert pidf.compose("sip:a@b", [pidf.parse(damaged)])


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")))
def test_text_of_any_characters_is_read_back_as_it_was(text: str) -> None:
    root = xml.parse(f"<a>{escape(text)}</a>".encode())

    assert (root.text or "") == text
