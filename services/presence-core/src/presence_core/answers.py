"""Final answers to commands, and what every command is checked for."""

from event_packages.base import EventPackage
from event_packages.errors import BadEvent, NotFound
from event_packages.registry import Registry
from lamplighter_proto import Answer, Command, Moved, Register, subjects
from lamplighter_proto.commands import ANSWER_SECONDS
from presence_core.metrics import Metrics
from presence_core.outbox import Sender
from presence_core.settings import Settings


class Answers:
    """Sends answers and counts them."""

    def __init__(self, settings: Settings, registry: Registry, bus: Sender, metrics: Metrics) -> None:
        self._settings = settings
        self._registry = registry
        self._bus = bus
        self._metrics = metrics

    def send(
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

    def is_doubtful(self, command: Command, now: float) -> bool:
        """Return whether the edge may have given up a command, after a time in which something stood still."""
        late = command.deadline and now > command.deadline - ANSWER_SECONDS / 2
        return bool(late) and not 0 <= now - command.asked <= ANSWER_SECONDS

    def ask(self, command: Command, now: float) -> None:
        """Ask the edge for a command once more, if it is still wanted (ADR 0010)."""
        self._metrics.asked.inc()
        self._bus.send(subjects.edge_replies(command.edge), Moved(id=command.id, shard=command.shard, asked=now))

    def ok(self, command: Command, *headers: tuple[str, str], to_tag: str = "") -> None:
        """Send a 200."""
        self.send(command, 200, "OK", headers, to_tag)

    def package(self, aor: str, event: str) -> EventPackage:
        """Return the package of an event; raise BadEvent or, for a domain that is not ours, NotFound."""
        package = self._registry.get(event)
        if package is None:
            raise BadEvent(self._registry.names())
        self.check_domain(aor)
        return package

    def bad_event(self) -> BadEvent:
        """Return the refusal of an event that is not taken."""
        return BadEvent(self._registry.names())

    def check_domain(self, aor: str) -> None:
        """Raise NotFound for a domain that we are not responsible for."""
        if self._settings.domains and aor.rpartition("@")[2] not in self._settings.domains:
            raise NotFound
