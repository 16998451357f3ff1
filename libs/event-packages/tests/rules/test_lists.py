"""Resource lists behind anchors (RFC 4826 §3, RFC 4825 §6)."""

from urllib.parse import quote

import pytest

from event_packages.rules.identity import identity_of
from event_packages.rules.lists import MAX_REFERENCES, Lists, read_lists

ALICE = "sip:alice@example.com"
BOB, CAROL, DAN = (identity_of(f"sip:{name}@example.com") for name in ("bob", "carol", "dan"))
PHONE = identity_of("sip:+15550100@gw.example;user=phone")
USER = "resource-lists/users/sip:alice@example.com"
ROOT = "http://xcap.example.com/xcap-root"
INDEX = f"{ROOT}/{USER}/index/~~/resource-lists"


def _document(inside: str) -> bytes:
    return f'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">{inside}</resource-lists>'.encode()


def _lists(inside: str) -> Lists:
    return read_lists({f"/xcap-root/{USER}/index": _document(inside)})


def _anchor(*names: str) -> str:
    return INDEX + "".join(quote(f'/list[@name="{name}"]', safe="/@=") for name in names)


FRIENDS = _lists(
    '<list name="friends"><display-name>Friends</display-name><entry uri="sip:bob@EXAMPLE.com"/>'
    '<list name="close"><entry uri="tel:+1-555-0100"/><list><entry uri="sip:dan@example.com"/></list></list></list>'
    '<list name="work"><entry uri="sip:carol@example.com"/><entry uri="carol"/><entry/></list>'
)


def test_contains_members_in_any_spelling() -> None:
    assert FRIENDS.contains(_anchor("friends"), BOB)
    assert FRIENDS.contains(_anchor("friends"), identity_of("sips:b%6fb@example.com:5061"))
    assert not FRIENDS.contains(_anchor("friends"), CAROL)


def test_contains_members_of_lists_inside() -> None:
    assert FRIENDS.contains(_anchor("friends"), PHONE)
    assert FRIENDS.contains(_anchor("friends"), DAN)
    assert FRIENDS.contains(_anchor("friends", "close"), DAN)
    assert not FRIENDS.contains(_anchor("friends", "close"), BOB)


@pytest.mark.parametrize(
    "anchor",
    [
        f'{INDEX}/list[@name="friends"]',
        f"{INDEX}/list[@name='friends']",
        f"{INDEX}/list%5b@name=%22friends%22%5d",
        f"{INDEX}/list[1]",
        f'{INDEX}/list[1][@name="friends"]',
        f'{INDEX}/rl:list[@name="friends"]?xmlns(rl=urn:ietf:params:xml:ns:resource-lists)',
        f'{USER}/index/~~/resource-lists/list[@name="friends"]',
        INDEX.replace("sip:alice", "sip%3Aalice").replace("example.com/index", "EXAMPLE.COM/index") + "/list[1]",
    ],
)
def test_contains_anchors_in_every_spelling(anchor: str) -> None:
    assert FRIENDS.contains(anchor, BOB)
    assert not FRIENDS.contains(anchor, CAROL)


@pytest.mark.parametrize(
    "anchor",
    [
        "",
        "friends",
        INDEX,
        f"{INDEX}/list",
        f"{INDEX}/list[3]",
        f"{INDEX}/list[0]",
        f"{ROOT}/{USER}/index/~~//list[1]",
        f'{INDEX}/list[1]/entry[@uri="sip:bob@example.com"]',
        f'{INDEX}/list[2][@name="friends"]',
        f'{INDEX}/list[@name="Friends"]',
        f'{INDEX}/list[@name="friends"]/@name',
        f'{INDEX}/list[@name="friends"]/entry',
        f'{INDEX}/list[@name="friends"]list[@name="close"]',
        f'{INDEX}/list[@name="friends" or 1]',
        f'{INDEX.replace("index", "other")}/list[@name="friends"]',
        f'{INDEX.replace("alice", "mallory")}/list[@name="friends"]',
        f'{INDEX.replace("resource-lists/users", "rls-services/users")}/list[@name="friends"]',
        f'{INDEX.replace("users", "global")}/list[@name="friends"]',
        f'{INDEX.replace("/~~", "")}/list[@name="friends"]',
        f'{INDEX}/list[@name="friends"]' + "?" * 3_000,
    ],
)
def test_contains_anchors_that_lead_nowhere_have_nobody(anchor: str) -> None:
    assert not any(FRIENDS.contains(anchor, who) for who in (BOB, CAROL, DAN, PHONE))


def test_contains_two_lists_of_one_name_are_none() -> None:
    twice = _lists('<list name="a"><entry uri="sip:bob@example.com"/></list>' * 2)

    assert not twice.contains(_anchor("a"), BOB)
    assert twice.contains(f"{INDEX}/list[1]", BOB)


