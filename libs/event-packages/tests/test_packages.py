"""What every event package must do, whoever wrote it: runs for all that are registered."""

import re
from dataclasses import FrozenInstanceError

import pytest

from event_packages.base import Body, EventPackage, View
from event_packages.errors import BadRequest
from event_packages.registry import discover
from event_packages.rules.permissions import NOTHING
from event_packages.winfo import Watcher

AOR = "sip:alice@example.com"
TOKEN = r"[A-Za-z0-9!%*_+`'~-]+"
NAME = re.compile(rf"{TOKEN}(\.{TOKEN})*(;{TOKEN})?")
MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")

DIALOGS = [
    f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="{version}" state="full" entity="{AOR}">'
    f'<dialog id="{name}" call-id="{name}@phone" local-tag="a" remote-tag="b" direction="initiator">'
    f"<state>{state}</state></dialog></dialog-info>".encode()
    for version, name, state in ((0, "desk", "confirmed"), (9, "phone", "early"))
]
SAMPLES: dict[str, list[bytes]] = {
    "presence": [
        f'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="{AOR}"><tuple id="{name}"><status>'
        f"<basic>{basic}</basic></status></tuple></presence>".encode()
        for name, basic in (("desk", "open"), ("phone", "closed"))
    ],
    "dialog": DIALOGS,
    "dialog;sla": DIALOGS,
    "message-summary": [
        b"Messages-Waiting: no\r\n",
        b"Messages-Waiting: yes\r\nMessage-Account: sip:a@b\r\nVoice-Message: 1/2 (0/1)\r\n",
    ],
    "xcap-diff": [
        b'<xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff" xcap-root="https://xcap.example.com/">'
        b'<document sel="pres-rules/users/sip:alice@example.com/index"/></xcap-diff>'
    ],
}
"""Bodies of the packages; one without samples is tried with what it composes of nothing, if anything."""
WATCHERS = (
    Watcher(id="1", uri="sip:bob@example.net", status="active", event="approved", since=90, expires=3690),
    Watcher(id="2", uri="sip:carol@example.org", status="pending", event="subscribe", display_name="Carol"),
    Watcher(id="3", uri="sip:eve@example.org", status="terminated", event="rejected"),
)

PACKAGES = list(discover())
pytestmark = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)


def documents(package: EventPackage) -> list[object]:
    """Return documents of a package, oldest first."""
    if package.watches:
        return list(WATCHERS)
    nothing = package.body(package.compose(AOR, []), None, 0)
    return [package.parse(body) for body in SAMPLES.get(package.name) or ([sent(nothing)] if nothing else [])]


def states(package: EventPackage) -> list[object]:
    """Return the neutral state and one of several documents, as far as there are any."""
    composed = [package.compose(AOR, []), package.compose(AOR, documents(package))]
    return [state for state in composed if state is not None]


def sent(body: Body | None, version: int = 7) -> bytes:
    """Return what a watcher gets: where the version belongs, the notifier has put it."""
    assert body is not None
    if body.version_at < 0:
        return body.document
    return b"%b%d%b" % (body.document[: body.version_at], version, body.document[body.version_at :])


def test_package_name_is_an_event_with_at_most_one_parameter(package: EventPackage) -> None:
    assert NAME.fullmatch(package.name)


def test_package_content_types_are_bare_lower_case_media_types(package: EventPackage) -> None:
    assert package.content_types
    assert all(MEDIA_TYPE.fullmatch(content_type) for content_type in package.content_types)
    assert len(set(package.content_types)) == len(package.content_types)


def test_package_default_lifetime_is_within_its_limits(package: EventPackage) -> None:
    assert 0 < package.min_expires <= package.default_expires <= package.max_expires


def test_package_is_good_for_something(package: EventPackage) -> None:
    assert package.published or package.subscribed


def test_package_with_rules_has_one_of_its_watchers(package: EventPackage) -> None:
    winfo = next((one for one in PACKAGES if one.watches == package.name), None)

    assert (winfo is not None) == (package.winfo and bool(package.rules) and ";" not in package.name)


def test_package_of_watchers_is_not_published_and_has_no_watchers_to_tell_of(package: EventPackage) -> None:
    assert not (package.watches and (package.published or package.winfo or package.rules))


