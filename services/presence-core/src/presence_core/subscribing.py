"""SUBSCRIBE: load, decide, save, tell (RFC 6665 §4.2.1)."""

from collections.abc import Callable, Hashable

from msgspec.structs import replace

from event_packages.base import EventPackage
from event_packages.errors import Forbidden
from event_packages.rules.decision import Handling
from lamplighter_proto import Subscribe
from lamplighter_proto.ownership import aor_hash
from presence_core.answers import Answers
from presence_core.authorizing import Authorizer
from presence_core.commits import Commits
from presence_core.deliver import Teller
from presence_core.domain.authorization import Verdict, asker_of, ruled
from presence_core.domain.delivery import CSEQ_BLOCK, Delivery
from presence_core.domain.subscribing import decide_subscribe
from presence_core.domain.subscription import Status, Subscribed, Subscription, call_of, ended
from presence_core.settings import Settings
from presence_core.shard import Due, Shard
from presence_core.watching import Watchers

UNSAVED_SECONDS = 1.0
"""Until a subscription is looked at again that was over before it was saved."""


class Subscribing:
    """Handles SUBSCRIBE and the end of subscriptions."""

    def __init__(
        self,
        settings: Settings,
        answers: Answers,
        committer: Commits,
        teller: Teller,
        authorizer: Authorizer,
        watchers: Watchers,
        *,
        new_id: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._answers = answers
        self._committer = committer
        self._teller = teller
        self._authorizer = authorizer
        self._watchers = watchers
        self._new_id = new_id
        self._bounds = settings.subscriptions

    def on_subscribe(self, shard: Shard, command: Subscribe, now: float) -> None:
        """Decide a SUBSCRIBE."""
        package = self._answers.package(command.presentity, command.event)
        if not package.subscribed:
            raise self._answers.bad_event()
        known = self._known(shard, command)
        decision = decide_subscribe(known, command, package, self._bounds, local_tag=self._new_tag(command), now=now)
        if not decision.repeated:
            if not command.to_tag:
                self._check_room(shard, command)
            decision = self._authorized(shard, package, known if command.to_tag else None, decision, now)
            if known is not None and not command.to_tag:
                # The watcher has lost that dialog: it begins another one with the same Call-ID and tag.
                self._teller.remove(shard, known.local_tag, now)
            if not decision.fetch:
                self._save(shard, known if command.to_tag else None, decision.subscription)
        basis = self._authorizer.basis(shard, command.presentity, now)
        self._committer.then(shard.number, self._subscribed, shard, package, command, decision, basis, now)

    def _known(self, shard: Shard, command: Subscribe) -> Subscription | None:
        tag = command.to_tag or shard.calls.get(call_of(command))
        return shard.subscriptions.get(tag) if tag else None

    def _new_tag(self, command: Subscribe) -> str:
        return command.to_tag or aor_hash(command.presentity) + self._new_id()

    def _authorized(
        self, shard: Shard, package: EventPackage, before: Subscription | None, decision: Subscribed, now: float
    ) -> Subscribed:
        """Return the decision as the rules make it; a subscription that ends, ends for what its watcher knows."""
        one = decision.subscription
        verdict = self._authorizer.verdict(shard, package, asker_of(one), now)
        status = before.status if before else None
        standing = ruled(replace(one, status=status or Status.ACTIVE, reason=""), status, verdict)
        if self._authorizer.governs(package) and _worth_noting(standing, verdict, fetch=decision.fetch):
            self._watchers.note(shard, standing, now)
        over = one.status == Status.TERMINATED and standing.status != Status.TERMINATED
        return replace(decision, subscription=ended(standing, one.reason) if over else standing)

    def _check_room(self, shard: Shard, command: Subscribe) -> None:
        entry = shard.entries.get((command.presentity, command.event))
        if entry is not None and len(entry.watchers) >= self._settings.subscriptions_per_presentity:
            raise Forbidden("Too many subscriptions to this presentity")
        if shard.per_watcher.get(command.watcher, 0) >= self._settings.subscriptions_per_watcher:
            raise Forbidden("Too many subscriptions of this watcher")

    def _save(self, shard: Shard, before: Subscription | None, after: Subscription) -> None:
        shard.add_subscription(after)
        if before is None or after.expires < before.expires:
            shard.wheel.set((Due.SUBSCRIPTION, after.local_tag), after.expires)
        self._authorizer.save(shard, after)

    def _subscribed(
        self,
        shard: Shard,
        package: EventPackage,
        command: Subscribe,
        decision: Subscribed,
        basis: Hashable,
        now: float,
    ) -> None:
        subscription = decision.subscription
        tag = subscription.local_tag
        self._answers.ok(command, ("Expires", str(decision.lifetime)), to_tag=tag)
        if decision.repeated:
            return
        if decision.fetch:
            # Not stored: should we die now, the watcher asks again.
            shard.add_subscription(subscription)
        elif tag not in shard.subscriptions:
            return
        delivery = self._delivery(shard, package, subscription)
        self._teller.offer(shard, delivery)
        if subscription.status == Status.TERMINATED:
            self._watchers.over(shard, subscription, now)
        else:
            self._watchers.changed(shard, subscription)
        newer = shard.subscriptions.get(tag) is not subscription
        if newer or self._authorizer.basis(shard, command.presentity, now) != basis:
            # Rules, sphere or time are others than those that it, or a newer version of it, was decided by.
            self._authorizer.redecide(shard, command.presentity, now)

    def _delivery(self, shard: Shard, package: EventPackage, subscription: Subscription) -> Delivery:
        tag = subscription.local_tag
        delivery = shard.deliveries.get(tag)
        if delivery is None:
            delivery = Delivery(subscription=subscription, cseq=0, cseq_limit=CSEQ_BLOCK)
            shard.deliveries[tag] = delivery
        shard.entry(subscription.presentity, subscription.event, package).watchers[tag] = delivery
        delivery.failures = 0
        decided = shard.subscriptions[tag]
        if decided is subscription:
            delivery.decided(decided)
        elif decided.status == subscription.status:
            delivery.decided(replace(subscription, view=decided.view))
        else:
            delivery.hold(subscription)
        return delivery

    def due(self, shard: Shard, tag: str, now: float) -> None:
        """Look at a subscription that may be over."""
        subscription = shard.subscriptions.get(tag)
        if subscription is None or subscription.status == Status.TERMINATED:
            return
        if subscription.expires > now:
            shard.wheel.set((Due.SUBSCRIPTION, tag), subscription.expires)
            return
        delivery = shard.deliveries.get(tag)
        if delivery is None or delivery.subscription.remote_cseq != subscription.remote_cseq:
            # Its watcher hears of its end when it is saved, not before.
            shard.wheel.set((Due.SUBSCRIPTION, tag), now + UNSAVED_SECONDS)
            return
        over = ended(subscription, "timeout")
        shard.subscriptions[tag] = over
        # Nothing to save: the stored time of expiry says it already.
        delivery.decided(over)
        self._teller.offer(shard, delivery)
        self._watchers.over(shard, over, now)


def _worth_noting(standing: Subscription, verdict: Verdict, *, fetch: bool) -> bool:
    """Return whether anything has to be kept of a watcher: of one who may just look once, nothing."""
    return not fetch or verdict.handling != Handling.ALLOW or standing.status == Status.PENDING
