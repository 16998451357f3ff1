"""How an endpoint goes about it, as the settings say."""

from dataclasses import dataclass

from sip.message import Limits
from sip_edge.checks import Manners


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How an endpoint goes about it."""

    instance: str
    shards: int
    limits: Limits
    manners: Manners
    retry_after: int
    max_pending: int
    max_pending_per_name: int
    """Of one presentity or one watcher; and of one source before it comes to that."""
    max_pending_per_core: int
    at_work_per_source: int
    """With the cores at a time."""
    answer_timeout: float
    repeat: float
    first_id: int
    """Above every id that an earlier process of this name used."""
