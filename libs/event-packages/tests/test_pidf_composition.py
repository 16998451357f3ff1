"""Several publications become one document: the newest first, one device once (RFC 3856 §6, RFC 4479 §3)."""

import re
from collections.abc import Callable, Iterable

import pytest

from event_packages.documents import pidf

Inside = Callable[..., str]
Composed = Callable[..., bytes]
Presence = Callable[..., str]

DM = 'xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"'
RPID = 'xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"'
AOR = "sip:alice@example.com"


def tuple_of(id_: str, basic: str = "open", contact: str = "", note: str = "") -> str:
    contact = f"<contact>{contact}</contact>" if contact else ""
    note = f"<note>{note}</note>" if note else ""
    return f'<tuple id="{id_}"><status><basic>{basic}</basic></status>{contact}{note}</tuple>'


def ids(written: str) -> list[str]:
    return re.findall(r'<(?:tuple|dm:person|dm:device) id="([^"]*)"', written)


def test_compose_nothing_is_a_document_that_says_closed(valid: Callable[[bytes], object]) -> None:
    document = pidf.compose(AOR, [])

    valid(document)
    assert re.search(rb'entity="sip:alice@example.com"><tuple id="\w+"><status><basic>closed</basic>', document)


def test_compose_empty_publication_is_as_nothing(composed: Composed, presence: Presence) -> None:
    assert composed(presence("")) == pidf.compose(AOR, [])


def test_compose_newest_publication_comes_first(inside: Inside, presence: Presence) -> None:
    older, newer = (presence(tuple_of(id_) + tuple_of(f"{id_}2")) for id_ in ("old", "new"))

    written = inside(older, newer)

    assert ids(written) == ["new", "new2", "old", "old2"]


def test_compose_older_tuples_stand_before_newer_persons(inside: Inside, presence: Presence) -> None:
    """An older tuple behind a newer person would not be valid."""
    older, newer = (presence(f'{tuple_of(f"t{n}")}<note>{n}</note><dm:person id="p{n}"/>', DM) for n in (1, 2))

    written = inside(older, newer)

    assert re.findall(r"<(tuple|note|dm:person)\b", written) == ["tuple"] * 2 + ["note"] * 2 + ["dm:person"] * 2
    assert ids(written) == ["t2", "t1", "p2", "p1"]


@pytest.mark.parametrize(
    ("older", "newer"),
    [("", ""), ("sip:a@pc", "sip:a@pc"), ("sip:a@pc", ""), ("", "sip:a@pc")],
    ids=["no contacts", "same", "older only", "newer only"],
)
def test_compose_same_tuple_id_of_one_device_the_newer_wins(
    inside: Inside, presence: Presence, older: str, newer: str
) -> None:
    """A client that publishes twice without an entity-tag has two publications until the first expires."""
    winner = tuple_of("t", "open", newer)

    written = inside(presence(tuple_of("t", "closed", older)), presence(winner))

    assert written == winner


def test_compose_same_tuple_id_of_two_devices_both_are_kept(inside: Inside, presence: Presence) -> None:
    written = inside(*(presence(tuple_of("t", contact=f"sip:{device}")) for device in ("desk", "phone")))

    newer, older = ids(written)
    assert newer == "t"
    assert older.startswith("t.")
    assert re.findall("<contact>(.*?)</contact>", written) == ["sip:phone", "sip:desk"]


def test_compose_third_publication_of_the_older_device_is_the_newer_state(inside: Inside, presence: Presence) -> None:
    bodies = [presence(tuple_of("t", basic, contact)) for basic, contact in
              (("closed", "sip:desk"), ("open", "sip:phone"), ("open", "sip:desk"))]  # fmt: skip

    written = inside(*bodies)

    assert written.count("<tuple ") == 2
    assert "closed" not in written


def test_compose_many_devices_with_one_long_id_are_all_kept(inside: Inside, presence: Presence) -> None:
    written = inside(*(presence(tuple_of("t" * 128, contact=f"sip:{device}")) for device in range(5)))

    assert len(set(ids(written))) == 5


def test_compose_renamed_tuple_has_the_same_id_each_time(inside: Inside, presence: Presence) -> None:
    """Watchers know a tuple by its id; it must not change with what else is published."""
    desk, phone, third = (presence(tuple_of("t", contact=f"sip:{name}")) for name in ("desk", "phone", "third"))

    renamed = [ids(written)[-1] for written in (inside(desk, phone), inside(desk, phone), inside(desk, third))]

    assert renamed[0] == renamed[1] == renamed[2]


