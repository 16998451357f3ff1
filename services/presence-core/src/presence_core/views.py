"""What an operator sees of presentities, watchers and subscriptions."""

from collections.abc import Iterable, Iterator

from pydantic import BaseModel, Field

from event_packages.base import View
from lamplighter_runtime import clock
from presence_core.domain.delivery import Delivery
from presence_core.domain.subscription import STATE_NAMES
from presence_core.domain.watcher import KnownWatcher, noted
from presence_core.shard import Entry, Shard


class PublicationView(BaseModel):
    """A live publication."""

    etag: str
    sender: str
    content_type: str
    expires_in: int = Field(description="Seconds.")
    body: str


class WatcherView(BaseModel):
    """A subscription and how its delivery stands."""

    watcher: str
    presentity: str
    event: str
    call_id: str
    local_tag: str
    state: str
    reason: str
    expires_in: int = Field(description="Seconds.")
    contact: str
    edge: str
    transport: str
    flow: str = Field(description="The address that NOTIFYs go to.")
    up_to_date: bool = Field(description="Whether the watcher has confirmed the state of now.")
    in_flight: bool = Field(description="Whether the outcome of a NOTIFY is awaited.")
    failures: int = Field(description="NOTIFYs in a row that failed.")


class KnownWatcherView(BaseModel):
    """What is decided about a watcher, where rules decide."""

    watcher: str
    event: str
    status: str = Field(description="active, pending, terminated or waiting.")
    reason: str = Field(description="polite-block, rejected, deactivated, timeout or nothing.")
    display_name: str
    since: int = Field(
        description="Epoch second at which it came to this status or, where no rules decide, subscribed."
    )
    subscriptions: int


class EventView(BaseModel):
    """A presentity for one event package."""

    event: str
    publications: list[PublicationView]
    document: str | None = Field(description="What watchers see.")
    watchers: list[WatcherView]


class PresentityView(BaseModel):
    """Everything known of a presentity."""

    presentity: str
    shard: int
    owner: str
    events: list[EventView]
    contacts: list[str] = Field(description="Bindings of the registrar.")


def watcher_views(shard: Shard, uri: str) -> list[KnownWatcherView]:
    """Return who watches a presentity, and who is decided about or waits without a subscription."""
    known = [one for (aor, _), of_event in shard.known.items() if aor == uri for one in of_event.values()]
    views = {(one.watcher.event, one.watcher.watcher): _known(one.watcher, len(one.tags)) for one in known}
    for (aor, event), entry in shard.entries.items():
        for delivery in entry.watchers.values() if aor == uri else ():
            one = delivery.subscription
            before = views.get((event, one.watcher))
            if before is None:
                views[(event, one.watcher)] = _known(noted(one, one.since), 1)
            elif (aor, event) not in shard.known:
                before.subscriptions += 1
    return list(views.values())


def _known(one: KnownWatcher, subscriptions: int) -> KnownWatcherView:
    return KnownWatcherView(
        watcher=one.watcher,
        event=one.event,
        status=one.status.name.lower(),
        reason=one.reason,
        display_name=one.display_name,
        since=one.inserted,
        subscriptions=subscriptions,
    )


def presentity_view(shard: Shard, uri: str, owner: str) -> PresentityView:
    """Return everything known of a presentity."""
    now = clock.wall()
    registration = shard.registrations.get(uri)
    return PresentityView(
        presentity=uri,
        shard=shard.number,
        owner=owner,
        events=[_event(entry, now) for (aor, _), entry in shard.entries.items() if aor == uri],
        contacts=[contact.uri for contact in registration.live(now)] if registration else [],
    )


def _event(entry: Entry, now: float) -> EventView:
    return EventView(
        event=entry.package.name,
        publications=[
            PublicationView(
                etag=one.etag,
                sender=one.sender,
                content_type=one.content_type,
                expires_in=int(one.expires - now),
                body=one.body.decode(errors="replace"),
            )
            for one in entry.committed.live(now)
        ],
        document=document_text(entry, View(), now),
        watchers=[_watcher(delivery, entry, now) for delivery in entry.watchers.values()],
    )


def subscription_views(served: Iterable[Shard], presentity: str, watcher: str) -> Iterator[WatcherView]:
    """Yield the subscriptions to a presentity or of a watcher; "": of all."""
    now = clock.wall()
    for shard in served:
        for delivery in shard.deliveries.values():
            one = delivery.subscription
            if (presentity and one.presentity != presentity) or (watcher and one.watcher != watcher):
                continue
            entry = shard.entries.get((one.presentity, one.event))
            yield _watcher(delivery, entry, now)


def document_text(entry: Entry, view: View, now: float) -> str | None:
    """Return the document that watchers with a view see; None when there is none."""
    body = entry.body(entry.seen(view), None, now)
    return None if body is None else body.document.decode(errors="replace")


def _watcher(delivery: Delivery, entry: Entry | None, now: float) -> WatcherView:
    one = delivery.subscription
    return WatcherView(
        watcher=one.watcher,
        presentity=one.presentity,
        event=one.event,
        call_id=one.dialog.call_id,
        local_tag=one.local_tag,
        state=STATE_NAMES[one.status],
        reason=one.reason,
        expires_in=max(0, int(one.expires - now)),
        contact=one.dialog.route.remote_target,
        edge=one.dialog.flow.edge,
        transport=one.dialog.flow.transport,
        flow=one.dialog.flow.remote,
        up_to_date=entry is not None and delivery.confirmed is entry.seen(one.view),
        in_flight=bool(delivery.in_flight),
        failures=delivery.failures,
    )
