"""One publication as its publisher sees it (RFC 3903 §4)."""

from typing import TYPE_CHECKING

from sip.message import Response

from .documents import PIDF_TYPE

if TYPE_CHECKING:
    from .agent import Agent

Pairs = tuple[tuple[str, str], ...]


class Publication:
    """Soft state at the server, known to us by its entity-tag."""

    def __init__(self, agent: "Agent", presentity: str, *, event: str = "presence") -> None:
        self.agent = agent
        self.presentity = presentity
        self.event = event
        self.etag = ""
        self.expires = 0

    async def send(
        self,
        body: bytes = b"",
        *,
        expires: int | None = 3600,
        content_type: str = PIDF_TYPE,
        etag: str | None = None,
        headers: Pairs = (),
        timeout: float = 10.0,
    ) -> Response:
        """Send a PUBLISH with our entity-tag (or `etag`, "" for none) and return its answer."""
        tag = self.etag if etag is None else etag
        response = await self.agent.out_of_dialog(
            "PUBLISH",
            self.presentity,
            [
                ("Event", self.event),
                *([] if expires is None else [("Expires", str(expires))]),
                *([("SIP-If-Match", tag)] if tag else []),
                *([("Content-Type", content_type)] if body and content_type else []),
                *headers,
            ],
            body,
            timeout=timeout,
        )
        if 200 <= response.status < 300:
            self._accepted(response, removed=expires == 0)
        return response

    def _accepted(self, response: Response, *, removed: bool) -> None:
        granted = response.headers.get("Expires") or ""
        etag = response.headers.get("SIP-ETag") or ""
        if not granted.isdigit() or not etag:
            self.agent.faults.append(f"2xx to PUBLISH with Expires {granted!r}, SIP-ETag {etag!r}")
            return
        self.etag, self.expires = ("" if removed else etag), int(granted)

    async def accepted(self, body: bytes = b"", *, expires: int | None = 3600) -> str:
        """Publish, refresh (no body) or remove (expires 0); return the entity-tag."""
        response = await self.send(body, expires=expires)
        assert response.status == 200, f"{response.status} {response.reason}\n{self.agent.wire.trace}"
        return response.headers.get("SIP-ETag") or ""

    async def remove(self) -> None:
        """Remove the publication (RFC 3903 §4.5)."""
        await self.accepted(expires=0)
