"""Bugs that are put in on purpose: a simulation that does not find them proves nothing."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from lamplighter_proto import Refresh, Refreshed, subjects
from presence_core.claims import Claims
from presence_core.commit import Committer
from presence_core.deliver import Teller
from presence_core.domain import presentity
from presence_core.storage.memory import MemoryStore
from presence_core.store import Changes
from presence_core.xcap import XcapDocuments
from sip_edge.order import DialogOrder


async def _save_without_fence(self: MemoryStore, changes: Changes) -> None:
    self._keep(changes)


def _answer_before_commit(
    self: Committer, shard: int, action: Callable[..., None], *args: object, **more: object
) -> None:
    self._early.append((shard, action, args))
    self._wake_early.set()


def _numbers_not_reserved(self: Teller, shard: Any, tag: str, delivery: Any) -> None:
    delivery.cseq_limit = delivery.cseq + 1000


def _confirm_unread(self: XcapDocuments, refreshes: Iterable[Refresh]) -> None:
    for refresh in refreshes:
        self._bus.send(subjects.xcap_replies(refresh.xcap_sync), Refreshed(id=refresh.id))


_PLANTS: dict[str, tuple[object, str, object]] = {
    "fence": (MemoryStore, "save", _save_without_fence),
    "early-answer": (Committer, "then", _answer_before_commit),
    "cseq": (Teller, "save_progress", _numbers_not_reserved),
    "repeats": (presentity, "_find_repeat", lambda publications, transaction: None),
    "silence": (Teller, "sweep", lambda self, shard, now: None),
    "unread-rules": (XcapDocuments, "on_refreshes", _confirm_unread),
    "order": (DialogOrder, "passes", lambda self, local_tag, cseq, again, now: True),
    "surplus": (Claims, "surplus", lambda self: set()),
}
PLANTS = tuple(_PLANTS)


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Put a bug in for as long as the block lasts; none without a name."""
    if not name:
        yield
        return
    owner, attribute, bug = _PLANTS[name]
    with patch.object(owner, attribute, bug):
        yield
