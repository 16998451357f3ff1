"""All dialogs of a presentity in one state, whatever order its publications have."""

import pytest

from event_packages.base import View
from event_packages.documents.dialog_info_model import Dialogs
from event_packages.packages.dialog import PACKAGE

AOR = "sip:erika@example.net"


def dialog(
    state: str, *, id: str = "a", call: str = "c1", local: str = "l1", remote: str = "r1", more: str = ""
) -> str:
    """Return a dialog; what is empty is left out."""
    named = (("id", id), ("call-id", call), ("local-tag", local), ("remote-tag", remote))
    attributes = "".join(f' {name}="{value}"' for name, value in named if value)
    return f"<dialog{attributes}><state>{state}</state>{more}</dialog>"


def parse(*dialogs: str) -> object:
    return PACKAGE.parse(
        f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info">{"".join(dialogs)}</dialog-info>'.encode()
    )


def compose(*documents: object) -> Dialogs:
    state = PACKAGE.compose(AOR, documents)
    assert isinstance(state, Dialogs)
    return state


def live(*documents: object) -> list[tuple[str, str]]:
    """Return id and state of the live dialogs."""
    return [(one.id, one.state.word.decode()) for one in compose(*documents).live]


def ended(*documents: object) -> list[str]:
    return [one.id for one in compose(*documents).ended]


def bury(document: object, *endings: object) -> object:
    assert PACKAGE.endings is not None
    assert PACKAGE.bury is not None
    return PACKAGE.bury(document, frozenset().union(*(PACKAGE.endings(one) for one in endings)))


