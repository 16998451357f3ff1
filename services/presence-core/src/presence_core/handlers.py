"""Commands to decisions: load, decide, save, tell, one function for each method.

Rule 1: nothing here waits. What must follow the commit is handed to the committer.
"""

import logging
from collections.abc import Callable
from typing import assert_never

from event_packages.base import EventPackage
from event_packages.errors import BadEvent, Forbidden, NotFound, Rejection, ServiceUnavailable
from event_packages.registry import Registry
from lamplighter_proto import Answer, Command, Publish, Register, Subscribe, subjects
from lamplighter_proto.ownership import aor_hash
from lamplighter_runtime.bus import Bus
from presence_core.commit import Committer
from presence_core.deliver import Teller
from presence_core.domain import presentity as publications
from presence_core.domain.delivery import CSEQ_BLOCK, Delivery
from presence_core.domain.keys import check_key
from presence_core.domain.presentity import ETag, Published, decide_publish
from presence_core.domain.registration import Registered, Registration, decide_register, forgotten
from presence_core.domain.subscription import Status, Subscribed, Subscription, call_of, decide_subscribe, ended
from presence_core.metrics import Metrics
from presence_core.settings import Settings
from presence_core.shard import Due, Entry, Shard
from presence_core.store import StoredContact, StoredPublication, StoredSubscription

logger = logging.getLogger(__name__)

NewId = Callable[[], str]
"""Returns 128 random bits as 32 hex digits."""


