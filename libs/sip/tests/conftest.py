"""What becomes of bytes that come in, in a word: how far they can be read."""

from collections.abc import Callable

import pytest

from sip.errors import ParseError
from sip.fields import CSeq, EventHeader, MediaType, SubscriptionState, Via, parse_name_addr
from sip.message import Request, Response, parse
from sip.uri import parse_uri

READERS: dict[str, Callable[[str], object]] = {
    "Via": Via.parse,
    "From": parse_name_addr,
    "To": parse_name_addr,
    "Contact": lambda text: text == "*" or parse_name_addr(text),
    "Route": parse_name_addr,
    "Record-Route": parse_name_addr,
    "CSeq": CSeq.parse,
    "Event": EventHeader.parse,
    "Content-Type": MediaType.parse,
    "Accept": MediaType.parse,
    "Subscription-State": SubscriptionState.parse,
}


Judge = Callable[[bytes], str]


@pytest.fixture(scope="session")
def outcome() -> Judge:
    return judge


def judge(data: bytes) -> str:
    """Return "read"; or the status of the refusal and what is refused; or "dropped"."""
    try:
        message = parse(data)
    except ParseError as error:
        return f"{error.status} message" if error.head else "dropped"
    try:
        if isinstance(message, Request):
            parse_uri(message.uri)
    except ParseError as error:
        return f"{error.status} Request-URI"
    return unreadable_header(message) or "read"


def unreadable_header(message: Request | Response) -> str:
    """Return the status and name of the first header that a typed reader refuses, "" without one."""
    for name, reader in READERS.items():
        try:
            for value in message.headers.values(name):
                reader(value)
        except ParseError as error:
            return f"{error.status} {name}"
    return ""
