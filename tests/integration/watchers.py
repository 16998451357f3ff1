"""Watcher information as a strict client of partial documents takes it (RFC 3858 §4.2)."""

from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from .documents import read
from .watch import Watch

WINFO = "urn:ietf:params:xml:ns:watcherinfo"
EVENTS = {"subscribe", "approved", "deactivated", "probation", "rejected", "timeout", "giveup", "noresource"}
STATUSES = {"pending", "active", "waiting", "terminated"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """One watcher as the last document had it."""

    uri: str
    status: str
    event: str
    display_name: str
    expiration: int | None


class Watchers:
    """The watchers of a presentity, as its subscription `watch` to `presence.winfo` tells of them."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.version = -1
        self.by_id: dict[str, Watcher] = {}
        self.history: list[tuple[str, str, str]] = []
        """URI, status and event of everything that was told, in order."""
        self.jumps = False
        """Whether full documents may leave versions out: a core that was killed does not know how far it had come."""
        self.kinds: list[str] = []
        """`full` or `partial`, of every document."""
        self._taken = 0

    def take(self) -> None:
        """Take the NOTIFYs that came since; AssertionError for versions or documents that do not follow."""
        for one in self.watch.notifications[self._taken :]:
            self._taken += 1
            if one.body:
                self._document(read(one.body))

    def _document(self, root: etree._Element) -> None:
        assert root.tag == f"{{{WINFO}}}watcherinfo", root.tag
        version, state = int(root.get("version") or ""), root.get("state")
        after_a_crash = self.jumps and state == "full" and version > self.version
        assert version == self.version + 1 or after_a_crash, f"version {version} after {self.version}"
        assert state == "full" or version > 0, "the first document is partial"
        self.version = version
        self.kinds.append(state or "")
        (listed,) = root
        assert (listed.get("resource"), listed.get("package")) == (self.watch.presentity, "presence")
        if state == "full":
            self.by_id.clear()
        for child in listed:
            self._watcher(child)

    def _watcher(self, child: etree._Element) -> None:
        expiration = child.get("expiration")
        one = Watcher(
            uri=child.text or "",
            status=child.get("status") or "",
            event=child.get("event") or "",
            display_name=child.get("display-name") or "",
            expiration=int(expiration) if expiration else None,
        )
        assert one.status in STATUSES, one
        assert one.event in EVENTS, one
        self.history.append((one.uri, one.status, one.event))
        if one.status == "terminated":
            self.by_id.pop(child.get("id") or "", None)
        else:
            self.by_id[child.get("id") or ""] = one

    @property
    def statuses(self) -> list[tuple[str, str]]:
        """Return URI and status of everybody who watches or waits."""
        return sorted((one.uri, one.status) for one in self.by_id.values())

    async def until(self, *expected: tuple[str, str]) -> None:
        """Wait until exactly these watch or wait."""
        await self._wait(lambda: self.statuses == sorted(expected), f"{sorted(expected)}")

    async def told(self, uri: str, status: str, event: str) -> None:
        """Wait until it was told that a watcher came to a status by an event."""
        await self._wait(lambda: (uri, status, event) in self.history, f"{(uri, status, event)}")

    async def _wait(self, holds: Callable[[], bool], wanted: str) -> None:
        def taken() -> bool:
            self.take()
            return holds()

        try:
            await self.watch.state(lambda _: taken())
        except AssertionError as error:
            raise AssertionError(f"not {wanted}; {self.statuses} after {self.history}\n{error}") from None
