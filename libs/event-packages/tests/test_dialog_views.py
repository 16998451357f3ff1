"""What one watcher sees of dialogs, and what it is told of changes."""

from pathlib import Path

import pytest
from lxml import etree

from event_packages.base import View
from event_packages.packages.dialog import PACKAGE

NAMESPACE = "{urn:ietf:params:xml:ns:dialog-info}"
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "schemas" / "dialog-info.xsd"))
AOR = "sip:erika@example.net"
SDP = "<local><session-description type='application/sdp'>v=0</session-description></local>"
ALL = View()
SINGLE = View(single=True)
Told = list[tuple[str | None, str | None]]


def dialog(id_: str, state: str, *, tags: tuple[str, str] = ("l", "r"), direction: str = "", more: str = "") -> str:
    """Return a dialog with a Call-ID of its own."""
    named = (("local-tag", tags[0]), ("remote-tag", tags[1]), ("direction", direction))
    attributes = "".join(f' {name}="{value}"' for name, value in named if value)
    return f'<dialog id="{id_}" call-id="call-{id_}"{attributes}><state>{state}</state>{more}</dialog>'


def parse(*dialogs: str) -> object:
    return PACKAGE.parse(
        f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info">{"".join(dialogs)}</dialog-info>'.encode()
    )


def state_of(*dialogs: str) -> object:
    return PACKAGE.compose(AOR, [parse(*dialogs)])


def root_of(state: object, base: object | None) -> etree._Element:
    body = PACKAGE.body(state, base, 0)
    assert body is not None
    root = etree.fromstring(b"%b0%b" % (body.document[: body.version_at], body.document[body.version_at :]))
    SCHEMA.assertValid(root)
    return root


def told(state: object, base: object | None = None) -> Told:
    """Return id and state of the dialogs in a document."""
    return [(one.get("id"), one.findtext(f"{NAMESPACE}state")) for one in root_of(state, base)]


def seen(state: object, view: View) -> Told:
    return told(PACKAGE.seen(state, view))


def of(**parameters: str) -> View:
    """Return the view of a watcher with parameters in its Event header."""
    return View(parameters=tuple((name.replace("_", "-"), value) for name, value in parameters.items()))


def test_watcher_sees_all_dialogs() -> None:
    state = state_of(dialog("a", "early"), dialog("b", "confirmed"))

    assert seen(state, ALL) == [("a", "early"), ("b", "confirmed")]


def test_watcher_sees_session_descriptions_only_when_it_asked_for_them() -> None:
    state = state_of(dialog("a", "confirmed", more=SDP))

    with_them = root_of(PACKAGE.seen(state, of(include_session_description="")), None)
    without = root_of(PACKAGE.seen(state, ALL), None)

    assert next(with_them.iter(f"{NAMESPACE}session-description")).text == "v=0"
    assert next(without.iter(f"{NAMESPACE}session-description"), None) is None


def test_change_in_a_session_description_is_none_for_watchers_that_do_not_see_it() -> None:
    before = state_of(dialog("a", "confirmed", more=SDP))
    after = state_of(dialog("a", "confirmed", more=SDP.replace("v=0", "v=0 held")))

    assert before != after
    assert PACKAGE.seen(before, ALL) == PACKAGE.seen(after, ALL)


@pytest.mark.parametrize(
    ("direction", "from_tag", "to_tag", "found"),
    [
        ("initiator", "l", "r", True),
        ("initiator", "r", "l", False),
        ("recipient", "r", "l", True),
        ("recipient", "l", "r", False),
        ("", "l", "r", True),
        ("", "r", "l", True),
        ("", "l", "l", False),
        ("initiator", "x", "r", False),
        ("initiator", "l", "x", False),
    ],
)
def test_watcher_of_one_dialog_sees_the_one_with_its_tags(
    direction: str, from_tag: str, to_tag: str, found: bool
) -> None:
    state = state_of(dialog("a", "early", direction=direction), dialog("b", "early"))

    assert seen(state, of(call_id="call-a", from_tag=from_tag, to_tag=to_tag)) == ([("a", "early")] if found else [])


def test_watcher_of_a_call_sees_all_its_branches() -> None:
    branches = [
        dialog("a", "early", direction="initiator", tags=("l", tag)).replace('id="a"', f'id="{tag}"') for tag in "xy"
    ]
    state = state_of(*branches, dialog("b", "confirmed"))

    assert seen(state, of(call_id="call-a", from_tag="l")) == [("x", "early"), ("y", "early")]