def test_compose_renaming_leaves_text_that_looks_like_an_id(inside: Inside, presence: Presence) -> None:
    text = ' id="t" '
    status = f"""<status><x:y z=' id="t" ' id="t">{text}</x:y></status>"""
    body = f'<tuple id="t">{status}<contact>sip:a</contact><note>{text}</note></tuple>'

    written = inside(presence(body, 'xmlns:x="urn:x"'), presence(tuple_of("t", contact="sip:b")))

    older = written.partition("</tuple>")[2]
    assert older.startswith('<tuple id="t.')
    assert f"<note>{text}</note>" in older
    assert f">{text}</x:y>" in older
    assert ' id="t"' in older.partition("<x:y")[2].partition(">")[0]
    assert 'z=" id=&quot;t&quot; "' in older


def test_compose_id_taken_by_another_kind_is_renamed(inside: Inside, presence: Presence) -> None:
    written = inside(presence(tuple_of("a")), presence('<dm:person id="a"/>', DM))

    assert len(set(ids(written))) == 2


def test_compose_name_that_renaming_gives_may_be_taken_already(inside: Inside, presence: Presence) -> None:
    renamed = ids(inside(presence(tuple_of("t", contact="sip:1")), presence(tuple_of("t", contact="sip:2"))))[-1]
    bodies = [tuple_of("t", contact="sip:1"), tuple_of(renamed, contact="sip:3"), tuple_of("t", contact="sip:2")]

    written = inside(*map(presence, bodies))

    assert len(set(ids(written))) == 3


def test_compose_person_with_one_id_the_newer_wins(inside: Inside, presence: Presence) -> None:
    bodies = [presence(f'<dm:person id="p"><rpid:{what}/></dm:person>', f"{DM} {RPID}") for what in ("busy", "away")]

    written = inside(*bodies)

    assert written == '<dm:person id="p"><rpid:away/></dm:person>'


def test_compose_tuples_still_name_their_devices(inside: Inside, presence: Presence) -> None:
    """A tuple names a device by its device id, which renaming leaves alone (RFC 4479 §3.1)."""
    bodies = [
        presence(
            f'<tuple id="t"><status/><dm:deviceID>urn:{name}</dm:deviceID><contact>sip:{name}</contact></tuple>'
            f'<dm:device id="d"><dm:deviceID>urn:{name}</dm:deviceID></dm:device>',
            DM,
        )
        for name in ("desk", "phone")
    ]

    written = inside(*bodies)

    assert re.findall("<dm:deviceID>(.*?)</dm:deviceID>", written) == ["urn:phone", "urn:desk"] * 2
    assert len(set(ids(written))) == 4


def test_compose_notes_said_twice_are_written_once(inside: Inside, presence: Presence) -> None:
    written = inside(presence("<note>b</note><note>a</note>"), presence("<note>a</note>"))

    assert written == "<note>a</note><note>b</note>"


def test_compose_ids_of_rich_presence_are_not_given_twice(inside: Inside, presence: Presence) -> None:
    """They are ids of the document in the schema of RFC 4480 §5."""
    bodies = [
        presence(
            f'<dm:person id="p{n}"><rpid:activities id="a"><rpid:away/></rpid:activities></dm:person>', f"{DM} {RPID}"
        )
        for n in (1, 2)
    ]

    written = inside(*bodies)

    assert written.count("<rpid:away/>") == 2
    assert written.count('id="a"') <= 1


def test_compose_foreign_documents_are_passed_over(presence: Presence) -> None:
    document = pidf.parse(presence(tuple_of("t")).encode())

    assert pidf.compose(AOR, [object(), document]) == pidf.compose(AOR, [document])


def test_compose_order_of_the_same_state_does_not_change_what_is_said(inside: Inside, presence: Presence) -> None:
    bodies = [presence(tuple_of(id_, note=id_)) for id_ in "abc"]

    def tuples(written: str) -> Iterable[str]:
        return sorted(written.replace("</tuple>", "</tuple>\n").splitlines())

    assert tuples(inside(*bodies)) == tuples(inside(*reversed(bodies)))


def test_compose_declares_only_what_is_used(composed: Composed, presence: Presence) -> None:
    document = composed(presence(tuple_of("t"), f"{DM} {RPID}"))

    assert document.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="{AOR}">{tuple_of("t")}</presence>\n'
    )


def test_compose_declares_nothing_for_what_an_older_publication_no_longer_says(
    composed: Composed, presence: Presence
) -> None:
    older = presence('<tuple id="t"><status/><rpid:away/></tuple>', RPID)

    document = composed(older, presence(tuple_of("t")))

    assert b"rpid" not in document


def test_compose_renamed_tuple_has_an_id_that_no_process_and_no_restart_changes(
    inside: Inside, presence: Presence
) -> None:
    written = inside(*(presence(tuple_of("t", contact=f"sip:{device}")) for device in ("desk", "phone")))

    assert ids(written) == ["t", "t.08e278d9"]
