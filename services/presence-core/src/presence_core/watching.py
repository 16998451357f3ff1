"""Who watches: what is decided about watchers (table `watchers`), and word of it for those who watch them (RFC 3857).

Rule 1: only where rules decide anything is kept about a watcher beyond its subscription.
"""

from collections.abc import Mapping
from dataclasses import replace

from event_packages.winfo import Watcher
from presence_core.commits import Commits
from presence_core.composing import SECONDS_PER_DAY, winfo_key
from presence_core.deliver import Teller
from presence_core.domain.subscription import Status, Subscription, ended
from presence_core.domain.watcher import KnownWatcher, left, noted, watcher_id
from presence_core.shard import Due, Known, Shard
from presence_core.store import StoredWatcher


class Watchers:
    """Keeps what is known of watchers, and tells of their changes."""

    def __init__(self, committer: Commits, teller: Teller, *, waiting_days: int) -> None:
        self._committer = committer
        self._teller = teller
        self._waiting_seconds = waiting_days * SECONDS_PER_DAY

    def note(self, shard: Shard, one: Subscription, now: float) -> None:
        """Keep what is decided about the watcher of a subscription."""
        known = shard.known.setdefault((one.presentity, one.event), {})
        before = known.get(one.watcher)
        after = noted(_telling(shard, before, one), int(now))
        if before is None:
            before = known[one.watcher] = Known(after)
            self._save(shard, before.watcher)
        else:
            self._become(shard, before, after)
        before.tags.add(one.local_tag)

    def _become(self, shard: Shard, known: Known, after: KnownWatcher) -> None:
        if (known.watcher.status, known.watcher.reason) != (after.status, after.reason):
            known.watcher = after
            self._save(shard, after)

    def changed(self, shard: Shard, one: Subscription) -> None:
        """Tell those who watch the watchers that one of them is another now."""
        entry = shard.entries.get(winfo_key(one.presentity, one.event))
        if entry is not None:
            self._teller.changed(shard, entry)

    def over(self, shard: Shard, one: Subscription, now: float) -> None:
        """Take note that a subscription has ended; who has no other one and is not decided about waits."""
        known = shard.known.get((one.presentity, one.event), {}).get(one.watcher)
        if known is None or known.watcher.status != Status.PENDING:
            self.ended(shard, _terminated(one), one.presentity, one.event)
        if known is not None and one.local_tag in known.tags:
            self._without(shard, known, one, now)
        self.changed(shard, one)

    def ended(self, shard: Shard, watcher: Watcher, presentity: str, event: str) -> None:
        """Remember for a while how a watcher ended, for those who watch the watchers."""
        entry = shard.entries.get(winfo_key(presentity, event))
        if entry is not None and watcher not in entry.over:
            entry.over.append(watcher)

    def removed(self, shard: Shard, one: Subscription, now: float) -> None:
        """Take note that a subscription is gone for good."""
        self.over(shard, one if one.status == Status.TERMINATED else ended(one, "timeout"), now)

    def due(self, shard: Shard, key: object, now: float) -> None:
        """Look at a watcher without subscriptions: what waited for too long is given up."""
        known = _find(shard.known, key)
        if known is None or known.tags:
            return
        if known.watcher.status in (Status.PENDING, Status.ACTIVE):
            self._named_for_last(shard, known)
            self._left(shard, known, int(now))
        elif known.watcher.inserted + self._waiting_seconds <= now:
            self.decided(shard, known.watcher, "giveup")
        else:
            self.wake(shard, known.watcher)

    def _named_for_last(self, shard: Shard, known: Known) -> None:
        """Have a watcher that begins to wait go on as its last subscription, where that is still known."""
        watcher = known.watcher
        key = (watcher.presentity, watcher.event, watcher.watcher)
        last = [one for one in shard.subscriptions.values() if (one.presentity, one.event, one.watcher) == key]
        if last and watcher.status == Status.PENDING:
            known.watcher = replace(watcher, id=watcher_id(last[-1].local_tag))

    def wake(self, shard: Shard, watcher: KnownWatcher) -> None:
        """See to it that a watcher without subscriptions is given up in time."""
        shard.wheel.set((Due.WATCHER, watcher.key), watcher.inserted + self._waiting_seconds)

    def decided(self, shard: Shard, watcher: KnownWatcher, event: str) -> None:
        """Forget a watcher that waited, and say why: `approved`, `rejected` or `giveup`."""
        told = Watcher(
            id=watcher.id, uri=watcher.watcher, status="terminated", event=event, display_name=watcher.display_name
        )
        self.ended(shard, told, watcher.presentity, watcher.event)
        self.forget(shard, watcher)

    def forget(self, shard: Shard, watcher: KnownWatcher) -> None:
        """Forget a watcher, here and in the store."""
        key = (watcher.presentity, watcher.event)
        of_presentity = shard.known.get(key, {})
        if of_presentity.pop(watcher.watcher, None) is None:
            return
        if not of_presentity:
            del shard.known[key]
        changes = self._committer.changes(shard.number, shard.epoch)
        changes.watchers.pop(watcher.key, None)
        changes.gone_watchers[watcher.key] = shard.number
        entry = shard.entries.get(winfo_key(*key))
        if entry is not None:
            self._teller.changed(shard, entry)

    def _without(self, shard: Shard, known: Known, one: Subscription, now: float) -> None:
        """Take a subscription from a watcher; the last one is what is told of when it waits."""
        known.tags.discard(one.local_tag)
        other = _telling(shard, known, one)
        if other is not one:
            self._become(shard, known, noted(other, int(now)))
        if not known.tags:
            if known.watcher.status == Status.PENDING:
                known.watcher = replace(known.watcher, id=watcher_id(one.local_tag))
            self._left(shard, known, int(now))

    def _left(self, shard: Shard, known: Known, now: int) -> None:
        after = left(known.watcher, now)
        if after is None:
            self.forget(shard, known.watcher)
            return
        if after != known.watcher:
            known.watcher = after
            self._save(shard, after)
        self.wake(shard, after)

    def _save(self, shard: Shard, watcher: KnownWatcher) -> None:
        changes = self._committer.changes(shard.number, shard.epoch)
        changes.gone_watchers.pop(watcher.key, None)
        changes.watchers[watcher.key] = StoredWatcher(shard=shard.number, watcher=watcher)


def _telling(shard: Shard, known: Known | None, one: Subscription) -> Subscription:
    """Return the subscription by which its watcher is known: one that ends says nothing while others live."""
    if known is None or one.status != Status.TERMINATED:
        return one
    others = (shard.subscriptions.get(tag) for tag in known.tags if tag != one.local_tag)
    return next((other for other in others if other is not None and other.status != Status.TERMINATED), one)


def _terminated(one: Subscription) -> Watcher:
    return Watcher(
        id=watcher_id(one.local_tag),
        uri=one.watcher,
        status="terminated",
        event=one.cause,
        display_name=one.display_name,
        since=one.since,
    )


def _find(known: Mapping[tuple[str, str], Mapping[str, Known]], key: object) -> Known | None:
    if not isinstance(key, tuple):
        return None
    presentity, watcher, event = key
    return known.get((presentity, event), {}).get(watcher)