def test_dialogs_of_several_publications_are_in_one_state() -> None:
    first = parse(dialog("confirmed", id="a", call="c1"))
    second = parse(dialog("early", id="b", call="c2"))

    assert live(first, second) == [("a", "confirmed"), ("b", "early")]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    ("less", "more"),
    [("trying", "proceeding"), ("proceeding", "early"), ("early", "confirmed"), ("trying", "confirmed")],
)
def test_dialog_told_of_twice_has_its_most_advanced_state(less: str, more: str, order: tuple[int, int]) -> None:
    documents = [parse(dialog(less)), parse(dialog(more))]

    assert live(*(documents[place] for place in order)) == [("a", more)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_dialog_that_one_publication_ends_has_ended(order: tuple[int, int]) -> None:
    documents = [parse(dialog("terminated")), parse(dialog("confirmed"))]

    assert live(*(documents[place] for place in order)) == []
    assert ended(*(documents[place] for place in order)) == ["a"]


def test_dialog_told_of_twice_with_one_state_is_as_the_newest_says() -> None:
    before = parse(dialog("confirmed", more="<local><target uri='sip:a'/></local>"))
    after = parse(dialog("confirmed", more="<local><target uri='sip:b'/></local>"))

    state = compose(before, after)

    assert b"sip:b" in state.live[0].written()
    assert len(state.live) == 1


@pytest.mark.parametrize(("local", "remote"), [("l1", ""), ("", "r1"), ("", "")])
def test_dialog_missing_tag_matches_every_tag(local: str, remote: str) -> None:
    assert live(parse(dialog("early")), parse(dialog("trying", local=local, remote=remote))) == [("a", "early")]
    assert live(parse(dialog("terminated")), parse(dialog("trying", local=local, remote=remote))) == []
    assert live(parse(dialog("terminated", local=local, remote=remote)), parse(dialog("confirmed"))) == []


@pytest.mark.parametrize(("local", "remote"), [("l1", "r2"), ("l2", "r1"), ("", "r2"), ("l2", "")])
def test_dialog_with_another_tag_is_another(local: str, remote: str) -> None:
    other = parse(dialog("early", id="b", local=local, remote=remote))

    assert live(parse(dialog("terminated")), other) == [("b", "early")]


def test_dialog_with_another_call_id_is_another() -> None:
    assert len(live(parse(dialog("early", call="c1")), parse(dialog("early", call="c2")))) == 2


def test_branch_that_ended_before_it_had_a_tag_leaves_the_others_alone() -> None:
    loser = parse(dialog("terminated", id="branch2", local=""))
    winner = parse(dialog("confirmed", id="branch1"))

    assert live(loser, winner) == [("branch1", "confirmed")]
    assert live(bury(winner, loser)) == [("branch1", "confirmed")]
    assert live(bury(parse(dialog("early", id="branch2")), loser)) == []


@pytest.mark.parametrize(("proxy", "phone"), [("early", "confirmed"), ("confirmed", "early"), ("early", "early")])
def test_dialog_that_two_publishers_tell_of_has_one_id_whoever_is_ahead(proxy: str, phone: str) -> None:
    documents = [parse(dialog(proxy, id="2")), parse(dialog(phone, id="1"))]

    assert [id_ for id_, _ in live(*documents)] == ["1"]
    assert [id_ for id_, _ in live(*reversed(documents))] == ["1"]


def test_dialog_without_call_id_is_as_the_newest_publication_says() -> None:
    seized, idle = (parse(dialog(state, call="", local="", remote="")) for state in ("trying", "terminated"))

    assert live(seized, idle) == []
    assert live(idle, seized) == [("a", "trying")]


def test_different_dialogs_with_one_id_are_kept_apart_by_the_same_name_each_time() -> None:
    documents = [parse(dialog("early", call="c1")), parse(dialog("confirmed", call="c2"))]

    (first, _), (second, _) = live(*documents)

    assert first == "a"
    assert second.startswith("a.")
    assert [id_ for id_, _ in live(*reversed(documents))] == [first, second]


def test_id_of_a_dialog_that_ended_is_free_for_another() -> None:
    before, after = parse(dialog("terminated", call="c1")), parse(dialog("early", call="c2"))

    assert live(before, after) == [("a", "early")]
    assert ended(before, after)[0].startswith("a.")


def test_dialogs_of_many_publications_are_bounded() -> None:
    documents = [
        parse(*(dialog("early", id=f"{place}-{number}", call=f"{place}-{number}") for number in range(90)))
        for place in range(3)
    ]

    assert len(live(*documents)) == 100


def test_forgetting_an_ended_dialog_is_no_change() -> None:
    document = parse(dialog("terminated"))

    assert compose(document).ended
    assert compose(document) == compose()


def test_duration_alone_is_no_change() -> None:
    documents = [parse(dialog("confirmed", more=f"<duration>{seconds}</duration>")) for seconds in (1, 2)]

    assert compose(documents[0]) == compose(documents[1])


def test_state_of_no_documents_is_neutral() -> None:
    assert compose() == Dialogs(entity=AOR)


def test_ending_buries_what_comes_late_whatever_it_says() -> None:
    ending = parse(dialog("terminated"))

    for state in ("trying", "proceeding", "early", "confirmed"):
        assert live(bury(parse(dialog(state)), ending)) == []
        assert live(bury(parse(dialog(state, remote="")), ending)) == []


def test_ending_leaves_other_dialogs_as_they_are() -> None:
    document = parse(dialog("early", id="b", call="c2"), dialog("early", id="c", remote="r2"))

    assert bury(document, parse(dialog("terminated"))) is document


def test_ending_buries_one_dialog_of_a_document_and_keeps_the_others() -> None:
    document = parse(dialog("early"), dialog("confirmed", id="b", call="c2"))

    buried = bury(document, parse(dialog("terminated")))

    assert live(buried) == [("b", "confirmed")]
    assert ended(buried) == ["a"]


def test_branch_that_is_buried_for_want_of_a_tag_takes_no_other_along() -> None:
    ending = parse(dialog("terminated", remote="r1"))
    uncertain, ringing = parse(dialog("proceeding", remote="")), parse(dialog("early", remote="r2"))

    assert live(bury(uncertain, ending), bury(ringing, ending)) == [("a", "early")]
    assert live(bury(ringing, ending), bury(uncertain, ending)) == [("a", "early")]


def test_branches_keep_their_ids_when_a_publication_from_before_the_fork_is_still_there() -> None:
    before = parse(dialog("trying", id="1", remote=""))
    first, second = parse(dialog("early", id="1")), parse(dialog("early", id="2", remote="r2"))

    assert live(before, first, second) == live(second, first, before) == [("1", "early"), ("2", "early")]


def test_ending_is_short_and_says_nothing_of_the_call() -> None:
    assert PACKAGE.endings is not None

    (name,) = PACKAGE.endings(parse(dialog("terminated", call="c" * 500, local="l" * 500)))

    assert len(name) <= 67
    assert "c" * 20 not in name


def test_ending_of_a_dialog_without_call_id_is_none() -> None:
    assert PACKAGE.endings is not None

    assert PACKAGE.endings(parse(dialog("terminated", call=""))) == frozenset()
    assert PACKAGE.endings(parse(dialog("early"))) == frozenset()


def test_challenge_is_no_ending_since_the_call_is_tried_again() -> None:
    challenged = parse(dialog("terminated").replace("<state>", '<state event="rejected" code="407">'))

    again = parse(dialog("trying", remote=""))

    assert live(bury(again, challenged)) == [("a", "trying")]
    assert live(challenged, again) == [("a", "trying")]


def test_document_that_is_buried_is_still_an_immutable_value() -> None:
    buried = bury(parse(dialog("early")), parse(dialog("terminated")))

    assert hash(buried) == hash(bury(parse(dialog("early")), parse(dialog("terminated"))))
    assert PACKAGE.seen(compose(buried), View()) == compose()
