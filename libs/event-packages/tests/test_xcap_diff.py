"""Word that XCAP documents have changed (RFC 5874), as XCAP servers publish it."""

import pytest

from event_packages.errors import BadRequest
from event_packages.packages.xcap_diff import MAX_LENGTH, MAX_SELECTORS, PACKAGE, XcapDiff, parse

ROOT = "https://xcap.example.com/xcap-root"
RULES = "pres-rules/users/sip:alice@example.com/index.xml"


def diff(content: str, root: str = f'xcap-root="{ROOT}/"') -> bytes:
    return f'<xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff" {root}>{content}</xcap-diff>'.encode()


def test_body_of_an_xcap_server_names_its_document() -> None:
    # As OpenXCAP has written it since 2.4: the selector is the whole URI.
    body = (
        b"<?xml version='1.0' encoding='UTF-8'?>\n"
        + diff(f'<document new-etag="a1b2" previous-etag="c3d4" sel="{ROOT}/{RULES}"/>')
        + b"\n"
    )

    assert parse(body) == XcapDiff(selectors=(f"{ROOT}/{RULES}",))


@pytest.mark.parametrize("root", [ROOT, ROOT + "/", f" {ROOT}/ "])
@pytest.mark.parametrize("selector", [RULES, f"/{RULES}", f" {RULES}\n"])
def test_selector_below_the_root_is_joined_to_it(root: str, selector: str) -> None:
    body = diff(f'<document sel="{selector}"/>', f'xcap-root="{root}"')

    assert parse(body).selectors == (f"{ROOT}/{RULES}",)


def test_selector_without_a_root_is_kept_as_it_is() -> None:
    assert parse(diff(f'<document sel="{RULES}"/>', "")).selectors == (RULES,)


def test_selector_of_a_node_is_that_of_its_document() -> None:
    # The examples of RFC 5874 §4 and §5 with other documents.
    body = diff(
        '<document new-etag="7ahggs" sel="tests/users/sip:alice@example.com/index"><add sel="*">'
        '<document sel="inside"/></add></document>'
        '<element sel="rls-services/users/sip:bob@example.com/index/~~/*/service%5b1%5d" exists="1"/>'
        '<attribute sel="tests/users/sip:bob@example.com/index/~~/doc/@id">lamp</attribute>'
    )

    assert parse(body).selectors == (
        f"{ROOT}/tests/users/sip:alice@example.com/index",
        f"{ROOT}/rls-services/users/sip:bob@example.com/index",
        f"{ROOT}/tests/users/sip:bob@example.com/index",
    )


def test_selector_that_comes_twice_is_named_once() -> None:
    assert parse(diff(f'<document sel="{RULES}"/>' * 3)).selectors == (f"{ROOT}/{RULES}",)


@pytest.mark.parametrize(
    "content",
    ["", "<document/>", '<document sel=""/>', '<other sel="x"/>', '<document xmlns="urn:other" sel="x"/>'],
)
def test_body_that_names_no_document_has_no_selectors(content: str) -> None:
    assert parse(diff(content)).selectors == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"xcap",
        b"<xcap-diff/>",
        b'<presence xmlns="urn:ietf:params:xml:ns:xcap-diff"/>',
        b'<!DOCTYPE a><xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff"/>',
        diff("".join(f'<document sel="{number}"/>' for number in range(MAX_SELECTORS + 1))),
        diff(f'<document sel="{"x" * MAX_LENGTH}"/>'),
    ],
    ids=lambda body: repr(body[:60]),
)
def test_body_that_is_no_xcap_diff_or_too_much_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(body)


def test_package_is_published_only_and_composes_nothing() -> None:
    document = PACKAGE.parse(diff(f'<document sel="{RULES}"/>'))

    assert PACKAGE.compose("sip:alice@example.com", [document]) is None
    assert (PACKAGE.published, PACKAGE.subscribed, PACKAGE.winfo) == (True, False, False)
