"""PUBLISH: load, decide, save, tell (RFC 3903 §6)."""

from collections.abc import Callable

from event_packages.base import EventPackage
from lamplighter_proto import Hint, Publish, subjects
from presence_core.answers import Answers
from presence_core.commits import Commits
from presence_core.deliver import Teller
from presence_core.domain.presentity import ETag, decide_publish, expired, needed_endings, prolonged
from presence_core.domain.publication import Published
from presence_core.outbox import Sender
from presence_core.settings import Settings
from presence_core.shard import Entry, Shard
from presence_core.store import Ending, StoredPublication

XCAP_DIFF = "xcap-diff"


class Publishing:
    """Handles PUBLISH and the end of publications."""

    def __init__(
        self,
        settings: Settings,
        bus: Sender,
        answers: Answers,
        committer: Commits,
        teller: Teller,
        *,
        new_id: Callable[[], str],
    ) -> None:
        self._bus = bus
        self._answers = answers
        self._committer = committer
        self._teller = teller
        self._new_id = new_id
        self._limits = settings.publications
        self._hints = settings.xcap != "none"

    def on_publish(self, shard: Shard, command: Publish, now: float) -> None:
        """Decide a PUBLISH."""
        package = self._answers.package(command.presentity, command.event)
        if command.event == XCAP_DIFF and self._hints:
            self._hint(package, command)
            return
        if not package.published or not package.subscribed:
            raise self._answers.bad_event()
        entry = shard.entry(command.presentity, command.event, package)
        try:
            decision = decide_publish(entry.decided, command, package, self._limits, etag=ETag(self._new_id()), now=now)
        except Exception:
            shard.forget_if_idle((command.presentity, command.event))
            raise
        if not decision.repeated:
            entry.decided = decision.presentity
            entry.committed = prolonged(entry.committed, decision.publication, now)
            shard.wake_entry(entry)
            self._save(shard, decision)
        self._committer.then(shard.number, self._published, shard, entry, command, decision)

    def _hint(self, package: EventPackage, command: Publish) -> None:
        """Pass on that documents have changed (RFC 5874); nothing is kept of such a publication."""
        document = package.parse(command.body) if command.body else None
        selectors: tuple[str, ...] = getattr(document, "selectors", ())
        self._bus.send(subjects.XCAP, Hint(presentity=command.presentity, selectors=selectors))
        self._answers.ok(command, ("SIP-ETag", self._new_id()), ("Expires", str(command.expires or 0)))

    def _save(self, shard: Shard, decision: Published) -> None:
        aor, event, publication = decision.presentity.aor, decision.presentity.event, decision.publication
        changes = self._committer.changes(shard.number, shard.epoch)
        changes.publications[(aor, event, publication.pub)] = StoredPublication(
            shard=shard.number, aor=aor, event=event, publication=publication
        )
        if decision.endings:
            self._remember(shard, aor, event, {name: decision.presentity.endings[name] for name in decision.endings})

    def _remember(self, shard: Shard, aor: str, event: str, endings: dict[str, int]) -> None:
        changes = self._committer.changes(shard.number, shard.epoch)
        for name, until in endings.items():
            ending = Ending(shard=shard.number, aor=aor, event=event, name=name, until=until)
            changes.gone_endings.pop(ending.key, None)
            changes.endings[ending.key] = ending

    def _published(self, shard: Shard, entry: Entry, command: Publish, decision: Published) -> None:
        etag = decision.publication.etag
        self._answers.ok(command, ("SIP-ETag", etag), ("Expires", str(decision.lifetime)))
        if not decision.repeated:
            entry.committed = decision.presentity
        if decision.changed:
            self._teller.changed(shard, entry)

    def due(self, shard: Shard, key: object, now: float) -> None:
        """Look at a presentity of which a publication, a tombstone or an ending is over."""
        entry = shard.entries.get(key)  # type: ignore[call-overload]  # the wheel holds keys of every kind
        if entry is None:
            return
        self._keep_needed_endings(shard, entry, now)
        before = entry.decided
        entry.decided = expired(entry.decided, now)
        entry.committed = expired(entry.committed, now)
        self._forget_endings(shard, before.endings.keys() - entry.decided.endings.keys(), entry)
        entry.wake_at = float("inf")
        shard.wake_entry(entry)
        self._teller.changed(shard, entry)
        shard.forget_if_idle((entry.decided.aor, entry.decided.event))

    def _keep_needed_endings(self, shard: Shard, entry: Entry, now: float) -> None:
        names = needed_endings(entry.decided, entry.package, now)
        if names:
            until = dict.fromkeys(names, int(now) + self._limits.ending_seconds)
            entry.decided = entry.decided.remembering(until)
            entry.committed = entry.committed.remembering(until)
            self._remember(shard, entry.decided.aor, entry.decided.event, until)

    def _forget_endings(self, shard: Shard, names: set[str], entry: Entry) -> None:
        if not names:
            return
        changes = self._committer.changes(shard.number, shard.epoch)
        for name in names:
            key = (entry.decided.aor, entry.decided.event, name)
            changes.endings.pop(key, None)
            changes.gone_endings[key] = shard.number