def test_package_documents_are_immutable_values(package: EventPackage) -> None:
    first, second = documents(package), documents(package)

    assert first == second
    assert [hash(document) for document in first] == [hash(document) for document in second]


def test_package_states_are_immutable_values(package: EventPackage) -> None:
    first, second = states(package), states(package)

    assert first == second
    assert [hash(state) for state in first] == [hash(state) for state in second]


def test_package_composes_the_same_of_any_sequence(package: EventPackage) -> None:
    composed = [package.compose(AOR, kind(documents(package))) for kind in (list, tuple)]

    assert composed[0] == composed[1]


def test_package_state_is_written_whole_as_its_first_content_type(package: EventPackage) -> None:
    for state in states(package):
        body = package.body(state, None, 100)

        assert body is not None
        assert body.content_type == package.content_types[0]
        assert body.document
        assert -1 <= body.version_at <= len(body.document)
        assert package.body(state, None, 100) == body


def test_package_state_is_written_against_any_base(package: EventPackage) -> None:
    for state in states(package):
        for base in states(package):
            body = package.body(state, base, 100)

            assert body is not None
            assert body.content_type == package.content_types[0]
            assert body.document


def test_package_without_a_state_has_no_body(package: EventPackage) -> None:
    assert package.body(None, None, 100) is None
    assert package.seen(None, View()) is None


def test_package_that_is_published_reads_what_it_wrote_and_composes_the_same(package: EventPackage) -> None:
    for state in states(package) if package.published else []:
        body = sent(package.body(state, None, 100))

        assert package.compose(AOR, [package.parse(body)]) == state


def test_package_that_is_not_published_reads_nothing(package: EventPackage) -> None:
    for state in [] if package.published else states(package):
        body = sent(package.body(state, None, 100))

        with pytest.raises(BadRequest):
            package.parse(body)


def test_package_view_of_everything_keeps_the_state(package: EventPackage) -> None:
    assert [package.seen(state, View()) for state in states(package)] == states(package)


@pytest.mark.parametrize("view", [View(permissions=NOTHING), View(single=True), View(parameters=(("call-id", "x"),))])
def test_package_view_is_a_state_that_can_be_written_and_seen_again(package: EventPackage, view: View) -> None:
    for state in states(package):
        seen = package.seen(state, view)

        assert package.seen(seen, view) == seen
        assert hash(seen) == hash(package.seen(state, view))
        assert sent(package.body(seen, None, 100))
        assert package.removed is None or all(isinstance(word, str) for word in package.removed(state, view))


def test_package_view_of_everything_removes_nothing(package: EventPackage) -> None:
    if package.removed is not None:
        assert [list(package.removed(state, View())) for state in states(package)] == [[]] * len(states(package))


def test_package_with_endings_keeps_documents_that_have_none_of_them(package: EventPackage) -> None:
    endings, bury = package.endings, package.bury

    assert (endings is None) == (bury is None)
    if endings is not None and bury is not None:
        assert [bury(document, endings(document)) for document in documents(package)] == documents(package)
        assert [bury(document, frozenset()) for document in documents(package)] == documents(package)


def test_package_makes_documents_of_other_packages_that_it_can_compose(package: EventPackage) -> None:
    for name, make in package.sources.items():
        other = next(one for one in PACKAGES if one.name == name)

        made = make(documents(other))

        assert made is None or package.body(package.compose(AOR, [made]), None, 100) is not None


def test_package_sphere_is_a_word(package: EventPackage) -> None:
    if package.sphere is not None:
        assert [package.sphere(some) for some in ([], documents(package))] == ["", ""]


@pytest.mark.parametrize("body", [b"", b" ", b"\x00", b"<", b"\xff\xfe", b"<a/>", b"a: b", b"<a>" * 100_000])
def test_package_unreadable_body_is_a_bad_request_or_a_document(package: EventPackage, body: bytes) -> None:
    try:
        document = package.parse(body)
    except BadRequest:
        return
    package.compose(AOR, [document])


def test_package_is_frozen(package: EventPackage) -> None:
    with pytest.raises(FrozenInstanceError):
        package.name = "other"  # type: ignore[misc]
