"""What rules provide of a presence document (RFC 5025 §3.3): all that no rule provides is withheld.

Rule 1: permissions are positive; those of several rules are joined, never taken away (RFC 4745 §10).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class UserInput(IntEnum):
    """How much of `user-input` is provided (RFC 5025 §3.3.2.12)."""

    FALSE = 0
    BARE = 1
    THRESHOLDS = 2
    FULL = 3


class Selector(NamedTuple):
    """Which services, persons or devices: `all`, `class`, `occurrence-id`, `service-uri`, `service-uri-scheme`,
    `deviceID` or OMA's `service-id`, and the value that is wanted."""

    kind: str
    value: str = ""


ALL = Selector("all")
ALL_ATTRIBUTES = "all-attributes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What a watcher is provided with."""

    services: frozenset[Selector] = frozenset()
    persons: frozenset[Selector] = frozenset()
    devices: frozenset[Selector] = frozenset()
    attributes: frozenset[str] = frozenset()
    """Names behind `provide-`, such as `activities` or OMA's `willingness`; ALL_ATTRIBUTES for every one there is."""
    user_input: UserInput = UserInput.FALSE
    unknown: frozenset[tuple[str, str]] = frozenset()
    """Namespace and local name of attributes that no document of the field knows."""

    @property
    def complete(self) -> bool:
        """Return whether nothing is withheld."""
        return (
            ALL in self.services and ALL in self.persons and ALL in self.devices and ALL_ATTRIBUTES in self.attributes
        )

    def joined(self, other: "Permissions") -> "Permissions":
        """Return what either provides (RFC 4745 §10)."""
        return Permissions(
            services=self.services | other.services,
            persons=self.persons | other.persons,
            devices=self.devices | other.devices,
            attributes=self.attributes | other.attributes,
            user_input=max(self.user_input, other.user_input),
            unknown=self.unknown | other.unknown,
        )


NOTHING = Permissions()
EVERYTHING = Permissions(
    services=frozenset({ALL}),
    persons=frozenset({ALL}),
    devices=frozenset({ALL}),
    attributes=frozenset({ALL_ATTRIBUTES}),
    user_input=UserInput.FULL,
)


def join(permissions: Sequence[Permissions]) -> Permissions:
    """Return what any of them provides (RFC 4745 §10); the work grows with their sizes, not with their number."""
    if len(permissions) < 2:
        return permissions[0] if permissions else NOTHING
    return Permissions(
        services=frozenset().union(*(one.services for one in permissions)),
        persons=frozenset().union(*(one.persons for one in permissions)),
        devices=frozenset().union(*(one.devices for one in permissions)),
        attributes=frozenset().union(*(one.attributes for one in permissions)),
        user_input=max(one.user_input for one in permissions),
        unknown=frozenset().union(*(one.unknown for one in permissions)),
    )
