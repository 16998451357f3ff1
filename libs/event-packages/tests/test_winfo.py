"""Watcher information (RFC 3857, RFC 3858): the documents, and the list that a client makes of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from event_packages.base import Body, EventPackage, View
from event_packages.errors import BadRequest
from event_packages.packages.presence import PACKAGE as PRESENCE
from event_packages.winfo import Watcher, WatcherList, winfo_of

AOR = "sip:alice@example.com"
NOW = 1_700_000_000
NAMESPACE = "{urn:ietf:params:xml:ns:watcherinfo}"
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "schemas" / "watcherinfo.xsd"))
WINFO = winfo_of(PRESENCE)

BOB = Watcher(id="8ajksjda7s", uri="sip:bob@example.net", status="active", event="approved")
CAROL = Watcher(id="hh8juja87s997-ass7", uri="sip:carol@example.org", status="pending", event="subscribe")


def state_of(*watchers: Watcher) -> WatcherList:
    state = WINFO.compose(AOR, watchers)
    assert isinstance(state, WatcherList)
    return state


def numbered(body: Body, version: int = 0) -> bytes:
    """Return a body as the notifier sends it."""
    return b"%b%d%b" % (body.document[: body.version_at], version, body.document[body.version_at :])


def read(body: Body | None) -> etree._Element:
    """Return the list of a document that is as RFC 3858 wants it."""
    assert body is not None
    root = etree.fromstring(numbered(body))
    SCHEMA.assertValid(root)
    (found,) = root.findall(f"{NAMESPACE}watcher-list")
    return found


def told(state: WatcherList, base: WatcherList | None = None) -> list[tuple[str | None, ...]]:
    """Return id, status and event of every watcher in a document."""
    return [(one.get("id"), one.get("status"), one.get("event")) for one in read(WINFO.body(state, base, NOW))]


def test_package_of_watchers_is_named_after_the_package_that_they_watch() -> None:
    assert (WINFO.name, WINFO.watches, WINFO.content_types) == (
        "presence.winfo",
        "presence",
        ("application/watcherinfo+xml",),
    )
    assert not WINFO.winfo
    assert not WINFO.published
    assert WINFO.rules == ()


@pytest.mark.parametrize("package", [replace(PRESENCE, name="dialog;sla"), WINFO], ids=lambda package: package.name)
def test_package_of_watchers_of_a_parameter_or_of_watchers_is_refused(package: EventPackage) -> None:
    with pytest.raises(ValueError, match="no watcher information"):
        winfo_of(package)


def test_body_of_watcher_information_cannot_be_published() -> None:
    with pytest.raises(BadRequest):
        WINFO.parse(b"<watcherinfo/>")


def test_document_of_the_rfc_is_written() -> None:
    # The example of RFC 3858 §5 with other watchers.
    watchers = (
        replace(BOB, display_name="Bob", since=NOW - 509, expires=NOW + 20),
        replace(CAROL, since=NOW, expires=NOW + 3600),
    )

    body = WINFO.body(state_of(*watchers), None, NOW)

    assert body is not None
    assert body.content_type == "application/watcherinfo+xml"
    assert numbered(body, 7).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" version="7" state="full">\n'
        '<watcher-list resource="sip:alice@example.com" package="presence">\n'
        '<watcher id="8ajksjda7s" status="active" event="approved" display-name="Bob" expiration="20"'
        ' duration-subscribed="509">sip:bob@example.net</watcher>\n'
        '<watcher id="hh8juja87s997-ass7" status="pending" event="subscribe" expiration="3600"'
        ' duration-subscribed="0">sip:carol@example.org</watcher>\n'
        "</watcher-list>\n"
        "</watcherinfo>\n"
    )
    read(body)


def test_document_of_no_watchers_is_an_empty_list() -> None:
    found = read(WINFO.body(state_of(), None, NOW))

    assert len(found) == 0
    assert (found.get("resource"), found.get("package")) == (AOR, "presence")


@pytest.mark.parametrize("status", ["pending", "active", "waiting"])
def test_times_that_have_passed_are_not_negative(status: str) -> None:
    (watcher,) = read(
        WINFO.body(state_of(replace(BOB, status=status, since=NOW + 5, expires=NOW - 5)), None, NOW),
    )

    assert (watcher.get("expiration"), watcher.get("duration-subscribed")) == ("0", "0")


def test_times_that_are_not_known_are_left_out() -> None:
    (watcher,) = read(WINFO.body(state_of(BOB), None, NOW))

    assert set(watcher.attrib) == {"id", "status", "event"}


def test_terminated_watcher_has_no_expiration() -> None:
    ended = replace(BOB, status="terminated", event="timeout", since=NOW - 60, expires=NOW)

    (watcher,) = read(WINFO.body(state_of(ended), state_of(BOB), NOW))

    assert set(watcher.attrib) == {"id", "status", "event", "duration-subscribed"}


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ('"><watcher/>&amp;<![CDATA[', '"><watcher/>&amp;<![CDATA['),
        ("two\r\nlines\tand 'quotes'", "two\r\nlines\tand 'quotes'"),
        ("no\x00 such\x1b\ufffe character\ud800", "no\ufffd such\ufffd\ufffd character\ufffd"),
        ("Zoë \U0001f4a1", "Zoë \U0001f4a1"),
    ],
)
def test_text_of_watchers_is_read_as_it_was_written(text: str, read_as: str) -> None:
    (watcher,) = read_unchecked(replace(BOB, id=text, uri=text, display_name=text))

    assert (watcher.get("id"), watcher.text, watcher.get("display-name")) == (read_as, read_as, read_as)


def read_unchecked(*watchers: Watcher) -> etree._Element:
    """Return the list of a document whose addresses may be no URIs."""
    body = WINFO.body(state_of(*watchers), None, NOW)
    assert body is not None
    return etree.fromstring(numbered(body))[0]


CHANGES: dict[str, tuple[Sequence[Watcher], Sequence[Watcher], list[tuple[str, str, str]]]] = {
    "another one comes": ([BOB], [BOB, CAROL], [(CAROL.id, "pending", "subscribe")]),
    "one is approved": (
        [BOB, CAROL],
        [BOB, replace(CAROL, status="active", event="approved")],
        [(CAROL.id, "active", "approved")],
    ),
    "one waits": (
        [CAROL],
        [replace(CAROL, status="waiting", event="timeout")],
        [(CAROL.id, "waiting", "timeout")],
    ),
    "one is given up": (
        [CAROL, BOB],
        [replace(CAROL, status="terminated", event="giveup"), BOB],
        [(CAROL.id, "terminated", "giveup")],
    ),
    "one vanishes": ([CAROL, BOB], [BOB], [(CAROL.id, "terminated", "timeout")]),
    "one is rejected at once": (
        [BOB],
        [BOB, replace(CAROL, status="terminated", event="rejected")],
        [(CAROL.id, "terminated", "rejected")],
    ),
    "one has another name": (
        [replace(BOB, display_name="Bob")],
        [replace(BOB, display_name="Robert")],
        [(BOB.id, "active", "approved")],
    ),
    "one that ended is back": (
        [replace(BOB, status="terminated", event="timeout")],
        [replace(BOB, status="terminated", event="timeout"), BOB],
        [(BOB.id, "active", "approved")],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_partial_document_holds_what_has_changed_only(change: str) -> None:
    before, after, expected = CHANGES[change]
    base, state = state_of(*before), state_of(*after)

    root = etree.fromstring(numbered(WINFO.write(state, base, NOW)))  # type: ignore[misc]

    assert base != state
    assert root.get("state") == "partial"
    assert told(state, base) == expected


def test_full_document_has_no_watcher_that_ended() -> None:
    assert told(state_of(replace(BOB, status="terminated", event="timeout"), CAROL)) == [
        (CAROL.id, "pending", "subscribe")
    ]


def test_watcher_that_ended_is_told_of_once() -> None:
    gone = replace(BOB, status="terminated", event="timeout")
    base = state_of(gone, CAROL)

    document = told(state_of(gone, replace(CAROL, status="active", event="approved")), base)

    assert document == [(CAROL.id, "active", "approved")]


GONE = tuple(replace(BOB, id=f"gone-{number}", status="terminated", event="timeout") for number in range(3))


def test_states_with_a_refreshed_watcher_are_equal() -> None:
    refreshed = replace(BOB, since=NOW - 1, expires=NOW + 99)

    assert state_of(BOB) == state_of(refreshed)
    assert hash(state_of(BOB)) == hash(state_of(refreshed))


def test_states_that_forgot_an_old_ended_watcher_are_equal() -> None:
    assert state_of(*GONE, BOB) == state_of(*GONE[1:], BOB)


def test_states_of_which_one_has_a_new_ended_watcher_differ() -> None:
    assert state_of(*GONE[:2], BOB) != state_of(*GONE, BOB)


def test_states_with_their_watchers_in_another_order_are_equal() -> None:
    assert state_of(BOB, CAROL) == state_of(CAROL, BOB)


def test_states_of_different_presentities_differ() -> None:
    assert state_of(BOB) != WINFO.compose("sip:eve@example.com", [BOB])


def test_every_watcher_of_watchers_sees_everything() -> None:
    assert WINFO.seen(state_of(BOB), View()) == state_of(BOB)


def test_writing_of_another_state_is_an_error() -> None:
    with pytest.raises(TypeError, match="no list of watchers"):
        WINFO.body(b"<watcherinfo/>", None, NOW)
