"""What an operator may see of a core: presentities, subscriptions, services."""

from typing import Annotated, Protocol
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import RedirectResponse

from lamplighter_proto.ownership import Member, shard_of
from lamplighter_runtime.membership import Directory
from presence_core.assembly import Core
from presence_core.claims import SERVICE
from presence_core.serving import Serving
from presence_core.settings import Settings
from presence_core.shard import Shard
from presence_core.store import StoreError
from presence_core.views import (
    KnownWatcherView,
    PresentityView,
    WatcherView,
    presentity_view,
    subscription_views,
    watcher_views,
)


class Service(Protocol):
    """What the routes need of the service."""

    settings: Settings
    core: Core | None
    directory: Directory | None


def add_routes(app: FastAPI, service: Service) -> None:
    """Add the operator's routes."""

    def running() -> tuple[Serving, Directory]:
        core, directory = started(service)
        return core.shards, directory

    @app.get("/presentities/{uri:path}", tags=["presence"], response_model=PresentityView)
    async def presentity(uri: str) -> object:
        """Show a presentity; another core's is redirected to."""
        shard = await owned(service, uri, f"/presentities/{quote(uri)}")
        if isinstance(shard, RedirectResponse):
            return shard
        view = presentity_view(shard, uri, service.settings.instance)
        if not view.events and not view.contacts:
            raise HTTPException(404, f"nothing is published, watched or registered as {uri}")
        return view

    @app.get("/watchers/{uri:path}", tags=["presence"], response_model=list[KnownWatcherView])
    async def watchers(uri: str) -> object:
        """Show who watches a presentity, and who is decided about or waits without a subscription."""
        shard = await owned(service, uri, f"/watchers/{quote(uri)}")
        return shard if isinstance(shard, RedirectResponse) else watcher_views(shard, uri)

    @app.get("/subscriptions", tags=["presence"])
    async def subscriptions(
        presentity: Annotated[str, Query(description="Only of this canonical AOR.")] = "",
        watcher: Annotated[str, Query(description="Only of this canonical AOR.")] = "",
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> list[WatcherView]:
        """List subscriptions of the shards that this core serves."""
        shards, _ = running()
        found: list[WatcherView] = []
        for view in subscription_views(shards.memory(), presentity, watcher):
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


async def owned(service: Service, aor: str, path: str) -> Shard | RedirectResponse:
    """Return the memory of a presentity, or the way to the core that has it; 503 when none has."""
    core, directory = started(service)
    try:
        shard = await core.shards.find(aor)
    except StoreError as error:
        raise HTTPException(503, "the database cannot be reached") from error
    return _elsewhere(directory, shard_of(aor, service.settings.shards), path) if shard is None else shard


def _elsewhere(directory: Directory, number: int, path: str) -> RedirectResponse:
    owner = directory.owner_of(number)
    for member in directory.members():
        if member.service == SERVICE and member.instance == owner and member.http:
            return RedirectResponse(member.http + path, status_code=307)
    raise HTTPException(503, f"shard {number} has no owner now")