def test_watcher_of_a_dialog_that_is_not_there_sees_an_empty_document() -> None:
    assert seen(state_of(dialog("a", "early")), of(call_id="other")) == []


@pytest.mark.parametrize(
    ("states", "best"),
    [
        (["trying", "proceeding"], "proceeding"),
        (["proceeding", "confirmed", "trying"], "confirmed"),
        (["confirmed", "early", "proceeding"], "early"),
        (["terminated", "trying"], "trying"),
    ],
)
def test_watcher_of_one_thing_sees_the_dialog_that_wants_attention_most(states: list[str], best: str) -> None:
    state = state_of(*(dialog(f"d{number}", one) for number, one in enumerate(states)))

    assert [word for _, word in seen(state, SINGLE)] == [best]


def test_watcher_of_one_thing_sees_the_first_of_equal_dialogs() -> None:
    state = state_of(dialog("b", "early"), dialog("a", "early"))

    assert seen(state, SINGLE) == [("a", "early")]


def test_watcher_of_one_thing_sees_one_end() -> None:
    assert seen(state_of(dialog("a", "terminated"), dialog("b", "terminated")), SINGLE) == [("b", "terminated")]
    assert seen(state_of(), SINGLE) == []


def test_watcher_of_one_thing_is_told_first_what_went_and_then_what_came() -> None:
    before = PACKAGE.seen(state_of(dialog("a", "confirmed")), SINGLE)
    after = PACKAGE.seen(state_of(dialog("a", "confirmed"), dialog("b", "early")), SINGLE)

    assert told(after, before) == [("a", "terminated"), ("b", "early")]


def test_full_document_right_after_the_end_says_that_the_dialog_ended() -> None:
    assert told(state_of(dialog("a", "terminated"), dialog("b", "early"))) == [("a", "terminated"), ("b", "early")]


def test_partial_document_has_what_is_new_changed_or_ended() -> None:
    before = state_of(dialog("a", "early"), dialog("b", "confirmed"), dialog("c", "confirmed"), dialog("d", "early"))
    after = state_of(
        dialog("a", "confirmed"), dialog("b", "terminated"), dialog("c", "confirmed"), dialog("e", "trying")
    )

    assert told(after, before) == [("b", "terminated"), ("d", "terminated"), ("a", "confirmed"), ("e", "trying")]
    assert root_of(after, before).get("state") == "partial"


def test_partial_document_says_how_a_dialog_ended() -> None:
    before = state_of(dialog("a", "early"))
    after = state_of(dialog("a", "terminated").replace("<state>", '<state event="rejected" code="486">'))

    (state,) = root_of(after, before).iter(f"{NAMESPACE}state")

    assert (state.get("event"), state.get("code")) == ("rejected", "486")


def test_partial_document_of_a_dialog_whose_publication_is_gone_says_that_it_ended_as_it_was() -> None:
    before = state_of(dialog("a", "confirmed", direction="initiator", more="<remote><target uri='sip:f'/></remote>"))

    (gone,) = root_of(state_of(), before)

    assert gone.get("call-id") == "call-a"
    assert gone.findtext(f"{NAMESPACE}state") == "terminated"
    assert gone.find(f"{NAMESPACE}remote/{NAMESPACE}target") is not None


def test_partial_document_of_no_change_has_no_dialog() -> None:
    state = state_of(dialog("a", "early"))

    assert told(state, state) == []


def test_removed_says_what_a_watcher_does_not_see() -> None:
    assert PACKAGE.removed is not None
    state = state_of(dialog("a", "early", more=SDP), dialog("b", "early"), dialog("c", "trying"))

    assert PACKAGE.removed(state, of(include_session_description="")) == []
    assert PACKAGE.removed(state, ALL) == ["1 dialog: session description not asked for"]
    assert PACKAGE.removed(state, View(single=True, parameters=(("call-id", "call-b"),))) == [
        "2 dialogs: not the one that the Event header names"
    ]
    assert PACKAGE.removed(state, SINGLE)[-1] == "2 dialogs: the watcher can show one only"


def test_neutral_state_is_the_same_for_every_view() -> None:
    state = PACKAGE.compose(AOR, [])

    assert PACKAGE.seen(state, SINGLE) == PACKAGE.seen(state, of(call_id="c")) == state
