"""`/explain`: what is decided about a watcher and why, with the rules in force or with those of a dry run."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Body, FastAPI, HTTPException, Query
from fastapi.responses import RedirectResponse

from event_packages.base import EventPackage
from event_packages.rules.identity import UnreadableIdentity, identity_of
from lamplighter_runtime import clock
from presence_core.assembly import Core
from presence_core.domain.authorization import Asker
from presence_core.domain.documents import Documents, XcapDocument
from presence_core.explaining import Explanation, explain
from presence_core.http import Service, owned, started
from presence_core.shard import Shard
from presence_core.store import StoreError

Presentity = Annotated[str, Query(description="Address of who is watched.")]
Watcher = Annotated[str, Query(description="Address of who watches, as it stands in From.")]
Event = Annotated[str, Query(description="Event package.")]
Rules = Annotated[bytes, Body(media_type="application/auth-policy+xml", description="Rules to decide by instead.")]


def add_explain_routes(app: FastAPI, service: Service) -> None:
    """Add the operator's routes that explain decisions."""

    @app.get("/explain", tags=["presence"], response_model=Explanation)
    async def explain_decision(presentity: Presentity, watcher: Watcher, event: Event = "presence") -> object:
        """Say what is decided about a watcher, which rules matched, which did not and why, and what is withheld."""
        return await _explained(service, presentity, watcher, event, None)

    @app.post("/explain", tags=["presence"], response_model=Explanation)
    async def explain_rules(
        presentity: Presentity, watcher: Watcher, rules: Rules, event: Event = "presence"
    ) -> object:
        """Say the same as if the presentity had the rules of the request; nothing changes."""
        return await _explained(service, presentity, watcher, event, rules)


async def _explained(
    service: Service, presentity: str, watcher: str, event: str, rules: bytes | None
) -> Explanation | RedirectResponse:
    core, _ = started(service)
    aor = _aor(presentity)
    package = core.packages.get(event)
    if package is None or not package.subscribed:
        raise HTTPException(404, f"no event package {event!r}; there are: {', '.join(core.packages.names())}")
    asker = Asker(presentity=aor, watcher=_aor(watcher), uri=watcher)
    query = urlencode({"presentity": presentity, "watcher": watcher, "event": event})
    shard = await owned(service, aor, f"/explain?{query}")
    if isinstance(shard, RedirectResponse):
        return shard
    documents = await _documents(core, shard, package, aor, rules)
    return explain(core, shard, package, asker, documents, now=clock.wall(), dry_run=rules is not None)


def _aor(uri: str) -> str:
    try:
        return identity_of(uri).aor
    except UnreadableIdentity as error:
        raise HTTPException(400, f"not a SIP or tel URI: {uri[:200]!r} ({error})") from error


async def _documents(core: Core, shard: Shard, package: EventPackage, aor: str, rules: bytes | None) -> Documents:
    """Return the documents in force, those in the table where none are in memory; with other rules if there are any."""
    documents = shard.documents.get(aor)
    if documents is None:
        try:
            documents = await core.parts.documents.stored(aor)
        except StoreError as error:
            raise HTTPException(503, "the database cannot be reached") from error
    if rules is None or not package.rules:
        return documents
    others = [one for one in documents.stored if one.usage not in package.rules]
    return core.parts.documents.read(
        aor, [*others, XcapDocument(usage=package.rules[0], uri="request", etag="", body=rules)]
    )
