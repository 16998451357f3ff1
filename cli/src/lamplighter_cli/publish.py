"""`lamplighter publish`: an event publication agent (RFC 3903 §4)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from lamplighter_cli.address import Address
from lamplighter_cli.errors import CommandError, Refused, Unreachable
from lamplighter_cli.user_agent import Header, Sequence, UserAgent
from lamplighter_cli.waiting import Retry, refresh_after, seconds, sleep_unless, stopped_by_signal
from sip.message import Response

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """What is published, where, and for how many seconds."""

    uri: str
    event: str
    content_type: str
    body: bytes
    expires: int
    server: Address
    tcp: bool = False
    keep: bool = False


class Publication:
    """Our publication and its entity-tag."""

    def __init__(self, wanted: Publishing, agent: UserAgent) -> None:
        self._wanted = wanted
        self._agent = agent
        self._sequence = Sequence(local=wanted.uri, remote=wanted.uri)
        self._expires = wanted.expires
        self.etag = ""

    async def put(self) -> Response:
        """Publish, or refresh what is published; return the final answer to it."""
        response = await self._send(self._expires)
        if response.status == 412:
            # RFC 3903 §4.1: our publication is gone, so publish anew.
            self.etag = ""
            response = await self._send(self._expires)
        if response.status == 423:
            self._expires = max(self._expires, seconds(response, "Min-Expires") or 0)
            response = await self._send(self._expires)
        if response.status < 300:
            self.etag = response.headers.get("SIP-ETag") or ""
        return response

    async def remove(self) -> None:
        """Remove what is published (RFC 3903 §4.5)."""
        if self.etag:
            await self._send(0)

    def lifetime(self, response: Response) -> int:
        """Return how many seconds a 2xx grants."""
        granted = seconds(response, "Expires")
        return self._expires if granted is None else granted

    async def _send(self, expires: int) -> Response:
        wanted = self._wanted
        headers: list[Header] = [("Event", wanted.event), ("Expires", str(expires))]
        if self.etag:
            headers.append(("SIP-If-Match", self.etag))
            return await self._agent.request("PUBLISH", wanted.uri, self._sequence, headers)
        headers.append(("Content-Type", wanted.content_type))
        return await self._agent.request("PUBLISH", wanted.uri, self._sequence, headers, wanted.body)


async def publish(wanted: Publishing, tell: Tell) -> int:
    """Publish, and keep it alive until a signal if so wanted; return the exit code, 0."""
    agent = UserAgent(wanted.server, tcp=wanted.tcp)
    publication = Publication(wanted, agent)
    try:
        with stopped_by_signal() as stop:
            response = await publication.put()
            if response.status >= 300:
                raise Refused(f"refused: {response.status} {response.reason}")
            lives = publication.lifetime(response)
            tell(f"published {wanted.uri} etag={publication.etag} expires={lives}")
            if wanted.keep:
                await _keep(publication, lives, stop, tell)
        return 0
    finally:
        agent.close()


async def _keep(publication: Publication, lives: int, stop: asyncio.Event, tell: Tell) -> None:
    """Refresh until a signal, then remove."""
    retry = Retry()
    delay = refresh_after(lives)
    while True:
        await sleep_unless(delay, stop)
        if stop.is_set():
            break
        delay = await _refresh(publication, retry, tell)
    try:
        async with asyncio.timeout(5):
            await publication.remove()
    except (CommandError, TimeoutError) as error:
        tell(f"not removed, it will expire: {error}")
    else:
        tell("removed")


async def _refresh(publication: Publication, retry: Retry, tell: Tell) -> float:
    """Refresh once; return when to do so again."""
    try:
        response = await publication.put()
    except Unreachable as error:
        tell(f"not refreshed: {error}")
        return retry.failed()
    if response.status >= 300:
        tell(f"not refreshed: {response.status} {response.reason}")
        return retry.refused(response)
    retry.reset()
    return refresh_after(publication.lifetime(response))
