"""Publications of one presentity for one event package (RFC 3903 §6).

Rule 1: a Presentity is a value; a decision makes a new one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil
from typing import NewType

from msgspec.structs import replace

from event_packages.base import EventPackage
from event_packages.errors import (
    BadRequest,
    ConditionalRequestFailed,
    Forbidden,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)
from lamplighter_proto import Publish, Transaction
from presence_core.domain.lifetime import Bounds, grant
from presence_core.domain.publication import TOMBSTONE_SECONDS, Presentity, Publication, Published, forget_at

ETag = NewType("ETag", str)
COMMIT_SECONDS = 64
"""Longer than anything is under way to the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an operator grants to publishers."""

    bounds: Bounds
    body_bytes: int
    publications: int

    @property
    def ending_seconds(self) -> int:
        """Return how long it is remembered that something ended: longer than an older publication may live."""
        return 2 * self.bounds.most + TOMBSTONE_SECONDS


def expired(presentity: Presentity, now: float) -> Presentity:
    """Return the presentity without what has ended, and without endings that are of no more use."""
    kept = tuple(one for one in presentity.publications if forget_at(one) > now)
    endings = {name: until for name, until in presentity.endings.items() if until > now}
    if len(kept) == len(presentity.publications) and len(endings) == len(presentity.endings):
        return presentity
    return replace(presentity, publications=kept, endings=endings)


def prolonged(presentity: Presentity, pending: Publication, now: float) -> Presentity:
    """Return the presentity with what soon ends kept for as long as `pending` says, its version under way to the store.

    A refresh that came in time is no end, however long the store takes for it.
    """
    for one in presentity.publications:
        if one.pub == pending.pub and now < one.expires < min(pending.expires, now + COMMIT_SECONDS):
            kept = replace(one, expires=pending.expires)
            return _changed(presentity, tuple(kept if other is one else other for other in presentity.publications))
    return presentity


def needed_endings(presentity: Presentity, package: EventPackage, now: float) -> list[str]:
    """Return the endings whose time is over while a publication still says otherwise: they stay remembered."""
    bury = package.bury
    if bury is None:
        return []
    over = [name for name, until in presentity.endings.items() if until <= now]
    return [name for name in over if any(bury(one, [name]) != one for one in presentity.documents(now))]


def decide_publish(
    presentity: Presentity, command: Publish, package: EventPackage, limits: Limits, *, etag: ETag, now: float
) -> Published:
    """Decide a PUBLISH by the steps of RFC 3903 §6; raise the Rejection that answers it."""
    repeated = _find_repeat(presentity.publications, command)
    if repeated is not None:
        return _repeat(presentity, repeated, now)
    if len(command.if_match) > 1:
        raise BadRequest("Only one SIP-If-Match is allowed")
    _check_body(command, package, limits)
    lifetime = grant(command.expires, limits.bounds)
    if command.if_match:
        before = _find(presentity, command.if_match[0], now)
        decision = _change(presentity, before, command, package, lifetime, etag, now)
    else:
        decision = _create(presentity, command, package, limits, lifetime, etag, now)
    return _remembered(decision, package, int(now) + limits.ending_seconds) if command.body else decision


def _remembered(decision: Published, package: EventPackage, until: int) -> Published:
    """Return the decision with what the new document says is over for good."""
    document = decision.publication.document
    if package.endings is None or document is None:
        return decision
    names = package.endings(document)
    if not names:
        return decision
    after = decision.presentity.remembering(dict.fromkeys(names, until))
    return replace(decision, presentity=after, endings=tuple(names))


def name_of(transaction: Transaction) -> str:
    """Return the name of the publication that an initial PUBLISH makes: 32 hex digits.

    So a PUBLISH that comes late on another way is known for what it is also when its publication has been modified.
    """
    text = f"{transaction.cseq} {len(transaction.call_id)} {transaction.call_id}{transaction.from_tag}"
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _find_repeat(publications: Iterable[Publication], command: Publish) -> Publication | None:
    name = None if command.if_match else name_of(command.transaction)
    repeats = (one for one in publications if one.transaction == command.transaction or one.pub == name)
    return next(repeats, None)


def _repeat(presentity: Presentity, publication: Publication, now: float) -> Published:
    lifetime = max(0, int(publication.expires - now))
    return Published(presentity=presentity, publication=publication, lifetime=lifetime, repeated=True, changed=False)


def _find(presentity: Presentity, etag: str, now: float) -> Publication:
    for publication in presentity.publications:
        if publication.etag == etag and publication.expires > now:
            return publication
    raise ConditionalRequestFailed


def _check_body(command: Publish, package: EventPackage, limits: Limits) -> None:
    if len(command.body) > limits.body_bytes:
        raise RequestEntityTooLarge
    if not command.body:
        if not command.if_match and command.expires != 0:
            raise BadRequest("An initial PUBLISH needs a body")
        return
    if command.content_type.partition(";")[0].strip().lower() not in package.content_types:
        raise UnsupportedMediaType(package.content_types)


def _create(
    presentity: Presentity,
    command: Publish,
    package: EventPackage,
    limits: Limits,
    lifetime: int,
    etag: ETag,
    now: float,
) -> Published:
    if lifetime and len(presentity.live(now)) >= limits.publications:
        raise Forbidden("Too many publications")
    created = Publication(
        pub=name_of(command.transaction),
        etag=etag,
        expires=ceil(now + lifetime) if lifetime else 0,
        received=int(now),
        modified=int(now * 1e6),
        transaction=command.transaction,
        content_type=command.content_type,
        body=command.body,
        sender=command.sender,
        document=package.parse(command.body) if command.body else None,
    )
    return _with(presentity, presentity.publications, created, lifetime, changed=lifetime > 0)


def _change(
    presentity: Presentity,
    before: Publication,
    command: Publish,
    package: EventPackage,
    lifetime: int,
    etag: ETag,
    now: float,
) -> Published:
    """Refresh, modify or remove a publication (RFC 3903 §4.2 to §4.5)."""
    modified = bool(command.body)
    after = Publication(
        pub=before.pub,
        etag=etag,
        expires=ceil(now + lifetime) if lifetime else 0,
        received=int(now),
        modified=int(now * 1e6) if modified else before.modified,
        transaction=command.transaction,
        content_type=command.content_type if modified else before.content_type,
        body=command.body if modified else before.body,
        sender=command.sender,
        document=package.parse(command.body) if modified else before.document,
    )
    others = tuple(one for one in presentity.publications if one.pub != before.pub)
    if modified or not lifetime:
        return _with(presentity, others, after, lifetime, changed=True)
    # A refresh keeps its place: it does not make a state the newest.
    same_place = tuple(after if one.pub == before.pub else one for one in presentity.publications)
    refreshed = _changed(presentity, same_place)
    return Published(presentity=refreshed, publication=after, lifetime=lifetime, changed=False)


def _with(
    presentity: Presentity, others: tuple[Publication, ...], newest: Publication, lifetime: int, *, changed: bool
) -> Published:
    after = _changed(presentity, (*others, newest))
    return Published(presentity=after, publication=newest, lifetime=lifetime, changed=changed)


def _changed(presentity: Presentity, publications: tuple[Publication, ...]) -> Presentity:
    return Presentity(aor=presentity.aor, event=presentity.event, publications=publications, endings=presentity.endings)
