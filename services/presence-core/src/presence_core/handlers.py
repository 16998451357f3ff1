"""Commands to decisions, and what the clock asks for: load, decide, save, tell, one class for each method.

Rule 1: that something is not there (412, 481) is said only when it is certain that nobody else has made it meanwhile.
Rule 2: nothing here waits. What must follow the commit is handed to the committer; what needs XCAP documents that are
not here yet is parked, and handled when they are.
"""

import logging
from typing import TypeVar, assert_never

import msgspec

from event_packages.errors import ConditionalRequestFailed, NoSuchDialog, Rejection, ServiceUnavailable
from event_packages.registry import Registry
from lamplighter_proto import Command, Publish, Register, Subscribe
from presence_core.answers import Answers
from presence_core.authorizing import Authorizer
from presence_core.commits import Commits
from presence_core.deliver import Teller
from presence_core.domain.keys import check_key
from presence_core.publishing import Publishing
from presence_core.registering import Registering
from presence_core.settings import Settings
from presence_core.shard import Due, Shard
from presence_core.subscribing import Subscribing
from presence_core.watching import Watchers
from presence_core.xcap import XcapDocuments

logger = logging.getLogger(__name__)
Of = TypeVar("Of", Publish, Subscribe)


class Handlers:
    """Everything that a core does to a shard."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        committer: Commits,
        teller: Teller,
        answers: Answers,
        publishing: Publishing,
        subscribing: Subscribing,
        registering: Registering,
        authorizer: Authorizer,
        watchers: Watchers,
        documents: XcapDocuments,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._committer = committer
        self._teller = teller
        self._answers = answers
        self._publishing = publishing
        self._subscribing = subscribing
        self._registering = registering
        self._authorizer = authorizer
        self._watchers = watchers
        self._documents = documents

    def handle(self, shard: Shard, command: Command, now: float) -> None:
        """Decide a command; what it is refused with is answered at once."""
        if self._answers.is_doubtful(command, now):
            return self._answers.ask(command, now)
        try:
            self._check_load()
            check_key(command)
            match command:
                case Publish():
                    self._publishing.on_publish(shard, self._resolved(command), now)
                case Subscribe():
                    self._subscribe(shard, self._resolved(command), now)
                case Register():
                    self._registering.on_register(shard, command, now)
                case _:
                    assert_never(command)
        except (ConditionalRequestFailed, NoSuchDialog) as refusal:
            self._committer.checked(shard.number, shard.epoch, self._refuse, command, refusal)
        except Rejection as refusal:
            self._refuse(command, refusal)
        except Exception:
            # The bug of one command must not cost the others of its frame.
            logger.exception("command failed", extra={"call_id": command.transaction.call_id})
            self._answers.send(command, 500, "Server Internal Error")

    def _subscribe(self, shard: Shard, command: Subscribe, now: float) -> None:
        if self._documents.here(shard, command, now):
            self._subscribing.on_subscribe(shard, command, now)

    def refuse(self, command: Command) -> None:
        """Say that a command cannot be handled now."""
        self._refuse(command, ServiceUnavailable(self._settings.retry_after_seconds))

    def _refuse(self, command: Command, refusal: Rejection) -> None:
        self._answers.send(command, refusal.status, refusal.reason, refusal.headers())

    def _check_load(self) -> None:
        if self._committer.waiting >= self._settings.pending_changes or self._committer.overloaded:
            raise ServiceUnavailable(self._settings.retry_after_seconds)

    def _resolved(self, command: Of) -> Of:
        """Return the command with the name of its package for the event: it may have a parameter in it."""
        package = self._registry.resolve(command.event, command.event_params) if command.event_params else None
        if package is None or package.name == command.event:
            return command
        return msgspec.structs.replace(command, event=package.name)

    # --- time

    def on_tick(self, shard: Shard, now: float) -> None:
        """Do what the clock asks for."""
        self.on_due(shard, now)
        self._documents.on_tick(shard, now)
        self._teller.sweep(shard, now)

    def on_due(self, shard: Shard, now: float) -> None:
        """Look at what is due."""
        for due, key in shard.wheel.due(now):
            try:
                self._due(shard, due, key, now)
            except Exception:
                # The bug that one deadline finds must not cost the others theirs.
                logger.exception("deadline failed", extra={"due": due.value})

    def _due(self, shard: Shard, due: Due, key: object, now: float) -> None:
        match due:
            case Due.PRESENTITY:
                self._publishing.due(shard, key, now)
            case Due.SUBSCRIPTION:
                self._subscribing.due(shard, str(key), now)
            case Due.RETRY:
                delivery = shard.deliveries.get(str(key))
                if delivery is not None:
                    self._teller.offer(shard, delivery)
            case Due.REGISTRATION:
                self._registering.due(shard, str(key), now)
            case Due.RULES:
                self._authorizer.due(shard, str(key), now)
            case Due.WATCHER:
                self._watchers.due(shard, key, now)
            case _:
                assert_never(due)
