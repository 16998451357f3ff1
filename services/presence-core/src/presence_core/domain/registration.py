"""The bindings of one address-of-record (RFC 3261 §10.3)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil

from event_packages.errors import BadRequest, Forbidden, StaleCSeq
from lamplighter_proto import Binding, Register
from presence_core.domain.lifetime import Bounds, grant
from presence_core.domain.publication import TOMBSTONE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One binding. `expires` is epoch seconds; a removed binding is one that has expired."""

    uri: str
    expires: int
    q: str
    instance: str
    call_id: str
    cseq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """All bindings of an address-of-record."""

    aor: str
    contacts: tuple[Contact, ...] = ()

    def live(self, now: float) -> list[Contact]:
        """Return the bindings that count."""
        return [contact for contact in self.contacts if contact.expires > now]

    def next_expiry(self) -> int | None:
        """Return when the next binding may be forgotten, in epoch seconds."""
        return min((contact.expires + TOMBSTONE_SECONDS for contact in self.contacts), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """An accepted REGISTER: the new state and the bindings to save."""

    registration: Registration
    changed: tuple[Contact, ...]


def forgotten(registration: Registration, now: float) -> Registration:
    """Return the registration without bindings that ended long ago."""
    kept = tuple(one for one in registration.contacts if one.expires + TOMBSTONE_SECONDS > now)
    return registration if len(kept) == len(registration.contacts) else replace(registration, contacts=kept)


def decide_register(
    registration: Registration, command: Register, bounds: Bounds, most: int, *, now: float
) -> Registered:
    """Decide a REGISTER; raise the Rejection that answers it (400, 403, 423, 500)."""
    if command.remove_all:
        if command.bindings or command.expires != 0:
            raise BadRequest("Contact: * goes with Expires: 0 alone")
        asked: Iterable[Binding] = [Binding(contact=one.uri, expires=0) for one in registration.live(now)]
    else:
        asked = command.bindings
    known = {contact.uri: contact for contact in registration.contacts}
    changed = [_bind(known.get(one.contact), one, command, bounds, now) for one in asked]
    contacts = known | {contact.uri: contact for contact in changed}
    after = replace(registration, contacts=tuple(contacts.values()))
    if len(after.live(now)) > most:
        raise Forbidden("Too many bindings")
    return Registered(registration=after, changed=tuple(changed))


def _bind(known: Contact | None, asked: Binding, command: Register, bounds: Bounds, now: float) -> Contact:
    transaction = command.transaction
    if known and known.call_id == transaction.call_id and transaction.cseq < known.cseq:
        raise StaleCSeq(1)
    lifetime = grant(asked.expires if asked.expires is not None else command.expires, bounds)
    return Contact(
        uri=asked.contact,
        expires=ceil(now + lifetime) if lifetime else int(now),
        q=asked.q,
        instance=asked.instance,
        call_id=transaction.call_id,
        cseq=transaction.cseq,
    )
