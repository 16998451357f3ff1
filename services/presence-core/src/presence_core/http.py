"""What an operator may see of a core: presentities, subscriptions, services."""

from collections.abc import Iterator
from typing import Annotated, Protocol
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from event_packages.base import View
from lamplighter_proto.ownership import Member, shard_of
from lamplighter_runtime import clock
from lamplighter_runtime.membership import Directory
from presence_core.assembly import Core
from presence_core.domain.delivery import Delivery
from presence_core.domain.subscription import STATE_NAMES
from presence_core.settings import Settings
from presence_core.shard import Entry, Shard
from presence_core.shards import SERVICE, Shards


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
    since: int = Field(description="Epoch second at which it came to this status.")
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


class Service(Protocol):
    """What the routes need of the service."""

    settings: Settings
    core: Core | None
    directory: Directory | None


def add_routes(app: FastAPI, service: Service) -> None:
    """Add the operator's routes."""

    def running() -> tuple[Shards, Directory]:
        core, directory = started(service)
        return core.shards, directory

    @app.get("/presentities/{uri:path}", tags=["presence"], response_model=PresentityView)
    async def presentity(uri: str) -> object:
        """Show a presentity; another core's is redirected to."""
        shard = owned(service, uri, f"/presentities/{quote(uri)}")
        if isinstance(shard, RedirectResponse):
            return shard
        view = _presentity(shard, uri, service.settings.instance)
        if not view.events and not view.contacts:
            raise HTTPException(404, f"nothing is published, watched or registered as {uri}")
        return view

    @app.get("/watchers/{uri:path}", tags=["presence"], response_model=list[KnownWatcherView])
    async def watchers(uri: str) -> object:
        """Show what is decided about the watchers of a presentity, those included who wait without a subscription."""
        shard = owned(service, uri, f"/watchers/{quote(uri)}")
        return shard if isinstance(shard, RedirectResponse) else _known(shard, uri)

    @app.get("/subscriptions", tags=["presence"])
    async def subscriptions(
        presentity: Annotated[str, Query(description="Only of this canonical AOR.")] = "",
        watcher: Annotated[str, Query(description="Only of this canonical AOR.")] = "",
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> list[WatcherView]:
        """List subscriptions of the shards that this core serves."""
        shards, _ = running()
        found: list[WatcherView] = []
        for view in _subscriptions(shards, presentity, watcher):
            if len(found) == limit:
                break
            found.append(view)
        return found

    @app.get("/services", tags=["cluster"])
    async def services() -> list[Member]:
        """List the processes that are alive."""
        return running()[1].members()

    @app.get("/shards", tags=["cluster"])
    async def table() -> dict[int, str]:
        """Show which core owns which shard; empty: nobody."""
        _, directory = running()
        return {number: directory.owner_of(number) or "" for number in range(service.settings.shards)}


def started(service: Service) -> tuple[Core, Directory]:
    """Return the core and its directory; 503 before there are any."""
    if service.core is None or service.directory is None:
        raise HTTPException(503, "still starting")
    return service.core, service.directory


def owned(service: Service, aor: str, path: str) -> Shard | RedirectResponse:
    """Return the shard of a presentity, or the way to the core that has it; 503 when none has."""
    core, directory = started(service)
    number = shard_of(aor, service.settings.shards)
    shard = core.shards.served.get(number)
    return _elsewhere(directory, number, path) if shard is None else shard


def _known(shard: Shard, uri: str) -> list[KnownWatcherView]:
    known = [one for (aor, _), of_event in shard.known.items() if aor == uri for one in of_event.values()]
    return [
        KnownWatcherView(
            watcher=one.watcher.watcher,
            event=one.watcher.event,
            status=one.watcher.status.name.lower(),
            reason=one.watcher.reason,
            display_name=one.watcher.display_name,
            since=one.watcher.inserted,
            subscriptions=len(one.tags),
        )
        for one in known
    ]


def _elsewhere(directory: Directory, number: int, path: str) -> RedirectResponse:
    owner = directory.owner_of(number)
    for member in directory.members():
        if member.service == SERVICE and member.instance == owner and member.http:
            return RedirectResponse(member.http + path, status_code=307)
    raise HTTPException(503, f"shard {number} has no owner now")


def _presentity(shard: Shard, uri: str, owner: str) -> PresentityView:
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


def _subscriptions(shards: Shards, presentity: str, watcher: str) -> Iterator[WatcherView]:
    now = clock.wall()
    for shard in shards.served.values():
        for delivery in shard.deliveries.values():
            one = delivery.subscription
            if (presentity and one.presentity != presentity) or (watcher and one.watcher != watcher):
                continue
            entry = shard.entries.get((one.presentity, one.event))
            yield _watcher(delivery, entry, now)


def document_text(entry: Entry, view: View, now: float) -> str | None:
    """Return the document that watchers with a view see; None when there is none."""
    body = entry.package.body(entry.seen(view).state, None, int(now))
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