@pytest.mark.parametrize("name", ["a/b", "a]b", "it's", "Grüße", "a & b", 'say "hi"', "a?b", "a~~b", "%41"])
def test_contains_names_with_any_characters(name: str) -> None:
    written = name.replace("&", "&amp;").replace('"', "&quot;")

    lists = _lists(f'<list name="{written}"><entry uri="sip:bob@example.com"/></list><list name="other"/>')

    assert lists.contains(INDEX + "/" + quote(f'list[@name="{written}"]', safe=""), BOB)


def test_contains_the_anonymous_are_nowhere() -> None:
    lists = _lists('<list name="a"><entry uri="sip:x@anonymous.invalid"/></list>')

    assert not lists.contains(_anchor("a"), identity_of("sip:x@anonymous.invalid"))


def test_references_to_own_lists_and_entries_are_followed() -> None:
    lists = _lists(
        f'<list name="a"><external anchor="{_anchor("b")}"/></list>'
        '<list name="b"><entry uri="sip:bob@example.com"/><entry uri="sip:carol@example.org"/>'
        f'<external anchor="{_anchor("a")}"/></list>'
        f'<list name="c"><entry-ref ref=\'{USER}/index/~~/resource-lists/list[2]/entry[@uri="sip:bob@example.com"]\'/>'
        f"<entry-ref ref='{USER}/index/~~/resource-lists/list[2]/entry[@uri=\"sip:dan@example.com\"]'/></list>"
    )

    assert lists.contains(_anchor("a"), BOB)
    assert not lists.contains(_anchor("a"), CAROL)
    assert lists.contains(_anchor("c"), BOB)
    assert not lists.contains(_anchor("c"), DAN)
    assert not lists.contains(_anchor("c"), identity_of("sip:carol@example.org"))


def test_references_to_others_are_not_followed() -> None:
    lists = _lists(
        f'<list name="a"><external anchor="{_anchor("b").replace("alice", "mallory")}"/></list><list name="b"/>'
    )

    assert not lists.contains(_anchor("a"), BOB)


@pytest.mark.parametrize(("count", "found"), [(MAX_REFERENCES, True), (MAX_REFERENCES + 1, False)])
def test_references_over_the_limit_are_not_followed(count: int, found: bool) -> None:
    chain = (f'<list name="l{at}"><external anchor="{_anchor(f"l{at + 1}")}"/></list>' for at in range(count))

    lists = _lists("".join(chain) + f'<list name="l{count}"><entry uri="{BOB.aor}"/></list>')

    assert lists.contains(_anchor("l0"), BOB) == found


def test_references_of_a_list_to_itself_come_to_an_end() -> None:
    lists = _lists(f'<list name="a"><external anchor="{_anchor("a")}"/><list><entry uri="{BOB.aor}"/></list></list>')

    assert lists.contains(_anchor("a"), BOB)
    assert not lists.contains(_anchor("a"), CAROL)


def test_read_lists_a_bare_file_name_is_the_presentity_s() -> None:
    documents = {"index": _document('<list name="a"><entry uri="sip:bob@example.com"/></list>')}

    assert read_lists(documents, ALICE).contains(_anchor("a"), BOB)
    assert not read_lists(documents, "sip:mallory@example.com").contains(_anchor("a"), BOB)
    assert not read_lists(documents).contains(_anchor("a"), BOB)


@pytest.mark.parametrize("user", ["alice", "sip:alice@example.com", "sip%3Aalice%40example.com", "alice%40example.com"])
def test_read_lists_the_user_s_name_in_another_spelling(user: str) -> None:
    document = _document('<list name="a"><entry uri="sip:bob@example.com"/></list>')

    lists = read_lists({f"/xcap-root/resource-lists/users/{user}/buddies": document}, ALICE)

    assert lists.contains(_anchor("a").replace("index", "buddies"), BOB)


OTHER_ROOT = _document('<list name="a"><entry uri="sip:bob@example.com"/></list>').replace(
    b"resource-lists ", b"lists "
)
OTHER_ROOT = OTHER_ROOT.replace(b"</resource-lists>", b"</lists>")


@pytest.mark.parametrize(
    "body", [b"", b"<list/>", b"<resource-lists/>", b"<!DOCTYPE x><x/>", _document(""), OTHER_ROOT]
)
def test_read_lists_unreadable_documents_are_empty_and_spoil_no_other(body: bytes) -> None:
    good = _document('<list name="a"><entry uri="sip:bob@example.com"/></list>')

    lists = read_lists({f"{USER}/broken": body, f"{USER}/index": good})

    assert lists.contains(_anchor("a"), BOB)
    assert not lists.contains(_anchor("a").replace("index", "broken"), BOB)
