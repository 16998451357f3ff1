"""What cores and operators ask of xcap-sync.

Rule 1: every replica hears what cores ask; the one chosen for a presentity acts, the others only remember.
Rule 2: what an operator asks is done by whoever is asked.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from lamplighter_proto import Wanted, XcapCommand
from xcap_sync.domain.addresses import Addresses, user_of
from xcap_sync.domain.commands import Command, Params, RefreshWatchers, Refused, UnknownMethod, WrongParams, read
from xcap_sync.domain.refreshes import Done
from xcap_sync.domain.watchlist import Watchlist
from xcap_sync.fetching import Fetcher
from xcap_sync.metrics import Metrics
from xcap_sync.store import StoreAway

CONFIRM_SECONDS = 5.0
"""How long a caller waits for the core's word; after that it is told OK all the same, for we keep on trying."""

Refresh = Callable[[str, Done | None], None]


class Documents(Protocol):
    """What a configuration does about documents that change."""

    def want(self, presentity: str, *, ours: bool) -> None:
        """Take that a core wants a presentity's documents."""

    def hint(self, presentity: str, selectors: tuple[str, ...]) -> None:
        """Take that documents of a presentity may have changed."""

    def refresh(self, presentity: str, done: Done) -> None:
        """Have a presentity decided anew by what its documents are now; `done` hears of it."""

    async def refresh_document(self, doc_uri: str, port: int, done: Done) -> None:
        """Have one document fetched; Refused when it is nobody's, StoreAway."""


class StoredDocuments:
    """Somebody else writes the table (modes `none` and `integrated`): there is nothing to fetch."""

    def __init__(self, refresh: Refresh) -> None:
        self._refresh = refresh

    def want(self, presentity: str, *, ours: bool) -> None:
        """Say that the documents are as fresh as they will be."""
        if ours:
            self._refresh(presentity, None)

    def hint(self, presentity: str, selectors: tuple[str, ...]) -> None:
        """Have the table read again."""
        self._refresh(presentity, None)

    def refresh(self, presentity: str, done: Done) -> None:
        """Have the table read again."""
        self._refresh(presentity, done)

    async def refresh_document(self, doc_uri: str, port: int, done: Done) -> None:
        """Refuse it: nothing is fetched here."""
        raise Refused(404, "No such document")


class FetchedDocuments:
    """We fetch what is wanted (mode `client`)."""

    def __init__(
        self,
        *,
        refresh: Refresh,
        fetcher: Fetcher,
        watchlist: Watchlist,
        addresses: Addresses,
        metrics: Metrics,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._refresh = refresh
        self._fetcher = fetcher
        self._watchlist = watchlist
        self._addresses = addresses
        self._metrics = metrics
        self._now = now
        self._wall = wall

    def want(self, presentity: str, *, ours: bool) -> None:
        """Fetch the documents now and keep them fresh; beyond the limit only say that a look is over."""
        if user_of(presentity) is None:
            # A telephone number has no XUI.
            known = False
        elif not (known := self._watchlist.want(presentity, int(self._wall()), ours=ours)):
            self._metrics.refused_users.inc()
        if ours and known:
            self._look(presentity)
        elif ours:
            self._refresh(presentity, None)

    def hint(self, presentity: str, selectors: tuple[str, ...]) -> None:
        """Fetch what the hint names; of a user whom no core wants nothing is kept."""
        if presentity in self._watchlist:
            self._watchlist.ask(presentity, self._now(), usages=self._addresses.named(selectors), owed=False)
            self._fetcher.wake()

    def refresh(self, presentity: str, done: Done) -> None:
        """Fetch the documents of a wanted user first; the core of another one fetches when it wants them."""
        if presentity in self._watchlist:
            self._look(presentity, done)
        else:
            self._refresh(presentity, done)

    async def refresh_document(self, doc_uri: str, port: int, done: Done) -> None:
        """Fetch the documents of the user whose it is, who is wanted from now on."""
        user = await self._fetcher.find(doc_uri, port)
        if user is None:
            raise Refused(404, "No such document")
        if not self._watchlist.want(user.aor, int(self._wall())):
            raise Refused(503, "Too many users")
        self._look(user.aor, done)

    def _look(self, presentity: str, *done: Done) -> None:
        self._watchlist.ask(presentity, self._now(), done=done)
        self._fetcher.wake()


class Handlers:
    """Takes commands from the bus and from HTTP."""

    def __init__(
        self, documents: Documents, metrics: Metrics, ours: Callable[[str], bool], confirm: float = CONFIRM_SECONDS
    ) -> None:
        self._documents = documents
        self._metrics = metrics
        self._ours = ours
        self._confirm = confirm

    def on_commands(self, messages: list[XcapCommand]) -> None:
        """Take the commands of a frame."""
        for message in messages:
            ours = self._ours(message.presentity)
            if isinstance(message, Wanted):
                self._documents.want(message.presentity, ours=ours)
            elif ours:
                self._documents.hint(message.presentity, message.selectors)

    async def call(self, method: str, params: Params) -> str:
        """Do a command of an operator and return OK; UnknownMethod, WrongParams or Refused."""
        try:
            command = read(method, params)
        except (UnknownMethod, WrongParams):
            self._metrics.count_command("unknown", 400)
            raise
        except Refused as error:
            self._metrics.count_command("refused", error.status)
            raise
        return await self._do(command)

    async def _do(self, command: Command) -> str:
        name = type(command).__name__
        confirmed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        try:
            await self._begin(command, lambda well: _settle(confirmed, well))
        except StoreAway:
            self._metrics.count_command(name, 503)
            raise Refused(503, "The database is away") from None
        except Refused as error:
            self._metrics.count_command(name, error.status)
            raise
        await asyncio.wait([confirmed], timeout=self._confirm)
        self._metrics.count_command(name, 200)
        return "OK"

    async def _begin(self, command: Command, done: Done) -> None:
        if isinstance(command, RefreshWatchers):
            self._documents.refresh(command.presentity, done)
        else:
            await self._documents.refresh_document(command.doc_uri, command.port, done)


def _settle(future: "asyncio.Future[bool]", well: bool) -> None:
    if not future.done():
        future.set_result(well)
