"""REGISTER for the small registrar: load, decide, save (RFC 3261 §10.3)."""

from lamplighter_proto import Register
from presence_core.answers import Answers
from presence_core.commits import Commits
from presence_core.domain.registration import Registered, Registration, decide_register, forgotten
from presence_core.settings import Settings
from presence_core.shard import Due, Shard
from presence_core.store import StoredContact


class Registering:
    """Handles REGISTER and the end of bindings."""

    def __init__(self, settings: Settings, answers: Answers, committer: Commits) -> None:
        self._answers = answers
        self._committer = committer
        self._bounds = settings.registrations
        self._most = settings.bindings_per_user

    def on_register(self, shard: Shard, command: Register, now: float) -> None:
        """Decide a REGISTER."""
        self._answers.check_domain(command.aor)
        known = shard.registrations.get(command.aor) or Registration(aor=command.aor)
        decision = decide_register(known, command, self._bounds, self._most, now=now)
        if decision.changed:
            self._save(shard, decision)
        self._committer.then(shard.number, self._registered, command, decision, now)

    def _save(self, shard: Shard, decision: Registered) -> None:
        registration = decision.registration
        if registration.aor not in shard.registrations:
            _wake(shard, registration)
        shard.registrations[registration.aor] = registration
        contacts = self._committer.changes(shard.number, shard.epoch).contacts
        for contact in decision.changed:
            contacts[(registration.aor, contact.uri)] = StoredContact(
                shard=shard.number, aor=registration.aor, contact=contact
            )

    def _registered(self, command: Register, decision: Registered, now: float) -> None:
        headers = []
        for contact in decision.registration.live(now):
            parameters = f";q={contact.q}" if contact.q else ""
            parameters += f';+sip.instance="{contact.instance}"' if contact.instance else ""
            headers.append(("Contact", f"<{contact.uri}>{parameters};expires={int(contact.expires - now)}"))
        if decision.changed:
            headers.append(("Expires", str(max(int(contact.expires - now) for contact in decision.changed))))
        self._answers.ok(command, *headers)

    def due(self, shard: Shard, aor: str, now: float) -> None:
        """Look at an address of which a binding is over."""
        registration = shard.registrations.get(aor)
        if registration is None:
            return
        left = forgotten(registration, now)
        if not left.contacts:
            del shard.registrations[aor]
            return
        shard.registrations[aor] = left
        _wake(shard, left)


def _wake(shard: Shard, registration: Registration) -> None:
    at = registration.next_expiry()
    if at is not None:
        shard.wheel.set((Due.REGISTRATION, registration.aor), at)
