"""The parts that work on shards, as one bundle."""

from dataclasses import dataclass

from presence_core.authorizing import Authorizer
from presence_core.commits import Commits
from presence_core.composing import Composer
from presence_core.deliver import Teller
from presence_core.handlers import Handlers
from presence_core.loading import Loader
from presence_core.watching import Watchers
from presence_core.xcap import XcapDocuments


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What works on shards, and commits by one committer."""

    committer: Commits
    composer: Composer
    teller: Teller
    authorizer: Authorizer
    watchers: Watchers
    handlers: Handlers
    documents: XcapDocuments
    loader: Loader
