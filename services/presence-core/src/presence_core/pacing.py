"""How many NOTIFYs of one presentity are under way at a time, so that those of others come between.

Rule 1: whoever waits is told what there is to see when it is his turn, not what there was.
Rule 2: every outcome lets the next one go. Watchers who give none cost the others little: the clock lets some go too.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator

from presence_core.domain.delivery import Delivery
from presence_core.shard import Entry, Shard

TICKS_AT_MOST = 10
"""How many ticks of the clock let as many go as may be under way."""


class Pacing:
    """The watchers who wait behind others of the same presentity."""

    def __init__(self, at_a_time: int) -> None:
        self._at_a_time = at_a_time
        self._waiting: dict[int, tuple[Shard, Entry, deque[Delivery]]] = {}
        self._free: dict[int, int] = {}

    def __bool__(self) -> bool:
        """Return whether anybody waits."""
        return bool(self._waiting)

    def first(self, shard: Shard, entry: Entry, now: float) -> Iterable[Delivery]:
        """Return whom to tell of a changed state now; the others wait."""
        watchers = entry.watchers.values()
        self._waiting.pop(id(entry), None)
        self._free.pop(id(entry), None)
        if len(watchers) <= self._at_a_time:
            return watchers
        under_way = sum(1 for one in watchers if one.in_flight)
        due = deque(one for one in watchers if one.due(entry.seen(one.subscription.view), now))
        now_told = [due.popleft() for _ in range(min(len(due), max(0, self._at_a_time - under_way)))]
        if due:
            self._waiting[id(entry)] = (shard, entry, due)
        return now_told

    def settled(self, shard: Shard, delivery: Delivery) -> bool:
        """Take note that a NOTIFY is under way no longer; return whether its watcher waits behind others now."""
        subscription = delivery.subscription
        key = id(shard.entries.get((subscription.presentity, subscription.event)))
        waiting = self._waiting.get(key)
        if waiting is None:
            return False
        self._free[key] = self._free.get(key, 0) + 1
        waiting[2].append(delivery)
        return True

    def on_tick(self, shard: Shard) -> None:
        """Let some go of a shard, whatever the outcomes are."""
        for key, (owner, _, _) in self._waiting.items():
            if owner is shard:
                self._free[key] = self._free.get(key, 0) + self._at_a_time // TICKS_AT_MOST + 1

    def next(self, now: float) -> Iterator[tuple[Shard, Entry, list[Delivery]]]:
        """Yield whose turn it is."""
        free, self._free = self._free, {}
        for key, places in free.items():
            shard, entry, due = self._waiting[key]
            yield shard, entry, list(_take(shard, entry, due, places, now))
            if not due:
                del self._waiting[key]

    def forget(self) -> None:
        """Have nobody wait."""
        self._waiting.clear()
        self._free.clear()

    def forget_shards(self, numbers: Collection[int]) -> None:
        """Have nobody wait in shards that are not ours any more."""
        gone = [key for key, one in self._waiting.items() if one[0].number in numbers]
        for key in gone:
            del self._waiting[key]
            self._free.pop(key, None)


def _take(shard: Shard, entry: Entry, due: deque[Delivery], places: int, now: float) -> Iterator[Delivery]:
    while due and places:
        one = due.popleft()
        kept = shard.deliveries.get(one.subscription.local_tag) is one
        if kept and one.due(entry.seen(one.subscription.view), now):
            places -= 1
            yield one