class Handlers:
    """Everything that a core does to a shard."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        bus: Bus,
        committer: Committer,
        teller: Teller,
        metrics: Metrics,
        *,
        new_id: NewId,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._bus = bus
        self._committer = committer
        self._teller = teller
        self._metrics = metrics
        self._new_id = new_id
        self._publication_limits = settings.publications
        self._subscription_bounds = settings.subscriptions
        self._registration_bounds = settings.registrations

    def handle(self, shard: Shard, command: Command, now: float) -> None:
        """Decide a command; what it is refused with is answered at once."""
        try:
            self._check_load()
            check_key(command)
            match command:
                case Publish():
                    self.on_publish(shard, command, now)
                case Subscribe():
                    self.on_subscribe(shard, command, now)
                case Register():
                    self.on_register(shard, command, now)
                case _:
                    assert_never(command)
        except Rejection as refusal:
            self.answer(command, refusal.status, refusal.reason, refusal.headers())
        except Exception:
            # The bug of one command must not cost the others of its frame.
            logger.exception("command failed", extra={"call_id": command.transaction.call_id})
            self.answer(command, 500, "Server Internal Error")

    def _check_load(self) -> None:
        if self._committer.waiting >= self._settings.pending_changes:
            raise ServiceUnavailable(self._settings.retry_after_seconds)

    def answer(
        self,
        command: Command,
        status: int,
        reason: str,
        headers: tuple[tuple[str, str], ...] = (),
        to_tag: str = "",
    ) -> None:
        """Send the final answer of a command."""
        answer = Answer(id=command.id, status=status, reason=reason, headers=headers, to_tag=to_tag)
        self._bus.send(subjects.edge_replies(command.edge), answer)
        event = "" if isinstance(command, Register) else command.event
        self._metrics.answered(type(command).__name__.upper(), event if event in self._registry else "", status)

    def _package(self, aor: str, event: str) -> EventPackage:
        package = self._registry.get(event)
        if package is None:
            raise BadEvent(self._registry.names())
        self._check_domain(aor)
        return package

    def _check_domain(self, aor: str) -> None:
        if self._settings.domains and aor.rpartition("@")[2] not in self._settings.domains:
            raise NotFound

    # --- PUBLISH

    def on_publish(self, shard: Shard, command: Publish, now: float) -> None:
        """RFC 3903 §6."""
        package = self._package(command.presentity, command.event)
        entry = shard.entry(command.presentity, command.event, package)
        try:
            decision = decide_publish(
                entry.decided, command, package, self._publication_limits, etag=ETag(self._new_id()), now=now
            )
        except Exception:
            shard.forget_if_idle((command.presentity, command.event))
            raise
        if not decision.repeated:
            entry.decided = decision.presentity
            shard.wake_entry(entry)
            publication = decision.publication
            changes = self._committer.changes(shard.number, shard.epoch)
            changes.publications[(command.presentity, command.event, publication.pub)] = StoredPublication(
                shard=shard.number, aor=command.presentity, event=command.event, publication=publication
            )
        self._committer.then(shard.number, self._published, shard, entry, command, decision)

    def _published(self, shard: Shard, entry: Entry, command: Publish, decision: Published) -> None:
        headers = (("SIP-ETag", decision.publication.etag), ("Expires", str(decision.lifetime)))
        self.answer(command, 200, "OK", headers)
        if not decision.repeated:
            entry.committed = decision.presentity
        if decision.changed:
            self._teller.changed(shard, entry)

    # --- SUBSCRIBE

    def on_subscribe(self, shard: Shard, command: Subscribe, now: float) -> None:
        """RFC 6665 §4.2.1."""
        package = self._package(command.presentity, command.event)
        known = self._known(shard, command)
        decision = decide_subscribe(
            known, command, package, self._subscription_bounds, local_tag=self._new_tag(command), now=now
        )
        subscription = decision.subscription
        if not command.to_tag and not decision.repeated:
            self._check_room(shard, command)
            if known is not None:
                # The watcher has lost that dialog: it begins another one with the same Call-ID and tag.
                self._teller.remove(shard, known.local_tag)
        if not decision.repeated and not decision.fetch:
            self._save_subscription(shard, known if command.to_tag else None, subscription)
        self._committer.then(shard.number, self._subscribed, shard, package, command, decision)

    def _known(self, shard: Shard, command: Subscribe) -> Subscription | None:
        tag = command.to_tag or shard.calls.get(call_of(command))
        return shard.subscriptions.get(tag) if tag else None

    def _new_tag(self, command: Subscribe) -> str:
        return command.to_tag or aor_hash(command.presentity) + self._new_id()

    def _check_room(self, shard: Shard, command: Subscribe) -> None:
        entry = shard.entries.get((command.presentity, command.event))
        if entry is not None and len(entry.watchers) >= self._settings.subscriptions_per_presentity:
            raise Forbidden("Too many subscriptions to this presentity")
        if shard.per_watcher.get(command.watcher, 0) >= self._settings.subscriptions_per_watcher:
            raise Forbidden("Too many subscriptions of this watcher")

    def _save_subscription(self, shard: Shard, before: Subscription | None, after: Subscription) -> None:
        shard.add_subscription(after)
        if before is None or after.expires < before.expires:
            shard.wheel.set((Due.SUBSCRIPTION, after.local_tag), after.expires)
        changes = self._committer.changes(shard.number, shard.epoch)
        changes.subscriptions[after.local_tag] = StoredSubscription(
            shard=shard.number, subscription=after, cseq_limit=CSEQ_BLOCK, notified=None
        )

    def _subscribed(self, shard: Shard, package: EventPackage, command: Subscribe, decision: Subscribed) -> None:
        subscription = decision.subscription
        tag = subscription.local_tag
        self.answer(command, 200, "OK", (("Expires", str(decision.lifetime)),), tag)
        if decision.repeated:
            return
        if decision.fetch:
            # Not stored: should we die now, the watcher asks again.
            shard.add_subscription(subscription)
        elif tag not in shard.subscriptions:
            return
        delivery = shard.deliveries.get(tag)
        if delivery is None:
            delivery = Delivery(subscription=subscription, cseq=0, cseq_limit=CSEQ_BLOCK)
            shard.deliveries[tag] = delivery
        entry = shard.entry(subscription.presentity, subscription.event, package)
        entry.watchers[tag] = delivery
        delivery.subscription = subscription
        delivery.forced, delivery.failures, delivery.again_at = True, 0, 0.0
        self._teller.offer(shard, delivery)

    # --- REGISTER

    def on_register(self, shard: Shard, command: Register, now: float) -> None:
        """RFC 3261 §10.3."""
        self._check_domain(command.aor)
        known = shard.registrations.get(command.aor) or Registration(aor=command.aor)
        decision = decide_register(known, command, self._registration_bounds, self._settings.bindings_per_user, now=now)
        if decision.changed:
            self._save_registration(shard, decision)
        self._committer.then(shard.number, self._registered, command, decision, now)

    def _save_registration(self, shard: Shard, decision: Registered) -> None:
        registration = decision.registration
        if registration.aor not in shard.registrations:
            self._wake_registration(shard, registration)
        shard.registrations[registration.aor] = registration
        contacts = self._committer.changes(shard.number, shard.epoch).contacts
        for contact in decision.changed:
            contacts[(registration.aor, contact.uri)] = StoredContact(
                shard=shard.number, aor=registration.aor, contact=contact
            )

    def _wake_registration(self, shard: Shard, registration: Registration) -> None:
        at = registration.next_expiry()
        if at is not None:
            shard.wheel.set((Due.REGISTRATION, registration.aor), at)

    def _registered(self, command: Register, decision: Registered, now: float) -> None:
        headers = []
        for contact in decision.registration.live(now):
            parameters = f";q={contact.q}" if contact.q else ""
            parameters += f';+sip.instance="{contact.instance}"' if contact.instance else ""
            headers.append(("Contact", f"<{contact.uri}>{parameters};expires={int(contact.expires - now)}"))
        if decision.changed:
            headers.append(("Expires", str(max(int(contact.expires - now) for contact in decision.changed))))
        self.answer(command, 200, "OK", tuple(headers))

    # --- time

    def on_tick(self, shard: Shard, now: float) -> None:
        """Do what the clock asks for."""
        for due, key in shard.wheel.due(now):
            match due:
                case Due.PRESENTITY:
                    self._presentity_due(shard, key, now)
                case Due.SUBSCRIPTION:
                    self._subscription_due(shard, str(key), now)
                case Due.RETRY:
                    delivery = shard.deliveries.get(str(key))
                    if delivery is not None:
                        self._teller.offer(shard, delivery)
                case Due.REGISTRATION:
                    self._registration_due(shard, str(key), now)
                case _:
                    assert_never(due)
        self._teller.sweep(shard, now)

    def _presentity_due(self, shard: Shard, key: object, now: float) -> None:
        entry = shard.entries.get(key)  # type: ignore[call-overload]  # the wheel holds keys of every kind
        if entry is None:
            return
        entry.decided = publications.expired(entry.decided, now)
        entry.committed = publications.expired(entry.committed, now)
        entry.wake_at = float("inf")
        shard.wake_entry(entry)
        self._teller.changed(shard, entry)
        shard.forget_if_idle((entry.decided.aor, entry.decided.event))

    def _subscription_due(self, shard: Shard, tag: str, now: float) -> None:
        subscription = shard.subscriptions.get(tag)
        if subscription is None or subscription.status == Status.TERMINATED:
            return
        if subscription.expires > now:
            shard.wheel.set((Due.SUBSCRIPTION, tag), subscription.expires)
            return
        over = ended(subscription, "timeout")
        shard.subscriptions[tag] = over
        delivery = shard.deliveries.get(tag)
        if delivery is not None:
            # Nothing to save: the stored time of expiry says it already.
            delivery.subscription, delivery.forced, delivery.again_at = over, True, 0.0
            self._teller.offer(shard, delivery)

    def _registration_due(self, shard: Shard, aor: str, now: float) -> None:
        registration = shard.registrations.get(aor)
        if registration is None:
            return
        left = forgotten(registration, now)
        if not left.contacts:
            del shard.registrations[aor]
            return
        shard.registrations[aor] = left
        self._wake_registration(shard, left)
