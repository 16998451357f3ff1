"""Conditional GET of XCAP documents (RFC 4825 §7.11, RFC 9110 §13.1.2) over HTTP or HTTPS.

Rule 1: a server is believed only what fits: 200 with XML and within the limit, 304, 404, 410. All else is a failure.
Rule 2: redirects are not followed: credentials go where the operator said and nowhere else.
Rule 3: no answer takes longer than the timeout as a whole, however slowly it drips.
"""

import asyncio
import logging
import re
import ssl
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

import httpx

from lamplighter_runtime import clock
from xcap_sync.store import Document

Auth = Literal["none", "basic", "digest"]

_XML = re.compile(r"(application|text)/(xml|[a-z0-9!#$&^_.-]+\+xml)\s*(;.*)?", re.IGNORECASE | re.DOTALL)
_LONGEST_ETAG = 1024
_LONGEST_SECONDS = 9
"""Digits, more than any pause has."""
_SERVER_WIDE = (401, 407, 429, 502, 503, 504)
_HEADERS = {"Accept": "application/*+xml, application/xml, text/xml", "Accept-Encoding": "identity"}


class Outcome(StrEnum):
    """What came of a GET."""

    DOCUMENT = "document"
    UNCHANGED = "unchanged"
    GONE = "gone"
    FAILED = "failed"
    """Of this document."""
    AWAY = "away"
    """The server does not serve anything now, or not to us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a GET; `document` with DOCUMENT, `why` with failures."""

    outcome: Outcome
    document: Document | None = None
    why: str = ""
    retry_after: float = 0.0
    """For how many seconds the server wants to be left alone (RFC 9110 §10.2.3, RFC 6585 §4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to speak to XCAP servers."""

    auth: Auth = "none"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    """None: the system's certificates."""
    timeout: float = 5.0
    """Seconds for a whole request."""
    limit: int = 256 * 1024
    """Bytes of a document."""
    concurrency: int = 16


class Client:
    """GETs documents, so many at a time."""

    def __init__(self, access: Access) -> None:
        # It would log every request.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._access = access
        self._turns = asyncio.Semaphore(access.concurrency)
        self._http = httpx.AsyncClient(
            auth=_credentials(access),
            verify=ssl.create_default_context(cafile=access.ca_file),
            timeout=access.timeout,
            follow_redirects=False,
            trust_env=False,
            headers=_HEADERS,
            limits=httpx.Limits(max_connections=access.concurrency, max_keepalive_connections=access.concurrency),
        )

    async def get(self, url: str, etag: str) -> Answer:
        """GET a document, if it is not still the one with an ETag ("" for none)."""
        async with self._turns:
            try:
                async with asyncio.timeout(self._access.timeout):
                    return await self._get_twice(url, etag)
            except (httpx.TransportError, TimeoutError) as error:
                return Answer(outcome=Outcome.AWAY, why=repr(error))
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, NotImplementedError) as error:
                # The last two are how httpx says that it does not know a digest's algorithm or quality.
                return Answer(outcome=Outcome.FAILED, why=repr(error))

    async def _get_twice(self, url: str, etag: str) -> Answer:
        try:
            return await self._get(url, etag)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            # A server may close an idle connection just when it is used again.
            return await self._get(url, etag)

    async def _get(self, url: str, etag: str) -> Answer:
        headers = {"If-None-Match": etag} if etag else {}
        async with self._http.stream("GET", url, headers=headers) as response:
            if response.status_code == 304 and etag:
                return Answer(outcome=Outcome.UNCHANGED)
            if response.status_code in (404, 410):
                return Answer(outcome=Outcome.GONE)
            if response.status_code != 200:
                return _failure(response)
            return await self._read(response)

    async def _read(self, response: httpx.Response) -> Answer:
        if not _XML.fullmatch(response.headers.get("Content-Type", "").strip()):
            return Answer(outcome=Outcome.FAILED, why="not XML")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            return Answer(outcome=Outcome.FAILED, why="encoded")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._access.limit:
                return Answer(outcome=Outcome.FAILED, why="too large")
        document = Document(body=bytes(body), etag=_etag(response))
        return Answer(outcome=Outcome.DOCUMENT, document=document)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()


def _failure(response: httpx.Response) -> Answer:
    why = f"status {response.status_code}"
    if response.status_code not in _SERVER_WIDE:
        return Answer(outcome=Outcome.FAILED, why=why)
    return Answer(outcome=Outcome.AWAY, why=why, retry_after=_retry_after(response))


def _retry_after(response: httpx.Response) -> float:
    """Return the seconds of Retry-After, from the server's own time where it is a date; 0 for none or nonsense."""
    text: str = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:_LONGEST_SECONDS])
    try:
        since = _seconds(response.headers["Date"]) if "Date" in response.headers else clock.wall()
        return max(0.0, _seconds(text) - since)
    except (ValueError, OverflowError):
        return 0.0


def _seconds(date: str) -> float:
    """Return the epoch second of an HTTP date; raise ValueError for what is none."""
    return parsedate_to_datetime(date).timestamp()


def _etag(response: httpx.Response) -> str:
    """Return the ETag as it came, quotes and all, for it is sent back as it came; "" for one that cannot be."""
    etag: str = response.headers.get("ETag", "")
    return etag if etag.isascii() and len(etag) <= _LONGEST_ETAG else ""


def _credentials(access: Access) -> httpx.Auth | None:
    if access.auth == "none":
        return None
    kind = httpx.BasicAuth if access.auth == "basic" else httpx.DigestAuth
    return kind(access.username, access.password)
