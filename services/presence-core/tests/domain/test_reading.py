"""XCAP documents as they are read."""

import pytest

from event_packages.base import EventPackage
from event_packages.registry import discover
from event_packages.rules.decision import Handling, Question, decide
from event_packages.rules.identity import identity_of
from event_packages.rules.testing import rule, ruleset
from presence_core.domain.documents import NO_DOCUMENTS, Documents, XcapDocument, read_documents

ALICE = "sip:alice@example.com"
BOB = "sip:bob@example.com"
PACKAGES = list(discover())
RULES = ruleset(rule(""))
LISTS = (
    b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends">'
    b'<entry uri="sip:bob@example.com"/></list></resource-lists>'
)
ANCHOR = "http://xcap.example.com/resource-lists/users/sip:alice@example.com/{file}/~~/resource-lists/list%5B@name=%22friends%22%5D"
PIDF = b'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@example.com"/>'


def document(usage: str, body: bytes, uri: str = "index.xml") -> XcapDocument:
    return XcapDocument(usage=usage, uri=uri, etag="e", body=body)


def read(*stored: XcapDocument, limit: int = 10_000) -> Documents:
    return read_documents(ALICE, stored, PACKAGES, limit=limit)


def package(name: str) -> EventPackage:
    return next(one for one in PACKAGES if one.name == name)


def test_documents_are_known_by_their_usage() -> None:
    documents = read(
        document("pres-rules", RULES),
        document("org.openmobilealliance.pres-rules", RULES),
        document("org.openxcap.dialog-rules", RULES),
        document("pidf-manipulation", PIDF),
        document("rls-services", b"whatever"),
    )

    assert len(documents.rules_of(package("presence"))) == 2
    assert len(documents.rules_of(package("dialog"))) == 1
    assert documents.rules_of(package("message-summary")) == ()
    assert documents.hard_states.keys() == {"pidf-manipulation"}
    assert documents.problems == {}


def test_presentity_without_documents_has_no_rules() -> None:
    documents = read()

    assert documents.rules_of(package("presence")) == ()
    assert documents == NO_DOCUMENTS


@pytest.mark.parametrize("body", [b"", b"<", b"<ruleset/>", b"\xff", b"<!DOCTYPE a []><a/>"])
@pytest.mark.parametrize("usage", ["pres-rules", "pidf-manipulation"])
def test_unreadable_document_is_a_problem_of_its_own(usage: str, body: bytes) -> None:
    others = {"pres-rules": RULES, "pidf-manipulation": PIDF}
    del others[usage]

    documents = read(document(usage, body), *[document(name, good) for name, good in others.items()])

    assert documents.problems.keys() == {(usage, "index.xml")}
    assert bool(documents.rules_of(package("presence"))) == (usage != "pres-rules")
    assert bool(documents.hard_states) == (usage != "pidf-manipulation")
    assert bool(documents.problems_of(package("presence"))) == (usage == "pres-rules")


def test_document_that_is_too_large_is_a_problem() -> None:
    documents = read(document("pres-rules", RULES), document("resource-lists", LISTS), limit=len(LISTS) - 1)

    assert documents.problems == {("pres-rules", "index.xml"): f"{len(RULES)} bytes are too many"} | {
        ("resource-lists", "index.xml"): f"{len(LISTS)} bytes are too many"
    }


def test_document_that_finds_a_bug_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(body: bytes) -> object:
        raise RuntimeError

    monkeypatch.setattr("presence_core.domain.documents.read_rules", broken)

    documents = read(document("pres-rules", RULES), document("pidf-manipulation", PIDF))

    assert documents.problems == {("pres-rules", "index.xml"): "RuntimeError()"}
    assert documents.hard_states.keys() == {"pidf-manipulation"}


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("index.xml", "index.xml"),
        ("/xcap-root/resource-lists/users/sip:alice@example.com/index.xml", "index.xml"),
        ("http://xcap.example.com/resource-lists/users/sip:alice@example.com/index", "index"),
    ],
)
def test_lists_are_found_whoever_wrote_the_row(uri: str, file: str) -> None:
    anchor = ANCHOR.format(file=file)
    external = f'<oc:external-list><oc:entry anc="{anchor}"/></oc:external-list>'.replace('"friends"', "friends")
    documents = read(
        document("org.openmobilealliance.pres-rules", ruleset(rule(external))), document("resource-lists", LISTS, uri)
    )

    def handling(watcher: str) -> Handling | None:
        question = Question(watcher=identity_of(watcher), now=0.0, lists=documents.lists)
        return decide(documents.rules_of(package("presence")), question).handling

    assert (handling(BOB), handling("sip:carol@example.com")) == (Handling.ALLOW, None)
