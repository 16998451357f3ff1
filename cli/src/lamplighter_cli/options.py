"""What `lamplighter up` is asked for, and what this version can do of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lamplighter_cli.address import Address


class Policy(StrEnum):
    """Who may watch whom."""

    OPEN = "open"
    RULES = "rules"


class Xcap(StrEnum):
    """Where privacy documents come from."""

    NONE = "none"
    INTEGRATED = "integrated"
    CLIENT = "client"


class Store(StrEnum):
    """What a 2xx means."""

    WRITE_THROUGH = "write-through"
    WRITE_BEHIND = "write-behind"
    DATABASE = "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `lamplighter up`; an empty `nats` or `postgres` means the embedded one."""

    sip: Address
    http: Address
    data: Path
    policy: Policy = Policy.OPEN
    xcap: Xcap = Xcap.NONE
    xcap_roots: tuple[str, ...] = ()
    store: Store = Store.WRITE_THROUGH
    edges: int = 1
    cores: int = 1
    notifiers: int = 1
    nats: str = ""
    postgres: str = ""


def unsupported(options: Options) -> Iterator[str]:
    """Yield a line for each choice that this version does not offer."""
    if options.policy is not Policy.OPEN:
        yield f"--policy {options.policy} is not in this version, only open"
    if options.xcap is not Xcap.NONE:
        yield f"--xcap {options.xcap} is not in this version, only none"
    if options.xcap_roots:
        yield "--xcap-root is not in this version, as --xcap client is not"
    if options.store is not Store.WRITE_THROUGH:
        yield f"--store {options.store} is not in this version, only write-through"
