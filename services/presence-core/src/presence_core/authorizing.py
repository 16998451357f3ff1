"""Verdicts about watchers, asked for at a SUBSCRIBE and anew whenever rules, sphere or time change (RFC 5025 §3).

Rule 1: who may see less is shown less at once; what changes the status of a subscription is told when it is saved.
"""

import logging
from collections.abc import Hashable, Iterable

from msgspec.structs import replace

from event_packages.base import EventPackage
from event_packages.errors import Forbidden
from event_packages.registry import Registry
from event_packages.rules.decision import Handling, next_change
from presence_core.commits import Commits
from presence_core.composing import published_documents
from presence_core.deliver import Teller
from presence_core.domain.authorization import Asker, Circumstances, Policy, Verdict, asker_of, judge, ruled
from presence_core.domain.delivery import CSEQ_BLOCK, Delivery
from presence_core.domain.documents import NO_DOCUMENTS
from presence_core.domain.subscription import Status, Subscription
from presence_core.shard import Due, Entry, Known, Shard
from presence_core.store import StoredSubscription
from presence_core.watching import Watchers

logger = logging.getLogger(__name__)

NEVER = float("inf")


class Authorizer:
    """Decides about the watchers of the shards."""

    def __init__(
        self, policy: Policy, packages: Registry, committer: Commits, teller: Teller, watchers: Watchers
    ) -> None:
        self.policy = policy
        self._committer = committer
        self._teller = teller
        self._watchers = watchers
        self._governed = [package for package in packages if package.rules and policy.governs(package)]
        self._spheres = [package for package in packages if package.sphere is not None]

    def governs(self, package: EventPackage) -> bool:
        """Return whether the rules of presentities say who may watch a package."""
        return bool(package.rules) and self.policy.governs(package)

    def verdict(self, shard: Shard, package: EventPackage, asker: Asker, now: float) -> Verdict:
        """Decide about a watcher; raise Forbidden for what only the presentity itself may watch."""
        return self._judged(package, asker, self.circumstances(shard, asker.presentity, now))

    def _judged(self, package: EventPackage, asker: Asker, circumstances: Circumstances) -> Verdict:
        try:
            return judge(package, asker, self.policy, circumstances)
        except Forbidden:
            raise
        except Exception:
            # The bug that one watcher finds must not leave the others undecided; nobody is allowed by it.
            logger.exception("not decided", extra={"presentity": asker.presentity, "watcher": asker.watcher})
            return Verdict(handling=Handling.CONFIRM, view=None, why="the rules could not be applied")

    def basis(self, shard: Shard, aor: str, now: float) -> Hashable:
        """Return what verdicts about the watchers of a presentity rest on: while it is the same, so are they."""
        given = self.circumstances(shard, aor, now)
        return (given.documents.stored, given.sphere, shard.boundaries.get(aor, NEVER))

    def circumstances(self, shard: Shard, aor: str, now: float) -> Circumstances:
        """Return what verdicts about the watchers of a presentity depend on."""
        documents = shard.documents.get(aor, NO_DOCUMENTS)
        rulesets = [ruleset for some in documents.rulesets.values() for ruleset in some]
        sphere = self.sphere(shard, aor, now) if any(ruleset.uses_sphere for ruleset in rulesets) else ""
        return Circumstances(documents=documents, sphere=sphere, now=now)

    def sphere(self, shard: Shard, aor: str, now: float) -> str:
        """Return the sphere that a presentity says it is in, "" for none or several (RFC 4480 §3.11)."""
        found = set()
        for package in self._spheres:
            entry = shard.entries.get((aor, package.name))
            if entry is not None and package.sphere is not None:
                try:
                    found.add(package.sphere(published_documents(entry.committed, package, now)))
                except Exception:
                    # Whom a sphere would allow is not allowed; the others are decided about.
                    logger.exception("sphere not found", extra={"presentity": aor})
        return found.pop() if len(found) == 1 else ""

    # --- deciding anew

    def recomposed(self, shard: Shard, entry: Entry, now: float) -> None:
        """Decide anew when a presentity has come into another sphere."""
        aor = entry.committed.aor
        if entry.package.sphere is None or aor not in shard.documents:
            return
        if self.circumstances(shard, aor, now).sphere != entry.sphere:
            self.redecide(shard, aor, now)

    def due(self, shard: Shard, aor: str, now: float) -> None:
        """Decide anew when the validity of a rule begins or ends."""
        if shard.boundaries.get(aor, NEVER) <= now:
            del shard.boundaries[aor]
            self.redecide(shard, aor, now)

    def redecide(self, shard: Shard, aor: str, now: float) -> None:
        """Decide anew about everybody who watches a presentity, or waits to."""
        circumstances = self.circumstances(shard, aor, now)
        for package in self._governed:
            entry = shard.entries.get((aor, package.name))
            for delivery in list(entry.watchers.values()) if entry else ():
                one = shard.subscriptions.get(delivery.subscription.local_tag)
                if one is not None:
                    verdict = self._judged(package, asker_of(one), circumstances)
                    self._apply(shard, delivery, one, _decided(one, verdict), now)
            self._redecide_waiting(shard, aor, package, circumstances)
        for package in self._spheres:
            entry = shard.entries.get((aor, package.name))
            if entry is not None:
                entry.sphere = circumstances.sphere
        self.wake(shard, aor, now)

    def wake(self, shard: Shard, aor: str, now: float) -> None:
        """See to it that it is decided anew when the next validity begins or ends."""
        documents = shard.documents.get(aor, NO_DOCUMENTS)
        at = next_change([ruleset for some in documents.rulesets.values() for ruleset in some], now)
        if at is not None and at < shard.boundaries.get(aor, NEVER):
            shard.boundaries[aor] = at
            shard.wheel.set((Due.RULES, aor), at)

    def _apply(self, shard: Shard, delivery: Delivery, one: Subscription, after: Subscription, now: float) -> None:
        if (one.status, one.reason, one.view) == (after.status, after.reason, after.view):
            if delivery.sent is None:
                # A new owner has waited for this.
                self._teller.offer(shard, delivery)
            return
        shard.subscriptions[one.local_tag] = after
        if (one.status, one.reason) != (after.status, after.reason):
            self.save(shard, after)
            self._watchers.note(shard, after, now)
        if after.status == Status.TERMINATED == one.status:
            # Its last NOTIFY may be still to come.
            delivery.subscription = replace(delivery.subscription, view=after.view)
        elif one.status == after.status == delivery.subscription.status:
            delivery.subscription = after
            self._teller.offer(shard, delivery)
        else:
            delivery.hold(delivery.subscription)
            self._committer.then(shard.number, self._saved, shard, delivery, after, now)

    def save(self, shard: Shard, one: Subscription) -> None:
        """Save a subscription as it is decided."""
        self._committer.changes(shard.number, shard.epoch).subscriptions[one.local_tag] = StoredSubscription(
            shard=shard.number, subscription=one, cseq_limit=CSEQ_BLOCK, notified=None
        )

    def _saved(self, shard: Shard, delivery: Delivery, after: Subscription, now: float) -> None:
        if shard.subscriptions.get(after.local_tag) is not after:
            # It is gone, or decided otherwise by now: that is told when it is saved.
            return
        delivery.decided(after)
        self._teller.offer(shard, delivery)
        if after.status == Status.TERMINATED:
            self._watchers.over(shard, after, now)
        else:
            self._watchers.changed(shard, after)

    def _redecide_waiting(self, shard: Shard, aor: str, package: EventPackage, circumstances: Circumstances) -> None:
        for known in self._waiting(shard, aor, package):
            watcher = known.watcher
            asker = Asker(presentity=aor, watcher=watcher.watcher, uri=watcher.watcher)
            handling = self._judged(package, asker, circumstances).handling
            if handling == Handling.CONFIRM:
                continue
            self._watchers.decided(shard, watcher, "rejected" if handling == Handling.BLOCK else "approved")

    def _waiting(self, shard: Shard, aor: str, package: EventPackage) -> Iterable[Known]:
        return [one for one in shard.known_of(aor, package.name) if one.watcher.status == Status.WAITING]


def _decided(one: Subscription, verdict: Verdict) -> Subscription:
    """Return a subscription as the verdict makes it; of one that has ended, only what it may still see changes."""
    if one.status != Status.TERMINATED:
        return ruled(one, one.status, verdict)
    return one if one.view is None else replace(one, view=verdict.view)
