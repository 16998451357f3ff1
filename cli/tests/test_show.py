import pytest

from lamplighter_cli.presence_text import PIDF_TYPE, State, write
from lamplighter_cli.show import describe, line, raw
from lamplighter_cli.tables import Table
from lamplighter_cli.watch import Notice
from sip.fields import SubscriptionState

OPEN = write("sip:a@example.com", State(basic="open", notes=("at my desk",), activities=("busy",)), tuple_id="t1")
DIALOG = "application/dialog-info+xml"


def notice(body: bytes = b"", content_type: str = "", state: str = "active;expires=60") -> Notice:
    return Notice(state=SubscriptionState.parse(state), content_type=content_type, body=body)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (notice(OPEN, PIDF_TYPE), 'open "at my desk" [busy]'),
        (notice(OPEN, f"{PIDF_TYPE};charset=UTF-8"), 'open "at my desk" [busy]'),
        (notice(b"<", PIDF_TYPE), "unreadable"),
        (notice(), "unknown"),
        (notice(state="pending;expires=60"), "pending: unknown"),
        (notice(state="terminated;reason=noresource"), "terminated (noresource)"),
        (notice(state="terminated"), "terminated (no reason given)"),
        (notice(b"<d><dialog><state>early</state></dialog></d>", DIALOG), "early"),
        (notice(b"<d><dialog><state>terminated</state></dialog></d>", DIALOG), "idle"),
        (
            notice(b"Messages-Waiting: yes\r\nVoice-Message: 2/8\r\n", "application/simple-message-summary"),
            "Messages-Waiting: yes | Voice-Message: 2/8",
        ),
        (
            notice(b"Messages-Waiting: yes\r\n\r\nSubject: hi\r\n\r\n", "application/simple-message-summary"),
            "Messages-Waiting: yes | Subject: hi",
        ),
        (notice(b"<w/>", "application/watcherinfo+xml", "pending;expires=60"), "pending: no watchers"),
    ],
)
def test_notice_in_words_says_its_state_first(told: Notice, expected: str) -> None:
    assert describe(told, Table()) == expected


def test_notice_line_has_time_presentity_and_state() -> None:
    text = line("sip:a@example.com", notice(OPEN, PIDF_TYPE), 0.0, Table()).plain

    assert text[2] == text[5] == ":"
    assert text[8:] == ' sip:a@example.com open "at my desk" [busy]'


def test_notice_with_control_characters_cannot_move_the_cursor() -> None:
    told = notice(b"\x1b[2J\x07", "text/plain")

    assert "\x1b" not in line("sip:a@example.com", told, 0.0, Table()).plain
    assert "\x1b" not in raw(told).plain


def test_notice_line_of_calls_has_the_style_of_the_first_one() -> None:
    body = b"<d><dialog id='1'><state>early</state></dialog><dialog id='2'><state>confirmed</state></dialog></d>"

    text = line("sip:a@example.com", notice(body, DIALOG), 0.0, Table())

    assert text.plain.endswith(" early, confirmed")
    assert "bold yellow" in [span.style for span in text.spans]
