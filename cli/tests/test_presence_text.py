import pytest

from event_packages.documents import pidf
from lamplighter_cli.presence_text import State, read, write


def test_presence_text_written_is_read_back() -> None:
    state = State(basic="closed", notes=('<at> "lunch" & co',), activities=("on-the-phone", "meal"))

    assert read(write("sip:a@example.com", state, tuple_id="t1")) == state


def test_presence_text_with_an_unknown_activity_says_other() -> None:
    body = write("sip:a@example.com", State(basic="open", activities=("juggling",)), tuple_id="t1")

    assert b"<rpid:other>juggling</rpid:other>" in body
    assert read(body) == State(basic="open", activities=("juggling",))


def test_presence_text_written_is_a_document_that_the_package_takes() -> None:
    body = write("sip:a@example.com", State(basic="open", notes=("hi",), activities=("busy",)), tuple_id="t1")

    kinds = [part.kind for part in pidf.parse(body).parts]

    assert kinds == ["tuple", "person"]


def test_presence_text_published_later_replaces_all_of_the_earlier() -> None:
    earlier = State(basic="open", notes=("hi",), activities=("busy",))
    later = State(basic="closed")
    documents = [pidf.parse(write("sip:a@example.com", state, tuple_id="t")) for state in (earlier, later)]

    composed = pidf.compose("sip:a@example.com", documents)

    assert composed
    assert read(composed) == later


def test_presence_text_of_several_devices_is_open_if_one_is() -> None:
    tuples = "".join(f'<tuple id="{b}"><status><basic>{b}</basic></status></tuple>' for b in ("closed", "open"))
    body = f'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:a@b">{tuples}</presence>'

    assert read(body.encode()) == State(basic="open")


@pytest.mark.parametrize("body", [b"", b"<", b"no xml", b"<!DOCTYPE x><x/>"])
def test_presence_text_that_cannot_be_read_is_nothing(body: bytes) -> None:
    assert read(body) is None
