"""Waiting messages (RFC 3842): what is read, and that what is written follows §5.2."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_packages.errors import BadRequest
from event_packages.packages.message_summary import MAX_BYTES, PACKAGE, Counts, MessageSummary, compose, parse

AOR = "sip:alice@example.com"
# RFC 3842 §5.2, with the classes of RFC 3458 §6 and any later one.
SYNTAX = re.compile(
    r"Messages-Waiting: (yes|no)\r\n"
    r"(Message-Account: [A-Za-z][A-Za-z0-9+.-]*:[!-~]+\r\n)?"
    r"([A-Za-z0-9.!%*_+`'~-]+: [0-9]+/[0-9]+( \([0-9]+/[0-9]+\))?\r\n)*"
    r"(\r\n([A-Za-z0-9.!%*_+`'~-]+: [^\x00-\x08\x0a-\x1f\x7f]+\r\n)+)*"
)


def written(*bodies: bytes) -> str:
    """Return what watchers get of publications, oldest first, after a look at its syntax."""
    text = compose(AOR, [parse(body) for body in bodies]).decode()
    assert SYNTAX.fullmatch(text)
    return text


# The example of RFC 3842 §4 with other people.
FULL = """\
Messages-Waiting: yes
Message-Account: sip:alice@vmail.example.com
Voice-Message: 4/8 (1/2)
Fax-Message: 0/3

To: <alice@example.com>
From: <bob@example.net>
Subject: the lamp on your desk
Date: Mon, 13 Nov 2023 22:13:20 +0000
Priority: normal
Message-ID: 27775334485@vmail.example.com

To: <alice@example.com>
From: <carol@example.org>
Subject: HELP: the line is down
Priority: urgent
Message-ID: 27775334486@vmail.example.com
"""


def test_body_with_everything_is_written_as_it_came() -> None:
    body = FULL.replace("\n", "\r\n")

    assert written(body.encode()) == body


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=repr)
def test_body_with_any_line_ends_is_written_with_those_of_the_rfc(line_end: str) -> None:
    assert written(FULL.replace("\n", line_end).encode()) == FULL.replace("\n", "\r\n")


def test_document_of_a_body_holds_its_numbers() -> None:
    document = parse(b"Messages-Waiting: yes\r\nVoice-Message: 4/8 (1/2)\r\nFax-Message: 0/3\r\n")

    assert document == MessageSummary(
        waiting=True,
        counts=(
            Counts(kind="Voice-Message", new=4, old=8, urgent=(1, 2)),
            Counts(kind="Fax-Message", new=0, old=3),
        ),
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Messages-Waiting: no", "Messages-Waiting: no\r\n"),
        ("\r\n\r\nmessages-waiting:YES", "Messages-Waiting: yes\r\n"),
        ("Messages-Waiting \t:\tno  ", "Messages-Waiting: no\r\n"),
        ("Messages-Waiting:\r\n yes\r\n", "Messages-Waiting: yes\r\n"),
        (
            "voice-message: 2 / 0 ( 0/0 )\nMESSAGE-ACCOUNT: <sip:a@b.example>\nMessages-Waiting: yes\n",
            "Messages-Waiting: yes\r\nMessage-Account: sip:a@b.example\r\nVoice-Message: 2/0 (0/0)\r\n",
        ),
        (
            "Messages-Waiting: yes\nMultimedia-message: 007/1",
            "Messages-Waiting: yes\r\nMultimedia-Message: 7/1\r\n",
        ),
        ("Messages-Waiting: yes\nVoice-Message: many\nVoice-Mail: 1/2/3\n", "Messages-Waiting: yes\r\n"),
        ("Messages-Waiting: yes\nVoice-Message: 9999999999/0\n", "Messages-Waiting: yes\r\n"),
        ("Messages-Waiting: yes\nMessage-Account: my mailbox\n", "Messages-Waiting: yes\r\n"),
        ('Messages-Waiting: yes\nMessage-Account: sip:a"@b\n', "Messages-Waiting: yes\r\n"),
        ("Messages-Waiting: yes\nX-Vendor: lamp\nno header at all\n", "Messages-Waiting: yes\r\n"),
        ("Messages-Waiting: yes\n\n\n \nSubject: a\n b\n\n", "Messages-Waiting: yes\r\n\r\nSubject: a b\r\n"),
        ("Messages-Waiting: yes\n\n Subject: a", "Messages-Waiting: yes\r\n\r\nSubject: a\r\n"),
        ("Messages-Waiting: yes\n\nSubject:\nb ad: x\n\nTo: Zoë\n", "Messages-Waiting: yes\r\n\r\nTo: Zoë\r\n"),
    ],
)
def test_body_of_a_careless_publisher_is_written_as_the_rfc_wants(body: str, expected: str) -> None:
    assert written(body.encode()) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"Voice-Message: 1/0",
        b"Messages-Waiting:",
        b"Messages-Waiting: maybe",
        b"Messages-Waiting: yes\xff",
        b"Messages-Waiting: yes\x00",
        b"Messages-Waiting: yes\r\n\r\nSubject: \x1b[31m",
        b"<presence/>",
        b"Messages-Waiting: yes\r\n".ljust(MAX_BYTES + 1, b"\n"),
    ],
    ids=lambda body: repr(body[:40]),
)
def test_body_that_does_not_say_whether_messages_wait_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match="message summary"):
        parse(body)


def test_body_of_the_latest_publication_wins() -> None:
    assert written(b"Messages-Waiting: yes\nVoice-Message: 1/0", b"Messages-Waiting: no") == "Messages-Waiting: no\r\n"


def test_body_of_no_publication_says_that_nothing_waits() -> None:
    assert written() == "Messages-Waiting: no\r\n"


def test_package_is_published_and_watched_and_has_no_rules() -> None:
    assert (PACKAGE.published, PACKAGE.subscribed, PACKAGE.rules, PACKAGE.winfo) == (True, True, (), False)


LINES = st.lists(
    st.sampled_from(["Voice-Message: 1/2", "Message-Account: sip:a@b", "Subject: x", "", " folded", "\tx: y", "a:b"])
    | st.text(max_size=20),
    max_size=12,
)


@given(before=LINES, after=LINES, line_end=st.sampled_from(["\n", "\r\n"]))
def test_any_body_that_is_read_is_written_once_and_for_all(before: list[str], after: list[str], line_end: str) -> None:
    body = line_end.join([*before, "Messages-Waiting: yes", *after]).encode(errors="replace")

    try:
        first = written(body)
    except BadRequest:
        return

    assert written(first.encode()) == first
