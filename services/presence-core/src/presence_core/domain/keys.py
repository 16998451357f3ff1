"""How long the names of a row may be: one that no index takes would fail the commit of everybody."""

from typing import assert_never

from event_packages.errors import BadRequest
from lamplighter_proto import Command, Publish, Register, Subscribe

LONGEST_KEY = 2400
"""Bytes from outside that name a row together; an index of PostgreSQL takes 2704 with our own part and its heads."""


def check_key(command: Command) -> None:
    """Raise BadRequest for a command whose row could not be indexed."""
    match command:
        case Publish():
            names = [command.presentity]
        case Subscribe():
            names = [command.presentity + command.transaction.call_id + command.transaction.from_tag]
        case Register():
            names = [command.aor + one.contact for one in command.bindings] or [command.aor]
        case _:
            assert_never(command)
    if any(len(name.encode()) > LONGEST_KEY for name in names):
        raise BadRequest("Address, tag, Call-ID or Contact too long")
